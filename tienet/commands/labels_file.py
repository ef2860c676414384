"""The table that `tienet annotate` writes.

Each study's row is appended as soon as it is predicted, so that the same command can go on with the table of a run that
was stopped. There are these files:

OUT             study_id, a probability for each label, then each label: 1, 0, or empty without a threshold; with
                --evidence a last column `evidence`, a list in JSON
OUT.run.json    the checkpoint and the input that the table is of, so that no run with others adds to it
OUT.evidence.jsonl   the evidence alone, a line of JSON for each study; made at the end, with --evidence
OUT.errors.csv  the row of each study that was passed over, and why; only where there are such studies
"""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import numpy as np

from tienet import files
from tienet.commands.study_input import StudyInput, sha256_of_start
from tienet.errors import InputError
from tienet.folders import locks
from tienet.labels import LABELS

HEADER = ("study_id", *(f"{label}_probability" for label in LABELS), *LABELS)
EVIDENCE = "evidence"
ERRORS_HEADER = ("row", "study_id", "reason", "message")


class LabelsFile:
    """The table, open for appending and locked against other processes.

    A last line that an earlier run could not finish is cut off. A new table is removed if an error comes before its
    first row.

    Attributes:
        path: OUT.
        errors_path: OUT.errors.csv.
        reasons: How many studies were passed over, by reason, including those of earlier runs.
        written: The number of rows of earlier runs and of this one.
    """

    def __init__(self, path: Path, identity: dict[str, object], input_path: Path, evidence: bool = False) -> None:
        """Begin a table, or go on where a run with the same `identity` stopped.

        Args:
            path: OUT.
            evidence: Whether there is a column `evidence`.
            identity: What has to be the same as in the earlier run. Its "input" is `CsvStudyInputs.identity`, whose
                file may have grown since.
            input_path: The file that "input" is of.
        Raises:
            InputError: The table is another run's, or another process is writing it.
        """
        self.path, self._header = path, (*HEADER, EVIDENCE) if evidence else HEADER
        self.errors_path = path.with_name(f"{path.name}.errors.csv")
        self.reasons: Counter[str] = Counter()
        self.written = 0
        self._run_path = path.with_name(f"{path.name}.run.json")
        self._errors: TextIO | None = None
        with ExitStack() as stack:
            stack.enter_context(locks.hold(path.with_name(f".{path.name}.lock"), path, "--out"))
            if path.exists():
                self._check_identity(identity, input_path)
            self._out = stack.enter_context(path.open("a+", encoding="utf-8", newline=""))
            self._begin(identity)
            self._open_files = stack.pop_all()

    def _begin(self, identity: dict[str, object]) -> None:
        """Read what an earlier run has written, cut off what it could not finish, and write OUT.run.json."""
        try:
            files.write_json(self._run_path, identity)
        except OSError:  # an empty table without its run.json would be in the way of the next run
            if not self.path.stat().st_size:
                self.path.unlink()
            raise
        self._is_new = not _cut_partial_line(self._out, self._header, self.path)
        if self._is_new:
            self.errors_path.unlink(missing_ok=True)
        if self.errors_path.exists():
            self._open_errors()
        self._earlier_rows = _read_rows(self.path, self._header)
        self._earlier_errors = _read_rows(self.errors_path, ERRORS_HEADER) if self._errors else iter(())
        self._next_row = next(self._earlier_rows, None)
        self._next_error = next(self._earlier_errors, None)

    def __enter__(self) -> "LabelsFile":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error and self._is_new and not self.written and not self._errors:
            self._run_path.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        if self._errors:
            self._errors.close()
        self._open_files.close()

    def has(self, study: StudyInput) -> bool:
        """Whether an earlier run has written a study's row, or passed the study over.

        It must be called once for every study, in the order of the input.

        Raises:
            InputError: The table has another study in its place.
        """
        if self._next_error is not None and self._next_error[0] == str(study.row):
            self.reasons[self._next_error[2]] += 1
            self._next_error = next(self._earlier_errors, None)
            return True
        if self._next_row is None or study.fault is not None:
            return False
        if self._next_row[0] != study.study_id:
            raise InputError(
                f"{self.path}: has {self._next_row[0]!r} where the input has {study.study_id!r} (row {study.row}); "
                "choose another --out, or remove it to begin again"
            )
        self.written += 1
        self._next_row = next(self._earlier_rows, None)
        return True

    def pass_over(self, study: StudyInput) -> None:
        """Append a study with a fault to OUT.errors.csv."""
        if self._errors is None:
            self._open_errors()
        self.reasons[study.fault.kind] += 1
        self._errors.write(_line([str(study.row), study.study_id, study.fault.kind, study.fault.message]))
        self._errors.flush()

    def write(
        self, study: StudyInput, probabilities: np.ndarray, labels: np.ndarray, evidence: Sequence[dict] | None = None
    ) -> None:
        """Append a study's row.

        Args:
            study: The study.
            probabilities: float32 [K]; they are written with the fewest digits that give the same float32 again.
            labels: float [K], 1 or 0, NaN without a threshold.
            evidence: What the column `evidence` holds, where there is one.
        """
        probability_cells = [str(value) for value in probabilities.astype(np.float32)]
        label_cells = ["" if np.isnan(value) else str(int(value)) for value in labels]
        more = [] if evidence is None else [json.dumps(evidence, ensure_ascii=False)]  # its line breaks are escaped
        self._out.write(_line([study.study_id, *probability_cells, *label_cells], more))
        self._out.flush()
        self.written += 1

    def write_json_lines(self) -> Path:
        """Write OUT.evidence.jsonl, a line for each study of the whole table; returns its path."""
        path = self.path.with_name(f"{self.path.name}.evidence.jsonl")
        with files.replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for row in _read_rows(self.path, self._header):
                line = {"study_id": row[0], EVIDENCE: json.loads(row[-1])}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return path

    def check_end(self) -> None:
        """Raise InputError if the table has studies that the input does not have."""
        if self._next_row is not None:
            name = self._next_row[0]
            raise InputError(f"{self.path}: has {name!r}, which the input does not have; choose another --out")

    def _open_errors(self) -> None:
        self._errors = self.errors_path.open("a+", encoding="utf-8", errors="backslashreplace", newline="")
        _cut_partial_line(self._errors, ERRORS_HEADER, self.errors_path)

    def _check_identity(self, identity: dict[str, object], input_path: Path) -> None:
        again = "choose another --out, or remove it to begin again"
        if not self.path.is_file():
            raise InputError(f"--out {self.path}: not a file; choose another --out")
        if not self._run_path.is_file():
            raise InputError(f"--out {self.path}: is there, and tienet annotate did not begin it; {again}")
        try:
            before = files.read_json(self._run_path)
        except InputError:
            before = None
        was, now = before.pop("input", None) if isinstance(before, dict) else None, identity["input"]
        if not _is_identity_of_input(was):
            raise InputError(f"{self._run_path}: not what was written there; {again}")
        for name, value in identity.items():
            if name != "input" and before.get(name) != value:
                raise InputError(f"--out {self.path}: was begun with another {name.replace('_', ' ')}; {again}")
        if was != now and (not (was and now) or sha256_of_start(input_path, was["bytes"]) != was["sha256"]):
            raise InputError(f"--out {self.path}: the input has changed since it was begun; {again}")


def _is_identity_of_input(value: object) -> bool:
    """Whether a value from OUT.run.json is `CsvStudyInputs.identity`, or that of a folder, which is empty."""
    if not isinstance(value, dict):
        return False
    return not value or (type(value.get("bytes")) is int and isinstance(value.get("sha256"), str))


def _cut_partial_line(file: TextIO, header: Sequence[str], path: Path) -> bool:
    """Cut a last line that was not finished off, and write the header if the file has none.

    Returns:
        Whether the file had a whole header already.
    Raises:
        InputError: The file starts with another header.
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
    """The number of bytes up to the last line break, which is included. The file must have a line break."""
    end = content.seek(0, os.SEEK_END)
    while True:
        start = max(0, end - chunk)
        content.seek(start)
        place = content.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start


def _read_rows(path: Path, header: Sequence[str]) -> Iterator[list[str]]:
    """The rows under the header that the file has when this starts; rows that are appended later are not read.

    Raises:
        InputError: A row was changed so that it is none any more.
    """
    size, line = path.stat().st_size, 1
    with path.open("rb") as file:
        next(file)
        while file.tell() < size:
            line += 1
            try:
                cells = next(csv.reader([file.readline().decode("utf-8")]))
            except (UnicodeDecodeError, csv.Error):
                cells = []
            if len(cells) != len(header):
                again = "choose another --out, or remove it to begin again"
                raise InputError(f"{path}, row {line}: not what was written there; {again}")
            yield cells


def _line(cells: Sequence[str], as_they_are: Sequence[str] = ()) -> str:
    """The cells as one line of CSV; line breaks in a cell become spaces, and those in `as_they_are` must have none."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([*(" ".join(cell.split()) for cell in cells), *as_they_are])
    return text.getvalue()
