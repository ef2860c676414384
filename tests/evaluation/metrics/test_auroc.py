"""The AUC, its bootstrap and the means, against scikit-learn, slow loops and the paper's own table."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tienet.evaluation.metrics import auroc
from tienet.labels import FINDINGS, LABELS, NO_FINDING, K

NAN = np.nan


def study_set(N: int, seed: int = 0, patients: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores [N, 15] with many ties, labels [N, 15] with unknowns, and patients with several studies."""
    random = np.random.default_rng(seed)
    labels = (random.random((N, K)) < 0.3).astype(np.float32)
    scores = np.round(random.normal(size=(N, K)) + labels, 1).astype(np.float32)
    labels[random.random((N, K)) < 0.1] = NAN
    return scores, labels, [f"p{i}" for i in random.integers(patients or N // 2, size=N)]


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.9], [0, 1], 1.0),
        ([0.9, 0.1], [0, 1], 0.0),
        ([0.5, 0.5], [0, 1], 0.5),  # a tie is one half
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([1, 2, 2, 3], [0, 0, 1, 1], 3.5 / 4),
        ([5, 0.1, 0.9, 7], [NAN, 0, 1, NAN], 1.0),  # unknown labels count for nothing
        ([-3e30, 2e-30], [0, 1], 1.0),  # any scale
        ([0.2, 0.3], [1, 1], None),
        ([0.2, 0.3], [0, NAN], None),
        ([NAN, NAN], [0, 1], None),  # no scores at all
        ([], [], None),
    ],
)
def test_auc_by_hand(scores, labels, expected):
    assert auroc.auc(np.array(scores), np.array(labels, float)) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_sklearns(rows):
    scores, labels = np.array(rows).T.astype(float)
    if len(set(labels)) == 1:
        assert auroc.auc(scores, labels) is None
    else:
        assert auroc.auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        ([0.1, NAN, 0.3], [0, 1, 1], "1 of 3 scores are NaN, first in row 1"),
        ([0.1, 0.2], [0, 2], "labels must be 0, 1 or NaN"),
        ([0.1, 0.2], [0, 1, 1], "must both be"),
    ],
)
def test_auc_refuses(scores, labels, said):
    with pytest.raises(ValueError, match=said):
        auroc.auc(np.array(scores), np.array(labels, float))


def test_weights_draw_whole_patients():
    patients = ["a", "b", "a", "c", "d", "d", "a"]
    weights = np.concatenate(list(auroc.patient_weights(patients, resamples=500, seed=3)))
    assert weights.shape == (500, 7)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 0] == weights[:, 6]).all()
    assert (weights[:, 4] == weights[:, 5]).all()
    of_patients = weights[:, [0, 1, 3, 4]]
    assert (of_patients.sum(axis=1) == 4).all()
    np.testing.assert_allclose(of_patients.mean(axis=0), 1, atol=0.15)
    # drawn with replacement, a patient is left out with probability (1 - 1/4)^4
    assert (of_patients == 0).mean() == pytest.approx(0.75**4, abs=0.04)


def test_weights_depend_on_neither_chunk_nor_order():
    patients = ["a", "b", "a", "c", "d"]
    whole = np.concatenate(list(auroc.patient_weights(patients, 50, seed=1)))
    by_seven = list(auroc.patient_weights(patients, 50, seed=1, chunk=7))
    assert [len(chunk) for chunk in by_seven] == [7] * 7 + [1]
    np.testing.assert_array_equal(np.concatenate(by_seven), whole)
    order = [4, 2, 0, 3, 1]
    turned = np.concatenate(list(auroc.patient_weights([patients[i] for i in order], 50, seed=1)))
    np.testing.assert_array_equal(turned, whole[:, order])
    other = np.concatenate(list(auroc.patient_weights(patients, 50, seed=2)))
    assert (other != whole).any()


def test_bootstrap_is_the_loop_that_duplicates_rows():
    scores, labels, patients = study_set(60, patients=25)
    score, label = scores[:, 0], labels[:, 0]
    slow = []
    for weights in np.concatenate(list(auroc.patient_weights(patients, 80, seed=5))):
        rows = [i for i, times in enumerate(weights) for _ in range(times) if not math.isnan(label[i])]
        slow.append(roc_auc_score(label[rows], score[rows]))
    fast, _ = auroc.resampled_auc([auroc.rank_scores(score, label)], patients, 80, seed=5)
    np.testing.assert_allclose(fast[:, 0], slow, atol=1e-12)
    interval = auroc.bootstrap_auc(score, label, patients, resamples=80, seed=5, level=0.9)
    assert interval == pytest.approx(tuple(np.quantile(slow, [0.05, 0.95])), abs=1e-12)


# ---- folds ----


def pairs_won(scores: np.ndarray, labels: np.ndarray, folds: np.ndarray, rows: list[int]) -> float:
    """The AUC of the studies in `rows`, some of them several times, by looking at every pair of a fold."""
    won = pairs = 0.0
    for i in rows:
        for j in rows:
            if folds[i] == folds[j] and labels[i] == 1 and labels[j] == 0:
                pairs += 1
                won += 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
    return won / pairs if pairs else NAN


def folded(N: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Studies of three folds, each scored on a scale of its own; patients lie in one fold. Two labels are rare."""
    scores, labels, _ = study_set(N, seed)
    folds = np.random.default_rng(seed).integers(3, size=N)
    scores = scores * np.array([1, 5, 0.2])[folds, None] + np.array([0, 30, -7])[folds, None]
    patients = [f"{fold}-{n}" for fold, n in zip(folds, np.random.default_rng(1).integers(N // 4, size=N), strict=True)]
    labels[:, LABELS.index("Hernia")] = 0
    labels[:, LABELS.index("Mass")] = np.arange(N) == 5
    return scores, labels, folds, patients


def test_the_auc_of_folds_is_the_loop_over_the_pairs_within_each():
    scores, labels, folds, patients = folded()
    R = 25
    found = auroc.evaluate_auc(scores, labels, patients, folds=folds, resamples=R, seed=3, level=0.9)
    drawn = np.concatenate(list(auroc.patient_weights(patients, R, seed=3)))
    resamples = [[i for i, times in enumerate(weights) for _ in range(times)] for weights in drawn]

    def figures(rows: list[int]) -> dict[str, float]:
        areas = np.array([pairs_won(scores[:, k], labels[:, k], folds, rows) for k in range(K)])
        positives = np.array([np.nansum(labels[rows, k]) for k in range(K)])
        by_label = dict(zip(LABELS, areas, strict=True))
        areas, positives = areas[:14], positives[:14]
        defined = ~np.isnan(areas)
        return by_label | {
            "avg": areas[defined].mean(),
            "wavg": np.average(areas[defined], weights=positives[defined]),
            "avg10": areas[defined & frequent].mean(),
        }

    frequent = np.nansum(labels[:, :14], axis=0) >= 10  # the positives of all folds together
    slow, whole = [figures(rows) for rows in resamples], figures(list(range(len(scores))))
    assert found["avg10_findings"] == frequent.sum() == 11
    for name, value in whole.items():
        key, entry = ("auc", found["auc"][name]) if name in LABELS else (name, found)
        if name == "Hernia":
            assert (entry["auc"], entry["lo"], entry["hi"]) == (None, None, None)
            continue
        values = np.array([of_resample[name] for of_resample in slow])
        lo, hi = ("lo", "hi") if name in LABELS else (f"{name}_lo", f"{name}_hi")
        expected = [value, *np.quantile(values[~np.isnan(values)], [0.05, 0.95])]
        assert [entry[key], entry[lo], entry[hi]] == pytest.approx(expected, abs=1e-12), name


def test_the_auc_of_folds_is_their_mean_weighted_by_pairs():
    scores, labels, folds, _ = folded(seed=4)
    score, label = scores[:, 2], labels[:, 2]
    parts = [(score[folds == f], label[folds == f]) for f in range(3)]
    pairs = [(part == 1).sum() * (part == 0).sum() for _, part in parts]
    expected = np.average([auroc.auc(*part) for part in parts], weights=pairs)
    assert auroc.auc(score, label, folds) == pytest.approx(expected, abs=1e-12)
    assert auroc.auc(score, label, np.array(["z", "b", "c"])[folds]) == auroc.auc(score, label, folds)
    assert auroc.auc(score, label) < expected - 0.05  # pairs of two folds would say how their scales differ


def test_one_fold_is_no_fold():
    scores, labels, patients = study_set(50)
    for folds in (np.zeros(50, int), np.full(50, "openi-fold-3")):
        found = auroc.evaluate_auc(scores, labels, patients, folds=folds, resamples=20)
        assert found == auroc.evaluate_auc(scores, labels, patients, resamples=20)


def test_a_label_that_one_fold_has_no_scores_for_is_undefined():
    scores, labels, folds, patients = folded()
    scores[folds == 1, 4] = NAN
    found = auroc.evaluate_auc(scores, labels, patients, folds=folds, resamples=5)
    assert found["auc"][LABELS[4]]["auc"] is None and found["auc"][LABELS[3]]["auc"] is not None
    scores[np.flatnonzero(folds == 1)[0], 4] = 0
    with pytest.raises(ValueError, match="scores are NaN"):
        auroc.evaluate_auc(scores, labels, patients, folds=folds, resamples=5)
    with pytest.raises(ValueError, match=r"folds \(3,\) must be \[60\]"):
        auroc.auc(scores[:, 0], labels[:, 0], folds[:3])


def test_weighted_auc_is_sklearns():
    scores, labels, _ = study_set(200)
    weights = np.random.default_rng(1).integers(0, 4, (5, 200)).astype(np.uint16)
    for k in range(3):
        known = ~np.isnan(labels[:, k])
        fast, positives = auroc._weighted_auc(auroc.rank_scores(scores[:, k], labels[:, k]), weights)
        for r, weight in enumerate(weights[:, known]):
            slow = roc_auc_score(labels[known, k], scores[known, k], sample_weight=weight)
            assert fast[r] == pytest.approx(slow, abs=1e-12)
            assert positives[r] == weight[labels[known, k] == 1].sum()


def test_bootstrap_leaves_out_and_counts_resamples_with_one_class():
    scores, labels, patients = study_set(40)
    labels[:, LABELS.index("Mass")] = 0
    labels[7, LABELS.index("Mass")] = 1
    labels[:, LABELS.index("Hernia")] = 0
    found = auroc.evaluate_auc(scores, labels, [f"p{i}" for i in range(40)], resamples=400)
    left_out = found["bootstrap"]["left_out"]
    assert left_out["Mass"] == pytest.approx(400 * (1 - 1 / 40) ** 40, abs=35)
    assert "Hernia" not in left_out and "Edema" not in left_out
    assert 0 <= found["auc"]["Mass"]["lo"] <= found["auc"]["Mass"]["auc"] <= found["auc"]["Mass"]["hi"] <= 1
    assert auroc.bootstrap_auc(scores[:, 13], labels[:, 13], patients) == (None, None)


def test_intervals_cover_the_true_auc():
    """Two normal distributions sqrt(2) apart have AUC Phi(1) = .8413; small samples cover a little less."""
    random = np.random.default_rng(11)
    covered = 0
    for seed in range(120):
        labels = (np.arange(150) % 3 == 0).astype(float)
        scores = random.normal(size=150) + math.sqrt(2) * labels
        lo, hi = auroc.bootstrap_auc(scores, labels, np.arange(150), resamples=300, seed=seed)
        covered += lo <= 0.8413 <= hi
    assert 0.88 <= covered / 120 <= 0.99


def test_studies_of_one_patient_widen_the_interval():
    """Ten copies of a study are no more evidence than one."""
    random = np.random.default_rng(2)
    labels = random.random(40).round()
    scores = random.normal(size=40) + labels
    once = auroc.bootstrap_auc(scores, labels, np.arange(40), resamples=300)
    tenfold = np.repeat(scores, 10), np.repeat(labels, 10), np.repeat(np.arange(40), 10)
    by_patient = auroc.bootstrap_auc(*tenfold, resamples=300)
    by_study = auroc.bootstrap_auc(*tenfold[:2], np.arange(400), resamples=300)
    assert by_patient == once
    assert by_study[1] - by_study[0] < 0.5 * (once[1] - once[0])


def test_evaluate_is_its_parts():
    scores, labels, patients = study_set(120)
    found = auroc.evaluate_auc(scores, labels, patients, resamples=50, seed=4)
    assert list(found["auc"]) == list(LABELS)
    for k, name in enumerate(LABELS):
        entry = found["auc"][name]
        assert entry["auc"] == auroc.auc(scores[:, k], labels[:, k])
        span = auroc.bootstrap_auc(scores[:, k], labels[:, k], patients, resamples=50, seed=4)
        assert (entry["lo"], entry["hi"]) == span
        assert entry["positives"] == np.nansum(labels[:, k])
        assert entry["positives"] + entry["negatives"] == (~np.isnan(labels[:, k])).sum()
    areas = [found["auc"][name]["auc"] for name in FINDINGS]
    positives = [found["auc"][name]["positives"] for name in FINDINGS]
    assert found["avg"] == pytest.approx(np.mean(areas))
    assert found["wavg"] == pytest.approx(np.average(areas, weights=positives))
    for name in auroc.MEANS:
        assert found[f"{name}_lo"] < found[name] < found[f"{name}_hi"]
    # the mean of 14 varies less than one of them
    assert found["avg_hi"] - found["avg_lo"] < found["auc"]["Edema"]["hi"] - found["auc"]["Edema"]["lo"]


def test_evaluate_does_not_depend_on_the_order_of_studies():
    scores, labels, patients = study_set(120)
    order = np.random.default_rng(9).permutation(120)
    found = auroc.evaluate_auc(scores, labels, patients, resamples=40)
    assert found == auroc.evaluate_auc(scores[order], labels[order], [patients[i] for i in order], resamples=40)
    assert found == auroc.evaluate_auc(scores, labels, patients, resamples=40)
    assert found != auroc.evaluate_auc(scores, labels, patients, resamples=40, seed=1)


def test_means_leave_out_what_is_undefined_and_say_so():
    scores, labels, patients = study_set(120)
    labels[:, LABELS.index("Hernia")] = 0
    scores[:, LABELS.index("Edema")] = NAN  # a control that could not be trained
    mass = LABELS.index("Mass")
    labels[:, mass] = np.arange(120) < auroc.AVG10_POSITIVES - 1
    found = auroc.evaluate_auc(scores, labels, patients, resamples=20)
    for name in ("Hernia", "Edema"):
        assert found["auc"][name]["auc"] is found["auc"][name]["lo"] is found["auc"][name]["hi"] is None
    assert found["auc"]["Edema"]["positives"] > 0
    assert (found["findings_covered"], found["avg10_findings"]) == (12, 11)
    defined = {name: found["auc"][name]["auc"] for name in FINDINGS if name not in ("Hernia", "Edema")}
    assert found["avg"] == pytest.approx(np.mean(list(defined.values())))
    del defined["Mass"]
    assert found["avg10"] == pytest.approx(np.mean(list(defined.values())))
    scores[:, LABELS.index(NO_FINDING)] *= -1
    assert auroc.evaluate_auc(scores, labels, patients, resamples=20)["avg"] == found["avg"]


@pytest.mark.parametrize("N", [0, 3])
def test_nothing_to_evaluate_is_undefined(N):
    found = auroc.evaluate_auc(np.zeros((N, K)), np.zeros((N, K)), ["p"] * N, resamples=10)
    assert found["findings_covered"] == found["avg10_findings"] == 0
    assert all(found[f"{name}{end}"] is None for name in auroc.MEANS for end in ("", "_lo", "_hi"))


def test_evaluate_refuses_wrong_shapes():
    with pytest.raises(ValueError, match="must both be"):
        auroc.evaluate_auc(np.zeros((3, 14)), np.zeros((3, 14)), ["p"] * 3)
    with pytest.raises(ValueError, match="2 patient ids for 3 studies"):
        auroc.evaluate_auc(np.zeros((3, K)), np.zeros((3, K)), ["p"] * 2)


def test_means_are_those_of_the_papers_table(shared):
    """The rows AVG and #wAVG are the means of the cells, but for one cell and #wAVG of the hand-labeled set."""
    table = pd.read_csv(shared / "paper" / "table1_auc.csv").set_index(["dataset", "finding"])
    off: dict[str, dict[tuple[str, str], float]] = {"AVG": {}, "wAVG": {}}
    for dataset in ("chestxray14", "hand-labeled", "openi"):
        cells = table.loc[dataset]
        for column in ("R", "I+R", "I", "I+GR"):
            means = auroc.averages(cells.loc[list(FINDINGS), column], cells.loc[list(FINDINGS), "positives"])
            for row, name in (("AVG", "avg"), ("wAVG", "wavg")):
                off[row][dataset, column] = abs(means[name] - cells.loc[row, column])
    one_cell = ("openi", "I+R")
    assert off["AVG"].pop(one_cell) == pytest.approx(0.005, abs=5e-4)
    assert max(off["AVG"].values()) < 1e-3
    assert off["wAVG"].pop(one_cell) > 1e-3
    assert max(value for (dataset, _), value in off["wAVG"].items() if dataset != "hand-labeled") < 1e-3
