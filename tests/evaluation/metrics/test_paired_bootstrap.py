"""Paired differences of AUCs, against a loop over scikit-learn's AUC."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tienet.evaluation.metrics import auroc
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.paired_bootstrap import (
    compare_auc,
    compare_rates,
    draw_auc,
    draw_rates,
    paired_auc,
)
from tienet.labels import FINDINGS, LABELS, K

NAN = np.nan
F = len(FINDINGS)
LACKING = {"difference": None, "lo": None, "hi": None, "p": None}


def study_set(N: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Two columns of scores [N, 15] with ties, labels with unknowns, patients; Hernia is never true, Mass once."""
    random = np.random.default_rng(seed)
    labels = (random.random((N, K)) < 0.3).astype(float)
    a, b = (np.round(random.normal(size=(N, K)) + shift * labels, 1) for shift in (1.5, 0.5))
    labels[random.random((N, K)) < 0.1] = NAN
    labels[:, LABELS.index("Hernia")] = 0
    labels[:, LABELS.index("Mass")] = np.arange(N) < 1
    return a, b, labels, [f"p{i}" for i in random.integers(N // 2, size=N)]


def test_every_figure_is_that_of_the_loop_over_sklearns_auc():
    a, b, labels, patients = study_set()
    R = 30
    found = paired_auc(a, b, labels, patients, resamples=R, seed=4, level=0.9)

    def differences(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each label the difference of the AUCs and the number of positives, in these studies."""
        out, positives = np.full(K, NAN), np.zeros(K)
        for k in range(K):
            known = rows[~np.isnan(labels[rows, k])]
            positives[k] = labels[known, k].sum()
            if 0 < positives[k] < len(known):
                out[k] = roc_auc_score(labels[known, k], a[known, k]) - roc_auc_score(labels[known, k], b[known, k])
        return out, positives

    frequent = np.nansum(labels[:, :F], axis=0) >= 10

    def figures(rows: np.ndarray) -> dict[str, float]:
        out, positives = differences(rows)
        by_label = dict(zip(LABELS, out, strict=True))
        out, positives = out[:F], positives[:F]
        defined = ~np.isnan(out)
        return by_label | {
            "avg": out[defined].mean(),
            "wavg": np.average(out[defined], weights=positives[defined]),
            "avg10": out[defined & frequent].mean(),
        }

    names, random, drawn = sorted(set(patients)), np.random.default_rng(4), []
    for _ in range(R):
        chosen = [names[i] for i in random.integers(len(names), size=len(names))]
        rows = np.array([n for name in chosen for n in range(len(a)) if patients[n] == name])
        drawn.append(figures(rows))
    whole = figures(np.arange(len(a)))

    assert list(found["auc"]) == list(LABELS)
    for name, value in whole.items():
        entry = found["auc"].get(name) or found[name]
        if name == "Hernia":
            assert entry == LACKING
            continue
        values = np.array([resample[name] for resample in drawn])
        values = values[~np.isnan(values)]
        assert (len(values) < R) == (name == "Mass")
        below, above = sum(v <= 1e-12 for v in values), sum(v >= -1e-12 for v in values)
        p = max(1 / len(values), min(1, 2 * min(below, above) / len(values)))
        expected = [value, *np.quantile(values, [0.05, 0.95]), p]
        assert [entry[key] for key in ("difference", "lo", "hi", "p")] == pytest.approx(expected, abs=1e-9), name
    assert (found["findings_covered"], found["avg10_findings"]) == (13, 12)


def test_differences_are_those_of_two_evaluations():
    a, b, labels, patients = study_set()
    found = paired_auc(a, b, labels, patients, resamples=20)
    one, other = (auroc.evaluate_auc(scores, labels, patients, resamples=20) for scores in (a, b))
    for name in auroc.MEANS:
        assert found[name]["difference"] == pytest.approx(one[name] - other[name], abs=1e-12)
    assert found["findings_covered"] == one["findings_covered"]
    assert found["avg10_findings"] == one["avg10_findings"]


def test_the_same_ranking_differs_by_nothing():
    a, _, labels, patients = study_set()
    found = paired_auc(a, np.exp(a), labels, patients, resamples=50)
    for name in auroc.MEANS:
        assert found[name] == {"difference": 0.0, "lo": 0.0, "hi": 0.0, "p": 1.0}


def test_of_folds_they_are_those_of_two_evaluations_of_the_same_folds():
    a, b, labels, patients = study_set()
    folds = np.random.default_rng(3).integers(4, size=len(a))
    found = paired_auc(a, b, labels, patients, folds=folds, resamples=20)
    one, other = (auroc.evaluate_auc(scores, labels, patients, folds=folds, resamples=20) for scores in (a, b))
    for name in auroc.MEANS:
        assert found[name]["difference"] == pytest.approx(one[name] - other[name], abs=1e-12)
    assert found["avg"] != paired_auc(a, b, labels, patients, resamples=20)["avg"]
    drawn = [draw_auc(scores, labels, patients, folds=folds, resamples=20) for scores in (a, b)]
    assert compare_auc(*drawn) == found


def test_differences_of_named_labels_are_those_of_the_loop():
    a, b, labels, patients = study_set()
    named_a, named_b = (a > 0.8).astype(float), (b > 0.8).astype(float)
    named_a[:, 3] = NAN  # a label without a threshold is never named
    R = 30

    def rates(named: np.ndarray, rows: np.ndarray) -> dict[str, float]:
        hits = names = true = 0
        for n in rows:
            for k in range(F):
                if not np.isnan(labels[n, k]):
                    hits += named[n, k] == 1 and labels[n, k] == 1
                    names += named[n, k] == 1
                    true += labels[n, k] == 1
        return {"precision": hits / names, "recall": hits / true, "f1": 2 * hits / (names + true)}

    found = compare_rates(*(draw_rates(named, labels, patients, resamples=R, seed=4) for named in (named_a, named_b)))
    names, random, drawn = sorted(set(patients)), np.random.default_rng(4), []
    for _ in range(R):
        chosen = [names[i] for i in random.integers(len(names), size=len(names))]
        rows = np.array([n for name in chosen for n in range(len(a)) if patients[n] == name])
        drawn.append([rates(named, rows) for named in (named_a, named_b)])
    everyone = np.arange(len(a))
    for rate, entry in found.items():
        difference = rates(named_a, everyone)[rate] - rates(named_b, everyone)[rate]
        values = np.array([one[rate] - other[rate] for one, other in drawn])
        p = max(1 / R, min(1, 2 * min((values <= 0).mean(), (values >= 0).mean())))
        expected = [difference, *np.quantile(values, [0.025, 0.975]), p]
        assert [entry[key] for key in ("difference", "lo", "hi", "p")] == pytest.approx(expected, abs=1e-12), rate
    micro = [evaluate_labels(named, labels, patients, resamples=5)["micro"]["f1"] for named in (named_a, named_b)]
    assert found["f1"]["difference"] == pytest.approx(micro[0] - micro[1], abs=1e-12)


def test_named_labels_that_are_none_differ_by_nothing_that_is_known():
    none = np.zeros((6, K))
    found = compare_rates(*(draw_rates(none, none, list("abcdef"), resamples=4) for _ in range(2)))
    assert found == dict.fromkeys(("precision", "recall", "f1"), LACKING)


def test_swapping_the_columns_turns_the_signs():
    a, b, labels, patients = study_set()
    found, turned = (paired_auc(*pair, labels, patients, resamples=50) for pair in ((a, b), (b, a)))
    entries = [(found["auc"][name], turned["auc"][name]) for name in LABELS if name != "Hernia"]
    for one, other in [*entries, *((found[name], turned[name]) for name in auroc.MEANS)]:
        expected = [-other["difference"], -other["hi"], -other["lo"], other["p"]]
        assert [one[key] for key in ("difference", "lo", "hi", "p")] == pytest.approx(expected, abs=1e-12)


def test_a_clear_difference_has_the_smallest_p():
    a, b, labels, patients = study_set(200)
    found = paired_auc(a, b, labels, patients, resamples=40)
    assert found["avg"]["lo"] > 0
    assert found["avg"]["p"] == 1 / 40


def test_without_a_difference_small_p_are_rare():
    """Under the null p is near uniform: 12 data sets of 15 independent labels."""
    p = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        labels = (random.random((120, K)) < 0.4).astype(float)
        a, b = (random.normal(size=(120, K)) + labels for _ in range(2))
        found = paired_auc(a, b, labels, np.arange(120), resamples=200, seed=seed)
        p += [entry["p"] for entry in found["auc"].values()]
    assert 0.005 <= np.mean(np.array(p) < 0.05) <= 0.11
    assert 0.4 <= np.mean(p) <= 0.6


def test_pairing_narrows_the_interval():
    a, _, labels, patients = study_set(200)
    b = a + np.random.default_rng(1).normal(size=a.shape) * 0.05
    found = paired_auc(a, b, labels, patients, resamples=200)["auc"]["Edema"]
    alone = auroc.evaluate_auc(a, labels, patients, resamples=200)["auc"]["Edema"]
    assert found["hi"] - found["lo"] < 0.5 * (alone["hi"] - alone["lo"])


def test_what_only_one_scores_is_none_and_in_no_mean():
    a, b, labels, patients = study_set()
    only_a, only_b = LABELS.index("Edema"), LABELS.index("Effusion")
    without_a, without_b = a.copy(), b.copy()
    without_a[:, only_b] = NAN
    without_b[:, only_a] = NAN
    found = paired_auc(without_a, without_b, labels, patients, resamples=30)
    assert found["auc"]["Edema"] == found["auc"]["Effusion"] == LACKING
    assert (found["findings_covered"], found["avg10_findings"]) == (11, 10)
    a[:, [only_a, only_b]] = b[:, [only_a, only_b]] = NAN
    assert paired_auc(a, b, labels, patients, resamples=30) == found
    no_scores = paired_auc(np.full_like(a, NAN), b, labels, patients, resamples=10)
    assert all(no_scores[name] == LACKING for name in auroc.MEANS)
    json.dumps(no_scores, allow_nan=False)


def test_no_finding_is_in_no_mean_and_the_order_does_not_matter():
    a, b, labels, patients = study_set()
    found = paired_auc(a, b, labels, patients, resamples=30)
    order = np.random.default_rng(1).permutation(len(a))
    assert paired_auc(a[order], b[order], labels[order], [patients[i] for i in order], resamples=30) == found
    a[:, -1] *= -1
    turned = paired_auc(a, b, labels, patients, resamples=30)
    assert turned["auc"]["No_Finding"] != found["auc"]["No_Finding"]
    assert all(turned[name] == found[name] for name in auroc.MEANS)


def test_nothing_to_evaluate_is_undefined():
    found = paired_auc(np.zeros((0, K)), np.zeros((0, K)), np.zeros((0, K)), [], resamples=10)
    assert all(entry == LACKING for entry in (*found["auc"].values(), *(found[name] for name in auroc.MEANS)))


@pytest.mark.parametrize(
    ("shapes", "patients", "said"),
    [
        (((3, K), (2, K), (3, K)), 3, r"scores_b is \(2, 15\); expected \[3, 15\]"),
        (((3, F), (3, F), (3, F)), 3, r"scores_a is \(3, 14\); expected \[3, 15\]"),
        (((3, K), (3, K), (3, K)), 2, "2 patient ids for 3 studies"),
    ],
)
def test_wrong_shapes_are_refused(shapes, patients, said):
    with pytest.raises(ValueError, match=said):
        paired_auc(*map(np.zeros, shapes), ["p"] * patients)
