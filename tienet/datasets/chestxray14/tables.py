"""NIH's files on ChestX-ray14 as published, plain or gzipped, and users' tables about the same images.

An image goes by its name without ending (its stem, 00000001_000), which is also the study's name: the tables say
.png where the files may be .jpg.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tienet.data.csv_table import Table
from tienet.data.gzipped_table import read_table
from tienet.data.text import report_text
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING, canonical

BOX_FRAME_PX = 1024  # NIH's PNG files, in whose pixels its boxes are
FINDING_LABELS = "Finding Labels"
_ENDING = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)
_IMAGE_COLUMNS = ("image index", "image", "study id", "study")
_TEXT_COLUMNS = ("report", "text")
_HAND_VALUES = {"1": 1.0, "0": 0.0, "": np.nan, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0}


def stem(image: str) -> str:
    """The name of an image without its folder and its ending."""
    return _ENDING.sub("", image.strip().rpartition("/")[2])


def read_entries(path: Path) -> pd.DataFrame:
    """Data_Entry_2017.csv of either version.

    Returns:
        A row for each image, in the file's order, by stem: patient_id, view (PA, AP; empty where the file has no
        such column), and the 15 labels as 1.0 or 0.0.
    Raises:
        InputError: a column is missing, an image is repeated, a label is unknown.
    """
    table = read_table(path, ("Image Index", FINDING_LABELS, "Patient ID"))
    stems = _unique_stems(table, "Image Index")
    patients = table.cells("Patient ID")
    for n, patient in enumerate(patients):
        if not patient:
            table.problem(n, "Patient ID", "is empty")
    labels = _listed_labels(table)
    table.raise_problems()
    view = table.cells("View Position") if "View Position" in table.header else [""] * len(table)
    frame = pd.DataFrame(labels, columns=list(LABELS), index=pd.Index(stems, name="study_id"))
    frame.insert(0, "patient_id", patients)
    frame.insert(1, "view", view)
    return frame


def read_reports(path: Path) -> dict[str, str]:
    """stem -> report, from a table with a column image or study, and report (or text, or findings and impression).

    Sections become one string by `report_text`; white space runs become one space. Rows without text are left out.
    """
    table = read_table(path)
    image, text = image_column(table), _column(table, _TEXT_COLUMNS)
    sections = [_column(table, (name,)) for name in ("findings", "impression")]
    if text is None and not any(sections):
        raise InputError(f"{path}, row 1: no column report or text (or findings, impression)")
    stems = _unique_stems(table, image)
    table.raise_problems()
    if text is not None:
        texts = [" ".join(cell.split()) for cell in table.cells(text)]
    else:
        parts = [table.cells(name) if name else [""] * len(table) for name in sections]
        texts = [report_text(*pair) for pair in zip(*parts, strict=True)]
    return {name: text for name, text in zip(stems, texts, strict=True) if text}


def read_hand_labels(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Labels by people over some images: columns of 1 and 0 (yes and no) for findings, else `Finding Labels`.

    A finding without a column is unknown. No_Finding without a column is 0 beside a finding, 1 where all 14 are 0,
    else unknown.

    Returns:
        A row for each image by stem: the 15 labels, 1.0, 0.0 or NaN; and what a user should see.
    """
    table = read_table(path)
    image = image_column(table)
    column_of = _label_columns(table)
    used = {image, *column_of.values()}
    stems = _unique_stems(table, image)
    if any(name in column_of for name in FINDINGS):
        labels = _column_labels(table, column_of)
    elif FINDING_LABELS in table.header:
        used = {image, FINDING_LABELS}
        labels = _listed_labels(table)
    else:
        expected = f"1/0 columns such as {FINDINGS[0]}, or {FINDING_LABELS!r} with names between |"
        raise InputError(f"{path}, row 1: no column for a finding; expected {expected}")
    table.raise_problems()
    unused = [name for name in table.header if name and name not in used]
    notes = [f"{path}: columns that are not used: {', '.join(unused)}"] if unused else []
    return pd.DataFrame(labels, columns=list(LABELS), index=pd.Index(stems, name="study_id")), notes


def read_boxes(path: Path) -> pd.DataFrame:
    """BBox_List_2017.csv, whose header has fewer or more cells than its rows.

    Returns:
        study_id, finding, and x, y, w, h as floats in pixels of the 1024 x 1024 image; x, y: top-left corner.
    """
    sides = ("x", "y", "w", "h")
    table = read_table(path, ("Image Index", "Finding Label", *sides), _mend_box_table)
    columns = [table.cells(name) for name in table.columns]
    rows = []
    for n, (image, label, *cells) in enumerate(zip(*columns, strict=True)):
        finding = canonical(label)
        if finding not in FINDINGS:
            table.problem(n, "Finding Label", f"{label!r}; expected one of the 14 findings")
        numbers = [_number(table, n, name, cell) for name, cell in zip(sides, cells, strict=True)]
        x, y, w, h = numbers
        inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= BOX_FRAME_PX and y + h <= BOX_FRAME_PX
        if not inside and not any(map(np.isnan, numbers)):
            box = f"box x {x:g}, y {y:g}, w {w:g}, h {h:g}"
            table.problem(n, "x", f"{box} is not inside the {BOX_FRAME_PX} x {BOX_FRAME_PX} image")
        rows.append((stem(image), finding, *numbers))
    table.raise_problems()
    return pd.DataFrame(rows, columns=["study_id", "finding", *sides])


def _mend_box_table(content: bytes) -> bytes:
    """NIH writes the header `Bbox [x,y,w,h],,,`, and rows with and without commas at their end."""
    content = re.sub(rb"Bbox ?\[x,y,w,h\]", b"x,y,w,h", content, count=1)
    return re.sub(rb",+(?=\r?$)", b"", content, flags=re.MULTILINE)


# ---- columns and cells ----


def _column(table: Table, names: Sequence[str]) -> str | None:
    """The first of `names` that the table has, in its own spelling."""
    by_key = {name.lower().replace("_", " "): name for name in table.header}
    return next((by_key[name] for name in names if name in by_key), None)


def image_column(table: Table) -> str:
    column = _column(table, _IMAGE_COLUMNS)
    if column is None:
        raise InputError(f"{table.path}, row 1: no column that names the image; expected image, study or Image Index")
    return column


def _unique_stems(table: Table, column: str) -> list[str]:
    first: dict[str, int] = {}
    stems = []
    for n, cell in enumerate(table.cells(column)):
        name = stem(cell)
        stems.append(name)
        if not name:
            table.problem(n, column, "is empty; expected an image's name")
        elif first.setdefault(name, n) != n:
            table.problem(n, column, f"{cell!r} is there already, at row {table.lines[first[name]]}")
    return stems


def _listed_labels(table: Table) -> np.ndarray:
    """float64 [N, 15] of 1 and 0, from names between `|`."""
    labels = np.zeros((len(table), len(LABELS)))
    for n, cell in enumerate(table.cells(FINDING_LABELS)):
        for name in cell.split("|"):
            label = canonical(name)
            if label is None:
                what = f"{name.strip()!r} is no label; expected the 14 findings or No Finding, with | between"
                table.problem(n, FINDING_LABELS, what)
            else:
                labels[n, LABELS.index(label)] = 1
    return labels


def _label_columns(table: Table) -> dict[str, str]:
    """Label -> the column that has it; InputError if two have."""
    column_of: dict[str, str] = {}
    for name in table.header:
        label = canonical(name)
        if label is not None and column_of.setdefault(label, name) != name:
            raise InputError(f"{table.path}, row 1: columns {column_of[label]} and {name} are both {label}; keep one")
    return column_of


def _column_labels(table: Table, column_of: dict[str, str]) -> np.ndarray:
    """float64 [N, 15] of 1, 0 and NaN, from a column for each label that has one."""
    labels = np.full((len(table), len(LABELS)), np.nan)
    for k, label in enumerate(LABELS):
        for n, cell in enumerate(table.cells(column_of[label]) if label in column_of else ()):
            if cell.lower() in _HAND_VALUES:
                labels[n, k] = _HAND_VALUES[cell.lower()]
            else:
                table.problem(n, column_of[label], f"{cell!r}; expected 1, 0, yes, no or empty (unknown)")
    if NO_FINDING not in column_of:
        findings = labels[:, : len(FINDINGS)]
        none = np.where((findings == 1).any(axis=1), 0.0, 1.0 - findings.sum(axis=1))  # NaN if one is unknown
        labels[:, LABELS.index(NO_FINDING)] = none
    return labels


def _number(table: Table, n: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        table.problem(n, column, f"{cell!r}; expected a number of pixels")
        return np.nan
    return value
