"""Controls for written reports: the most frequent training report, and the report of the most similar training image.

Axes: N training studies, M evaluated studies, F = 2C pooled features (`tienet.data.features.cache.Features.pooled`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.progress import Progress

TIE = 1e-6
"""Cosines that differ by less count as equal, because float32 products of equal images differ in their last digits."""

# Studies in a block. A block of cosines then takes 8 MB, and one of 4096 float32 features 67 MB.
_STUDIES_PER_BLOCK, _TRAIN_PER_BLOCK = 512, 4096


def most_frequent_report(train_reports: Sequence[str]) -> str:
    """The most frequent training report, as its words joined by spaces; of equally frequent ones the first.

    Two reports are the same if `tienet.data.text.tokenize` gives the same words. Reports without a word do not count.

    Raises:
        InputError: No training report has a word.
    """
    counts = Counter(words for report in train_reports if (words := " ".join(tokenize(report))))
    if not counts:
        raise InputError(_no_reports_message(len(train_reports)))
    return max(counts, key=counts.__getitem__)  # the first of the largest, as a Counter keeps the order


def nearest_reports(train_features: np.ndarray, train_reports: Sequence[str], features: np.ndarray) -> list[str]:
    """For each evaluated image, the unchanged report of the training image whose features have the largest cosine.

    Args:
        train_features: float [N, F].
        train_reports: N reports; training images whose report is empty are left out.
        features: float [M, F], of the evaluated images.
    Returns:
        M reports. Of equally similar training images (see TIE) the first is taken. A row of zeros has cosine 0 with
        every other row.
    Raises:
        InputError: No training image has a report.
        ValueError: The shapes do not fit, or a feature is not a finite number.
    """
    train_features, features = np.asarray(train_features), np.asarray(features)
    if train_features.ndim != 2 or features.ndim != 2 or train_features.shape[1] != features.shape[1]:
        raise ValueError(f"train_features {train_features.shape} and features {features.shape} must be [N, F], [M, F]")
    if len(train_features) != len(train_reports):
        raise ValueError(f"{len(train_features)} rows of training features and {len(train_reports)} reports")
    candidates = np.array([n for n, report in enumerate(train_reports) if report.strip()], np.int64)
    if not len(candidates):
        raise InputError(_no_reports_message(len(train_reports)))
    best, nearest = np.full(len(features), -np.inf, np.float32), np.zeros(len(features), np.int64)
    with Progress(len(candidates), "nearest-image control", "images") as bar:
        for block in _blocks(candidates, _TRAIN_PER_BLOCK):
            train = _unit(train_features, block, "train_features")
            for rows in _blocks(np.arange(len(features)), _STUDIES_PER_BLOCK):
                cosines = _unit(features, rows, "features") @ train.T
                largest = cosines.max(axis=1)
                first = (cosines >= largest[:, None] - TIE).argmax(axis=1)
                better = largest > best[rows] + TIE
                nearest[rows[better]], best[rows[better]] = block[first[better]], largest[better]
            bar.update(len(block))
    return [train_reports[n] for n in nearest]


def _blocks(indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _unit(features: np.ndarray, rows: np.ndarray, name: str) -> np.ndarray:
    """A copy float32 [n, F] of these rows, scaled to length 1; rows of zeros stay zero."""
    unit = features[rows].astype(np.float32, copy=False)
    largest = np.abs(unit).max(axis=1, keepdims=True, initial=0)
    if not np.isfinite(largest).all():
        raise ValueError(f"{name}: row {rows[np.isfinite(largest[:, 0]).argmin()]} has a value that is not finite")
    # Divided by the largest value first, so that no square leaves the range of float32.
    np.divide(unit, largest, out=unit, where=largest > 0)
    lengths = np.linalg.norm(unit, axis=1, keepdims=True)
    return np.divide(unit, lengths, out=unit, where=lengths > 0)


def _no_reports_message(studies: int) -> str:
    return f"none of the {studies} training studies has a report; fill the column 'report' or leave this control out"
