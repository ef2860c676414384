"""How far two readers agree on each label: counts of their answers, shares of agreement, and Cohen's kappa.

Axes: N studies, K = 15 labels of `tienet.labels.LABELS`, R resamples; s = 3 states (STATES_IN_ORDER), the first of a
pair from reader A and the second from reader B.

Kappa is the agreement beyond chance (J. Cohen, A coefficient of agreement for nominal scales, Educational and
Psychological Measurement 20, 1960):

    kappa = (p_o - p_e) / (1 - p_e),    p_o = sum_i p_ii,    p_e = sum_i p_i. p_.i

p_ij is the share of the studies in which A gave state i and B state j; p_i. and p_.i are A's and B's shares of state i.
It is undefined where both gave one and the same state throughout, for then p_e = 1: None, never 0 and never 1.

A rare label has a high p_e: readers may agree in nearly all studies and have a low kappa (the paradox of A. R.
Feinstein and D. V. Cicchetti, Journal of Clinical Epidemiology 43, 1990). So the positive agreement stands beside it,
2 both / (A + B) of the studies that both, A and B say "there" in, which what is rightly not there does not raise.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tienet.evaluation.metrics.auroc import check_patients, patient_weights, percentile_interval
from tienet.hand_labels.sheet import CANNOT_TELL, NOT_THERE, STATES, THERE
from tienet.labels import FINDINGS, LABELS, K

STATES_IN_ORDER = (THERE, NOT_THERE, CANNOT_TELL)
"""The order of the states in counts; the first two are those in which a reader can tell."""

ALL, MEAN = "all findings", "mean"
GROUPS = (*LABELS, ALL, MEAN)
"""What a measure is of: each label, the counts of the 14 findings together, and the mean over the findings."""

_F = len(FINDINGS)  # the findings are the first columns of LABELS


class PairCounts(NamedTuple):
    """How often each pair of states was given.

    Attributes:
        counts: int64 [K, 3, 3].
        drawn: int64 [R, K, 3, 3], those in every resample of patients.
    """

    counts: np.ndarray
    drawn: np.ndarray


class Measure(NamedTuple):
    """A measure of each of GROUPS; NaN where it is undefined.

    Attributes:
        values: float64 [K + 2].
        drawn: float64 [R, K + 2], in every resample. The mean is over the findings that are defined there.
    """

    values: np.ndarray
    drawn: np.ndarray

    def entry(self, name: str, k: int, level: float) -> dict:
        """{name: value, name_lo, name_hi} of group k, ready for JSON; None where it is undefined."""
        value, (lo, hi) = self.values[k], percentile_interval(self.drawn[:, k], level)
        undefined = bool(np.isnan(value))
        return {name: None if undefined else float(value), f"{name}_lo": lo, f"{name}_hi": hi}

    def left_out(self, k: int) -> int:
        """The number of resamples in which the measure of group k is undefined; 0 where it is so in the data."""
        return 0 if np.isnan(self.values[k]) else int(np.isnan(self.drawn[:, k]).sum())


def count_pairs(
    a: np.ndarray, b: np.ndarray, patient_ids: Sequence[str], resamples: int = 1000, seed: int = 0
) -> PairCounts:
    """Count the pairs of states of two readers.

    Args:
        a, b: float [N, K], THERE, NOT_THERE or CANNOT_TELL; NaN: was not asked, so that the study counts in no pair.
        patient_ids: [N], the patient of each study. The resamples are those of `auroc.patient_weights`.
        resamples, seed: As there.
    Raises:
        ValueError: A shape is wrong, or an answer is none of the states.
    """
    of_a, of_b = _one_hot(a, "a"), _one_hot(b, "b")
    if of_a.shape != of_b.shape:
        raise ValueError(f"a {np.shape(a)} and b {np.shape(b)} must have the same shape")
    check_patients(patient_ids, len(of_a))
    pairs = (of_a[..., :, None] * of_b[..., None, :]).reshape(len(of_a), K * len(STATES) ** 2)
    drawn, start = np.zeros((resamples, pairs.shape[1]), np.int64), 0
    for weights in patient_weights(patient_ids, resamples, seed):
        drawn[start : start + len(weights)] = weights.astype(np.float64) @ pairs  # whole numbers, so exact
        start += len(weights)
    shape = (K, len(STATES), len(STATES))
    return PairCounts(pairs.sum(axis=0).astype(np.int64).reshape(shape), drawn.reshape(-1, *shape))


def _one_hot(answers: np.ndarray, name: str) -> np.ndarray:
    """float64 [N, K, 3], 1 for the state that was given."""
    answers = np.asarray(answers, np.float64)
    if answers.ndim != 2 or answers.shape[1] != K:
        raise ValueError(f"{name} is {answers.shape}; expected [N, {K}]")
    found = np.stack([answers == state for state in STATES_IN_ORDER], axis=-1)
    wrong = ~(found.any(axis=-1) | np.isnan(answers))
    if wrong.any():
        raise ValueError(f"{name} has the answer {answers[wrong][0]:g}; expected one of {STATES_IN_ORDER} or NaN")
    return found.astype(np.float64)


# ---- the measures, float64 [...] of counts int64 [..., 3, 3]; NaN where undefined ----


def kappa(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa over the s states of the counts [..., s, s]; see above. All sums are of whole numbers."""
    studies = counts.sum(axis=(-2, -1))
    same = np.trace(counts, axis1=-2, axis2=-1)
    by_chance = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1)  # p_e N^2
    return _divide(studies * same - by_chance, studies * studies - by_chance)


def kappa_where_both_tell(counts: np.ndarray) -> np.ndarray:
    """Cohen's kappa over the states there and not there, of the studies in which both readers can tell."""
    return kappa(counts[..., :2, :2])


def agreement(counts: np.ndarray) -> np.ndarray:
    """p_o, the share of the studies in which both gave the same state."""
    return _divide(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def positive_agreement(counts: np.ndarray) -> np.ndarray:
    """2 both / (A + B) of the studies that both, A and B say "there" in."""
    return _divide(2 * counts[..., 0, 0], counts[..., 0, :].sum(axis=-1) + counts[..., :, 0].sum(axis=-1))


MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "agreement": agreement,
    "kappa": kappa,
    "kappa_two_states": kappa_where_both_tell,
    "positive_agreement": positive_agreement,
}


def measure(pairs: PairCounts, of_counts: Callable[[np.ndarray], np.ndarray]) -> Measure:
    """A measure of each of GROUPS, from the counts and those of every resample."""
    values, drawn = (_of_groups(of_counts, counts) for counts in pairs)
    covered = ~np.isnan(values[:_F])
    return Measure(_with_mean(values, covered), _with_mean(drawn, covered))


def measure_both(
    one: PairCounts, other: PairCounts, of_counts: Callable[[np.ndarray], np.ndarray]
) -> tuple[Measure, Measure, Measure]:
    """A measure of two pairs of readers in the same resamples, and the difference one - other.

    The means of all three are over the findings for which both are defined, also in each resample, so that the mean of
    the differences is the difference of the means.
    """
    values, drawn = (
        [_of_groups(of_counts, counts) for counts in both]
        for both in ((one.counts, other.counts), (one.drawn, other.drawn))
    )
    values.append(values[0] - values[1])
    drawn.append(drawn[0] - drawn[1])
    covered, covered_drawn = ~np.isnan(values[2][:_F]), ~np.isnan(drawn[2][:, :_F])
    first, second, difference = (
        Measure(_with_mean(of_data, covered), _with_mean(of_draws, covered & covered_drawn))
        for of_data, of_draws in zip(values, drawn, strict=True)
    )
    return first, second, difference


def _of_groups(of_counts: Callable[[np.ndarray], np.ndarray], counts: np.ndarray) -> np.ndarray:
    """The measure of the labels and of all findings, float64 [..., K + 1]."""
    together = counts[..., :_F, :, :].sum(axis=-3, keepdims=True)
    return of_counts(np.concatenate([counts, together], axis=-3))


def _with_mean(values: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The values [..., K + 1], and the mean over the covered findings that are defined."""
    of_findings = np.where(covered, values[..., :_F], np.nan)
    defined = ~np.isnan(of_findings)
    mean = _divide(np.where(defined, of_findings, 0).sum(axis=-1), defined.sum(axis=-1))
    return np.concatenate([values, mean[..., None]], axis=-1)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    numerator, denominator = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)
