"""Counts over the rows of a manifest: splits, labels, pairs of labels, patients, views and empty cells.

Letters in shapes: N studies, K = 15 labels, G = 4 groups (the three splits, and all studies).
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
    """The counts of each group.

    Attributes:
        sizes: int [G, 4], the numbers that SIZES names.
        positive, negative, unknown: int [G, K] each, the number of studies in which a label is 1, 0 or unknown.
    """

    sizes: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    unknown: np.ndarray


@dataclass(frozen=True, eq=False)
class Pairs:
    """How often two labels occur together.

    Attributes:
        both: int [K, K], the number of studies with both labels; symmetric, with the studies of each label on the
            diagonal.
        known: int [K, K], the number of studies that have the label of the row and in which the label of the column is
            known.
    """

    both: np.ndarray
    known: np.ndarray

    def share(self) -> np.ndarray:
        """float [K, K]: the share of the `known` studies that have the label of the column; NaN if there are none."""
        with np.errstate(invalid="ignore"):
            return self.both / np.where(self.known > 0, self.known, np.nan)

    def most_frequent(self, count: int) -> list[tuple[str, str, int]]:
        """Up to `count` pairs of different labels that occur together, with their counts, most frequent first."""
        rows, columns = np.triu_indices(len(LABELS), 1)
        order = np.argsort(-self.both[rows, columns], kind="stable")[:count]
        pairs = [(rows[i], columns[i]) for i in order]
        return [(LABELS[j], LABELS[k], int(self.both[j, k])) for j, k in pairs if self.both[j, k]]


def count_groups(manifest: Manifest) -> GroupCounts:
    """Count studies, patients, images, reports and the values of each label, in each split and in total."""
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
    """Whether a report has more than white space."""
    return bool(report.strip())


def count_pairs(labels: np.ndarray) -> Pairs:
    """Count the studies with each pair of labels.

    Args:
        labels: float [N, K], 1, 0 or NaN (unknown).
    """
    present = (labels == 1).astype(np.int64)
    return Pairs(present.T @ present, present.T @ (~np.isnan(labels)).astype(np.int64))


def per_patient(manifest: Manifest) -> dict[str, np.ndarray]:
    """Under "studies" and "images": int [number of patients], how many of them each patient has."""
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
    """Counts over the cells of the CSV file, which a `Manifest` does not keep.

    Attributes:
        rows: The number of rows.
        empty: Maps each column, except the labels, to its number of empty cells.
        views: Maps each column that tells the view to the number of studies with each of its values.
    """

    rows: int
    empty: dict[str, int]
    views: dict[str, Counter[str]]


def count_cells(path: Path) -> Cells:
    """Count empty cells and views. Raises InputError if the file is no CSV table (`csv_table.Table`)."""
    table = Table(path, COLUMNS)
    names = [name for name in table.header if name in _TEXT_COLUMNS or name not in COLUMNS]
    empty = {name: sum(not cell for cell in table.cells(name)) for name in names}
    views = {name: Counter(filter(None, table.cells(name))) for name in names if _VIEW.fullmatch(name)}
    return Cells(len(table), empty, views)


def percent(part: float, total: float) -> str:
    """A share in percent with one digit, or "-" if `total` is 0.

    A share is "0.0%" only if it is 0, and "100.0%" only if it is the total; otherwise "<0.1%" and ">99.9%" are used.
    """
    if not total:
        return "-"
    share = 100 * part / total
    if 0 < share < 0.05:
        return "<0.1%"
    return ">99.9%" if 99.95 <= share < 100 else f"{share:.1f}%"
