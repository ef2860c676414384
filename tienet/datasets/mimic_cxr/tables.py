"""The tables of MIMIC-CXR-JPG, plain or gzipped: the split, the metadata, and the labels of CheXpert and NegBio.

The names are PhysioNet's: a study is a report with all its images, dicom_id names an image, and subject_id a patient.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tienet.data.csv_table import Table
from tienet.data.gzipped_table import read_table
from tienet.errors import InputError
from tienet.labels import LABELS, canonical

LABELERS: tuple[str, ...] = ("chexpert", "negbio")
COLUMNS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture", "Lung Lesion",
    "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices",
)  # fmt: skip
"""The 14 columns of the tables of both labellers."""

SPLIT_OF = {"train": "train", "validate": "val", "test": "test"}
UNCERTAIN = {"positive": 1.0, "negative": 0.0, "unknown": np.nan}
"""The values that an uncertain label, -1, may become."""

_UNCERTAIN_CELL = -1.0
_CELLS = {"": 0.0, "1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": _UNCERTAIN_CELL, "-1.0": _UNCERTAIN_CELL}
_ID_FORMS = {
    "dicom_id": (re.compile(r"\w[\w.-]*", re.ASCII), "a name such as 02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"),
    "study_id": (re.compile(r"[0-9]+"), "digits such as 50414267"),
    "subject_id": (re.compile(r"[0-9]+"), "digits such as 10000032"),
}


@dataclass(frozen=True)
class StudyLabels:
    """The table of a labeller.

    Attributes:
        table: A row for each study, by study_id: subject_id, and the 15 labels as 1.0, 0.0 or NaN (unknown). A label
            for which the labeller has no column is unknown in all rows.
        unused: The columns of the labeller that are none of the 15 labels.
        uncertain: Maps each label that has uncertain cells (-1) to their number.
    """

    table: pd.DataFrame
    unused: list[str]
    uncertain: dict[str, int]


def find_table(folders: Sequence[Path], what: str) -> Path:
    """Find mimic-cxr-2.0.0-WHAT.csv.gz (or .csv) in the first folder that has it; of several versions the latest.

    Raises FileNotFoundError if no folder has it.
    """
    for folder in folders:
        for ending in ("csv.gz", "csv"):
            found = sorted(folder.glob(f"mimic-cxr-2.*-{what}.{ending}"))
            if found:
                return found[-1]
    where = " nor in ".join(dict.fromkeys(map(str, folders)))
    raise FileNotFoundError(f"no mimic-cxr-2.0.0-{what}.csv.gz (or .csv) in {where}; it comes with MIMIC-CXR-JPG")


def read_split(path: Path) -> pd.DataFrame:
    """Read the official split.

    Returns:
        A row for each image, by dicom_id, in the order of the file: study_id, subject_id and split (train, val, test).
    Raises:
        InputError: A column is missing, an image is repeated, or a study has images in two splits or of two patients.
    """
    table = read_table(path, ("dicom_id", "study_id", "subject_id", "split"))
    frame = _images(table)
    cells = table.cells("split")
    for n, cell in enumerate(cells):
        if cell not in SPLIT_OF:
            table.problem(n, "split", f"{cell!r}; expected {', '.join(SPLIT_OF)}")
    frame["split"] = [SPLIT_OF.get(cell, cell) for cell in cells]
    for column in ("subject_id", "split"):
        _check_equal_in_study(table, frame, column)
    table.raise_problems()
    return frame


def read_views(path: Path) -> pd.DataFrame:
    """Read the views from the metadata.

    Returns:
        A row for each image, by dicom_id: study_id, subject_id and view (ViewPosition: PA, AP, LATERAL, ..., or empty).
    Raises:
        InputError: A column is missing, or an image is repeated.
    """
    table = read_table(path, ("dicom_id", "subject_id", "study_id", "ViewPosition"))
    frame = _images(table)
    frame["view"] = pd.Categorical([cell.upper() for cell in table.cells("ViewPosition")])
    table.raise_problems()
    return frame


def read_labels(path: Path, uncertain: float) -> StudyLabels:
    """Read the labels of CheXpert or NegBio.

    A blank cell, which means that the report does not mention the finding, becomes 0.

    Args:
        uncertain: The value of UNCERTAIN that -1 becomes.
    Raises:
        InputError: A column is missing, a study is repeated, or a cell is no label.
    """
    table = read_table(path, ("subject_id", "study_id", *COLUMNS))
    column_of = _column_of(table)
    frame = pd.DataFrame({"subject_id": _ids(table, "subject_id")}, index=_ids(table, "study_id", unique=True))
    counts = {}
    for label in LABELS:
        if label not in column_of:
            frame[label] = np.nan
            continue
        cells = table.cells(column_of[label])
        for n, cell in enumerate(cells):
            if cell not in _CELLS:
                table.problem(n, column_of[label], f"{cell!r}; expected 1.0, 0.0, -1.0 or empty")
        values = np.array([_CELLS.get(cell, np.nan) for cell in cells])
        is_uncertain = values == _UNCERTAIN_CELL
        if is_uncertain.any():
            counts[label] = int(is_uncertain.sum())
        frame[label] = np.where(is_uncertain, uncertain, values)
    table.raise_problems()
    used = {"subject_id", "study_id", *column_of.values()}
    return StudyLabels(frame, [name for name in table.header if name not in used], counts)


def _column_of(table: Table) -> dict[str, str]:
    """Maps each label to its column. Raises InputError if two columns have the same label."""
    column_of: dict[str, str] = {}
    for name in table.header:
        label = canonical(name)
        if label is not None and column_of.setdefault(label, name) != name:
            raise InputError(f"{table.path}, row 1: columns {column_of[label]} and {name} are both {label}; keep one")
    return column_of


def _images(table: Table) -> pd.DataFrame:
    """The columns study_id and subject_id of a table, by dicom_id."""
    columns = {name: _ids(table, name) for name in ("study_id", "subject_id")}
    return pd.DataFrame(columns, index=_ids(table, "dicom_id", unique=True))


def _ids(table: Table, column: str, unique: bool = False) -> list[str] | pd.Index:
    """The ids of a column; problems with them are recorded in `table`."""
    form, expected = _ID_FORMS[column]
    cells = table.cells(column)
    first: dict[str, int] = {}
    for n, cell in enumerate(cells):
        if not form.fullmatch(cell):
            table.problem(n, column, f"{cell!r}; expected {expected}")
        elif unique and first.setdefault(cell, n) != n:
            table.problem(n, column, f"{cell!r} is there already, at row {table.lines[first[cell]]}")
    return pd.Index(cells, name=column, dtype=object) if unique else cells


def _check_equal_in_study(table: Table, frame: pd.DataFrame, column: str) -> None:
    """Check that all images of a study have the same value in a column; problems are recorded in `table`."""
    first: dict[str, int] = {}
    values = list(frame[column])
    for n, study in enumerate(frame.study_id):
        before = first.setdefault(study, n)
        if values[before] != values[n]:
            where = f"where an image of the same study, {study}, has {values[before]!r} at row {table.lines[before]}"
            table.problem(n, column, f"{values[n]!r} {where}; a study is one patient's and lies in one split")
