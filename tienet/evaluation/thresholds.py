"""The probability from which on a label is named."""

import numpy as np
from sklearn.metrics import roc_curve


def youden(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Per label the threshold that maximises sensitivity + specificity - 1 (Youden's J).

    Args:
        scores: float [N, K]. labels: [N, K], 1, 0 or NaN (unknown, left out).
    Returns:
        float32 [K]; 0.5 where a label has one class only.
    """
    chosen = np.full(scores.shape[1], 0.5, np.float32)
    for m in range(scores.shape[1]):
        known = ~np.isnan(labels[:, m])
        if len(np.unique(labels[known, m])) < 2:
            continue
        false_positives, true_positives, thresholds = roc_curve(labels[known, m], scores[known, m])
        best = int(np.argmax((true_positives - false_positives)[1:])) + 1  # the first threshold is infinite
        chosen[m] = thresholds[best]
    return chosen
