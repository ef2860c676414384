"""A network's labels judged by readers, and readers by one another."""

import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, recall_score, roc_auc_score

from tests.hand_labels.a_data_set import random_answers, sheet_of, write_data_set
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import patient_weights
from tienet.hand_labels.judge import (
    DECIDED,
    MEAN_READER,
    NetworkLabels,
    decided_labels,
    gather,
    judge,
    labels_of_data_set,
    mean_labels,
)
from tienet.hand_labels.judge_table import MEAN_READER_RULE, format_judge
from tienet.hand_labels.kappa import ALL, MEAN
from tienet.labels import FINDINGS, LABELS, K

N, F = 40, len(FINDINGS)
nan = np.nan


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("data") / "ours", N)


def noisy(answers, share, seed):
    """The answers, of which about this share are others."""
    other = np.random.default_rng(seed).random(answers.shape) < share
    return np.where(other, random_answers(seed + 50, len(answers)), answers).astype(np.float32)


@pytest.fixture
def truth():
    return random_answers(0, N, (0.6, 0.4, 0))


@pytest.fixture
def sheets(truth):
    return [sheet_of("anna", noisy(truth, 0.2, 1)), sheet_of("ben", noisy(truth, 0.2, 2))]


@pytest.fixture
def network(truth):
    named = noisy(truth, 0.3, 3)
    named[named < 0] = 0
    return NetworkLabels(np.random.default_rng(4).normal(named, 0.7), named)


def test_the_mean_reader_says_what_most_say_who_can_tell():
    answers = np.array([[1, 1, 0], [1, 0, nan], [1, nan, nan], [nan, nan, nan], [0, 0, 1], [0, nan, nan]]).T
    expected = [1, nan, 1, nan, 0, 0]
    assert np.array_equal(mean_labels(answers[:, :, None])[:, 0], expected, equal_nan=True)
    four = np.array([[1, 1, 0, 0], [1, 1, 1, 0]]).T
    assert np.array_equal(mean_labels(four[:, :, None])[:, 0], [nan, 1], equal_nan=True)


def test_answers_are_put_in_the_order_of_the_data_set(data_set):
    anna = sheet_of("anna", np.ones((2, K)), ["s7", "s3"])
    anna.answers[0] = -1
    ben = sheet_of("ben", np.zeros((2, K)), ["s3", "s9"])
    readings = gather([anna, ben], data_set)
    assert readings.studies.study_ids == ["s3", "s7", "s9"]
    assert np.array_equal(readings.answers[:, :, 0], [[1, -1, nan], [0, nan, 0]], equal_nan=True)
    assert np.array_equal(readings.labels[:, :, 0], [[1, nan, nan], [0, nan, 0]], equal_nan=True)


def test_the_network_is_judged_by_each_reader_as_by_scikit_learn(data_set, sheets, network):
    result = judge(network, gather(sheets, data_set), resamples=20)
    for sheet in sheets:
        entry = result["against"][sheet.reader]
        for k, label in enumerate(LABELS):
            told = sheet.answers[:, k] >= 0
            true, named = sheet.answers[told, k], network.named[told, k]
            rates = entry["labels"][label]
            assert rates["precision"] == pytest.approx(precision_score(true, named))
            assert rates["recall"] == pytest.approx(recall_score(true, named))
            assert rates["f1"] == pytest.approx(f1_score(true, named))
            assert entry["auc"]["auc"][label]["auc"] == pytest.approx(roc_auc_score(true, network.scores[told, k]))
            assert entry["kappa"][label]["kappa"] == pytest.approx(cohen_kappa_score(true, named))
            assert entry["kappa"][label]["kappa_lo"] <= entry["kappa"][label]["kappa_hi"]
    assert list(result["against"]) == ["anna", "ben", MEAN_READER]
    json.dumps(result, allow_nan=False)


def test_network_and_other_reader_are_compared_on_the_same_answers(data_set, sheets, network):
    result = judge(network, gather(sheets, data_set), resamples=30)
    a, b = (sheet.answers for sheet in sheets)
    entry = result["beside"]["anna"]
    for k, label in enumerate(LABELS):
        told = (a[:, k] >= 0) & (b[:, k] >= 0)
        of_network = cohen_kappa_score(a[told, k], network.named[told, k])
        of_other = cohen_kappa_score(a[told, k], b[told, k])
        found = entry["kappa"][label]
        assert found["network"]["kappa"] == pytest.approx(of_network)
        assert found["others"]["kappa"] == pytest.approx(of_other)
        assert found["difference"]["difference"] == pytest.approx(of_network - of_other)
        assert entry["others"][label]["f1"] == pytest.approx(f1_score(a[told, k], b[told, k]))
        assert entry["network"][label]["f1"] == pytest.approx(f1_score(a[told, k], network.named[told, k]))
    differences = [entry["kappa"][label]["difference"]["difference"] for label in FINDINGS]
    assert entry["kappa"][MEAN]["difference"]["difference"] == pytest.approx(np.mean(differences))
    both = result["agreement"][0]["labels"]
    assert both["Mass"]["kappa_two_states"] == pytest.approx(entry["kappa"]["Mass"]["others"]["kappa"])


def test_the_difference_is_taken_in_every_resample(data_set, truth):
    """The interval of the difference is that of differences in resamples of patients, made by loops."""
    a, b = truth, noisy(truth, 0.2, 7)
    b[b < 0] = 0
    named = noisy(truth, 0.3, 8)
    named[named < 0] = 0
    readings = gather([sheet_of("anna", a), sheet_of("ben", b)], data_set)
    entry = judge(NetworkLabels(named, named), readings, resamples=40)["beside"]["anna"]["kappa"]
    drawn = []
    for weights in np.concatenate(list(patient_weights(data_set.patient_ids, 40))):
        rows = np.repeat(np.arange(N), weights)
        true = a[rows, :F].ravel()
        drawn.append(cohen_kappa_score(true, named[rows, :F].ravel()) - cohen_kappa_score(true, b[rows, :F].ravel()))
    found = entry[ALL]["difference"]
    assert [found["difference_lo"], found["difference_hi"]] == pytest.approx(list(np.quantile(drawn, [0.025, 0.975])))


def test_a_network_that_answers_as_the_other_reader_differs_by_nothing(data_set, sheets):
    readings = gather(sheets, data_set)
    named = np.nan_to_num(readings.labels[1])
    entry = judge(NetworkLabels(named, named), readings, resamples=20)["beside"]["anna"]
    for group in (*LABELS, ALL, MEAN):
        assert entry["kappa"][group]["difference"] == {"difference": 0, "difference_lo": 0, "difference_hi": 0}


def test_a_label_without_a_threshold_has_no_kappa(data_set, sheets, network):
    network.named[:, 2] = nan
    result = judge(network, gather(sheets, data_set), resamples=5)
    assert result["against"]["anna"]["kappa"][LABELS[2]]["kappa"] is None
    assert result["beside"]["ben"]["kappa"][LABELS[2]]["difference"]["difference"] is None
    thresholds = np.where(np.arange(K) == 2, nan, 0.5)
    assert f"never named: {LABELS[2]}." in format_judge(result, thresholds)


def test_resamples_without_a_kappa_are_counted(data_set, network):
    answers = np.zeros((N, K))
    answers[0, 0] = 1
    network.named[:, 0] = answers[:, 0]
    result = judge(network, gather([sheet_of("anna", answers)], data_set), resamples=300)
    left_out = result["against"]["anna"]["left_out"][LABELS[0]]  # the patient of the one study with it is not drawn
    assert left_out / 300 == pytest.approx((19 / 20) ** 20, abs=0.08)
    assert f"at most {left_out:,} of a label's" in " ".join(format_judge(result).split())


def test_one_reader_alone_judges_without_a_comparison(data_set, sheets, network):
    result = judge(network, gather(sheets[:1], data_set), resamples=5)
    assert list(result["against"]) == ["anna"]
    assert result["beside"] == {}
    assert result["agreement"] == []
    assert "Judged by anna" in format_judge(result)


def test_decided_labels_are_the_deciders_and_those_on_which_readers_agree(data_set):
    anna, ben = (sheet_of(name, np.zeros((3, K))) for name in ("anna", "ben"))
    anna.answers[:, 0], ben.answers[:, 0] = [1, 1, -1], [1, 0, -1]
    anna.answers[:, 1], ben.answers[:, 1] = [1, 1, 1], [0, nan, -1]
    cara = sheet_of("cara", np.full((2, K), nan), ["s1", "s2"])
    cara.answers[:, 0], cara.answers[:, 1] = [0, nan], [nan, -1]
    found = decided_labels(gather([anna, ben], data_set), cara)
    assert np.array_equal(found[:, 0], [1, 0, nan], equal_nan=True)
    assert np.array_equal(found[:, 1], [nan, nan, nan], equal_nan=True)
    assert (found[:, 2:] == 0).all()


def test_decided_labels_may_be_a_data_set(data_set, sheets, network):
    readings = gather(sheets, data_set)
    part = data_set.take([5, 3])
    part.labels[:, 1] = [1, nan]
    found = labels_of_data_set(readings, part)
    assert np.array_equal(found[[3, 4, 5], 1], [nan, nan, 1], equal_nan=True)
    result = judge(network, readings, found, resamples=5)
    assert result["against"][DECIDED]["studies"] == 2
    part.study_ids[:] = ["x", "y"]
    with pytest.raises(InputError, match=r"--decided .* has none of the 40 studies"):
        labels_of_data_set(readings, part)


def test_refused(data_set, sheets):
    anna, ben = sheets
    with pytest.raises(InputError, match="two sheets are of reader anna"):
        gather([anna, anna], data_set)
    with pytest.raises(InputError, match="is called 'the mean reader'"):
        gather([anna, sheet_of(MEAN_READER, ben.answers)], data_set)
    with pytest.raises(InputError, match=r"carl\.csv: .*manifest\.csv has no study s99"):
        gather([sheet_of("carl", np.zeros((1, K)), ["s99"])], data_set)
    with pytest.raises(InputError, match=r"study s1 is of patient 'x', and of 'p0' in"):
        gather([sheet_of("carl", np.zeros((1, K)), ["s1"], ["x"])], data_set)
    with pytest.raises(InputError, match="share none of their"):
        gather([sheet_of("carl", np.zeros((1, K)), ["s1"]), sheet_of("dan", np.zeros((1, K)), ["s2"])], data_set)
    with pytest.raises(InputError, match="is of ben, who is one of the readers"):
        decided_labels(gather(sheets, data_set), ben)


def test_the_tables_say_it_all_and_their_lines_fit(data_set, sheets, network):
    shown = sheet_of("carl", random_answers(9, N), assist="runs/a")
    result = judge(network, gather([*sheets, shown], data_set), network.named, resamples=50)
    text = format_judge(result)
    assert text.startswith("warning: carl saw the labels of runs/a in 40 of 40 studies")
    for reference in ("anna", "ben", "carl", MEAN_READER, DECIDED):
        assert f"Judged by {reference}\n" in text
    assert "How close to anna are the network and the mean of the others? 40 studies" in text
    assert MEAN_READER_RULE[:40] in text
    kappa = result["beside"]["ben"]["kappa"][ALL]["difference"]
    assert f"{kappa['difference']:.3f}" in text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert "\N{EM DASH}" not in text
