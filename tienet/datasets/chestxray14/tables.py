"""The tables that NIH publishes about ChestX-ray14, plain or gzipped, and tables of users about the same images.

An image is identified by its file name without the folder and the ending (its stem, such as 00000001_000), because NIH
gave no two images the same, and the tables have .png even if the files are .jpg. The stem is also the study id.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tienet.data.csv_table import Table
from tienet.data.gzipped_table import read_table
from tienet.data.text import report_text
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING, canonical

BOX_FRAME_PX = 1024  # the side of NIH's PNG files; the boxes are in their pixels
FINDING_LABELS = "Finding Labels"
_ENDING = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)
_IMAGE_COLUMNS = ("image index", "image", "study id", "study")
_TEXT_COLUMNS = ("report", "text")
_HAND_VALUES = {"1": 1.0, "0": 0.0, "": np.nan, "1.0": 1.0, "0.0": 0.0, "yes": 1.0, "no": 0.0}


def stem(image: str) -> str:
    """The name of an image file without its folder and its ending; / and \\ both separate folders."""
    return _ENDING.sub("", image.strip().replace("\\", "/").rpartition("/")[2])


def read_entries(path: Path) -> pd.DataFrame:
    """Read Data_Entry_2017.csv of either version.

    Returns:
        A row for each image, by stem, in the order of the file: patient_id, view (PA or AP; empty if the file has no
        such column), and the 15 labels as 1.0 or 0.0.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: A column is missing, an image is repeated, or a label is not known.
    """
    table = read_table(path, ("Image Index", FINDING_LABELS, "Patient ID"))
    stems = unique_names(table, "Image Index", stem)
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


def read_reports(path: Path, name_of: Callable[[str], str] = stem, with_empty: bool = False) -> dict[str, str]:
    """Read the reports of images (name -> report) from a table.

    The table needs a column image or study, and a column report or text, or the columns findings and impression, which
    `report_text` makes into one string. Runs of white space become one space.

    Args:
        name_of: Gives the name of an image that a cell means.
        with_empty: Whether rows without text have an empty report; otherwise they are left out.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: A column is missing, or an image is repeated.
    """
    table = read_table(path)
    image, text = image_column(table), _column(table, _TEXT_COLUMNS)
    sections = [_column(table, (name,)) for name in ("findings", "impression")]
    if text is None and not any(sections):
        raise InputError(f"{path}, row 1: no column report or text (or findings, impression){table.hint}")
    names = unique_names(table, image, name_of)
    table.raise_problems()
    if text is not None:
        texts = [" ".join(cell.split()) for cell in table.report_cells(text)]
    else:
        parts = [table.report_cells(name) if name else [""] * len(table) for name in sections]
        texts = [report_text(*pair) for pair in zip(*parts, strict=True)]
    return {name: text for name, text in zip(names, texts, strict=True) if text or with_empty}


def read_hand_labels(path: Path, name_of: Callable[[str], str] = stem) -> tuple[pd.DataFrame, list[str]]:
    """Read labels that people gave to some images.

    The table has columns of 1 and 0 (or yes and no) for findings; without such columns it needs `Finding Labels`. A
    finding without a column is unknown. No_Finding without a column is 0 if there is a finding, 1 if all 14 findings
    are 0, and unknown otherwise.

    Args:
        name_of: Gives the name of an image that a cell means.
    Returns:
        A row for each image, by name, with the 15 labels as 1.0, 0.0 or NaN (unknown); and notes for the user.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: A column is missing, an image is repeated, or a cell is no label.
    """
    table = read_table(path)
    image = image_column(table)
    column_of = _label_columns(table)
    used = {image, *column_of.values()}
    names = unique_names(table, image, name_of)
    if any(name in column_of for name in FINDINGS):
        labels = _column_labels(table, column_of)
    elif FINDING_LABELS in table.header:
        used = {image, FINDING_LABELS}
        labels = _listed_labels(table)
    else:
        expected = f"1/0 columns such as {FINDINGS[0]}, or {FINDING_LABELS!r} with names between |"
        raise InputError(f"{path}, row 1: no column for a finding; expected {expected}{table.hint}")
    table.raise_problems()
    unused = [name for name in table.header if name and name not in used]
    notes = [f"{path}: columns that are not used: {', '.join(unused)}"] if unused else []
    return pd.DataFrame(labels, columns=list(LABELS), index=pd.Index(names, name="study_id")), notes


def read_boxes(path: Path) -> pd.DataFrame:
    """Read BBox_List_2017.csv, whose header has fewer or more cells than its rows.

    Returns:
        The columns study_id, finding, and x, y, w, h as floats in pixels of the 1024 x 1024 image, where (x, y) is the
        top left corner.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: A row names no finding, or its box is not inside the image.
    """
    sides = ("x", "y", "w", "h")
    table = read_table(path, ("Image Index", "Finding Label", *sides), _mend_box_table)
    columns = [table.cells(name) for name in table.columns]
    rows = []
    for n, (image, label, *cells) in enumerate(zip(*columns, strict=True)):
        finding = canonical(label)
        if finding not in FINDINGS:
            table.problem(n, "Finding Label", f"{label!r}; expected one of the 14 findings")
        numbers = [table.number_of_pixels(n, name, cell) for name, cell in zip(sides, cells, strict=True)]
        x, y, w, h = numbers
        inside = x >= 0 and y >= 0 and w > 0 and h > 0 and x + w <= BOX_FRAME_PX and y + h <= BOX_FRAME_PX
        if not inside and not any(map(np.isnan, numbers)):
            box = f"box x {x:g}, y {y:g}, w {w:g}, h {h:g}"
            table.problem(n, "x", f"{box} is not inside the {BOX_FRAME_PX} x {BOX_FRAME_PX} image")
        rows.append((stem(image), finding, *numbers))
    table.raise_problems()
    return pd.DataFrame(rows, columns=["study_id", "finding", *sides])


def _mend_box_table(content: bytes) -> bytes:
    """Correct NIH's header `Bbox [x,y,w,h],,,`, and remove the commas at the end of some rows."""
    content = re.sub(rb"Bbox ?\[x,y,w,h\]", b"x,y,w,h", content, count=1)
    return re.sub(rb"(?<!,),+(?=\r?$)", b"", content, flags=re.MULTILINE)  # in one pass, however many commas


# ---- columns and cells ----


def _column(table: Table, names: Sequence[str]) -> str | None:
    """The first of `names` that the table has, in the spelling of the table; None if it has none."""
    by_key = {name.lower().replace("_", " "): name for name in table.header}
    return next((by_key[name] for name in names if name in by_key), None)


def image_column(table: Table) -> str:
    """The column of a table that names the image. Raises InputError if there is none."""
    column = _column(table, _IMAGE_COLUMNS)
    if column is None:
        expected = f"expected image, study or Image Index{table.hint}"
        raise InputError(f"{table.path}, row 1: no column that names the image; {expected}")
    return column


def unique_names(table: Table, column: str, name_of: Callable[[str], str]) -> list[str]:
    """The names of images in a column; names that are empty or there twice are recorded in `table`."""
    first: dict[str, int] = {}
    names = []
    for n, cell in enumerate(table.cells(column)):
        name = name_of(cell)
        names.append(name)
        if not name:
            table.problem(n, column, "is empty; expected an image's name")
        elif first.setdefault(name, n) != n:
            table.problem(n, column, f"{cell!r} is there already, at row {table.lines[first[name]]}")
    return names


def _listed_labels(table: Table) -> np.ndarray:
    """float64 [N, 15] of 1 and 0, from cells with names separated by `|`."""
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
    """Maps each label to its column. Raises InputError if two columns have the same label."""
    column_of: dict[str, str] = {}
    for name in table.header:
        label = canonical(name)
        if label is not None and column_of.setdefault(label, name) != name:
            raise InputError(f"{table.path}, row 1: columns {column_of[label]} and {name} are both {label}; keep one")
    return column_of


def _column_labels(table: Table, column_of: dict[str, str]) -> np.ndarray:
    """float64 [N, 15] of 1, 0 and NaN, from the columns of the labels; a label without a column is NaN."""
    labels = np.full((len(table), len(LABELS)), np.nan)
    for k, label in enumerate(LABELS):
        for n, cell in enumerate(table.cells(column_of[label]) if label in column_of else ()):
            if cell.lower() in _HAND_VALUES:
                labels[n, k] = _HAND_VALUES[cell.lower()]
            else:
                table.problem(n, column_of[label], f"{cell!r}; expected 1, 0, yes, no or empty (unknown)")
    if NO_FINDING not in column_of:
        findings = labels[:, : len(FINDINGS)]
        none = np.where((findings == 1).any(axis=1), 0.0, 1.0 - findings.sum(axis=1))  # NaN if a finding is unknown
        labels[:, LABELS.index(NO_FINDING)] = none
    return labels
