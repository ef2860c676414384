"""The paired bootstrap test of two models' AUCs, on the same studies and in the same resamples.

Axes: N studies, L = 15 labels of `tienet.labels.LABELS`, F = 14 findings, R resamples.

The difference a - b of the AUCs is taken in every resample. Whether a resample is easy or hard affects both models
alike, so it cancels: the interval of the difference is narrower than two separate intervals suggest.
"""

from collections.abc import Sequence

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
from tienet.labels import FINDINGS, LABELS

_F = len(FINDINGS)  # the findings are the first columns of LABELS


def paired_auc(
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    labels: np.ndarray,
    patient_ids: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict:
    """The differences between the AUCs of two sets of scores, and between their means, with intervals and p-values.

    Args:
        scores_a, scores_b: float [N, 15], as in `auroc.evaluate_auc`, of the same studies in the same order.
        labels: [N, 15], 1, 0 or NaN (unknown).
        patient_ids: [N], the patient of each study. The resamples are those of `auroc.patient_weights`.
        resamples, seed, level: As in `auroc.evaluate_auc`.
    Returns:
        {"auc": {LABEL: entry}, "avg": entry, "wavg": entry, "avg10": entry, "findings_covered",
        "avg10_findings", "bootstrap": {"resamples", "seed", "level"}}, ready for JSON. An entry is
        {"difference": a - b, "lo", "hi", "p"}, all None where either AUC is undefined. The means are over the
        findings whose AUC is defined in both; avg10 is over those of them with at least AVG10_POSITIVES positives.

        p is two-sided: twice the smaller of the shares of resamples with a - b <= 0 and with a - b >= 0, at most 1
        and at least 1 / resamples. Resamples with one class only are left out of the interval and of these shares.
    Raises:
        ValueError: A shape is wrong, some scores of a label are NaN but not all, or a label is not 1, 0 or NaN.
    """
    scores_a, scores_b = np.asarray(scores_a), np.asarray(scores_b)
    labels = np.asarray(labels, dtype=np.float64)
    for name, array in (("scores_a", scores_a), ("scores_b", scores_b), ("labels", labels)):
        if array.shape != (len(labels), len(LABELS)):
            raise ValueError(f"{name} is {array.shape}; expected [{len(labels)}, {len(LABELS)}]")
    check_patients(patient_ids, len(labels))
    areas_a, drawn_a, drawn_positives = _areas(scores_a, labels, patient_ids, resamples, seed)
    areas_b, drawn_b, _ = _areas(scores_b, labels, patient_ids, resamples, seed)

    by_label = {
        label: _entry(areas_a[k] - areas_b[k], drawn_a[:, k] - drawn_b[:, k], level) for k, label in enumerate(LABELS)
    }
    # A finding for which only one of the two has scores is in neither mean.
    areas_a, areas_b = _defined_in_both(areas_a[:_F], areas_b[:_F])
    drawn_positives = drawn_positives[:, :_F]  # the positives of b are the same where both have scores
    drawn_a, drawn_b = _defined_in_both(drawn_a[:, :_F], drawn_b[:, :_F])
    positives = (labels[:, :_F] == 1).sum(axis=0)
    frequent = positives >= AVG10_POSITIVES  # of the data set, so the findings are the same in every resample
    values = _differences(averages(areas_a, positives, frequent), averages(areas_b, positives, frequent))
    drawn = _differences(averages(drawn_a, drawn_positives, frequent), averages(drawn_b, drawn_positives, frequent))
    covered = ~np.isnan(areas_a)
    return {
        "auc": by_label,
        **{name: _entry(values[name], drawn[name], level) for name in MEANS},
        "findings_covered": int(covered.sum()),
        "avg10_findings": int((covered & frequent).sum()),
        "bootstrap": {"resamples": resamples, "seed": seed, "level": level},
    }


def _areas(
    scores: np.ndarray, labels: np.ndarray, patient_ids: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The AUCs float64 [L], those in every resample float64 [R, L], and its positives int64 [R, L]; NaN: undefined."""
    rankings = [rank_scores(scores[:, k], labels[:, k]) for k in range(len(LABELS))]
    plain = [plain_auc(ranking, len(scores)) for ranking in rankings]
    drawn, positives = resampled_auc(rankings, patient_ids, resamples, seed)
    return np.array([np.nan if area is None else area for area in plain]), drawn, positives


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
