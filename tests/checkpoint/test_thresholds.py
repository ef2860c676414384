"""The chosen thresholds, against a search through all of them."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from tienet.checkpoint.thresholds import (
    SHRINKAGE,
    Objective,
    choose,
    for_precision,
    for_sensitivity,
    largest_f1,
    youden,
)
from tienet.errors import InputError
from tienet.labels import K, name_labels

F = K - 1  # the findings are the first columns, No_Finding is the last


def scores_and_labels(seed: int = 0, n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels; column 1 is partly unknown, 2 has ties, 3 has no positive and 4 has one."""
    rng = np.random.default_rng(seed)
    scores = rng.random((n, K)).astype(np.float32)
    labels = (scores + rng.normal(0, 0.3, scores.shape) > 0.8).astype(np.float32)
    labels[:10, 1] = np.nan
    scores[:, 2] = np.round(scores[:, 2], 1)
    labels[:, 3:5] = 0
    labels[7, 4] = 1
    return scores, labels


def log_odds(p: float) -> float:
    return math.log(p / (1 - p))


# ---- the largest F1 ----


def best_gap(scores: list[float], labels: list[float]) -> tuple[float, float]:
    """The gap below the lowest named score where F1 is largest, by trying each score as the threshold."""
    best, gap = -1.0, None
    for threshold in sorted(set(scores), reverse=True):
        tp = sum(s >= threshold and y == 1 for s, y in zip(scores, labels, strict=True))
        named = sum(s >= threshold for s in scores)
        f1 = 2 * tp / (named + sum(y == 1 for y in labels))
        if f1 > best:
            below = [s for s in scores if s < threshold]
            best, gap = f1, (max(below) if below else None, threshold)
    return gap


@pytest.mark.parametrize("seed", range(4))
def test_f1_is_largest_and_shrunk_by_the_number_of_positives_against_a_loop(seed):
    scores, labels = scores_and_labels(seed)
    scores = np.clip(scores, 0.01, 0.99)
    chosen = largest_f1(scores, labels)
    cells = [(s, y) for s, y in zip(scores[:, :F].ravel(), labels[:, :F].ravel(), strict=True) if not math.isnan(y)]
    low, high = best_gap(*map(list, zip(*cells, strict=True)))
    pooled = (log_odds(low) + log_odds(high)) / 2
    for k in range(K):
        rows = [n for n in range(len(scores)) if not math.isnan(labels[n, k])]
        if k == F:  # No_Finding is not named beside a finding
            rows_alone = [n for n in rows if not any(scores[n, :F] >= chosen[:F])]
            column = [scores[n, k] if n in rows_alone else -1.0 for n in rows]
        else:
            column = [scores[n, k] for n in rows]
        positives = int(sum(labels[n, k] == 1 for n in rows))
        expected = pooled
        if any(labels[n, k] == 1 and s >= 0 for n, s in zip(rows, column, strict=True)):
            low, high = best_gap(column, [labels[n, k] for n in rows])
            low = -math.inf if low is None or low < 0 else log_odds(low) + 0.1 * (log_odds(high) - log_odds(low))
            own = min(max(pooled, low), log_odds(high))
            expected = (positives * own + SHRINKAGE * pooled) / (positives + SHRINKAGE)
        assert log_odds(float(chosen[k])) == pytest.approx(expected, abs=1e-4), k
    assert log_odds(float(chosen[3])) == pytest.approx(pooled, abs=1e-4)  # no positive


def test_with_many_positives_the_f1_is_the_best_that_there_is():
    rng = np.random.default_rng(1)
    labels = np.tile((rng.random((5_000, 1)) < 0.5), K).astype(np.float32)
    scores = (0.2 + 0.3 * labels + 0.5 * rng.random(labels.shape) ** np.arange(1, K + 1)).astype(np.float32)
    chosen = largest_f1(scores, labels)
    for k in (0, 5, F - 1):
        found = f1_score(labels[:, k], scores[:, k] >= chosen[k])
        best = max(f1_score(labels[:, k], scores[:, k] >= t) for t in np.linspace(0.2, 1, 81))
        assert found > best - 0.006


def test_one_lucky_case_does_not_say_where_the_threshold_is():
    """The only Mass of the validation split has the probability .02; of 40 others it would name 20."""
    scores, labels = scores_and_labels()
    scores[:, 4], labels[:, 4] = np.linspace(0.001, 0.05, len(scores)), 0
    scores[0, 4], labels[0, 4] = 0.02, 1
    f1, j = largest_f1(scores, labels), youden(scores, labels)
    assert j[4] <= 0.02 and (scores[:, 4] >= j[4]).sum() > 20
    assert f1[4] > 0.3 and not (scores[:, 4] >= f1[4]).any()


def test_without_a_positive_finding_all_thresholds_are_the_plain_one():
    scores, labels = scores_and_labels()
    labels[:, :F] = 0
    assert (largest_f1(scores, labels) == 0.5).all()
    labels[:] = np.nan
    assert (largest_f1(scores, labels) == 0.5).all()


def test_probabilities_of_0_and_1_and_labels_without_scores_are_no_trouble():
    scores, labels = scores_and_labels()
    scores[::2], scores[1::2] = np.where(labels[::2] == 1, 1, 0), 0.5
    scores[:, 5] = np.nan
    for objective in ("f1", "youden", "sensitivity=0.5", "precision=0.5"):
        chosen = choose(scores, labels, Objective.parse(objective))
        assert np.isfinite(chosen.values).all() and chosen.recall[5] == 0


# ---- the other objectives ----


def test_youden_maximises_sensitivity_plus_specificity():
    scores, labels = scores_and_labels()
    chosen = youden(scores, labels)
    for k in (0, 1, 2, 4, 9, F):
        known = ~np.isnan(labels[:, k])
        s, y = scores[known, k], labels[known, k]
        values = {t: (s[y == 1] >= t).mean() + (s[y == 0] < t).mean() for t in s}
        assert values[chosen[k]] == max(values.values())
    assert chosen[3] == 0.5


@pytest.mark.parametrize("sensitivity", [0.01, 0.1, 0.5, 0.9, 0.95, 1.0])
def test_the_highest_threshold_that_reaches_a_sensitivity(sensitivity):
    scores, labels = scores_and_labels()
    chosen = for_sensitivity(scores, labels, sensitivity)
    assert chosen.dtype == np.float32 and chosen[3] == 0.5
    for k in (0, 1, 2, 4, F):
        s = scores[labels[:, k] == 1, k]
        assert chosen[k] == max(t for t in s if (s >= t).mean() >= sensitivity)


def test_a_share_that_floats_cannot_tell_exactly_asks_for_no_positive_more():
    scores = np.arange(30, dtype=np.float32)[:, None] / 100
    assert for_sensitivity(scores, np.ones((30, 1)), 0.1)[0] == scores[27, 0]  # three: .1 * 30 > 3


@pytest.mark.parametrize("precision", [0.01, 0.4, 0.7, 0.9, 1.0])
def test_the_lowest_threshold_from_which_on_a_precision_is_reached(precision):
    scores, labels = scores_and_labels()
    chosen = for_precision(scores, labels, precision)
    assert chosen.dtype == np.float32 and chosen[3] == 0.5
    for k in (0, 1, 2, 4, F):
        known = ~np.isnan(labels[:, k])
        s, y = scores[known, k], labels[known, k]
        reached = {t: (y[s >= t] == 1).mean() for t in s}
        enough = [t for t in s if reached[t] >= precision]
        if not enough:  # then the largest that there is
            enough = [t for t in s if reached[t] == max(reached.values())]
        assert chosen[k] == min(enough)


# ---- what is said of them ----


@pytest.mark.parametrize("objective", ["f1", "youden", "sensitivity=0.9", "precision=0.6"])
def test_precision_and_recall_are_those_of_the_labels_that_are_named(objective):
    scores, labels = scores_and_labels()
    chosen = choose(scores, labels, Objective.parse(objective))
    named = name_labels(scores, chosen.values)
    for k in range(K):
        known = ~np.isnan(labels[:, k])
        pair = labels[known, k], named[known, k]
        assert chosen.positives[k] == pair[0].sum()
        if pair[1].any():
            assert chosen.precision[k] == pytest.approx(precision_score(*pair))
        else:
            assert np.isnan(chosen.precision[k])
        if pair[0].any():
            assert chosen.recall[k] == pytest.approx(recall_score(*pair))
        else:
            assert np.isnan(chosen.recall[k])


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("f1", Objective("f1")),
        (" youden ", Objective("youden")),
        ("sensitivity=0.95", Objective("sensitivity", 0.95)),
        ("precision=1", Objective("precision", 1.0)),
    ],
)
def test_objectives_are_read_and_written(text, objective):
    assert Objective.parse(text) == objective == Objective.parse(str(objective))


@pytest.mark.parametrize(
    "text",
    ["", "f2", "f1=1", "youden=", "sensitivity", "precision=", "sensitivity=0", "precision=-0.5", "sensitivity=1.01",
     "sensitivity=nan", "precision=inf", "precision=high"],
)  # fmt: skip
def test_an_objective_that_does_not_exist_is_refused(text):
    with pytest.raises(InputError, match="--objective"):
        Objective.parse(text)
