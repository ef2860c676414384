"""What a folder holds, so that nothing is written over the work of another kind.

A folder is known by the names in it. Hidden files, what systems put into every folder, and what is in it of the kind
that is about to be written are no obstacle.
"""

import contextlib
import errno
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tienet import files
from tienet.errors import InputError
from tienet.folders import locks


@dataclass(frozen=True)
class Kind:
    """A kind of work that fills a folder. Names may be patterns with * and ?.

    Attributes:
        name: What it is called, with its article.
        marks: Names of which one alone shows that a folder holds this.
        title: The title of its index.html, which shows it too; empty: it has none.
        parts: Further names that it has before it has its mark.
        replaces: Names that it writes and that others may have too.
        alone: Whether it needs a folder in which nothing else is.
    """

    name: str
    marks: tuple[str, ...]
    title: str = ""
    parts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    alone: bool = False


RUN = Kind(
    "a run",
    ("run.json",),
    parts=(
        "config.json", "vocab.txt", "studies.json", "backbone.npz", "feature_norm.npy", "images.npz", "checkpoints",
        "latest.json", "best.json", "calibration.json", "stats.json*", "log.log*", "events.out.tfevents.*", "profile",
        "eval",
    ),
    alone=True,
)  # fmt: skip
CHECKPOINTS = Kind("the checkpoints of a run", ("latest-*.index", "best-*.index"))
DATA_SET = Kind("a data set", ("manifest.csv",))
VOCABULARY = Kind("a vocabulary", ("embeddings.npy",))
FEATURES = Kind("a feature cache", ("features.f16", "features.u8"))
DESCRIPTION = Kind("the description of a data set", (), title=": what is in it", replaces=("index.html",))
EVALUATION = Kind(
    "an evaluation",
    ("metrics.json", "table1.*", "table2.*", "tables.html", "protocol-r2gen.*", "protocol-rexrank*"),
    replaces=(
        "scores.csv", "reports.csv", "roc.png", "roc-grid.png", "reliability.png", "table.txt", "judged.csv",
        "judged-*.csv",
    ),
)  # fmt: skip
LOCATIONS = Kind("boxes that were judged", ("locate.csv",), replaces=("locate.txt", "locate.html"))
HAND_LABELS = Kind("labels by hand", ("labelling.json",), replaces=("studies.csv",))
DECIDED = Kind("a data set that was labelled by hand", ("readers.json",), parts=("*.jsonl", "*.csv"))
AGREEMENT = Kind("the agreement of readers", ("agreement.json",), replaces=("agreement.txt", "differ.html"))
JUDGED_BY_READERS = Kind("labels that readers judged", ("judge.json",), replaces=("judge.txt",))
PAGES = Kind("a set of study pages", ("study-*.html",), title=">Studies", replaces=("index.html", "report.jsonl"))
DOCUMENTS = Kind(
    "reports for a PACS or a record", ("*.sr.dcm", "*.fhir.json"), replaces=("documents.csv", "report.jsonl")
)
MODEL = Kind("an exported model", ("saved_model.pb", "model.onnx"))
WEIGHTS = Kind("weights of a backbone", ("*.npz",))
KINDS = (
    DECIDED, DATA_SET, RUN, CHECKPOINTS, EVALUATION, LOCATIONS, HAND_LABELS, AGREEMENT, JUDGED_BY_READERS, DOCUMENTS,
    MODEL, FEATURES, VOCABULARY, PAGES, DESCRIPTION, WEIGHTS,
)  # fmt: skip

_IGNORED = ("lost+found", "Thumbs.db", "desktop.ini")
"""What file systems and file managers put into folders."""

_LOGS = ("*.log", "*.out", "*.err")
"""What shells and schedulers write of a command, often into the folder that the command fills."""

_TITLE_BYTES = 2000
_SHOWN = 3


@contextlib.contextmanager
def writing(folder: Path | str, kind: Kind, flag: str = "", *, again: bool = False) -> Iterator[Path]:
    """Be the only process that writes into a folder, which holds nothing of another kind, while the block runs.

    Args:
        folder: The folder; it is made as in `locks.writing`.
        kind: What is written.
        flag: As in `locks.writing`.
        again: As in `locks.writing`.
    Raises:
        InputError: The folder holds something else or cannot be written to, or another process writes into it.
    """
    check(folder, kind, flag)
    with locks.writing(folder, flag, again=again) as folder:
        check(folder, kind, flag)  # what it holds may be the work of a process that has ended since
        yield folder


def check(folder: Path | str, wanted: Kind, flag: str = "") -> None:
    """Raise InputError if a folder holds something else than `wanted`, with what it holds.

    A folder that does not exist holds nothing.
    """
    folder = Path(folder)
    names = _visible_names(folder)
    if find_mark(folder, names, wanted):
        return
    others = [name for name in names if not _matches(name, wanted.parts)]
    for kind in KINDS:
        mark = None if kind is wanted else find_mark(folder, others, kind)
        if mark:
            what = f"the data set {folder.resolve().name}" if kind is DATA_SET else kind.name
            raise _refusal(folder, f"{what} ({mark})", wanted, flag)
    replaced = [name for name in others if _matches(name, wanted.replaces)]
    if replaced:
        raise _refusal(folder, f"{_some(replaced)}, which would be replaced", wanted, flag)
    foreign = [name for name in others if not _matches(name, _LOGS)]
    if wanted.alone and foreign:
        raise _refusal(folder, f"other files ({_some(foreign)})", wanted, flag)


def find_mark(folder: Path, names: Sequence[str], kind: Kind) -> str | None:
    """The first of the names in a folder that shows that it holds `kind`; None if it does not."""
    if kind.title and "index.html" in names and f"{kind.title}</title>" in _start_of(folder / "index.html"):
        return "index.html"
    return next((name for name in names if _matches(name, kind.marks)), None)


def _visible_names(folder: Path) -> list[str]:
    try:
        names = os.listdir(folder)  # noqa: PTH208  names alone, as a folder may have 100,000
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return []
        raise
    return sorted(name for name in names if not files.is_hidden(name) and name not in _IGNORED)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return bool(patterns) and _compiled(patterns).match(name) is not None


@cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


def _start_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_TITLE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(files.printable(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def _refusal(folder: Path, holds: str, wanted: Kind, flag: str) -> InputError:
    where, other = (f"{flag} {folder}", f"; choose another {flag}") if flag else (f"{folder}", "")
    return InputError(f"{where}: holds {holds}; {wanted.name} needs a folder of its own{other}")
