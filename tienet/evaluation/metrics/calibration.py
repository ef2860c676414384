"""The calibration error of probabilities, and the temperatures that make it smaller (Guo et al. 2017).

Each label has a temperature T > 0 of its own, and its probability is sigmoid(logit / T). A temperature does not change
the order of the studies, so it does not change the AUC. Axes: N studies, K labels.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from tienet.checkpoint.calibration import with_temperatures
from tienet.labels import FINDINGS, LABELS

BINS = 10
"""The number of bins of equal width that [0, 1] is cut into for the reliability curve and the calibration error."""

MIN_CASES = 10
"""A label with fewer known positives or negatives than this keeps temperature 1."""

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
"""The range of a temperature. Without it, a label whose logits separate the classes without a mistake would get 0."""


class Curve(NamedTuple):
    """A reliability curve: a point for each bin that holds a study."""

    predicted: np.ndarray  # float64 [bins], the mean probability of the bin's studies
    observed: np.ndarray  # float64 [bins], the share of positives among them
    counts: np.ndarray  # int64 [bins], the number of studies in the bin


def fit_temperatures(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Choose for each label the temperature with the least negative log-likelihood, within the range above.

    Args:
        logits: float [N, K].
        labels: [N, K], 1, 0 or NaN (unknown, left out).
    Returns:
        The temperatures float32 [K], and the reason for each column whose temperature was left at 1.
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
            temperatures[m] = _fit_temperature(logits[known, m].astype(np.float64), labels[known, m] == 1)
    return temperatures, left_out


def _fit_temperature(logits: np.ndarray, positive: np.ndarray) -> float:
    wrong_way = np.where(positive, -logits, logits)

    # A study's loss is ln(1 + e^(wrong_way / T)). It is convex in 1 / T, so there is one minimum.
    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, wrong_way * np.exp(-log_temperature)).mean())

    bounds = np.log((MIN_TEMPERATURE, MAX_TEMPERATURE))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def reliability_curve(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Curve:
    """The reliability curve of one label; the upper edge of a bin belongs to it.

    Args:
        probabilities: [N], in 0..1.
        labels: [N], 1, 0 or NaN (unknown, left out).
        bins: The number of bins.
    """
    known = ~np.isnan(labels)
    probabilities, labels = probabilities[known].astype(np.float64), labels[known].astype(np.float64)
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities)
    counts = np.bincount(bin_of, minlength=bins)
    filled = counts > 0
    means = (np.bincount(bin_of, v, minlength=bins)[filled] / counts[filled] for v in (probabilities, labels))
    return Curve(*means, counts[filled])


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float | None:
    """The expected calibration error of one label: 0 is best, 1 is worst.

    It is the mean distance from the reliability curve to the diagonal, each bin weighted by the number of its studies.

    Args:
        probabilities, labels, bins: As in `reliability_curve`.
    Returns:
        The error; None if no label is known.
    """
    curve = reliability_curve(probabilities, labels, bins)
    if not curve.counts.size:
        return None
    return float(np.average(np.abs(curve.predicted - curve.observed), weights=curve.counts))


def calibration_metrics(logits: np.ndarray, labels: np.ndarray, temperatures: np.ndarray) -> dict:
    """The entry "calibration" of metrics.json: the error of each label, and its mean over the findings.

    "before" is the error of the plain probabilities, "after" that of the probabilities with the temperatures.

    Args:
        logits: float32 [N, K], not calibrated.
        labels: [N, K], 1, 0 or NaN (unknown).
        temperatures: float32 [K].
    """
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
    means = {key: _mean([finding[key] for finding in findings]) for key in ("ece_before", "ece_after")}
    return {"bins": BINS, "findings": len(findings), **means, "labels": per_label}


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def format_calibration(metrics: Mapping) -> str:
    """The calibration error as a line of text; empty if metrics.json has no calibration."""
    errors = metrics.get("calibration")
    if not errors or errors["ece_before"] is None:
        return ""
    labels = errors["labels"].values()
    fitted = [label for label in labels if label["temperature"] != 1 and label["ece_before"] is not None]
    before, after = (_mean([label[key] for label in fitted]) for key in ("ece_before", "ece_after"))
    over_fitted = f"; {before:.3f} and {after:.3f} over the {len(fitted)} labels with a temperature" if fitted else ""
    return (
        f"Calibration: expected error {errors['ece_before']:.3f} before and {errors['ece_after']:.3f} after, mean of "
        f"{errors['findings']} findings{over_fitted}.\n"
    )
