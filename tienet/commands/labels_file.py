"""The table that `tienet annotate` writes: a row for each study, appended as it comes; a stopped run goes on with it.

OUT             study_id, a probability for each label, then each label: 1, 0, or empty without a threshold
OUT.run.json    which checkpoint and which input it is of; kept, so that no other run adds to it
OUT.errors.csv  the studies that were passed over, by row, and why; only where there are any
"""

import csv
import fcntl
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from tienet import files
from tienet.commands.study_input import StudyInput, sha256_of_start
from tienet.errors import InputError
from tienet.labels import LABELS

HEADER = ("study_id", *(f"{label}_probability" for label in LABELS), *LABELS)
ERRORS_HEADER = ("row", "study_id", "reason", "message")


class LabelsFile:
    """Open for appending, and locked. What was written half is cut off.

    Attributes:
        path: OUT. errors_path: OUT.errors.csv.
        reasons: how many studies were passed over, by reason, those of earlier runs too.
        written: rows of earlier runs and of this one.
    """

    def __init__(self, path: Path, identity: dict[str, object], input_path: Path) -> None:
        """Begin, or go on where a run with the same `identity` stopped.

        Args:
            identity: what has to be the same; its "input" as in `CsvStudyInputs.identity`, whose file may have grown.
            input_path: the file that "input" is of.
        Raises:
            InputError: the file there is another run's, or in use.
        """
        self.path = path
        self.errors_path = path.with_name(f"{path.name}.errors.csv")
        self.reasons: Counter[str] = Counter()
        self.written = 0
        self._run_path = path.with_name(f"{path.name}.run.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._check_begun(identity, input_path)
        self._out = path.open("a+", encoding="utf-8", newline="")
        try:
            fcntl.flock(self._out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"--out {path}: another run is writing it; wait for it, or choose another --out") from None
        files.write_json(self._run_path, identity)
        begun = _cut_half_line(self._out, HEADER, path)
        if not begun:
            self.errors_path.unlink(missing_ok=True)
        self._errors: TextIO | None = None
        if self.errors_path.exists():
            self._open_errors()
        self._there = _rows(path)
        self._there_errors = _rows(self.errors_path) if self._errors else iter(())
        self._next = next(self._there, None)
        self._next_error = next(self._there_errors, None)

    def __enter__(self) -> "LabelsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        if self._errors:
            self._errors.close()

    def has(self, study: StudyInput) -> bool:
        """Whether a study is there, or was passed over, from an earlier run; asked for all, in the input's order.

        Raises:
            InputError: the file has another study in its place.
        """
        if self._next_error is not None and self._next_error[0] == str(study.row):
            self.reasons[self._next_error[2]] += 1
            self._next_error = next(self._there_errors, None)
            return True
        if self._next is None or study.fault is not None:
            return False
        if self._next[0] != study.study_id:
            raise InputError(
                f"{self.path}: has {self._next[0]!r} where the input has {study.study_id!r} (row {study.row}); choose "
                "another --out, or remove it to begin again"
            )
        self.written += 1
        self._next = next(self._there, None)
        return True

    def pass_over(self, study: StudyInput) -> None:
        """Append a study with a fault to OUT.errors.csv."""
        if self._errors is None:
            self._open_errors()
        self.reasons[study.fault.kind] += 1
        self._errors.write(_line([str(study.row), study.study_id, study.fault.kind, study.fault.message]))
        self._errors.flush()

    def write(self, study: StudyInput, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """Append a row; the arrays are float [K], labels 1, 0 or NaN."""
        scores = [f"{value:.6f}" for value in probabilities]
        named = ["" if np.isnan(value) else str(int(value)) for value in labels]
        self._out.write(_line([study.study_id, *scores, *named]))
        self._out.flush()
        self.written += 1

    def check_end(self) -> None:
        """Raise InputError if the file has studies that the input does not have."""
        if self._next is not None:
            raise InputError(f"{self.path}: has {self._next[0]!r}, which the input does not have; choose another --out")

    def _open_errors(self) -> None:
        self._errors = self.errors_path.open("a+", encoding="utf-8", errors="backslashreplace", newline="")
        _cut_half_line(self._errors, ERRORS_HEADER, self.errors_path)

    def _check_begun(self, identity: dict[str, object], input_path: Path) -> None:
        again = "choose another --out, or remove it to begin again"
        if not self.path.is_file():
            raise InputError(f"--out {self.path}: not a file; choose another --out")
        if not self._run_path.is_file():
            raise InputError(f"--out {self.path}: is there, and tienet annotate did not begin it; {again}")
        try:
            before = json.loads(self._run_path.read_text(encoding="utf-8"))
            was, now = before.pop("input"), identity["input"]
        except (ValueError, AttributeError, KeyError, TypeError):
            raise InputError(f"{self._run_path}: not what was written there; {again}") from None
        for name, value in identity.items():
            if name != "input" and before.get(name) != value:
                raise InputError(f"--out {self.path}: was begun with another {name.replace('_', ' ')}; {again}")
        if was != now and (not (was and now) or sha256_of_start(input_path, was["bytes"]) != was["sha256"]):
            raise InputError(f"--out {self.path}: the input has changed since it was begun; {again}")


def _cut_half_line(file: TextIO, header: Sequence[str], path: Path) -> bool:
    """Leave whole lines only, the header at least; whether there was one already.

    Raises:
        InputError: the file starts with another header.
    """
    expected = _line(header).encode()
    with path.open("rb+") as content:
        start = content.read(len(expected))
        if start != expected:
            if not expected.startswith(start):
                raise InputError(f"{path}: has another header; choose another --out, or remove it to begin again")
            content.truncate(0)
            file.write(expected.decode())
            file.flush()
            return False
        content.truncate(_end_of_last_line(content))
    return True


def _end_of_last_line(content: io.BufferedRandom, chunk: int = 1 << 16) -> int:
    """Bytes up to and with the last line break; there is one."""
    end = content.seek(0, os.SEEK_END)
    while True:
        start = max(0, end - chunk)
        content.seek(start)
        place = content.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows under the header that are there now."""
    size = path.stat().st_size
    with path.open("rb") as file:
        next(file)
        while file.tell() < size:
            yield next(csv.reader([file.readline().decode("utf-8")]))


def _line(cells: Sequence[str]) -> str:
    """Cells as one line of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([" ".join(cell.split()) for cell in cells])
    return text.getvalue()
