"""What is counted of a manifest's rows: splits, labels, pairs of labels, patients, views, empty cells.

Letters: N studies, K = 15 labels, G = 4 groups (the three splits, and all).
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.data.csv_table import Table
from tienet.data.manifest import COLUMNS, Manifest
from tienet.data.splits import SPLITS
from tienet.labels import LABELS

GROUPS: tuple[str, ...] = (*SPLITS, "all")
SIZES = ("studies", "patients", "images", "reports")
VIEW_COLUMNS = "view, View Position or ViewPosition"

_VIEW = re.compile(r"view[\s_-]*(position)?", re.IGNORECASE)
_TEXT_COLUMNS = COLUMNS[: -len(LABELS)]


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """int [G, 4], what SIZES names; and int [G, K] each: studies where a label is 1, 0, unknown."""

    sizes: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True, eq=False)
class Pairs:
    """How labels go together.

    both: int [K, K], studies with both; its diagonal has the studies with the label, symmetric.
    known: int [K, K], studies with the row's label where the column's is known.
    """

    both: np.ndarray
    known: np.ndarray

    def share(self) -> np.ndarray:
        """float [K, K]: of the studies with the row's label, those with the column's too; NaN where there is none."""
        with np.errstate(invalid="ignore"):
            return self.both / np.where(self.known > 0, self.known, np.nan)

    def most_frequent(self, count: int) -> list[tuple[str, str, int]]:
        """Up to `count` pairs of different labels that a study has, falling."""
        rows, columns = np.triu_indices(len(LABELS), 1)
        order = np.argsort(-self.both[rows, columns], kind="stable")[:count]
        pairs = [(rows[i], columns[i]) for i in order]
        return [(LABELS[j], LABELS[k], int(self.both[j, k])) for j, k in pairs if self.both[j, k]]


def count_groups(manifest: Manifest) -> GroupCounts:
    """Studies, patients, images, reports and each label's values, per split and in all."""
    sizes, values = [], []
    for group in GROUPS:
        chosen = np.flatnonzero(np.ones(len(manifest), bool) if group == "all" else manifest.splits == group)
        part = manifest.take(chosen)
        images, reports = sum(image is not None for image in part.images), sum(map(has_text, part.reports))
        sizes.append([len(part), len(set(part.patient_ids)), images, reports])
        values.append([(part.labels == 1).sum(0), (part.labels == 0).sum(0), np.isnan(part.labels).sum(0)])
    positive, negative, unknown = np.array(values, np.int64).swapaxes(0, 1)
    return GroupCounts(np.array(sizes, np.int64), positive, negative, unknown)


def has_text(report: str) -> bool:
    """Is there more in it than white space?"""
    return bool(report.strip())


def count_pairs(labels: np.ndarray) -> Pairs:
    """Labels that are there together. labels: float [N, K], 1, 0 or NaN."""
    present = (labels == 1).astype(np.int64)
    return Pairs(present.T @ present, present.T @ (~np.isnan(labels)).astype(np.int64))


def per_patient(manifest: Manifest) -> dict[str, np.ndarray]:
    """ "studies" and "images" -> int [patients], how many each patient has."""
    studies = Counter(manifest.patient_ids)
    with_image = Counter(
        patient for patient, image in zip(manifest.patient_ids, manifest.images, strict=True) if image is not None
    )
    return {
        "studies": np.array(list(studies.values()), np.int64),
        "images": np.array([with_image[patient] for patient in studies], np.int64),
    }


@dataclass(frozen=True)
class Cells:
    """What only the CSV file has.

    rows: its rows. empty: column -> empty cells, of all columns but the labels. views: column -> value -> studies, of
    the columns that tell the view.
    """

    rows: int
    empty: dict[str, int]
    views: dict[str, Counter[str]]


def count_cells(path: Path) -> Cells:
    """Empty cells and views. Raises InputError if the file is no CSV table (`csv_table.Table`)."""
    table = Table(path, COLUMNS)
    names = [name for name in table.header if name in _TEXT_COLUMNS or name not in COLUMNS]
    empty = {name: sum(not cell for cell in table.cells(name)) for name in names}
    views = {name: Counter(filter(None, table.cells(name))) for name in names if _VIEW.fullmatch(name)}
    return Cells(len(table), empty, views)


def percent(part: float, whole: float) -> str:
    """A share with one digit; never "0.0%" of something, nor "100.0%" of less than all; "-" of nothing."""
    if not whole:
        return "-"
    share = 100 * part / whole
    if 0 < share < 0.05:
        return "<0.1%"
    return ">99.9%" if 99.95 <= share < 100 else f"{share:.1f}%"
