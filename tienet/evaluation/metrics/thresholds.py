"""Thresholds: a label is predicted where its probability reaches its threshold, chosen on the validation split."""

import math

import numpy as np

from tienet.errors import InputError

DEFAULT_THRESHOLD = 0.5
"""The threshold of a label that has too few cases in the validation split to choose one."""


def youden(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each label the threshold that maximises sensitivity + specificity - 1 (Youden's J).

    Args:
        scores: float [N, K].
        labels: [N, K], 1, 0 or NaN (unknown, left out).
    Returns:
        float32 [K]; DEFAULT_THRESHOLD for a label with one class only.
    """
    from sklearn.metrics import roc_curve  # only here, as its import takes a second

    chosen = np.full(scores.shape[1], DEFAULT_THRESHOLD, np.float32)
    for m in range(scores.shape[1]):
        known = ~np.isnan(labels[:, m])
        if len(np.unique(labels[known, m])) < 2:
            continue
        false_positives, true_positives, thresholds = roc_curve(labels[known, m], scores[known, m])
        best = int(np.argmax((true_positives - false_positives)[1:])) + 1  # the first threshold is infinite
        chosen[m] = thresholds[best]
    return chosen


def for_sensitivity(scores: np.ndarray, labels: np.ndarray, sensitivity: float) -> np.ndarray:
    """For each label the highest threshold that at least the share `sensitivity` of the positives reaches.

    Args:
        scores: float32 [N, K].
        labels: [N, K], 1, 0 or NaN (unknown, left out).
        sensitivity: The share, above 0 and at most 1.
    Returns:
        float32 [K], each the score of a positive; DEFAULT_THRESHOLD for a label without a positive.
    Raises:
        InputError: `sensitivity` is not above 0 and at most 1.
    """
    check_sensitivity(sensitivity)
    chosen = np.full(scores.shape[1], DEFAULT_THRESHOLD, np.float32)
    for m in range(scores.shape[1]):
        positives = np.sort(scores[labels[:, m] == 1, m])[::-1]
        if len(positives):
            needed = max(math.ceil(sensitivity * len(positives) - 1e-9), 1)  # 1e-9: as floats, .1 * 30 is above 3
            chosen[m] = positives[needed - 1]
    return chosen


def check_sensitivity(sensitivity: float) -> None:
    """Raise InputError unless the sensitivity is above 0 and at most 1."""
    if not 0 < sensitivity <= 1:
        raise InputError(f"--sensitivity {sensitivity}: expected a share above 0, at most 1, such as 0.95")
