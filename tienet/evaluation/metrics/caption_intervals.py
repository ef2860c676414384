"""BLEU-4 and CIDEr with bootstrap intervals by patient, on the words of `tienet.data.text.tokenize`.

Axes: N studies, R resamples. BLEU-4 of a resample is that of its corpus. CIDEr of a resample is the mean over its
studies, whose document frequencies stay those of all N true reports.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pycocoevalcap.cider.cider import Cider

from tienet.data.text import tokenize
from tienet.evaluation.metrics.auroc import check_patients, patient_weights, percentile_interval

METRICS = ("BLEU-4", "CIDEr")

_TINY, _SMALL = 1e-15, 1e-9  # pycocoevalcap adds them, so that nothing is divided by 0


def evaluate_captions(
    true: Sequence[str],
    written: Sequence[str],
    patient_ids: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[dict[str, dict[str, float | None]], np.ndarray]:
    """Compare written reports with the true ones.

    Args:
        true: N true reports; studies whose report has no word are left out.
        written: N written reports.
        patient_ids: [N], the patient of each study.
        resamples, seed, level: As in `auroc.evaluate_auc`.
    Returns:
        {METRIC: {"value", "lo", "hi"}}, None without a true report; and the CIDEr of each study, float64 [N], NaN
        where it was left out.
    Raises:
        ValueError: The lengths differ.
    """
    if len(true) != len(written):
        raise ValueError(f"{len(true)} true reports and {len(written)} written ones; expected one of each per study")
    check_patients(patient_ids, len(true))
    words = [(tokenize(reference), tokenize(hypothesis)) for reference, hypothesis in zip(true, written, strict=True)]
    rows = [n for n, (reference, _) in enumerate(words) if reference]
    each = np.full(len(true), np.nan)
    if not rows:
        return {name: {"value": None, "lo": None, "hi": None} for name in METRICS}, each
    counts = np.array([_bleu_counts(*words[n]) for n in rows], np.float64)
    texts = [{k: [" ".join(words[n][side])] for k, n in enumerate(rows)} for side in (0, 1)]
    each[rows] = Cider().compute_score(*texts)[1]
    patients, ones = [patient_ids[n] for n in rows], np.ones((1, len(rows)))
    draws = {name: [] for name in METRICS}
    for weights in patient_weights(patients, resamples, seed):
        weights = weights.astype(np.float64)
        draws["BLEU-4"].append(_bleu4(weights @ counts))
        draws["CIDEr"].append(weights @ each[rows] / weights.sum(axis=1))
    values = {"BLEU-4": float(_bleu4(ones @ counts)[0]), "CIDEr": float(each[rows].mean())}
    found = {}
    for name in METRICS:
        lo, hi = percentile_interval(np.concatenate([*draws[name], []]), level)
        found[name] = {"value": values[name], "lo": lo, "hi": hi}
    return found, each


def _bleu_counts(reference: list[str], hypothesis: list[str]) -> list[int]:
    """For n = 1 to 4 the n-grams that are right, then those that were written, then the words of both."""
    right, all_written = [], []
    for n in range(1, 5):
        there, written = _ngrams(reference, n), _ngrams(hypothesis, n)
        right.append(sum(min(count, there[ngram]) for ngram, count in written.items()))
        all_written.append(max(0, len(hypothesis) - n + 1))
    return [*right, *all_written, len(hypothesis), len(reference)]


def _ngrams(words: list[str], n: int) -> Counter:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _bleu4(sums: np.ndarray) -> np.ndarray:
    """BLEU-4, [R], from the sums of `_bleu_counts`, [R, 10]."""
    shares = (sums[:, :4] + _TINY) / (sums[:, 4:8] + _SMALL)
    ratio = (sums[:, 8] + _TINY) / (sums[:, 9] + _SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return brevity * np.prod(shares, axis=1) ** 0.25
