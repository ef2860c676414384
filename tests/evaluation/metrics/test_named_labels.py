"""Precision, recall and F1 of the labels that are named, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from tienet.evaluation.metrics.named_labels import evaluate_labels, format_labels_table
from tienet.labels import LABELS, K

F = K - 1


@pytest.fixture
def named_and_true() -> tuple[np.ndarray, np.ndarray]:
    """Labels of 70 studies; of Mass some are unknown, Nodule is never true, and Hernia is never named."""
    random = np.random.default_rng(0)
    true = (random.random((70, K)) < 0.3).astype(np.float32)
    named = np.where(random.random((70, K)) < 0.7, true, 1 - true).astype(np.float32)
    true[::3, LABELS.index("Mass")] = np.nan
    true[:, LABELS.index("Nodule")] = 0
    named[:, LABELS.index("Hernia")] = 0
    return named, true


def test_the_rates_are_scikit_learns(named_and_true):
    named, true = named_and_true
    found = evaluate_labels(named, true, [str(n) for n in range(70)], resamples=20)
    for k, label in enumerate(LABELS):
        known = ~np.isnan(true[:, k])
        expected = precision_recall_fscore_support(
            true[known, k], named[known, k], average="binary", zero_division=np.nan
        )
        for rate, value in zip(("precision", "recall", "f1"), expected, strict=False):
            given = found[label][rate]
            assert (given is None and np.isnan(value)) or given == pytest.approx(value), (label, rate)
        assert (found[label]["true"], found[label]["named"]) == (true[known, k].sum(), named[known, k].sum())
    cells = ~np.isnan(true[:, :F])
    expected = precision_recall_fscore_support(true[:, :F][cells], named[:, :F][cells], average="binary")
    micro = found["micro"]
    assert [micro[rate] for rate in ("precision", "recall", "f1")] == pytest.approx(list(expected[:3]))
    assert micro["f1_lo"] < micro["f1"] < micro["f1_hi"]
    covered = [found[label]["f1"] for label in LABELS[:F] if found[label]["true"]]
    assert found["macro"]["f1"] == pytest.approx(np.mean(covered)) and found["macro"]["findings_covered"] == F - 1
    assert found["studies"] == 70


def test_a_label_without_a_threshold_is_never_named(named_and_true):
    named, true = named_and_true
    without, zero = named.copy(), named.copy()
    without[:, 0], zero[:, 0] = np.nan, 0
    ids = [str(n) for n in range(70)]
    assert evaluate_labels(without, true, ids, resamples=3) == evaluate_labels(zero, true, ids, resamples=3)


def test_the_table_has_the_controls_beside_the_network(named_and_true):
    named, true = named_and_true
    ids = [str(n) for n in range(70)]
    ours, control = (evaluate_labels(labels, true, ids, resamples=5) for labels in (named, np.nan_to_num(true)))
    table = format_labels_table(ours, {"tfidf_logistic": control})
    header, *lines = table.splitlines()
    assert header.startswith("Named") and header.endswith("F1 of tfidf_logistic")
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows["micro"][-1] == "1.000" and f"{ours['micro']['f1']:.3f}" in rows["micro"]
    assert rows["Nodule"][-1] == "undefined" and "none: Nodule" in table and "in the same way" in table
    assert "Controls" not in format_labels_table(ours, {})
