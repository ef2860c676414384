"""How far probabilities can be taken at their word, and temperatures that bring them nearer (Guo et al. 2017).

Each label has a temperature T > 0 of its own: its probability is sigmoid(logit / T). The order of the studies, and so
the AUC, stays. Axes: N studies, K labels.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from tienet.checkpoint.calibration import with_temperatures
from tienet.labels import FINDINGS, LABELS

BINS = 10
"""Of [0, 1], equally wide, for the curve and the error."""

MIN_CASES = 10
"""A label with fewer known positives or negatives than this keeps temperature 1."""

LIMITS = (0.05, 20.0)
"""The least and the greatest temperature: labels that are told apart without a mistake would get 0."""


class Curve(NamedTuple):
    """A reliability curve: a point for each bin that holds a study."""

    predicted: np.ndarray  # float64 [bins], the mean probability
    observed: np.ndarray  # float64 [bins], the share of positives
    counts: np.ndarray  # int64 [bins], studies


def fit_temperatures(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Per label the temperature with the least negative log-likelihood, within LIMITS.

    Args:
        logits: float [N, K]. labels: [N, K], 1, 0 or NaN (unknown, left out).
    Returns:
        float32 [K], and column -> why it was left at 1.
    """
    temperatures, left_out = np.ones(logits.shape[1], np.float32), {}
    for m in range(logits.shape[1]):
        known = ~np.isnan(labels[:, m])
        positives = int((labels[known, m] == 1).sum())
        counts = {"positives": positives, "negatives": int(known.sum()) - positives}
        few = [f"{count} {name}" for name, count in counts.items() if count < MIN_CASES]
        if few:
            left_out[m] = f"{' and '.join(few)}, needs {MIN_CASES}"
        else:
            temperatures[m] = _fit(logits[known, m].astype(np.float64), labels[known, m] == 1)
    return temperatures, left_out


def _fit(logits: np.ndarray, positive: np.ndarray) -> float:
    away = np.where(positive, -logits, logits)  # the loss is ln(1 + e^(away / T)): convex in 1 / T, so one minimum

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, away * np.exp(-log_temperature)).mean())

    found = minimize_scalar(loss, bounds=np.log(LIMITS), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def reliability_curve(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Curve:
    """One label's curve: probabilities [N] in 0..1, labels [N], 1, 0 or NaN (left out). A bin has its upper edge."""
    known = ~np.isnan(labels)
    probabilities, labels = probabilities[known].astype(np.float64), labels[known].astype(np.float64)
    which = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities)
    counts = np.bincount(which, minlength=bins)
    there = counts > 0
    means = (np.bincount(which, values, minlength=bins)[there] / counts[there] for values in (probabilities, labels))
    return Curve(*means, counts[there])


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float | None:
    """One label's mean distance from the curve to the diagonal, each bin counted by its studies; None if none is known.

    0 is best, 1 worst. Arguments as `reliability_curve`.
    """
    curve = reliability_curve(probabilities, labels, bins)
    if not curve.counts.size:
        return None
    return float(np.average(np.abs(curve.predicted - curve.observed), weights=curve.counts))


def calibration_metrics(logits: np.ndarray, labels: np.ndarray, temperatures: np.ndarray) -> dict:
    """The key "calibration" of metrics.json: the error before and after, per label and on average over the findings."""
    before, after = with_temperatures(logits, np.ones(len(LABELS))), with_temperatures(logits, temperatures)
    per_label = {
        name: {
            "temperature": round(float(temperatures[m]), 6),
            "ece_before": expected_calibration_error(before[:, m], labels[:, m]),
            "ece_after": expected_calibration_error(after[:, m], labels[:, m]),
        }
        for m, name in enumerate(LABELS)
    }
    findings = [per_label[name] for name in FINDINGS if per_label[name]["ece_before"] is not None]
    means = {key: _mean([one[key] for one in findings]) for key in ("ece_before", "ece_after")}
    return {"bins": BINS, "findings": len(findings), **means, "labels": per_label}


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def format_calibration(metrics: Mapping) -> str:
    """A line on the calibration; empty where metrics.json has none."""
    found = metrics.get("calibration")
    if not found or found["ece_before"] is None:
        return ""
    fitted = [one for one in found["labels"].values() if one["temperature"] != 1 and one["ece_before"] is not None]
    before, after = (_mean([one[key] for one in fitted]) for key in ("ece_before", "ece_after"))
    over_fitted = f"; {before:.3f} and {after:.3f} over the {len(fitted)} labels with a temperature" if fitted else ""
    return (
        f"Calibration: expected error {found['ece_before']:.3f} before and {found['ece_after']:.3f} after, mean of "
        f"{found['findings']} findings{over_fitted}.\n"
    )
