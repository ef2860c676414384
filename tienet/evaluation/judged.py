"""What a run or a control said of each study, beside what is true of it: judged.csv, one row for each study.

An evaluation leaves it, so that evaluations can be put together later without the networks (`tienet pool`). Columns:

    study_id, patient_id    As in the manifest.
    LABEL                   The true label: 1, 0 or empty (unknown); 15 columns, as all below with LABEL.
    LABEL_logit             The logit, with all digits of float32, not calibrated; empty: there is no score.
    LABEL_named             Whether the label is named: 1, 0, or empty for a label without a threshold.
    report, written         The true report and the written one.
    LABEL_read              Whether the labeller names the label in the true report: 1, 0, or empty without a report.
    LABEL_written           The same for the written report.

The columns of what a mode, a control or an evaluation without a labeller does not have are left out.
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data.csv_table import Table
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.labels import LABELS

FILE_NAME = "judged.csv"
CONTROL_FILES = "judged-*.csv"
"""The names of the controls' files: `control_file`."""

_IDS = ("study_id", "patient_id")
_ARRAYS = {"logits": "_logit", "named": "_named", "read_labels": "_read", "written_labels": "_written"}
_TEXTS = {"reports": "report", "written": "written"}
_BINARY = {"1": 1.0, "0": 0.0, "": np.nan}


@dataclass(frozen=True, eq=False)
class Judged:
    """The N studies of an evaluation, with what is true and what a run or a control said.

    Attributes:
        study_ids, patient_ids: N strings each.
        labels: float32 [N, 15], the true labels in the order of LABELS; 1, 0 or NaN (unknown).
        logits: float32 [N, 15], or another score by which the studies are ordered; a column of NaN means that the
            label has none. None for a mode without a classifier, and for a control of reports.
        named: float32 [N, 15], 1 or 0, NaN for a label without a threshold; None where there are no logits or no
            thresholds.
        reports, written: N true and N written reports; None where no reports are written.
        read_labels, written_labels: float32 [N, 15], the labels that the labeller names in the true and in the written
            report; NaN in a study without a true report. None without a labeller.
    """

    study_ids: list[str]
    patient_ids: list[str]
    labels: np.ndarray
    logits: np.ndarray | None = None
    named: np.ndarray | None = None
    reports: list[str] | None = None
    written: list[str] | None = None
    read_labels: np.ndarray | None = None
    written_labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.study_ids)

    @classmethod
    def of(cls, split: Manifest, written: Sequence[str] | None = None, **said: np.ndarray | None) -> "Judged":
        """The studies of a split, with what was said of them: `written` and the arrays by the names above."""
        reports = None if written is None else split.reports
        return cls(split.study_ids, split.patient_ids, split.labels, reports=reports, written=written, **said)


def control_file(name: str) -> str:
    """The name of a control's file, beside that of the run."""
    return CONTROL_FILES.replace("*", name)


def set_of_studies(study_ids: Sequence[str], patient_ids: Sequence[str]) -> dict:
    """What tells one set of studies from another, whatever their order and their splits.

    Returns:
        {"studies": N, "sha256": of all pairs of study and patient}, ready for JSON.
    """
    digest = hashlib.sha256()
    for pair in sorted(zip(study_ids, patient_ids, strict=True)):
        digest.update(json.dumps(pair).encode() + b"\n")
    return {"studies": len(study_ids), "sha256": digest.hexdigest()}


def write(folder: Path, of_run: Judged, of_controls: dict[str, Judged]) -> None:
    """Write a run's judged.csv and the files of the controls into `folder`; other controls' files are removed."""
    tables = {FILE_NAME: of_run} | {control_file(name): judged for name, judged in of_controls.items()}
    for name, judged in tables.items():
        _write_table(folder / name, judged)
    for path in folder.glob(CONTROL_FILES):
        if path.name not in tables:
            path.unlink()


def _write_table(path: Path, judged: Judged) -> None:
    columns: dict[str, Sequence[str]] = dict(zip(_IDS, (judged.study_ids, judged.patient_ids), strict=True))
    columns |= _cells_by_label(judged.labels, "")
    for field, suffix in _ARRAYS.items():
        if (values := getattr(judged, field)) is not None:
            columns |= _cells_by_label(values, suffix)
    for field, name in _TEXTS.items():
        if (texts := getattr(judged, field)) is not None:
            columns[name] = texts
    with files.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        # With this end of a line, the csv module quotes every line break in a report.
        csv.writer(file, lineterminator="\r\n").writerows([columns, *zip(*columns.values(), strict=True)])


def _cells_by_label(values: np.ndarray, suffix: str) -> dict[str, list[str]]:
    """The cells of 15 columns; a number has as few digits as tell its float32 from all others."""
    values = np.asarray(values, np.float32)
    cells = [["" if np.isnan(value) else f"{value!s}".removesuffix(".0") for value in column] for column in values.T]
    return {f"{label}{suffix}": column for label, column in zip(LABELS, cells, strict=True)}


def read(path: Path) -> Judged:
    """Read a table that `write` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is not such a table; the message has the row and the column.
    """
    table = Table(path, (*_IDS, *LABELS))
    fields: dict[str, object] = {"study_ids": table.cells("study_id"), "patient_ids": table.cells("patient_id")}
    fields["labels"] = _values_by_label(table, "", binary=True)
    for field, suffix in _ARRAYS.items():
        there = [label for label in LABELS if f"{label}{suffix}" in table.header]
        if there:
            missing = next((label for label in LABELS if label not in there), None)
            if missing:
                raise InputError(f"{path}, row 1: column {missing}{suffix} is missing; evaluate again")
            fields[field] = _values_by_label(table, suffix, binary=field != "logits")
    for field, name in _TEXTS.items():
        if name in table.header:
            fields[field] = table.cells(name, strip=False)
    table.raise_problems()
    return Judged(**fields)


def _values_by_label(table: Table, suffix: str, binary: bool) -> np.ndarray:
    """float32 [N, 15] from the cells of 15 columns; a cell that cannot be is recorded in `table`."""
    values = np.full((len(table), len(LABELS)), np.nan, np.float32)
    for k, label in enumerate(LABELS):
        column = f"{label}{suffix}"
        for n, cell in enumerate(table.cells(column)):
            value = _BINARY.get(cell) if binary else _number(cell)
            if value is None:
                table.problem(n, column, f"{cell!r}; expected {'1, 0 or empty' if binary else 'a number or empty'}")
            else:
                values[n, k] = value
    return values


def _number(cell: str) -> float | None:
    try:
        value = float(cell or "nan")
    except ValueError:
        return None
    return value if np.isfinite(value) or not cell else None
