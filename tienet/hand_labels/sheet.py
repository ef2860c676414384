"""A sheet: one reader's answers, a CSV file with a row for each study that the reader has finished.

Columns:
    study_id, patient_id    As in the data set's manifest.
    15 labels               The columns `tienet.labels.LABELS`: 1 (there), 0 (not there) or -1 (cannot tell), as
                            CheXpert's labels; empty: the reader was not asked.
    reader                  Who answered; one name in the whole sheet. Without this column it is the file's name.
    seconds                 How long the study was looked at; may be empty.
    assist                  The name of the network whose labels were shown; empty: none was.

The last three columns may be missing, as in a sheet from elsewhere, and other columns are ignored.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data.csv_table import Table
from tienet.errors import InputError
from tienet.labels import LABELS, K, canonical

THERE, NOT_THERE, CANNOT_TELL = 1, 0, -1
STATES = {THERE: "there", NOT_THERE: "not there", CANNOT_TELL: "cannot tell"}
"""The answers, and what they are called."""

READER, SECONDS, ASSIST = "reader", "seconds", "assist"
COLUMNS = ("study_id", "patient_id", *LABELS)
_CELLS = {
    "1": THERE,
    "0": NOT_THERE,
    "-1": CANNOT_TELL,
    "": np.nan,
    "1.0": THERE,
    "0.0": NOT_THERE,
    "-1.0": CANNOT_TELL,
}


@dataclass(frozen=True, eq=False)
class Sheet:
    """The answers of one reader on N studies.

    Attributes:
        path: The file.
        reader: The reader's name.
        study_ids, patient_ids: N strings each; a study is there once.
        answers: float32 [N, 15] in the order of LABELS: THERE, NOT_THERE or CANNOT_TELL, NaN where nothing was asked.
        seconds: float64 [N], how long each study was looked at; NaN where it is not known.
        assist: N names of the networks whose labels were shown; empty where none was.
    """

    path: Path
    reader: str
    study_ids: list[str]
    patient_ids: list[str]
    answers: np.ndarray
    seconds: np.ndarray
    assist: list[str]

    def __len__(self) -> int:
        return len(self.study_ids)


def known(answers: np.ndarray) -> np.ndarray:
    """The answers as labels, as a manifest has them, float32: 1 or 0, NaN for what the reader cannot tell."""
    return np.where(answers == CANNOT_TELL, np.nan, answers).astype(np.float32)


def read(path: Path | str) -> Sheet:
    """Read a sheet.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is not a sheet; the message has one line for each problem, with the row and the column.
    """
    table = Table(path, COLUMNS, canonical)
    answers = np.full((len(table), K), np.nan, np.float32)
    for k, label in enumerate(LABELS):
        for n, cell in enumerate(table.cells(label)):
            if cell in _CELLS:
                answers[n, k] = _CELLS[cell]
            else:
                table.problem(n, label, f"{cell!r}; expected 1 (there), 0 (not there), -1 (cannot tell) or empty")
    study_ids = table.cells("study_id")
    first: dict[str, int] = {}
    for n, study in enumerate(study_ids):
        if not study:
            table.problem(n, "study_id", "is empty")
        elif first.setdefault(study, n) != n:
            table.problem(n, "study_id", f"{study!r} is there already, at row {table.lines[first[study]]}")
    readers = table.cells(READER) if READER in table.header else [table.path.stem] * len(table)
    for n, reader in enumerate(readers):
        if not reader:
            table.problem(n, READER, "is empty; expected the reader's name")
        elif reader != readers[0]:
            table.problem(n, READER, f"{reader!r}, and {readers[0]!r} in the first row; a sheet is of one reader")
    seconds = _seconds(table)
    table.raise_problems()
    assist = table.cells(ASSIST) if ASSIST in table.header else [""] * len(table)
    return Sheet(Path(path), readers[0], study_ids, table.cells("patient_id"), answers, seconds, assist)


def _seconds(table: Table) -> np.ndarray:
    seconds = np.full(len(table), np.nan)
    if SECONDS in table.header:
        for n, cell in enumerate(table.cells(SECONDS)):
            try:
                seconds[n] = float(cell or "nan")
            except ValueError:
                table.problem(n, SECONDS, f"{cell!r}; expected a number of seconds, or empty")
    return seconds


def write(sheet: Sheet) -> None:
    """Write a sheet to its path, as a whole or not at all."""
    cells = [["" if np.isnan(answer) else str(int(answer)) for answer in row] for row in sheet.answers]
    seconds = ["" if np.isnan(taken) else f"{taken:.1f}" for taken in sheet.seconds]
    rows = zip(sheet.study_ids, sheet.patient_ids, cells, seconds, sheet.assist, strict=True)
    with files.replacing(sheet.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, READER, SECONDS, ASSIST])
        writer.writerows([study, patient, *row, sheet.reader, s, assist] for study, patient, row, s, assist in rows)


def check_reader(name: str) -> str:
    """A reader's name, which is a file's name too; raises InputError if it cannot be one."""
    if not 1 <= len(name) <= 40 or not all(c.isalnum() or c in "-_ " for c in name) or name != name.strip():
        raise InputError(f"--reader {name!r}: expected 1 to 40 letters, digits, blanks, - and _")
    return name
