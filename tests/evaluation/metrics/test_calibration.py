"""Temperatures, the calibration error and its curve, against trusted libraries and loops."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tienet.checkpoint.calibration import with_temperatures
from tienet.evaluation.metrics.auroc import auc, evaluate_auc
from tienet.evaluation.metrics.calibration import (
    MAX_TEMPERATURE,
    MIN_CASES,
    MIN_TEMPERATURE,
    calibration_metrics,
    expected_calibration_error,
    fit_temperatures,
    format_calibration,
    reliability_curve,
)
from tienet.labels import FINDINGS, LABELS, K


def drawn(temperatures: list[float], studies: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are too large by these factors, and labels that follow the true ones."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-0.5, 2, (studies, len(temperatures)))
    labels = (rng.random(true.shape) < expit(true)).astype(np.float32)
    return (true * temperatures).astype(np.float32), labels


def test_temperatures_are_those_of_a_logistic_regression_without_intercept():
    """sigmoid(logit / T) is a logistic regression with the single weight 1 / T."""
    logits, labels = drawn([0.3, 1.0, 2.5, 4.0])
    labels[::3, 1] = np.nan
    temperatures, left_out = fit_temperatures(logits, labels)
    assert left_out == {} and temperatures.dtype == np.float32
    for m, temperature in enumerate(temperatures):
        known = ~np.isnan(labels[:, m])
        oracle = LogisticRegression(C=1e12, fit_intercept=False, tol=1e-10)
        oracle.fit(logits[known, m : m + 1], labels[known, m])
        assert temperature == pytest.approx(1 / oracle.coef_[0, 0], rel=1e-3)


def test_what_was_made_overconfident_is_found():
    logits, labels = drawn([1.0, 3.0], studies=20_000)
    np.testing.assert_allclose(fit_temperatures(logits, labels)[0], [1.0, 3.0], rtol=0.05)


def test_no_temperature_on_a_grid_is_better():
    logits, labels = drawn([2.0], studies=100)
    (temperature,), _ = fit_temperatures(logits, labels)
    losses = {t: log_loss(labels[:, 0], expit(logits[:, 0].astype(np.float64) / t)) for t in np.geomspace(0.1, 10, 101)}
    assert log_loss(labels[:, 0], expit(logits[:, 0].astype(np.float64) / temperature)) <= min(losses.values()) + 1e-9


def test_a_label_with_few_cases_of_a_class_keeps_temperature_1_and_says_why():
    logits, labels = drawn([3.0] * 5, studies=100)
    labels[:, 0] = 0
    labels[:9, 0] = 1  # 9 positives
    labels[:, 1] = 1
    labels[: MIN_CASES - 1, 1] = 0  # 9 negatives
    labels[:, 2] = np.nan
    labels[:, 3] = 0
    labels[:MIN_CASES, 3] = 1  # just enough
    temperatures, left_out = fit_temperatures(logits, labels)
    assert left_out == {
        0: "9 positives, needs 10",
        1: "9 negatives, needs 10",
        2: "0 positives and 0 negatives, needs 10",
    }
    assert (temperatures[:3] == 1).all() and (temperatures[3:] != 1).all()


def test_labels_without_a_mistake_or_worse_than_chance_get_a_limit():
    logits = np.linspace(-3, 3, 40, dtype=np.float32)[:, None]
    right = (logits > 0).astype(np.float32)
    temperatures, _ = fit_temperatures(np.hstack([logits, logits]), np.hstack([right, 1 - right]))
    np.testing.assert_allclose(temperatures, [MIN_TEMPERATURE, MAX_TEMPERATURE], rtol=1e-3)


def test_extreme_logits_are_no_trouble():
    logits, labels = drawn([500.0, 1e-6], studies=60)
    temperatures, _ = fit_temperatures(logits, labels)
    assert np.isfinite(temperatures).all()
    scores = with_temperatures(np.float32([[-1e30, 1e30]]), np.float32([0.05, 20]))
    np.testing.assert_array_equal(scores, [[0, 1]])


def test_no_temperature_changes_an_auc():
    logits, labels = drawn([1.0] * K)
    patients = [str(n) for n in range(len(logits))]
    calibrated = with_temperatures(logits, np.linspace(0.6, 5, K))
    for m in range(K):
        assert auc(calibrated[:, m], labels[:, m]) == pytest.approx(auc(logits[:, m], labels[:, m]), abs=1e-12)
    means = [evaluate_auc(scores, labels, patients, resamples=0)["avg"] for scores in (logits, calibrated)]
    assert means[0] == pytest.approx(means[1], abs=1e-12)


def test_temperature_1_is_the_sigmoid():
    logits, _ = drawn([1.0, 1.0])
    np.testing.assert_allclose(with_temperatures(logits, np.ones(2)), expit(logits), rtol=1e-6)


@pytest.mark.parametrize("bins", [1, 5, 10])
def test_the_curve_is_scikit_learns(bins):
    logits, labels = drawn([2.0])
    scores = expit(logits[:, 0])
    scores[:6] = [0, 0.1, 0.2, 0.5, 0.9, 1]  # edges
    observed, predicted = calibration_curve(labels[:, 0], scores, n_bins=bins)
    curve = reliability_curve(scores, labels[:, 0], bins)
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted, rtol=1e-6)
    assert curve.counts.sum() == len(scores)


def test_the_error_is_a_loop_over_bins():
    logits, labels = drawn([3.0], studies=120)
    labels[:20, 0] = np.nan
    scores, y = expit(logits[20:, 0].astype(np.float64)), labels[20:, 0]
    error = 0.0
    for low in range(10):
        inside = (scores > low / 10) & (scores <= (low + 1) / 10)
        if inside.any():
            error += inside.sum() / len(y) * abs(scores[inside].mean() - y[inside].mean())
    assert expected_calibration_error(expit(logits[:, 0].astype(np.float64)), labels[:, 0]) == pytest.approx(error)


def test_the_error_of_simple_cases():
    sure = np.float32([0, 0, 1, 1])
    assert expected_calibration_error(sure, sure) == 0
    assert expected_calibration_error(1 - sure, sure) == 1
    assert expected_calibration_error(np.full(4, 0.5), sure) == 0
    assert expected_calibration_error(sure, np.full(4, np.nan)) is None


def test_the_metrics_have_every_label_and_means_over_the_findings():
    logits, labels = drawn([3.0] * K)
    labels[:, LABELS.index("Hernia")] = np.nan
    temperatures, _ = fit_temperatures(logits, labels)
    metrics = calibration_metrics(logits, labels, temperatures)
    assert list(metrics["labels"]) == list(LABELS)
    hernia = metrics["labels"]["Hernia"]
    assert hernia == {"temperature": 1.0, "ece_before": None, "ece_after": None}
    for key in ("ece_before", "ece_after"):
        values = [metrics["labels"][name][key] for name in FINDINGS if name != "Hernia"]
        assert metrics[key] == pytest.approx(np.mean(values))
    assert metrics["ece_after"] < metrics["ece_before"] / 2
    line = format_calibration({"calibration": metrics})
    assert f"{metrics['ece_after']:.3f} after, mean of 13 findings; " in line
    assert line.endswith("over the 14 labels with a temperature.\n")
    plain = calibration_metrics(logits, labels, np.ones(K))
    assert format_calibration({"calibration": plain}).endswith("mean of 13 findings.\n")


def test_without_a_calibration_or_a_known_label_there_is_no_line():
    assert format_calibration({}) == format_calibration({"calibration": None}) == ""
    nothing = calibration_metrics(np.zeros((3, K)), np.full((3, K), np.nan), np.ones(K))
    assert nothing["ece_before"] is None and format_calibration({"calibration": nothing}) == ""
