"""Youden's threshold against trying all of them."""

import numpy as np

from tienet.evaluation.thresholds import youden


def test_youden_maximises_sensitivity_plus_specificity():
    rng = np.random.default_rng(0)
    scores = rng.random((60, 4)).astype(np.float32)
    labels = (scores + rng.normal(0, 0.3, scores.shape) > 0.6).astype(np.float32)
    labels[:10, 1] = np.nan
    labels[:, 3] = 0
    chosen = youden(scores, labels)
    for m in range(3):
        known = ~np.isnan(labels[:, m])
        s, y = scores[known, m], labels[known, m]
        values = {t: (s[y == 1] >= t).mean() + (s[y == 0] < t).mean() for t in s}
        assert values[chosen[m]] == max(values.values())
    assert chosen[3] == 0.5
