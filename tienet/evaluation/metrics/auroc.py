"""The AUC of each label, its bootstrap interval, and the means over the findings.

Axes: N studies, L labels (the 15 of `tienet.labels.LABELS`), R resamples, F findings (the 14 without No_Finding).

The AUC is the Mann-Whitney statistic: the share of (positive, negative) pairs in which the positive study has the
higher score, where a tie counts one half. The AUC of a label with one class only is undefined: None, never 0.

Scores of several models do not compare. Where each fold of a cross-validation was scored by a model of its own, a pair
is of two studies of one fold, and a study of another fold is no pair:

    AUC = sum_f won_f / sum_f P_f N_f    P_f, N_f: the positives and negatives of fold f, won_f: its pairs that are won

That is the mean of the folds' AUCs, weighted by their pairs.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tienet.labels import FINDINGS, LABELS

AVG10_POSITIVES = 10
"""Findings with fewer positives than this are left out of `avg10`, because the AUC of a few cases is noisy."""

MEANS = ("avg", "wavg", "avg10")

_MAX_CHUNK_CELLS = 1 << 20  # of [r, N], held at once: with the temporary arrays a few tens of MB


class _Ranking(NamedTuple):
    """The place of each positive study among the negative ones of its fold, which are sorted by score.

    Both are sorted by fold: fold f has the positives from positive_starts[f] to positive_starts[f + 1], and so on.
    """

    negatives: np.ndarray  # int [n], indices of the negative studies by fold and rising score
    positives: np.ndarray  # int [p], indices of the positive studies by fold
    below: np.ndarray  # int [p], for each positive where in `negatives` those of its fold with a lower score end
    up_to: np.ndarray  # int [p], for each positive where those with a lower or the same score end
    negative_starts: np.ndarray  # int [folds + 1]
    positive_starts: np.ndarray  # int [folds + 1]

    @property
    def defined(self) -> bool:
        return bool((np.diff(self.negative_starts) * np.diff(self.positive_starts)).any())


def rank_scores(scores: np.ndarray, labels: np.ndarray, folds: np.ndarray | None = None) -> _Ranking:
    """Rank the scores of one label; arguments and errors as in `auc`."""
    scores, labels = np.asarray(scores), np.asarray(labels, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} must both be [N]")
    known = ~np.isnan(labels)
    if not np.isin(labels[known], (0, 1)).all():
        raise ValueError(f"labels must be 0, 1 or NaN, found {sorted(set(labels[known]) - {0.0, 1.0})[:5]}")
    rows_of_fold = _rows_by_fold(folds, len(scores))
    lacking = np.isnan(scores)
    for rows in rows_of_fold:
        if (of_fold := lacking[rows]).any() and not of_fold.all():
            first = rows[of_fold.argmax()]
            raise ValueError(f"{of_fold.sum()} of {len(rows)} scores are NaN, first in row {first}")
    if lacking.any():  # a fold has no scores, as for a control that could not be trained
        known[:] = False
    parts = [_rank_fold(scores, labels, rows[known[rows]]) for rows in rows_of_fold]
    negatives, positives, below, up_to = zip(*parts, strict=True)
    negative_starts, positive_starts = (np.cumsum([0, *map(len, part)]) for part in (negatives, positives))
    places = [
        np.concatenate([of_fold + start for of_fold, start in zip(place, negative_starts, strict=False)])
        for place in (below, up_to)
    ]
    return _Ranking(np.concatenate(negatives), np.concatenate(positives), *places, negative_starts, positive_starts)


def _rows_by_fold(folds: np.ndarray | None, studies: int) -> list[np.ndarray]:
    """The rows of each fold; all rows if there are no folds."""
    if folds is None or not studies:
        return [np.arange(studies)]
    if np.shape(folds) != (studies,):
        raise ValueError(f"folds {np.shape(folds)} must be [{studies}]")
    fold_of_row = np.unique(folds, return_inverse=True)[1]
    return [np.flatnonzero(fold_of_row == fold) for fold in range(fold_of_row.max() + 1)]


def _rank_fold(scores: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """`negatives`, `positives`, `below` and `up_to` of one fold, whose known labels are in `rows`."""
    negatives, positives = rows[labels[rows] == 0], rows[labels[rows] == 1]
    negatives = negatives[np.argsort(scores[negatives], kind="stable")]
    below = np.searchsorted(scores[negatives], scores[positives], side="left")
    up_to = np.searchsorted(scores[negatives], scores[positives], side="right")
    return negatives, positives, below, up_to


def _weighted_auc(ranking: _Ranking, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Mann-Whitney statistic with each study counted `weights` times.

    It adds whole numbers, so the order of the studies does not change the sum.

    Args:
        weights: unsigned int [R, N].
    Returns:
        The AUC float64 [R], NaN where one class has no weight; the weight of the positives int64 [R].
    """
    positive_weights = np.take(weights, ranking.positives, axis=1).astype(np.int64)
    # negative_weights[:, i] is the weight of the first i negatives.
    negative_weights = np.zeros((len(weights), len(ranking.negatives) + 1), np.int64)
    np.cumsum(np.take(weights, ranking.negatives, axis=1), axis=1, dtype=np.int64, out=negative_weights[:, 1:])
    twice_won = np.take(negative_weights, ranking.below, axis=1)
    twice_won += np.take(negative_weights, ranking.up_to, axis=1)
    at_starts = negative_weights[:, ranking.negative_starts]
    bounds = itertools.pairwise(ranking.positive_starts)
    of_folds = np.stack([positive_weights[:, start:stop].sum(axis=1) for start, stop in bounds], axis=1)
    # The negatives of the folds before do not count.
    won = np.einsum("rp,rp->r", positive_weights, twice_won) / 2 - np.einsum("rf,rf->r", of_folds, at_starts[:, :-1])
    pairs = np.einsum("rf,rf->r", of_folds, np.diff(at_starts, axis=1))
    positives = of_folds.sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0), positives


def auc(scores: np.ndarray, labels: np.ndarray, folds: np.ndarray | None = None) -> float | None:
    """The area under the ROC curve, where a tie counts one half.

    Args:
        scores: float [N] of any scale; a higher score means more likely positive. All NaN: there are no scores.
        labels: [N], 1, 0 or NaN (unknown, left out).
        folds: [N], the fold of each study, a number or a name: pairs are of two studies of one fold. None: of any.
    Returns:
        The AUC in 0..1; None where it is undefined, because no fold has both classes or one has no scores.
    Raises:
        ValueError: Some scores of a fold are NaN but not all, a label is not 1, 0 or NaN, or the shapes differ.
    """
    return plain_auc(rank_scores(scores, labels, folds), len(scores))


def plain_auc(ranking: _Ranking, studies: int) -> float | None:
    """The AUC of a ranking of `studies` studies, each counted once; None where it is undefined."""
    if not ranking.defined:
        return None
    return float(_weighted_auc(ranking, np.ones((1, studies), np.uint16))[0][0])


def patient_weights(
    patient_ids: Sequence[str], resamples: int = 1000, seed: int = 0, chunk: int | None = None
) -> Iterator[np.ndarray]:
    """Draw bootstrap resamples of patients, as the number of times that each study counts in each resample.

    A resample draws as many patients as there are, with replacement; all studies of a drawn patient are in it.
    The resamples depend on the set of patients and on `seed`, but not on the order of the studies nor on `chunk`:
    models that are evaluated on the same studies get the same resamples, so their difference can be tested in pairs.

    Args:
        patient_ids: [N], the patient of each study.
        resamples: The number of resamples.
        seed: The seed of the random numbers.
        chunk: The largest number r of resamples in an array (default: as many as a limit on memory allows).
    Yields:
        uint16 [r, N]; the r of all arrays sum to `resamples`.
    """
    patients, row_of_study = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    if not len(patients):
        return
    chunk = chunk or max(1, _MAX_CHUNK_CELLS // len(row_of_study))
    random = np.random.default_rng(seed)
    for start in range(0, resamples, chunk):
        drawn = np.empty((min(chunk, resamples - start), len(patients)), np.uint16)
        for row in drawn:  # one draw per resample, so that the resamples do not depend on the chunks
            row[:] = np.bincount(random.integers(len(patients), size=len(patients)), minlength=len(patients))
        yield drawn[:, row_of_study]


def percentile_interval(values: np.ndarray, level: float) -> tuple[float | None, float | None]:
    """The interval (lo, hi) that holds the share `level` of the values float [R].

    NaN, the value of an undefined resample, is left out; (None, None) if no value is left.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None
    lo, hi = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)


def resampled_auc(
    rankings: list[_Ranking], patient_ids: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each label's AUC float64 [R, L] (NaN: undefined) and number of positives int64 [R, L] in every resample."""
    areas = np.full((resamples, len(rankings)), np.nan)
    positives = np.zeros((resamples, len(rankings)), np.int64)
    start = 0
    for weights in patient_weights(patient_ids, resamples, seed):
        rows = slice(start, start + len(weights))
        for label, ranking in enumerate(rankings):
            if ranking.defined:
                areas[rows, label], positives[rows, label] = _weighted_auc(ranking, weights)
        start += len(weights)
    return areas, positives


def bootstrap_auc(
    scores: np.ndarray,
    labels: np.ndarray,
    patient_ids: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float | None, float | None]:
    """The percentile bootstrap interval of one label's AUC, resampled by patient (see `patient_weights`).

    Args:
        scores, labels: [N], as in `auc`.
        patient_ids: [N], the patient of each study.
        resamples, seed: As in `patient_weights`.
        level: The share of the resamples that the interval holds.
    Returns:
        (lo, hi); (None, None) where the AUC is undefined. Resamples with one class only are left out.
    Raises:
        ValueError: As in `auc`, or patient_ids is not [N].
    """
    check_patients(patient_ids, len(scores))
    areas, _ = resampled_auc([rank_scores(scores, labels)], patient_ids, resamples, seed)
    return percentile_interval(areas[:, 0], level)


def averages(auc_of: np.ndarray, positives: np.ndarray, frequent: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The three means over the findings. As in the paper's Table 1, undefined AUCs are left out.

    avg = mean of the AUCs; wavg (#wAVG) = sum(positives * AUC) / sum(positives); avg10 = avg of the frequent findings.

    Args:
        auc_of: float [..., F], the AUC of each finding, NaN where undefined.
        positives: int [..., F], the number of positives of each finding.
        frequent: bool [F], the findings of avg10; default: those with at least AVG10_POSITIVES positives.
    Returns:
        {"avg", "wavg", "avg10"}: float64 [...], NaN where the AUC of no finding is defined.
    """
    auc_of, positives = np.asarray(auc_of, np.float64), np.asarray(positives, np.float64)
    frequent = positives >= AVG10_POSITIVES if frequent is None else frequent
    defined = ~np.isnan(auc_of)
    weights = {"avg": defined, "wavg": positives * defined, "avg10": defined & frequent}
    known = np.where(defined, auc_of, 0)
    means = {}
    for name, weight in weights.items():
        total = np.asarray(weight.sum(axis=-1, dtype=np.float64))
        sums = np.asarray((weight * known).sum(axis=-1))
        means[name] = np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0)
    return means


def evaluate_auc(
    scores: np.ndarray,
    labels: np.ndarray,
    patient_ids: Sequence[str],
    *,
    folds: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict:
    """Compute all AUC entries of metrics.json.

    Args:
        scores: float [N, 15], columns in the order of `LABELS`; a column of NaN means that the label has no scores.
        labels: [N, 15], 1, 0 or NaN (unknown).
        patient_ids: [N], the patient of each study.
        folds: [N] or None, as in `auc`. Resamples draw from the patients of all folds together.
        resamples, seed: As in `patient_weights`.
        level: The share of the resamples that an interval holds.
    Returns:
        {"auc": {LABEL: {"auc", "lo", "hi", "positives", "negatives"}}, "avg", "avg_lo", "avg_hi", the same keys
        for wavg and avg10 (`averages`), "findings_covered": the number of findings in avg and wavg,
        "avg10_findings": the number of findings in avg10, "bootstrap": {"resamples", "seed", "level", "left_out":
        {LABEL: count}}}; None where undefined. `left_out` counts the resamples that had one class only of a label
        whose AUC is defined; in such a resample the means are over the other findings.
    Raises:
        ValueError: As in `auc`, or a shape is wrong.
    """
    scores, labels = np.asarray(scores), np.asarray(labels, dtype=np.float64)
    if scores.shape != labels.shape or scores.ndim != 2 or scores.shape[1] != len(LABELS):
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} must both be [N, {len(LABELS)}]")
    check_patients(patient_ids, len(scores))
    rankings = [rank_scores(scores[:, k], labels[:, k], folds) for k in range(len(LABELS))]
    drawn_auc, drawn_positives = resampled_auc(rankings, patient_ids, resamples, seed)

    by_label, left_out = {}, {}
    for k, name in enumerate(LABELS):
        lo, hi = percentile_interval(drawn_auc[:, k], level)
        positives, negatives = int((labels[:, k] == 1).sum()), int((labels[:, k] == 0).sum())
        area = plain_auc(rankings[k], len(scores))
        by_label[name] = {"auc": area, "lo": lo, "hi": hi, "positives": positives, "negatives": negatives}
        if area is not None and (missing := int(np.isnan(drawn_auc[:, k]).sum())):
            left_out[name] = missing
    F = len(FINDINGS)
    means = _means(by_label, drawn_auc[:, :F], drawn_positives[:, :F], level)
    bootstrap = {"resamples": resamples, "seed": seed, "level": level, "left_out": left_out}
    return {"auc": by_label, **means, "bootstrap": bootstrap}


def _means(by_label: dict, drawn_auc: np.ndarray, drawn_positives: np.ndarray, level: float) -> dict:
    """The means with their intervals, and the number of findings that they are over."""
    auc_of = np.array([np.nan if by_label[f]["auc"] is None else by_label[f]["auc"] for f in FINDINGS])
    positives = np.array([by_label[f]["positives"] for f in FINDINGS])
    frequent = positives >= AVG10_POSITIVES  # of the data set, so avg10 is over the same findings in every resample
    values = averages(auc_of, positives, frequent)
    drawn = averages(drawn_auc, drawn_positives, frequent)
    means: dict = {}
    for name in MEANS:
        lo, hi = percentile_interval(drawn[name], level)
        means[name] = None if np.isnan(values[name]) else float(values[name])
        means |= {f"{name}_lo": lo, f"{name}_hi": hi}
    covered = ~np.isnan(auc_of)
    return means | {"findings_covered": int(covered.sum()), "avg10_findings": int((covered & frequent).sum())}


def check_patients(patient_ids: Sequence[str], studies: int) -> None:
    """Raise ValueError unless there is one patient id per study."""
    if len(patient_ids) != studies:
        raise ValueError(f"{len(patient_ids)} patient ids for {studies} studies")
