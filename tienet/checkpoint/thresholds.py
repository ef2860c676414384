"""Thresholds: a label is named where its probability reaches its threshold, chosen on the validation split.

Axes: N studies, K = 15 labels of `tienet.labels.LABELS`, F = 14 findings.

By default a threshold is the one with the largest F1 = 2 TP / (named + true) on the validation split. A finding with
few positives says little about its own: one lucky case would put the threshold anywhere. So it is shrunk toward the
pooled threshold, which has the largest F1 over the cases of all findings together, in log-odds z = ln(p / (1 - p)):

    z_k = (n_k z_own + SHRINKAGE z_pooled) / (n_k + SHRINKAGE)        n_k: the positives of label k

With 10 positives it lies half way, with 100 at nine tenths, and without any positive it is the pooled one.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING, name_labels

DEFAULT_THRESHOLD = 0.5
"""The threshold of a label that has too few cases in the validation split to choose one."""

SHRINKAGE = 10
"""The number of positives for which a finding's own threshold counts as much as the pooled one."""

MIN_POSITIVES = 10
"""A label with fewer known positives than this has too few to choose a threshold by, which is said."""

_KINDS = ("f1", "youden", "sensitivity", "precision")

_F = len(FINDINGS)
_NO_FINDING = LABELS.index(NO_FINDING)


@dataclass(frozen=True)
class Objective:
    """What thresholds are chosen for.

    Attributes:
        kind: "f1", the largest F1, shrunk as said above; "youden", the largest sensitivity + specificity - 1;
            "sensitivity", the highest threshold that reaches this share of the positives; or "precision", the lowest
            threshold from which on this share of the named studies is positive.
        share: The share that is to be reached, above 0 and at most 1; None for the first two kinds.
    """

    kind: str = "f1"
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """The objective that is written as f1, youden, sensitivity=X or precision=X. Raises InputError if none is."""
        kind, _, value = text.strip().partition("=")
        if kind not in _KINDS or (kind in ("f1", "youden")) == ("=" in text):
            raise InputError(f"--objective {text}: expected f1, youden, sensitivity=X or precision=X")
        if kind in ("f1", "youden"):
            return cls(kind)
        try:
            share = float(value)
        except ValueError:
            share = math.nan
        if not 0 < share <= 1:
            raise InputError(f"--objective {text}: expected a share above 0, at most 1, such as {kind}=0.95")
        return cls(kind, share)

    def __str__(self) -> str:
        return self.kind if self.share is None else f"{self.kind}={self.share!r}"


LARGEST_F1 = Objective()
"""What thresholds are chosen for unless something else is asked for."""


@dataclass(frozen=True, eq=False)
class Thresholds:
    """The thresholds of K labels, and what they gave on the studies that they were chosen on.

    Attributes:
        values: float32 [K].
        precision: float64 [K], the share of the named studies that are positive; NaN where none is named.
        recall: float64 [K], the share of the positive studies that are named; NaN where none is positive.
        positives: int [K], the number of known positives.
    """

    values: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    positives: np.ndarray


def choose(scores: np.ndarray, labels: np.ndarray, objective: Objective = LARGEST_F1) -> Thresholds:
    """Choose the K thresholds.

    Args:
        scores: float32 [N, K], probabilities; a column of NaN means that the label has no scores.
        labels: [N, K], 1, 0 or NaN (unknown, left out).
        objective: What they are chosen for.
    Returns:
        The thresholds; DEFAULT_THRESHOLD for a label without a case to choose by. Precision and recall are those of
        the labels that `name_labels` names, so No_Finding counts only where no finding is named.
    """
    scores, labels = np.asarray(scores, np.float32), np.asarray(labels, np.float64)
    choose_values = {"f1": largest_f1, "youden": youden}.get(objective.kind)
    if choose_values is not None:
        values = choose_values(scores, labels)
    elif objective.kind == "sensitivity":
        values = for_sensitivity(scores, labels, objective.share)
    else:
        values = for_precision(scores, labels, objective.share)
    named, true = name_labels(scores, values) == 1, labels == 1
    known = ~np.isnan(labels)
    hits, named_counts, positives = (named & true).sum(0), (named & known).sum(0), true.sum(0)

    def share(counts: np.ndarray) -> np.ndarray:
        return np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0)

    return Thresholds(values, share(named_counts), share(positives), positives)


def largest_f1(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each label the threshold with the largest F1, shrunk toward the pooled one (the module's equation).

    A threshold may lie anywhere between the lowest score that is named and the next one below: it is put where it is
    nearest to the pooled one, which itself lies half way. For No_Finding, studies for which a finding is named
    already are never named.

    Args:
        scores: float32 [N, K], probabilities.
        labels: [N, K], 1, 0 or NaN (unknown, left out).
    Returns:
        float32 [K]; DEFAULT_THRESHOLD for all labels if no finding has a positive.
    """
    z, known = _log_odds(scores), ~np.isnan(labels) & ~np.isnan(scores)
    cut = _best_cut(z[:, :_F][known[:, :_F]], labels[:, :_F][known[:, :_F]] == 1)
    if cut is None:
        return np.full(scores.shape[1], DEFAULT_THRESHOLD, np.float32)
    pooled = cut.middle
    chosen = np.full(scores.shape[1], pooled)
    for k in range(scores.shape[1]):
        column = z[:, k]
        if k == _NO_FINDING:
            found = name_labels(scores, _probability(chosen))[:, :_F] == 1
            column = np.where(found.any(axis=1), -np.inf, column)
        cut = _best_cut(column[known[:, k]], labels[known[:, k], k] == 1)
        if cut is not None:
            n = int((labels[known[:, k], k] == 1).sum())
            chosen[k] = (n * cut.nearest(pooled) + SHRINKAGE * pooled) / (n + SHRINKAGE)
    return _probability(chosen)


@dataclass(frozen=True)
class _Cut:
    """A place between two neighbouring scores: from `high` on studies are named, at `low` and below they are not."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return self.high if math.isinf(self.low) else (self.low + self.high) / 2

    def nearest(self, z: float) -> float:
        """The value that is nearest to z, strictly above `low` by a tenth of the gap, and at most `high`."""
        lowest = -math.inf if math.isinf(self.low) else self.low + 0.1 * (self.high - self.low)
        return min(max(z, lowest), self.high)


def _best_cut(z: np.ndarray, positive: np.ndarray) -> _Cut | None:
    """The cut with the largest F1, of several the one that names the fewest; None without a positive with a score."""
    total = int(positive.sum())
    order = np.argsort(-z, kind="stable")
    z, hits = z[order], np.cumsum(positive[order])
    last = np.flatnonzero(np.append(z[1:] < z[:-1], True) & np.isfinite(z))  # a cut is below the last of equal scores
    if not total or not len(last) or not hits[last[-1]]:
        return None
    f1 = 2 * hits[last] / (last + 1 + total)
    best = last[int(np.argmax(f1))]
    return _Cut(float(z[best + 1]) if best + 1 < len(z) else -math.inf, float(z[best]))


def _log_odds(scores: np.ndarray) -> np.ndarray:
    """The log-odds float64 of float32 probabilities; 0 and 1 become the nearest numbers beside them."""
    smallest, largest = float(np.nextafter(np.float32(0), np.float32(1))), 1 - 2.0**-25
    return logit(np.clip(np.asarray(scores, np.float64), smallest, largest))


def _probability(z: np.ndarray) -> np.ndarray:
    return expit(z).astype(np.float32)


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
    for k in range(scores.shape[1]):
        known = ~np.isnan(labels[:, k]) & ~np.isnan(scores[:, k])
        if len(np.unique(labels[known, k])) < 2:
            continue
        false_positives, true_positives, thresholds = roc_curve(labels[known, k], scores[known, k])
        best = int(np.argmax((true_positives - false_positives)[1:])) + 1  # the first threshold is infinite
        chosen[k] = thresholds[best]
    return chosen


def for_sensitivity(scores: np.ndarray, labels: np.ndarray, sensitivity: float) -> np.ndarray:
    """For each label the highest threshold that at least the share `sensitivity` of the positives reaches.

    Args:
        scores: float32 [N, K].
        labels: [N, K], 1, 0 or NaN (unknown, left out).
        sensitivity: The share, above 0 and at most 1.
    Returns:
        float32 [K], each the score of a positive; DEFAULT_THRESHOLD for a label without a positive.
    """
    chosen = np.full(scores.shape[1], DEFAULT_THRESHOLD, np.float32)
    for k in range(scores.shape[1]):
        positives = np.sort(scores[(labels[:, k] == 1) & ~np.isnan(scores[:, k]), k])[::-1]
        if len(positives):
            needed = max(math.ceil(sensitivity * len(positives) - 1e-9), 1)  # 1e-9: as floats, .1 * 30 is above 3
            chosen[k] = positives[needed - 1]
    return chosen


def for_precision(scores: np.ndarray, labels: np.ndarray, precision: float) -> np.ndarray:
    """For each label the lowest threshold from which on at least the share `precision` of the studies is positive.

    Args:
        scores: float32 [N, K].
        labels: [N, K], 1, 0 or NaN (unknown, left out).
        precision: The share, above 0 and at most 1.
    Returns:
        float32 [K], each the score of a study; where none reaches the share, the one with the largest precision, of
        several the lowest. DEFAULT_THRESHOLD for a label without a positive.
    """
    chosen = np.full(scores.shape[1], DEFAULT_THRESHOLD, np.float32)
    for k in range(scores.shape[1]):
        known = ~np.isnan(labels[:, k]) & ~np.isnan(scores[:, k])
        order = np.argsort(-scores[known, k], kind="stable")
        column, hits = scores[known, k][order], np.cumsum(labels[known, k][order] == 1)
        if not len(hits) or not hits[-1]:
            continue
        last = np.flatnonzero(np.append(column[1:] < column[:-1], True))
        reached = hits[last] / (last + 1)
        enough = reached >= min(precision, reached.max()) - 1e-12
        chosen[k] = column[last[np.flatnonzero(enough)[-1]]]
    return chosen
