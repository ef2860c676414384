"""Reports that need no model: the one most often written, and that of the image that looks most alike.

Axes: N training studies, M judged studies, F = 2C pooled features (`tienet.data.features.cache.Features.pooled`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm import tqdm

from tienet.data.text import tokenize
from tienet.errors import InputError

TIE = 1e-6
"""Cosines closer than this count as equal: float32 products of equal images differ in their last digits."""

_JUDGED_AT_ONCE, _TRAIN_AT_ONCE = 512, 4096  # a block of cosines has 8 MB, one of 4096 float32 features 67 MB


def most_frequent_report(train_reports: Sequence[str]) -> str:
    """The training report that is there most often, as its words joined by spaces; ties: the first seen.

    Reports are the same if `tienet.data.text.tokenize` gives the same words. Reports without a word do not count.

    Raises:
        InputError: no training report has a word.
    """
    counts = Counter(words for report in train_reports if (words := " ".join(tokenize(report))))
    if not counts:
        raise InputError(_no_reports(len(train_reports)))
    return max(counts, key=counts.__getitem__)  # a Counter keeps the order in which it saw them


def nearest_reports(train_features: np.ndarray, train_reports: Sequence[str], features: np.ndarray) -> list[str]:
    """For each judged image the report, as it is, of the training image whose features have the largest cosine.

    Args:
        train_features: float [N, F].
        train_reports: N reports; images with an empty one are passed over.
        features: float [M, F].
    Returns:
        M reports. Ties (see TIE) go to the first training image. A row of zeros has cosine 0 with every other.
    Raises:
        InputError: no training image has a report.
        ValueError: the shapes do not fit, or a feature is not a finite number.
    """
    train_features, features = np.asarray(train_features), np.asarray(features)
    if train_features.ndim != 2 or features.ndim != 2 or train_features.shape[1] != features.shape[1]:
        raise ValueError(f"train_features {train_features.shape} and features {features.shape} must be [N, F], [M, F]")
    if len(train_features) != len(train_reports):
        raise ValueError(f"{len(train_features)} rows of training features and {len(train_reports)} reports")
    candidates = np.array([n for n, report in enumerate(train_reports) if report.strip()], np.int64)
    if not len(candidates):
        raise InputError(_no_reports(len(train_reports)))
    best, nearest = np.full(len(features), -np.inf, np.float32), np.zeros(len(features), np.int64)
    with tqdm(total=len(candidates), desc="nearest-image control", unit=" images") as bar:
        for block in _blocks(candidates, _TRAIN_AT_ONCE):
            train = _unit(train_features, block, "train_features")
            for rows in _blocks(np.arange(len(features)), _JUDGED_AT_ONCE):
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
    """float32 [n, F], a copy: these rows, brought to length 1; rows of zeros as they are."""
    unit = features[rows].astype(np.float32, copy=False)
    largest = np.abs(unit).max(axis=1, keepdims=True, initial=0)
    if not np.isfinite(largest).all():
        raise ValueError(f"{name}: row {rows[np.isfinite(largest[:, 0]).argmin()]} has a value that is not finite")
    # by the largest first, so that no square is too large or too small for float32
    np.divide(unit, largest, out=unit, where=largest > 0)
    lengths = np.linalg.norm(unit, axis=1, keepdims=True)
    return np.divide(unit, lengths, out=unit, where=lengths > 0)


def _no_reports(studies: int) -> str:
    return f"none of the {studies} training studies has a report; fill the column 'report' or leave this control out"
