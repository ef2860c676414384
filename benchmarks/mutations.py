#!/usr/bin/env python
"""Give thousands of broken files of all input kinds to the readers, and look how they take it.

    python -m benchmarks.mutations [--files 10000] [--seed 0] [--only KIND ...] [--at N] [--out DIR]

Valid files are made, broken in many ways by a seeded generator, and read in this process (DICOM files in the process
that reads them for every command). Each must give a sane result, or one line that tells the user what is wrong. A
finding is anything else: another exception, a line with an exception's own text or name, a warning, more than
SECONDS, more than 2 GB, a file that is left behind, or a reader that reads nothing any more. Each finding is written
to DIR, and `--only KIND --at N` (with the same `--seed`) repeats it. The exit status is 1 if there is one.
"""

import argparse
import contextlib
import faulthandler
import io
import random
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tqdm import tqdm

from benchmarks import mutation_kinds, mutation_runs, mutation_tables
from benchmarks.measuring import forget_peak, peak_memory
from benchmarks.mutated_bytes import mutate
from benchmarks.mutation_kinds import InsaneError, Kind, Seed, Step
from tienet import cli
from tienet.data.dicom.reader import DIED, MAX_SECONDS, DicomError, Reader
from tienet.errors import InputError

KINDS: dict[str, tuple[Kind, int]] = {
    "png": (mutation_kinds.png_seeds, 1),
    "jpeg": (mutation_kinds.jpeg_seeds, 1),
    "dicom": (mutation_kinds.dicom_seeds, 3),
    "csv": (mutation_tables.csv_seeds, 3),
    "xml": (mutation_kinds.xml_seeds, 1),
    "tar": (mutation_kinds.tar_seeds, 1),
    "vectors": (mutation_kinds.vector_seeds, 1),
    "json": (mutation_runs.json_seeds, 2),
}
"""Each kind of files, and its share of them."""

SECONDS = MAX_SECONDS + 15
MAX_BYTES = 2 << 30
MAX_LINE = 5000  # characters of a message's line
MAX_LINES = 203  # of a message that names up to 200 problems

_USER_ERRORS = (InputError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""The exceptions whose message the commands print as it is (`tienet.cli.run`)."""

_OF_PYTHON = re.compile(
    r"Traceback|\b[A-Z]\w*(Error|Exception|Warning)\b|\[Errno|object at 0x|<class |NoneType|codec can't"
)
_UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning, ImportWarning)  # users do not see these


@dataclass(frozen=True)
class Limits:
    """The most that one file may take: seconds, and resident bytes of this process and of the one that reads DICOM."""

    seconds: float = SECONDS
    memory_bytes: int = MAX_BYTES


@dataclass
class Finding:
    """What a file has brought to light: its kind, its number, the valid file that it was, how, and what happened."""

    kind: str
    number: int
    name: str
    ways: str
    what: str
    content: bytes = field(repr=False)


@dataclass
class Row:
    """What came of the files of a kind."""

    kind: str
    files: int = 0
    read: int = 0
    refused: int = 0
    messages: set[str] = field(default_factory=set)
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    peak_bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


class _TooLongError(BaseException):
    """A file has taken too long. It is no Exception, so that no reader takes it for an error of the file."""


def read_kind(
    kind: str, make: Kind, numbers: Iterable[int], seed: int, reader: Reader, limits: Limits, bar: tqdm | None = None
) -> Row:
    """Break and read the files of a kind that have these numbers, in a temporary folder."""
    row, start = Row(kind), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tienet-mutations-") as name:
        folder = Path(name)
        seeds, known_peak = list(make(folder, reader)), 0
        forget_peak()
        for n in numbers:
            rng = random.Random(f"{seed}/{kind}/{n}")
            valid = seeds[n % len(seeds)]
            content, ways = mutate(valid.content, valid.ways, rng)
            began = time.perf_counter()
            found, refusals = _read_file(folder, valid, content, limits, reader)
            row.slowest = max(row.slowest, (time.perf_counter() - began, n))
            row.files += 1
            row.refused += bool(refusals)
            row.read += not refusals and not found
            row.messages |= {_pattern(message, folder) for message in refusals}
            peak = peak_memory()
            row.peak_bytes = max(row.peak_bytes, peak)
            if peak > max(limits.memory_bytes, known_peak):
                known_peak = peak  # what is not given back would be found again with each of the next files
                found.append(f"{peak:,} bytes of memory")
                forget_peak()
            row.findings += [Finding(kind, n, valid.name, ways, what, content) for what in found]
            if bar is not None:
                bar.update()
    of_workers = _peak_of_workers()
    if of_workers > limits.memory_bytes:
        row.findings.append(
            Finding(kind, n, valid.name, ways, f"{of_workers:,} bytes of memory, since the start", content)
        )
    row.peak_bytes = max(row.peak_bytes, of_workers)
    row.seconds = time.perf_counter() - start
    return row


def _read_file(
    folder: Path, valid: Seed, content: bytes, limits: Limits, reader: Reader
) -> tuple[list[str], list[str]]:
    """Read a broken file in the place of a valid one; returns what is found, and the messages of refusals."""
    path = folder / valid.name
    stays = path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    before = set(folder.rglob("*"))
    found, refusals = [], []
    for step in valid.steps:
        refusal, finding = read_step(step, path, valid.problems, limits)
        refusals += [refusal] if refusal else []
        found += [finding] if finding else []
    left = set(folder.rglob("*")) - before
    found += [f"left behind: {', '.join(sorted(str(one.relative_to(folder)) for one in left))}"] if left else []
    path.write_bytes(valid.content) if stays else path.unlink(missing_ok=True)
    if any("decoder stopped" in refusal for refusal in refusals):
        found += _reads_again(reader)
    return found, refusals


def read_step(step: Step, path: Path, problems: bool, limits: Limits) -> tuple[str | None, str | None]:
    """Read a file in one way; returns the message if it is refused, and what is found.

    Args:
        problems: Whether the message may have many lines.
    """
    printed, refusal, found = io.StringIO(), None, None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed), _alarm(limits.seconds):
                step(path)
        except _USER_ERRORS as error:
            refusal = str(error)
            found = _flaw_of_message(error, problems)
        except InsaneError as error:
            found = f"insane: {error}"
        except _TooLongError as error:
            found = f"took more than {limits.seconds:g} s: {_where(error)}"
        except Exception:
            found = traceback.format_exc()
    seen = [str(one.message) for one in warned if not issubclass(one.category, _UNSEEN)]
    if seen:
        found = found or f"a warning: {seen[0]}"
    if _OF_PYTHON.search(printed.getvalue()):
        found = found or f"printed: {printed.getvalue()[:MAX_LINE]}"
    return refusal, found


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[:-1]  # without the alarm's own
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-6:]))


def _flaw_of_message(error: Exception, problems: bool) -> str | None:
    """What is wrong with a message that a user sees; None if it is one line in words of the project."""
    message = str(error)
    lines = message.splitlines()
    if isinstance(error, DicomError) and error.reason == DIED and "took more than" in message:
        return message
    if not lines or not all(line.strip() for line in lines):
        return f"an empty message: {message!r}"
    if len(lines) > (MAX_LINES if problems and lines[0].endswith(" problems") else 1):
        return f"a message of {len(lines)} lines: {message[:MAX_LINE]!r}"
    if max(map(len, lines)) > MAX_LINE:
        return f"a line of {max(map(len, lines)):,} characters: {message[:200]!r} ..."
    if any(c in message for c in "\x1b\0\r\x08"):
        return f"control characters: {message!r}"
    if _OF_PYTHON.search(message):
        return f"words of Python: {message}"
    cause = error.__cause__ or error.__context__
    while cause is not None:
        text = str(cause).strip()
        foreign = not type(cause).__module__.startswith("tienet") and not isinstance(cause, KeyError)
        if foreign and len(text) > 5 and text in message:
            return f"the text of {type(cause).__name__}: {message}"
        cause = cause.__cause__ or cause.__context__
    return None


def _reads_again(reader: Reader) -> list[str]:
    """Whether the process that reads DICOM files has come back after one that ended it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "good.dcm")
        path.write_bytes(mutation_kinds.dicom_files()["explicit"])
        try:
            reader.read(path)
        except Exception:
            return [f"the reader did not come back: {traceback.format_exc()}"]
    return []


def _peak_of_workers() -> int:
    """The largest resident memory that a process that reads DICOM files has had, in bytes; 0 without one."""
    peak = 0
    for child in psutil.Process().children():
        with contextlib.suppress(OSError, psutil.Error):
            if any("tienet.data.dicom.worker" in part for part in child.cmdline()):
                status = Path(f"/proc/{child.pid}/status").read_text()
                peak = max(peak, int(re.search(r"VmHWM:\s*(\d+)", status)[1]) << 10)
    return peak


def _pattern(message: str, folder: Path) -> str:
    """A message without what differs from file to file: names, numbers and values."""
    first = message.splitlines()[0].replace(str(folder), "") if message else ""
    return re.sub(r"'.*'|\".*\"|\d[\d,.]*", "_", re.sub(r"/\S+", "FILE", first))[:120]


def counts_of(files: int, kinds: Iterable[str]) -> dict[str, int]:
    """How many files of each kind there are of so many in all."""
    kinds = list(kinds)
    shares = sum(KINDS[kind][1] for kind in kinds)
    counts = {kind: files * KINDS[kind][1] // shares for kind in kinds}
    counts[kinds[0]] += files - sum(counts.values())
    return counts


def table(rows: Iterable[Row]) -> str:
    """The results as a table in Markdown."""
    rows = list(rows)
    lines = [
        "| kind | files | read | refused | different messages | s | slowest s (number) | peak MB | findings |",
        "|---|" + "---:|" * 8,
    ]
    for row in rows:
        cells = (
            f"{row.files:,}", f"{row.read:,}", f"{row.refused:,}", len(row.messages), f"{row.seconds:.1f}",
            f"{row.slowest[0]:.2f} ({row.slowest[1]})", f"{row.peak_bytes / 1e6:.0f}", len(row.findings),
        )  # fmt: skip
        lines.append(f"| {row.kind} | {' | '.join(map(str, cells))} |")
    total = f"{sum(row.files for row in rows):,} files in {sum(row.seconds for row in rows):.0f} s"
    return "\n".join([*lines, "", f"{total}, {sum(len(row.findings) for row in rows)} findings"])


def write_findings(out: Path, findings: Iterable[Finding], seed: int) -> None:
    """Write each file of a finding to a folder, and what was found to `findings.txt` there."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "findings.txt").open("w", encoding="utf-8", errors="backslashreplace") as text:
        for found in findings:
            name = f"{found.kind}-{found.number}-{found.name.replace('/', '_')}"
            (out / name).write_bytes(found.content)
            text.write(
                f"--only {found.kind} --at {found.number} --seed {seed} ({found.ways}): {name}\n{found.what}\n\n"
            )


def main() -> int:
    """Break and read the files, and print the table; returns 1 if there are findings."""
    parser = cli.Parser(prog="benchmarks.mutations", description="Give broken files of all kinds to the readers.")
    parser.add_argument("--files", type=int, default=10_000, metavar="N", help="how many, of all kinds (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random generator (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--at", type=int, metavar="N", help="only the file with this number of each kind")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/mutations"), metavar="DIR",
                        help="folder of the findings (%(default)s)")  # fmt: skip
    args = parser.parse_args()
    rows = run(args)
    findings = [found for row in rows for found in row.findings]
    print(table(rows))
    if findings:
        write_findings(args.out, findings, args.seed)
        print(f"findings: {args.out / 'findings.txt'}")
    return 1 if findings else 0


def run(args: argparse.Namespace) -> list[Row]:
    """Break and read the files that the flags ask for. A reader that not even an alarm ends is ended with all."""
    counts = counts_of(args.files, dict.fromkeys(args.only))
    rows = []
    if "json" in counts:
        cli.start_tensorflow()  # its checkpoints are read by TensorFlow
    with (
        Reader() as reader,
        tqdm(total=len(counts) if args.at is not None else args.files, unit="file", file=sys.stderr) as bar,
    ):
        for kind, count in counts.items():
            bar.set_description(kind)
            numbers = range(count) if args.at is None else [args.at]
            rows.append(read_kind(kind, KINDS[kind][0], _watched(numbers), args.seed, reader, Limits(), bar))
    faulthandler.cancel_dump_traceback_later()
    return rows


def _watched(numbers: Iterable[int]) -> Iterator[int]:
    """The numbers; while one is worked on for too long even for an alarm, the process ends with a traceback."""
    for n in numbers:
        faulthandler.dump_traceback_later(2 * SECONDS, exit=True)
        yield n


if __name__ == "__main__":
    cli.run(main)
