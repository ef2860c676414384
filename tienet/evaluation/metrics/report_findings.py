"""Precision, recall and F1 of the findings in written reports, as a labeller reads them.

Axes: N studies, K = 15 labels of `tienet.labels.LABELS`, F = 14 findings, R resamples.

A rate without a case is undefined: None, never 0 and never 1. Precision is undefined for a finding that is never
written, recall for one that is never true, and F1 for one that is neither. F1 = 2 TP / (written + true), so it is 0
for a finding that is true and never written.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tienet.evaluation.metrics.auroc import check_patients, patient_weights, percentile_interval
from tienet.labels import FINDINGS, LABELS, K
from tienet.pages.plain_text import align, level_text, number_text, span_text

RATES = ("precision", "recall", "f1")

_F = len(FINDINGS)  # the findings are the first columns of LABELS
_Rates = dict[str, np.ndarray]


def evaluate_findings(
    written: np.ndarray,
    true: np.ndarray,
    patient_ids: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict:
    """Compare the labels of the written reports with the labels of the true ones.

    Args:
        written: [N, 15], 1 or 0, the labels of the written reports; columns in the order of `LABELS`.
        true: [N, 15], 1 or 0, the labels of the true reports. Studies without a true report must be left out.
        patient_ids: [N], the patient of each study. The resamples are those of `auroc.patient_weights`.
        resamples, seed, level: As in `auroc.evaluate_auc`.
    Returns:
        {"findings": {LABEL: entry}, "micro": entry, "macro": entry, "studies": N, "bootstrap": {"resamples",
        "seed", "level", "left_out": {LABEL: {RATE: count}}}}, ready for JSON. An entry has "precision", "recall"
        and "f1" in 0..1, the interval of each ("precision_lo", "precision_hi", ...), and, except for macro, the
        numbers of cases that are "true" and "written". None where undefined. `left_out` counts the resamples without
        a case for a rate that is defined; the interval of the rate is over the other resamples.

        micro counts the cases of the 14 findings together. macro is the mean over the findings with a true case,
        whose number is "findings_covered"; its precision is over those of them that are also written, whose number
        is "precision_covered". In each resample the means are over the findings that have a case there.
    Raises:
        ValueError: A shape is wrong, or a label is neither 0 nor 1.
    """
    written, true = _check_binary(written, "written"), _check_binary(true, "true")
    if written.shape != true.shape:
        raise ValueError(f"written {written.shape} and true {true.shape} must have the same shape")
    check_patients(patient_ids, len(true))
    counts, drawn_counts = count_cases(written, true, patient_ids, resamples, seed)
    values, drawn = _rates(*counts), _rates(*drawn_counts)
    by_label, left_out = {}, {}
    for k, label in enumerate(LABELS):
        of_label, drawn_of_label = _column(values, k), _column(drawn, k)
        cases = {"true": int(counts[2][k]), "written": int(counts[1][k])}
        by_label[label] = _entry(of_label, drawn_of_label, level) | cases
        lacking = {rate: int(np.isnan(drawn_of_label[rate]).sum()) for rate in RATES if not np.isnan(of_label[rate])}
        if any(lacking.values()):
            left_out[label] = {rate: count for rate, count in lacking.items() if count}
    bootstrap = {"resamples": resamples, "seed": seed, "level": level, "left_out": left_out}
    means = _means(counts, drawn_counts, level)
    return {"findings": by_label, **means, "studies": len(true), "bootstrap": bootstrap}


def _check_binary(labels: np.ndarray, name: str) -> np.ndarray:
    """The labels as float64; ValueError unless they are [N, K], all 0 or 1."""
    labels = np.asarray(labels, dtype=np.float64)
    if labels.ndim != 2 or labels.shape[1] != K:
        raise ValueError(f"{name} is {labels.shape}; expected [N, {K}]")
    wrong = ~np.isin(labels, (0, 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(f"{name} is {labels[row, column]:g} in row {row}, {LABELS[column]}; it must be 0 or 1")
    return labels


def count_cases(
    written: np.ndarray, true: np.ndarray, patient_ids: Sequence[str], resamples: int, seed: int
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The hits, the written and the true cases of each label: float64 [K] each, and [R, K] in every resample.

    Args:
        written, true: float64 [N, K], 1 or 0.
        patient_ids, resamples, seed: As in `auroc.patient_weights`.
    """
    cases = (written * true, written, true)
    return tuple(case.sum(axis=0) for case in cases), _resampled_counts(cases, patient_ids, resamples, seed)


def micro_rates(hits: np.ndarray, written: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """The rates of all findings together, by the names of RATES: float64 [...] from counts [..., K], NaN: no case."""
    return _column(_rates(*_totals([counts[..., :_F] for counts in (hits, written, true)])), 0)


def _resampled_counts(
    cases: Sequence[np.ndarray], patient_ids: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, ...]:
    """For each of the arrays [N, K] its column sums float64 [R, K], one row per resample."""
    stacked = np.concatenate(cases, axis=1)
    sums = np.zeros((resamples, stacked.shape[1]))
    start = 0
    for weights in patient_weights(patient_ids, resamples, seed):
        sums[start : start + len(weights)] = weights.astype(np.float64) @ stacked  # whole numbers, so exact
        start += len(weights)
    return tuple(np.split(sums, len(cases), axis=1))


def _rates(hits: np.ndarray, written: np.ndarray, true: np.ndarray) -> _Rates:
    """The rates of the counts [..., K]; NaN where there is no case."""
    fractions = {"precision": (hits, written), "recall": (hits, true), "f1": (2 * hits, written + true)}
    return {rate: _divide(numerator, denominator) for rate, (numerator, denominator) in fractions.items()}


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator > 0)


def _column(rates: _Rates, k: int) -> _Rates:
    return {rate: values[..., k] for rate, values in rates.items()}


def _entry(values: _Rates, drawn: _Rates, level: float) -> dict:
    """Each rate with its interval."""
    entry: dict = {}
    for rate in RATES:
        value = float(values[rate])
        lo, hi = percentile_interval(drawn[rate], level)
        entry |= {rate: None if np.isnan(value) else value, f"{rate}_lo": lo, f"{rate}_hi": hi}
    return entry


def _means(counts: Sequence[np.ndarray], drawn_counts: Sequence[np.ndarray], level: float) -> dict:
    """The entries micro and macro, over the 14 findings."""
    micro = _entry(micro_rates(*counts), micro_rates(*drawn_counts), level)
    counts, drawn_counts = [c[:_F] for c in counts], [c[:, :_F] for c in drawn_counts]
    _, written, true = counts
    macro = _entry(_macro(*counts), _macro(*drawn_counts), level)
    macro |= {
        "findings_covered": int((true > 0).sum()),
        "precision_covered": int(((true > 0) & (written > 0)).sum()),
    }
    cases = {"true": int(true.sum()), "written": int(written.sum())}
    return {"micro": micro | cases, "macro": macro}


def _totals(counts: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [c.sum(axis=-1, keepdims=True) for c in counts]


def _macro(hits: np.ndarray, written: np.ndarray, true: np.ndarray) -> _Rates:
    """The means [...] of the rates over the findings with a true case whose rate is defined."""
    means = {}
    for rate, values in _rates(hits, written, true).items():
        counted = (true > 0) & ~np.isnan(values)
        sums = np.where(counted, values, 0).sum(axis=-1)
        means[rate] = _divide(np.asarray(sums), np.asarray(counted.sum(axis=-1)))
    return means


def format_findings_table(result: Mapping) -> str:
    """The result of `evaluate_findings` as aligned plain text: the 15 labels, micro, macro, and notes."""
    interval = f"{level_text(result)} interval"
    header = ["Finding", "precision", interval, "recall", interval, "F1", interval, "true", "written"]
    labels = [_row(label, result["findings"][label]) for label in LABELS]
    means = [_row(name, result[name]) for name in ("micro", "macro")]
    return "\n".join([*align(header, labels, means), "", *_notes(result)]) + "\n"


def _row(name: str, entry: Mapping) -> list[str]:
    cells = [name]
    for rate in RATES:
        cells += [number_text(entry[rate]), span_text(entry[f"{rate}_lo"], entry[f"{rate}_hi"])]
    return [*cells, str(entry.get("true", "")), str(entry.get("written", ""))]


def _rates_text(entry: Mapping) -> str:
    """Each rate with its interval."""
    return ", ".join(
        f"{rate} {number_text(entry[rate])} ({span_text(entry[f'{rate}_lo'], entry[f'{rate}_hi'])})" for rate in RATES
    )


def _notes(result: Mapping) -> list[str]:
    """Notes on the findings that the means are over, and on the resamples that the intervals are made from."""
    macro, bootstrap = result["macro"], result["bootstrap"]
    without = [name for name in FINDINGS if not result["findings"][name]["true"]]
    named = f" (none: {', '.join(without)})" if without else ""
    unwritten = [name for name in FINDINGS if name not in without and not result["findings"][name]["written"]]
    notes = [
        f"micro: the cases of the {_F} findings together, without No_Finding.",
        f"macro: the mean over the {macro['findings_covered']} findings with a true case{named}.",
    ]
    if unwritten:
        covered = f"macro precision: over {macro['precision_covered']} findings"
        notes.append(f"{covered}; these are true and never written: {', '.join(unwritten)}.")
    notes.append(f"Intervals: {bootstrap['resamples']} bootstrap resamples of patients; {result['studies']} studies.")
    if result.get("against_labels"):
        rates = "; ".join(f"{mean} {_rates_text(result['against_labels'][mean])}" for mean in ("micro", "macro"))
        notes.append(f"Against the true labels, not the labeller's reading of the true reports: {rates}.")
    if result.get("labeller"):
        rates = ", ".join(f"{rate} {number_text(result['labeller']['micro'][rate])}" for rate in RATES)
        notes.append(f"The labeller itself, on the true reports against the true labels: micro {rates}.")
    if bootstrap["left_out"]:
        left_out = ", ".join(f"{label} {max(counts.values())}" for label, counts in bootstrap["left_out"].items())
        notes.append(f"Resamples left out because they had no case: {left_out}.")
    return notes
