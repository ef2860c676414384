"""Measure what a GPU machine should show, in the order of its weight; each row is printed as soon as it is there.

    python -m benchmarks.gpu                              all rows; no case starts after four minutes
    python -m benchmarks.gpu --only head towers           these cases, or all with such a text in their name, in this
                                                          order; --list prints the names
    python -m benchmarks.gpu --data data/openi --backbone-weights pretrained/resnet50.npz
                                                          also features, five trainings and the tables of a data set
    python -m benchmarks.gpu --small                      everything in tiny sizes on the CPU, to see that it runs

Every case runs in a process of its own, one after the other, with a time limit. One that fails is one line, and the
next one goes on. Once --seconds are over no further case is started.
"""

import argparse
import datetime
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from benchmarks.case import FailedError
from benchmarks.gpu_plan import ADDED, AIMS, DEFAULTS, Aim, Planned, plan
from benchmarks.gpu_process import Process, Row
from benchmarks.measuring import machine
from tienet import cli
from tienet.errors import InputError

HEADING = "| row | figure | aim | ratio | compiling s | GPU GB | |\n|---|---:|---|---:|---:|---:|---|"
GB = 1e9


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = cli.Parser(
        prog="benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="tiny sizes, on the CPU")
    parser.add_argument("--seconds", type=float, default=240.0, metavar="S", help="start no case after that (240)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these cases, or those whose names contain a text")
    parser.add_argument("--list", action="store_true", help="only print the cases' names")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a data set's folder, with manifest.csv and vocab")
    parser.add_argument("--backbone-weights", type=Path, metavar="FILE", help="ResNet-50 weights, for --data")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append each row to this file, a line of JSON each")
    return parser.parse_args()


def data_set(args: argparse.Namespace) -> tuple[str, str] | None:
    """The data set's folder and the file of weights, as absolute paths; raises InputError if one is not there."""
    if (args.data is None) != (args.backbone_weights is None):
        raise InputError("--data and --backbone-weights belong together; give both or neither")
    if args.data is None:
        return None
    for flag, path in (("--data", args.data / "manifest.csv"), ("--backbone-weights", args.backbone_weights)):
        if not path.is_file():
            raise InputError(f"{flag}: {path} is not there")
    return str(args.data.absolute()), str(args.backbone_weights.absolute())


def chosen(cases: list[Planned], only: list[str] | None) -> list[Planned]:
    """The cases that `only` names, in its order: by a whole name, or else all whose names contain a text.

    All cases if it is None. Raises InputError if no name contains a text.
    """
    if only is None:
        return cases
    found: list[Planned] = []
    for text in only:
        named = [planned for planned in cases if planned.name == text]
        named = named or [planned for planned in cases if text in planned.name]
        if not named:
            raise InputError(f"--only {text}: no case has this in its name; --list prints the names")
        found += [planned for planned in named if planned not in found]
    return found


def environment(planned: Planned, folder: Path, small: bool) -> dict[str, str]:
    """The variables of a case, beside those of this process."""
    variables = dict(DEFAULTS)
    for name, value in planned.environment.items():
        value = value.replace("FOLDER", str(folder))
        variables[name] = f"{os.environ.get(name, '')} {value}".strip() if name in ADDED else value
    return variables | ({"CUDA_VISIBLE_DEVICES": "-1"} if small else {})


class Table:
    """The rows, as they come: printed, and appended to a file.

    Args:
        out: The file; None: there is none.
        facts: What stands in each line of the file beside the row.
        aims: What is aimed at, by the names of rows.
    """

    def __init__(self, out: Path | None, facts: dict[str, object], aims: Mapping[str, Aim]):
        self._out, self._facts, self._aims = out, facts, aims
        self._values: dict[str, float] = {}
        print(HEADING, flush=True)

    def add(self, name: str, row: Row, peak: int, took_s: float) -> None:
        """Print and keep a row.

        Args:
            name: The row's name, with that of its variant.
            peak: The most GPU memory of the case's processes so far, in bytes.
            took_s: The seconds since the case's start.
        """
        self._values[name] = row.value
        aim, ratio, reached = self._aims.get(name), None, None
        if aim and aim.of in self._values:
            ratio = row.value / self._values[aim.of]
        if aim and (ratio is not None or aim.of is None):
            reached = aim.reached_by(row.value if aim.of is None else ratio)
        said = "" if aim is None else f"{aim}{'' if reached is None else ': yes' if reached else ': NO'}"
        cells = (
            name,
            f"{row.value:.4g} {row.unit}".strip(),
            said,
            "" if ratio is None else f"{ratio:.2f}",
            "" if row.compile_s is None else f"{row.compile_s:.1f}",
            f"{peak / GB:.2f}" if peak else "",
            row.note,
        )
        print(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |", flush=True)
        record = {**asdict(row), "name": name, "ratio": ratio, "aim": aim and str(aim), "reached": reached}
        self._keep({**record, "gpu_bytes": peak, "took_s": round(took_s, 1)})

    def fail(self, name: str, reason: str) -> None:
        """Print and keep why a case has failed."""
        print(f"| {name} | failed | | | | | {reason} |", flush=True)
        self._keep({"name": name, "failed": reason})

    def _keep(self, record: dict[str, object]) -> None:
        if self._out is None:
            return
        date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        with self._out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**record, "date": date, **self._facts}) + "\n")


def measure(cases: list[Planned], table: Table, folder: Path, seconds: float, small: bool) -> bool:
    """Measure the cases until the seconds are over; returns whether none failed.

    While one measures, the process of the next one imports TensorFlow, which takes longer than most measurements.
    """

    def process_of(planned: Planned) -> Process:
        return Process(planned.case, environment(planned, folder, small), folder)

    start, fine = time.monotonic(), True
    process = process_of(cases[0])
    for n, planned in enumerate(cases):
        if time.monotonic() - start > seconds:
            process.end()
            left = ", ".join(later.name for later in cases[n:])
            print(f"\n{seconds:.0f} s are over; not started: {left}", flush=True)
            break
        following = process_of(cases[n + 1]) if n + 1 < len(cases) else None
        begun = time.monotonic()
        try:
            for row, peak in process.rows(planned.timeout):
                table.add(planned.row_name(row.name), row, peak, time.monotonic() - begun)
        except FailedError as error:
            fine = False
            table.fail(planned.name, str(error))
        except BaseException:  # Ctrl-C among them
            for started in filter(None, (process, following)):
                started.end()
            raise
        process = following
    print(f"\n{time.monotonic() - start:.0f} s in all", flush=True)
    return fine


def gpu_name() -> str:
    """The names of the GPUs, as nvidia-smi tells them."""
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return "; ".join(subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines())
    except FileNotFoundError:
        return "no GPU"


def main() -> int:
    """Measure the chosen cases and print a table; returns the exit status, 1 if a case failed."""
    args = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the processes of the cases end with this one
    with tempfile.TemporaryDirectory(prefix="tienet-gpu-") as temporary:
        folder = Path(temporary)
        cases = chosen(plan(str(folder / "pictures"), data_set(args), args.small), args.only)
        if args.list:
            print(*(planned.name for planned in cases), sep="\n")
            return 0
        facts = {**machine(), "gpu": gpu_name()}
        print(*(f"{name}: {fact}" for name, fact in facts.items() if fact), sep="; ", end="\n\n", flush=True)
        table = Table(args.out, facts, {} if args.small else AIMS)
        return 0 if measure(cases, table, folder, args.seconds, args.small) else 1


if __name__ == "__main__":
    cli.run(main)
