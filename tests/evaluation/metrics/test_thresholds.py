"""The chosen thresholds, against a search through all of them."""

import numpy as np
import pytest

from tienet.errors import InputError
from tienet.evaluation.metrics.thresholds import for_sensitivity, youden


def scores_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of four labels; the second is partly unknown, and the last has no positive."""
    rng = np.random.default_rng(0)
    scores = rng.random((60, 4)).astype(np.float32)
    labels = (scores + rng.normal(0, 0.3, scores.shape) > 0.6).astype(np.float32)
    labels[:10, 1] = np.nan
    labels[:, 3] = 0
    return scores, labels


def test_youden_maximises_sensitivity_plus_specificity():
    scores, labels = scores_and_labels()
    chosen = youden(scores, labels)
    for m in range(3):
        known = ~np.isnan(labels[:, m])
        s, y = scores[known, m], labels[known, m]
        values = {t: (s[y == 1] >= t).mean() + (s[y == 0] < t).mean() for t in s}
        assert values[chosen[m]] == max(values.values())
    assert chosen[3] == 0.5


@pytest.mark.parametrize("sensitivity", [0.01, 0.1, 0.5, 0.9, 0.95, 1.0])
def test_the_highest_threshold_that_reaches_a_sensitivity(sensitivity):
    scores, labels = scores_and_labels()
    scores[:, 2] = np.round(scores[:, 2], 1)  # ties
    chosen = for_sensitivity(scores, labels, sensitivity)
    assert chosen.dtype == np.float32 and chosen[3] == 0.5
    for m in range(3):
        s = scores[labels[:, m] == 1, m]
        assert chosen[m] == max(t for t in s if (s >= t).mean() >= sensitivity)


def test_a_share_that_floats_cannot_tell_exactly_asks_for_no_positive_more():
    scores = np.arange(30, dtype=np.float32)[:, None] / 100
    assert for_sensitivity(scores, np.ones((30, 1)), 0.1)[0] == scores[27, 0]  # three: .1 * 30 > 3


@pytest.mark.parametrize("sensitivity", [0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_sensitivity_that_does_not_exist_is_refused(sensitivity):
    with pytest.raises(InputError, match="--sensitivity"):
        for_sensitivity(np.zeros((2, 1), np.float32), np.ones((2, 1)), sensitivity)
