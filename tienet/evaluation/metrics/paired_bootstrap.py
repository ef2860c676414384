"""The paired bootstrap test of two models, on the same studies and in the same resamples: AUCs, and named labels.

Axes: N studies, L = 15 labels of `tienet.labels.LABELS`, F = 14 findings, R resamples.

The difference a - b of the AUCs, or of the F1, is taken in every resample. Whether a resample is easy or hard affects
both models alike, so it cancels: the interval of the difference is narrower than two separate intervals suggest.

p is two-sided: twice the smaller of the shares of resamples with a - b <= 0 and with a - b >= 0, at most 1 and at least
1 / resamples. Resamples without a case are left out of the interval and of these shares.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tienet.evaluation.metrics.auroc import (
    AVG10_POSITIVES,
    MEANS,
    averages,
    check_patients,
    percentile_interval,
    plain_auc,
    rank_scores,
    resampled_auc,
)
from tienet.evaluation.metrics.named_labels import known_cases
from tienet.evaluation.metrics.report_findings import RATES, count_cases, micro_rates
from tienet.labels import FINDINGS, LABELS

_F = len(FINDINGS)  # the findings are the first columns of LABELS


class DrawnAUC(NamedTuple):
    """The AUCs of one set of scores, and those in every resample; NaN where undefined.

    Attributes:
        areas: float64 [L].
        drawn: float64 [R, L].
        positives: int64 [L], the positives of each label.
        drawn_positives: int64 [R, L], those in every resample; 0 for a label without scores.
        bootstrap: {"resamples", "seed"}, by which the resamples were drawn.
    """

    areas: np.ndarray
    drawn: np.ndarray
    positives: np.ndarray
    drawn_positives: np.ndarray
    bootstrap: dict[str, int]


class DrawnRates(NamedTuple):
    """The micro rates of named labels, by the names of RATES; NaN where undefined.

    Attributes:
        rates: A float64 for each rate.
        drawn: float64 [R] for each rate, its values in every resample.
        bootstrap: {"resamples", "seed"}, by which the resamples were drawn.
    """

    rates: dict[str, np.ndarray]
    drawn: dict[str, np.ndarray]
    bootstrap: dict[str, int]


def draw_auc(
    scores: np.ndarray,
    labels: np.ndarray,
    patient_ids: Sequence[str],
    *,
    folds: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> DrawnAUC:
    """The AUCs of a set of scores, for `compare_auc`; arguments and errors as in `auroc.evaluate_auc`."""
    scores, labels = np.asarray(scores), np.asarray(labels, dtype=np.float64)
    for name, array in (("scores", scores), ("labels", labels)):
        if array.shape != (len(labels), len(LABELS)):
            raise ValueError(f"{name} is {array.shape}; expected [{len(labels)}, {len(LABELS)}]")
    check_patients(patient_ids, len(labels))
    rankings = [rank_scores(scores[:, k], labels[:, k], folds) for k in range(len(LABELS))]
    plain = [plain_auc(ranking, len(scores)) for ranking in rankings]
    areas = np.array([np.nan if area is None else area for area in plain])
    drawn, drawn_positives = resampled_auc(rankings, patient_ids, resamples, seed)
    positives = (labels == 1).sum(axis=0)
    return DrawnAUC(areas, drawn, positives, drawn_positives, {"resamples": resamples, "seed": seed})


def draw_rates(
    named: np.ndarray, true: np.ndarray, patient_ids: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> DrawnRates:
    """The micro rates of named labels, for `compare_rates`; arguments as in `named_labels.evaluate_labels`."""
    counts, drawn = count_cases(*known_cases(named, true), patient_ids, resamples, seed)
    return DrawnRates(micro_rates(*counts), micro_rates(*drawn), {"resamples": resamples, "seed": seed})


def paired_auc(
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    labels: np.ndarray,
    patient_ids: Sequence[str],
    *,
    folds: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict:
    """The differences between the AUCs of two sets of scores, and between their means, with intervals and p-values.

    Args:
        scores_a, scores_b: float [N, 15], as in `auroc.evaluate_auc`, of the same studies in the same order.
        labels: [N, 15], 1, 0 or NaN (unknown).
        patient_ids: [N], the patient of each study. The resamples are those of `auroc.patient_weights`.
        folds, resamples, seed, level: As in `auroc.evaluate_auc`.
    Returns:
        As `compare_auc`.
    Raises:
        ValueError: A shape is wrong, some scores of a label are NaN but not all, or a label is not 1, 0 or NaN.
    """
    for name, scores in (("scores_a", scores_a), ("scores_b", scores_b)):
        if np.shape(scores) != (len(labels), len(LABELS)):
            raise ValueError(f"{name} is {np.shape(scores)}; expected [{len(labels)}, {len(LABELS)}]")
    a, b = (
        draw_auc(scores, labels, patient_ids, folds=folds, resamples=resamples, seed=seed)
        for scores in (scores_a, scores_b)
    )
    return compare_auc(a, b, level)


def compare_auc(a: DrawnAUC, b: DrawnAUC, level: float = 0.95) -> dict:
    """The differences a - b of the AUCs and of their means.

    Args:
        a, b: From the same studies, labels and resamples.
        level: The share of the resamples that an interval holds.
    Returns:
        {"auc": {LABEL: entry}, "avg": entry, "wavg": entry, "avg10": entry, "findings_covered",
        "avg10_findings", "bootstrap": {"resamples", "seed", "level"}}, ready for JSON. An entry is
        {"difference": a - b, "lo", "hi", "p"}, all None where either AUC is undefined. The means are over the
        findings whose AUC is defined in both; avg10 is over those of them with at least AVG10_POSITIVES positives.
    """
    by_label = {
        label: _entry(a.areas[k] - b.areas[k], a.drawn[:, k] - b.drawn[:, k], level) for k, label in enumerate(LABELS)
    }
    # A finding for which only one of the two has scores is in neither mean.
    areas_a, areas_b = _defined_in_both(a.areas[:_F], b.areas[:_F])
    drawn_positives = a.drawn_positives[:, :_F]  # the positives of b are the same where both have scores
    drawn_a, drawn_b = _defined_in_both(a.drawn[:, :_F], b.drawn[:, :_F])
    positives = a.positives[:_F]
    frequent = positives >= AVG10_POSITIVES  # of the data set, so the findings are the same in every resample
    values = _differences(averages(areas_a, positives, frequent), averages(areas_b, positives, frequent))
    drawn = _differences(averages(drawn_a, drawn_positives, frequent), averages(drawn_b, drawn_positives, frequent))
    covered = ~np.isnan(areas_a)
    return {
        "auc": by_label,
        **{name: _entry(values[name], drawn[name], level) for name in MEANS},
        "findings_covered": int(covered.sum()),
        "avg10_findings": int((covered & frequent).sum()),
        "bootstrap": a.bootstrap | {"level": level},
    }


def compare_rates(a: DrawnRates, b: DrawnRates, level: float = 0.95) -> dict[str, dict]:
    """The differences a - b of the micro precision, recall and F1: an entry as in `compare_auc` for each rate."""
    return {rate: _entry(a.rates[rate] - b.rates[rate], a.drawn[rate] - b.drawn[rate], level) for rate in RATES}


def _defined_in_both(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays, with NaN in each wherever one of the two has NaN."""
    lacking = np.isnan(a) | np.isnan(b)
    return np.where(lacking, np.nan, a), np.where(lacking, np.nan, b)


def _differences(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: a[name] - b[name] for name in a}


def _entry(difference: float | np.ndarray, drawn: np.ndarray, level: float) -> dict:
    """A difference with its interval and p-value, which come from its values `drawn`, float64 [R], in the resamples."""
    lo, hi = percentile_interval(drawn, level)
    undefined = bool(np.isnan(difference))
    return {"difference": None if undefined else float(difference), "lo": lo, "hi": hi, "p": _two_sided_p(drawn)}


def _two_sided_p(drawn: np.ndarray) -> float | None:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return None
    smaller = min((drawn <= 0).mean(), (drawn >= 0).mean())
    return float(np.clip(2 * smaller, 1 / len(drawn), 1))
