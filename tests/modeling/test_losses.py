"""Equation 6, its weights and the penalty against NumPy loops and the figures of the real data."""

import gzip
import re

import numpy as np
import oracles
import pandas as pd
import pytest
import tensorflow as tf

from tienet.labels import FINDINGS, LABELS, K, canonical
from tienet.modeling import losses
from tienet.modeling.losses import LabelWeights, ReportWeights, attention_penalty, classification_loss

tf1 = tf.compat.v1


@pytest.fixture
def labels(random):
    return random.integers(0, 2, (5, K)).astype(np.float32)


@pytest.fixture
def weights():
    return LabelWeights(0.7, 0.3, np.linspace(0.5, 1, K, dtype=np.float32))


def test_classification_loss_is_eq_6(evaluate, random, labels, weights):
    logits = random.standard_normal((5, K)).astype(np.float32)
    labels[0, 3] = labels[2] = np.nan
    loss = evaluate(classification_loss(tf.constant(logits), tf.constant(labels), weights))
    expected = oracles.classification_loss(oracles.sigmoid(logits), labels, 0.7, 0.3, weights.lambda_m)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_unknown_labels_have_no_gradient(evaluate, labels, weights):
    labels[:, 4] = np.nan
    logits = tf.zeros([5, K])
    (gradient,) = evaluate(tf1.gradients(classification_loss(logits, tf.constant(labels), weights), [logits]))
    assert np.isfinite(gradient).all()
    assert (gradient[:, 4] == 0).all()
    assert (gradient[:, 3] != 0).all()


def test_large_logits_stay_finite(evaluate, labels, weights):
    logits = tf.constant(np.where(labels == 1, -200.0, 200.0).astype(np.float32))  # all wrong
    loss = evaluate(classification_loss(logits, tf.constant(labels), weights))
    assert np.isfinite(loss)
    assert loss > 200


def test_equal_weights_are_the_plain_cross_entropy(evaluate, random, labels):
    logits = random.standard_normal((5, K)).astype(np.float32)
    loss = evaluate(classification_loss(tf.constant(logits), tf.constant(labels), LabelWeights.equal()))
    f = oracles.sigmoid(logits)
    expected = -(labels * np.log(f) + (1 - labels) * np.log(1 - f)).sum(1).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_penalty(evaluate, random):
    G = random.random((3, 4, 6)).astype(np.float32)
    assert evaluate(attention_penalty(tf.constant(G))) == pytest.approx(oracles.attention_penalty(G), rel=1e-5)


def test_penalty_is_zero_for_rows_on_different_words_and_largest_for_equal_ones(evaluate):
    different, equal = np.eye(3, 6, dtype=np.float32)[None], np.zeros((1, 3, 6), np.float32)
    equal[:, :, 0] = 1
    assert evaluate(attention_penalty(tf.constant(different))) == 0
    assert evaluate(attention_penalty(tf.constant(equal))) == 6  # r^2 - r


def test_label_weights_by_hand():
    labels = np.zeros((4, K), np.float32)
    labels[0, 0] = labels[1, 0] = labels[1, 1] = 1
    labels[2:, LABELS.index("No_Finding")] = 1
    labels[3, 2] = np.nan
    labels[0, 2] = 1
    weights = LabelWeights.from_labels(labels)
    assert (weights.beta_P, weights.beta_N) == (0.5, 0.5)
    np.testing.assert_allclose(weights.lambda_m[:4], [0.5, 0.75, 2 / 3, 1])
    assert weights.lambda_m[-1] == 0.5


def labels_of(diseased: int = 0, healthy: int = 0, unlabelled: int = 0) -> np.ndarray:
    """Studies with every label known, every third finding of the diseased being there, and studies with none known."""
    labels = np.zeros((diseased + healthy, K), np.float32)
    labels[:diseased, : len(FINDINGS) : 3] = 1
    labels[diseased:, -1] = 1
    return np.concatenate([labels, np.full((unlabelled, K), np.nan, np.float32)])


@pytest.mark.parametrize("unlabelled", [0, 1, 900])
def test_studies_without_a_known_label_do_not_count(unlabelled):
    weights = LabelWeights.from_labels(labels_of(10, 30, unlabelled))
    assert (weights.beta_P, weights.beta_N, weights.note) == (0.75, 0.25, None)
    np.testing.assert_allclose(weights.lambda_m[[0, 1, -1]], [0.75, 1, 0.25])


@pytest.mark.parametrize(("counts", "what"), [((10, 0, 90), "10 .* a finding"), ((0, 10, 90), "10 .* have none")])
def test_a_beta_of_0_falls_back_to_equal_weights_with_a_note(counts, what):
    weights, equal = LabelWeights.from_labels(labels_of(*counts)), LabelWeights.equal()
    assert (weights.beta_P, weights.beta_N) == (equal.beta_P, equal.beta_N) == (1, 1)
    assert (weights.lambda_m == equal.lambda_m).all()
    assert re.search(f"all {what}", weights.note) and equal.note is None


@pytest.mark.parametrize(
    ("known", "counted"),
    [
        ({"Edema": 1}, "P"),
        ({"Edema": 1, "No_Finding": 1}, "P"),  # the finding is the stronger word; loading has a note about it
        ({"Edema": 0, "No_Finding": 1}, "N"),
        (dict.fromkeys(FINDINGS, 0), "N"),
        ({**dict.fromkeys(FINDINGS, 0), "No_Finding": 0}, "N"),
        ({"Edema": 0}, None),
        ({"No_Finding": 0}, None),
        (dict.fromkeys(FINDINGS[1:], 0), None),
        ({}, None),
    ],
)
def test_a_study_that_is_known_in_part_counts_only_if_its_state_is_known(known, counted):
    study = np.full((1, K), np.nan, np.float32)
    for name, value in known.items():
        study[0, LABELS.index(name)] = value
    weights = LabelWeights.from_labels(np.concatenate([labels_of(3, 3), study]))
    P, N = 3 + (counted == "P"), 3 + (counted == "N")
    assert (weights.beta_P, weights.beta_N) == (N / (P + N), P / (P + N))


@pytest.mark.parametrize("unknown", [0.0, 0.1, 0.5, 0.9])
def test_label_weights_are_those_of_the_loops(random, unknown):
    labels = (random.random((300, K)) < 0.06).astype(np.float32)
    labels[:, -1] = (labels[:, :-1] == 0).all(axis=1)
    labels[random.random(labels.shape) < unknown] = np.nan
    weights = LabelWeights.from_labels(labels)
    beta_P, beta_N, lambda_m = oracles.label_weights(labels)
    assert (weights.beta_P, weights.beta_N, weights.note) == (beta_P, beta_N, None)
    np.testing.assert_allclose(weights.lambda_m, lambda_m, rtol=1e-6)


def test_weights_of_fully_labelled_studies_are_those_of_all_studies(random):
    """Bit for bit what the counts of all studies give."""
    labels = (random.random((1000, K)) < 0.2).astype(np.float32)
    P = int((labels[:, :-1] == 1).any(axis=1).sum())
    weights = LabelWeights.from_labels(labels)
    assert (weights.beta_P, weights.beta_N) == ((1000 - P) / 1000, P / 1000)
    assert (weights.lambda_m == (1 - labels.sum(axis=0) / 1000).astype(np.float32)).all()


def test_label_weights_of_chestxray14(shared):
    """beta and lambda over NIH's official training and validation list."""
    folder = shared / "data" / "nih"
    with gzip.open(folder / "Data_Entry_2017_v2020.csv.gz", "rt") as table:
        entries = pd.read_csv(table, index_col="Image Index")["Finding Labels"]
    images = (folder / "train_val_list.txt").read_text().split()
    assert len(images) == 86_524
    labels = np.zeros((len(images), K), np.float32)
    for row, names in zip(labels, entries.loc[images], strict=True):
        for name in names.split("|"):
            row[LABELS.index(canonical(name))] = 1
    weights = LabelWeights.from_labels(labels)
    assert (round(weights.beta_P, 3), round(weights.beta_N, 3)) == (0.584, 0.416)
    lambda_of = dict(zip(LABELS, weights.lambda_m, strict=True))
    assert min(FINDINGS, key=lambda_of.get) == "Infiltration"
    assert max(FINDINGS, key=lambda_of.get) == "Hernia"
    assert lambda_of["Infiltration"] == pytest.approx(0.841, abs=5e-4)
    assert lambda_of["Hernia"] == pytest.approx(0.998, abs=5e-4)


def test_L_R_is_a_mean_over_words_and_ends(evaluate, random):
    logits = random.standard_normal((5, 7)).astype(np.float32)
    targets, rows, counts = np.array([1, 6, 2, 0, 3]), np.array([0, 0, 0, 2, 2]), np.array([3, 0, 2], np.float32)
    expected = np.zeros(3)
    for n, row in enumerate(rows):
        p = oracles.softmax(list(logits[n].astype(np.float64)))
        expected[row] += -np.log(p[targets[n]]) / counts[row]
    np.testing.assert_allclose(evaluate(losses.report_loss(logits, targets, rows, counts)), expected, rtol=1e-5)


def test_words_count_in_L_R_by_their_weights(evaluate, random):
    logits, weights = random.standard_normal((5, 7)).astype(np.float32), random.random(5, np.float32)
    targets, rows, counts = np.array([1, 6, 2, 0, 3]), np.array([0, 0, 0, 2, 2]), np.array([3, 0, 2], np.float32)
    expected = np.zeros(3)
    for n, row in enumerate(rows):
        p = oracles.softmax(list(logits[n].astype(np.float64)))
        expected[row] += weights[n] * -np.log(p[targets[n]]) / counts[row]
    found = evaluate(losses.report_loss(logits, targets, rows, counts, weights))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_doubly_stochastic_term(evaluate, random):
    a = random.random((2, 4, 3, 3), np.float32)
    expected = np.mean([sum((1 - a[n, :, y, x].sum()) ** 2 for y in range(3) for x in range(3)) for n in range(2)])
    assert evaluate(losses.doubly_stochastic(tf.constant(a))) == pytest.approx(expected, rel=1e-5)


def test_relative_entropy_is_one_for_uniform_and_zero_for_one_hot(evaluate):
    p = np.array([[0.25] * 4, [1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(evaluate(losses.relative_entropy(p, 4)), [1, 0, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(
        evaluate(losses.relative_entropy(p[1:3], np.array([1.0, 2.0], np.float32))), [1, 1], atol=1e-6
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_report_weights_give_studies_with_a_finding_their_share(evaluate, share):
    labels = np.zeros((9, K), np.float32)
    labels[:3, [0, 4, 13]] = np.eye(3)  # three studies with a finding
    labels[3:8, LABELS.index("No_Finding")] = 1
    labels[8] = np.nan  # unknown
    weights = ReportWeights.from_labels(labels, share)
    counts = evaluate(weights.of(tf.constant(labels), tf.ones([9])))
    assert counts[:3].sum() / counts[:8].sum() == pytest.approx(share)
    assert counts[:8].mean() == pytest.approx(1) and counts[8] == 1
    assert len(set(counts[:3])) == len(set(counts[3:8])) == 1


def test_report_weights_are_1_without_a_share_and_without_one_of_the_two_kinds_of_studies():
    labels = np.zeros((4, K), np.float32)
    assert ReportWeights.from_labels(labels, 0.8) == ReportWeights() == ReportWeights.from_labels(labels, None)
    labels[:, 1] = 1
    assert ReportWeights.from_labels(labels, 0.8) == ReportWeights()


def test_reports_count_by_their_words_where_all_words_count_the_same(evaluate, random):
    """The mean over reports of the weighted L_R is the sum over all words, over the reports and their mean length."""
    lengths, V = np.array([4, 1, 9, 2]), 7
    logits = random.standard_normal((lengths.sum(), V)).astype(np.float32)
    targets = random.integers(0, V, lengths.sum()).astype(np.int32)
    rows, counts = np.repeat(np.arange(4), lengths), tf.constant(lengths, tf.float32)
    weights = ReportWeights(mean_words=float(lengths.mean()))
    L_R = losses.report_loss(tf.constant(logits), tf.constant(targets), tf.constant(rows), counts)
    mean = evaluate(tf.reduce_mean(L_R * weights.of(tf.zeros([4, K]), counts)))
    total = 0.0
    for row, target in zip(logits.astype(np.float64), targets, strict=True):
        total -= row[target] - np.log(np.exp(row).sum())
    assert mean == pytest.approx(total / lengths.sum(), rel=1e-5)
