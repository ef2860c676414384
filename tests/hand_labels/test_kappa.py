"""Counts of pairs of answers, and Cohen's kappa against a loop-written one and scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.hand_labels.a_data_set import random_answers
from tienet.evaluation.metrics.auroc import patient_weights
from tienet.hand_labels.kappa import (
    GROUPS,
    MEASURES,
    agreement,
    count_pairs,
    kappa,
    kappa_where_both_tell,
    measure,
    measure_both,
    positive_agreement,
)
from tienet.labels import FINDINGS, K

F = len(FINDINGS)


def alone(studies):
    """Each study of a patient of its own."""
    return [f"p{n}" for n in range(studies)]


def readers_who_mostly_agree(seed, studies, share=0.7):
    a, b = random_answers(seed, studies), random_answers(seed + 1000, studies)
    same = np.random.default_rng(seed + 2000).random((studies, K)) < share
    return a, np.where(same, a, b)


def kappa_by_loops(a, b, states):
    """As in Cohen's paper, from two lists."""
    N = len(a)
    p_o = sum(1 for x, y in zip(a, b, strict=True) if x == y) / N
    p_e = sum((list(a).count(i) / N) * (list(b).count(i) / N) for i in states)
    return (p_o - p_e) / (1 - p_e)


def test_kappa_is_that_of_the_paper_and_of_scikit_learn():
    a, b = readers_who_mostly_agree(0, 83)
    found = measure(count_pairs(a, b, alone(83), 0), kappa).values
    for k in range(K):
        assert found[k] == pytest.approx(kappa_by_loops(a[:, k], b[:, k], (1, 0, -1)), abs=1e-12)
        assert found[k] == pytest.approx(cohen_kappa_score(a[:, k], b[:, k]), abs=1e-12)
    together = cohen_kappa_score(a[:, :F].ravel(), b[:, :F].ravel())
    assert found[K] == pytest.approx(together, abs=1e-12)
    assert found[K + 1] == pytest.approx(found[:F].mean())


def test_kappa_over_two_states_is_of_the_studies_that_both_can_tell():
    a, b = readers_who_mostly_agree(1, 90)
    found = measure(count_pairs(a, b, alone(90), 0), kappa_where_both_tell).values
    for k in range(K):
        told = (a[:, k] >= 0) & (b[:, k] >= 0)
        assert found[k] == pytest.approx(cohen_kappa_score(a[told, k], b[told, k]), abs=1e-12)


def test_a_published_example():
    """Cohen's own: 200 patients, three categories, kappa .492 (table 1, in shares of the 200)."""
    counts = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    assert kappa(counts) == pytest.approx(0.4915, abs=1e-4)


def test_counts_are_of_as_state_then_bs():
    a, b = readers_who_mostly_agree(2, 40)
    a[3, 0] = b[5, 1] = np.nan
    counts = count_pairs(a, b, alone(40), 0).counts
    states = (1, 0, -1)
    for k in range(K):
        for i, of_a in enumerate(states):
            for j, of_b in enumerate(states):
                expected = sum(1 for n in range(40) if a[n, k] == of_a and b[n, k] == of_b)
                assert counts[k, i, j] == expected
    assert counts[0].sum() == counts[1].sum() == 39


def test_positive_agreement_and_agreement():
    counts = np.array([[3, 1, 1], [2, 90, 0], [0, 1, 2]])
    assert positive_agreement(counts) == pytest.approx(2 * 3 / (5 + 5))
    assert agreement(counts) == pytest.approx(95 / 100)


@pytest.mark.parametrize(("state", "name"), [(0, "kappa"), (1, "kappa"), (-1, "kappa"), (0, "kappa_two_states")])
def test_kappa_is_undefined_where_both_gave_one_state(state, name):
    same = np.full((9, K), state)
    found = measure(count_pairs(same, same, alone(9)), MEASURES[name])
    assert np.isnan(found.values).all()
    assert found.entry("kappa", 0, 0.95) == {"kappa": None, "kappa_lo": None, "kappa_hi": None}
    assert found.left_out(0) == 0


def test_kappa_is_0_where_one_reader_always_says_the_same():
    a = random_answers(3, 50)
    assert measure(count_pairs(a, np.zeros_like(a), alone(50), 0), kappa).values == pytest.approx(0)


def test_the_mean_is_over_the_findings_that_have_a_value():
    a, b = readers_who_mostly_agree(4, 60)
    a[:, 2] = b[:, 2] = 0
    found = measure(count_pairs(a, b, alone(60), 50), kappa)
    assert np.isnan(found.values[2])
    assert found.values[-1] == pytest.approx(np.delete(found.values[:F], 2).mean())
    assert found.drawn[:, -1] == pytest.approx(np.delete(found.drawn[:, :F], 2, axis=1).mean(axis=1))


def test_the_resamples_are_of_patients():
    a, b = readers_who_mostly_agree(5, 30)
    patients = [f"p{n // 3}" for n in range(30)]
    found = measure(count_pairs(a, b, patients, 4, seed=7), kappa)
    for r, weights in enumerate(np.concatenate(list(patient_weights(patients, 4, 7)))):
        rows = np.repeat(np.arange(30), weights)
        expected = [kappa_by_loops(a[rows, k], b[rows, k], (1, 0, -1)) for k in range(K)]
        assert found.drawn[r, :K] == pytest.approx(expected)


def test_undefined_resamples_are_left_out_and_counted():
    a = np.zeros((12, K))
    a[0] = 1
    found = measure(count_pairs(a, a, alone(12), 500), kappa)
    share = found.left_out(0) / 500  # the chance that the one positive study is not drawn
    assert share == pytest.approx((11 / 12) ** 12, abs=0.08)
    assert found.entry("kappa", 0, 0.95) == {"kappa": 1.0, "kappa_lo": 1.0, "kappa_hi": 1.0}


def test_readers_may_be_swapped_and_studies_reordered():
    a, b = readers_who_mostly_agree(6, 50)
    patients = [f"p{n // 2}" for n in range(50)]
    order = np.random.default_rng(0).permutation(50)
    plain, swapped = count_pairs(a, b, patients, 20), count_pairs(b, a, patients, 20)
    reordered = count_pairs(a[order], b[order], [patients[n] for n in order], 20)
    for name, of_counts in MEASURES.items():
        expected = measure(plain, of_counts)
        for other in (swapped, reordered):
            found = measure(other, of_counts)
            assert np.array_equal(found.values, expected.values, equal_nan=True), name
            assert np.array_equal(found.drawn, expected.drawn, equal_nan=True), name


def test_a_reader_who_answers_at_random_has_kappa_near_0_within_its_interval():
    covered, kappas = [], []
    for seed in range(40):
        a, b = random_answers(seed, 150), random_answers(seed + 500, 150)
        found = measure(count_pairs(a, b, alone(150), 200), kappa)
        for k in range(K):
            entry = found.entry("kappa", k, 0.95)
            kappas.append(entry["kappa"])
            covered.append(entry["kappa_lo"] <= 0 <= entry["kappa_hi"])
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)
    assert np.mean(kappas) == pytest.approx(0, abs=0.01)


def test_the_mean_difference_is_the_difference_of_the_means_in_every_resample():
    rare = [random_answers(seed, 12, (0.8, 0.2, 0)) for seed in range(3)]
    a, b = (count_pairs(rare[0], other, alone(12)) for other in rare[1:])  # undefined in other resamples each
    one, other, difference = measure_both(a, b, kappa)
    assert difference.values == pytest.approx(one.values - other.values, nan_ok=True)
    assert difference.drawn[:, -1] == pytest.approx(one.drawn[:, -1] - other.drawn[:, -1], nan_ok=True)
    assert (np.isnan(one.drawn) != np.isnan(other.drawn)).any()


def test_no_study_and_no_answer():
    nothing = count_pairs(np.zeros((0, K)), np.zeros((0, K)), [], 3)
    assert nothing.counts.sum() == 0
    assert np.isnan(measure(nothing, kappa).values).all()
    assert len(GROUPS) == K + 2


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (np.zeros((2, K)), np.zeros((3, K)), "same shape"),
        (np.zeros((2, 3)), np.zeros((2, 3)), r"a is \(2, 3\)"),
        (np.full((2, K), 2.0), np.zeros((2, K)), "the answer 2"),
        (np.zeros((3, K)), np.zeros((3, K)), "2 patient ids for 3"),
    ],
)
def test_what_is_no_answer_is_refused(a, b, why):
    with pytest.raises(ValueError, match=why):
        count_pairs(a, b, alone(2))
