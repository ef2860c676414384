"""The scikit-learn controls: what they learn, which C they choose, and that nothing leaks."""

import numpy as np
import pytest

from tienet.errors import InputError
from tienet.evaluation.controls import classifiers
from tienet.evaluation.metrics.auroc import auc
from tienet.labels import K

WORDS = [f"sign{k}" for k in range(K)]
FILLER = ["the", "chest", "is", "seen", "and", "clear", "normal", "."]


def studies(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Reports in which label k is present exactly where "signk" is written and not negated."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, K)) < 0.3).astype(np.float32)
    reports = []
    for row in labels:
        phrases = [WORDS[k] if row[k] else f"no {WORDS[k]}" for k in range(K)]
        reports.append(" ".join(f"{FILLER[rng.integers(len(FILLER))]} {phrases[k]} ." for k in rng.permutation(K)))
    return reports, labels


@pytest.fixture(scope="module")
def text():
    return {name: studies(n, seed) for seed, (name, n) in enumerate({"train": 120, "val": 60, "test": 60}.items())}


def tfidf(text, **changes):
    arguments = {
        "train_reports": text["train"][0],
        "train_labels": text["train"][1],
        "test_reports": text["test"][0],
        "val_reports": text["val"][0],
        "val_labels": text["val"][1],
    }
    return classifiers.tfidf_logistic(**(arguments | changes))[0]


def test_tfidf_learns_what_the_words_say_negation_too(text):
    scores = tfidf(text)
    assert scores.shape == (60, K)
    assert scores.dtype == np.float32
    # "no sign3" and "sign3" differ in a 2-gram only
    assert np.mean([auc(scores[:, k], text["test"][1][:, k]) for k in range(K)]) > 0.9
    np.testing.assert_array_equal(scores, tfidf(text))


def test_ngrams():
    assert classifiers._ngrams("No X-ray, 2.5.") == [
        "no", "x-ray", ",", "2.5", ".",
        "no x-ray", "x-ray ,", ", 2.5", "2.5 .",
        "no x-ray ,", "x-ray , 2.5", ", 2.5 .",
    ]  # fmt: skip
    assert classifiers._ngrams("") == []


def test_a_score_depends_on_its_own_report_only(text):
    """No leakage: neither the other evaluated reports nor their words change a score."""
    reports = text["test"][0]
    alone = tfidf(text, test_reports=reports[:1])
    np.testing.assert_allclose(alone, tfidf(text)[:1], rtol=1e-6)
    crowd = tfidf(text, test_reports=[*reports[:1], *["unheard words " * 50] * 200])
    np.testing.assert_allclose(alone, crowd[:1], rtol=1e-6)


def test_a_label_of_one_class_has_no_score_and_unknown_labels_are_left_out(text):
    labels = text["train"][1].copy()
    labels[:, 2] = 0
    labels[:, 3] = np.nan
    labels[labels[:, 4] == 0, 4] = np.nan  # known positives only
    labels[::2, 5] = np.nan
    scores = tfidf(text, train_labels=labels)
    assert np.isnan(scores[:, [2, 3, 4]]).all()
    assert np.isfinite(np.delete(scores, [2, 3, 4], axis=1)).all()
    half = slice(1, None, 2)
    kept = classifiers._fit(classifiers.LogisticRegression(), np.eye(120)[:, :7], labels[:, 5])
    expected = classifiers.LogisticRegression().fit(np.eye(120)[half, :7], labels[half, 5])
    np.testing.assert_allclose(kept.coef_, expected.coef_, atol=1e-6)


def test_the_best_c_on_validation_is_taken(text, monkeypatch):
    for grid, best in (((1e-6, 10.0), 10.0), ((10.0, 1e-6), 10.0)):
        monkeypatch.setattr(classifiers, "TFIDF_C", grid)
        chosen = tfidf(text)
        monkeypatch.setattr(classifiers, "TFIDF_C", (best,))
        np.testing.assert_array_equal(chosen, tfidf(text))


def test_without_validation_the_first_c_is_taken(text, monkeypatch):
    without = tfidf(text, val_reports=None, val_labels=None)
    nothing_known = tfidf(text, val_labels=np.full_like(text["val"][1], np.nan))
    monkeypatch.setattr(classifiers, "TFIDF_C", classifiers.TFIDF_C[:1])
    np.testing.assert_array_equal(without, tfidf(text))
    np.testing.assert_array_equal(nothing_known, tfidf(text))


def test_reports_without_a_word_are_an_error(text):
    with pytest.raises(InputError, match="none of the 120 training reports has a word"):
        tfidf(text, train_reports=[""] * 120)
    assert np.isfinite(tfidf(text, test_reports=["", "unheard"])).all()


def test_labels_of_another_length_are_an_error(text):
    with pytest.raises(ValueError, match="120 training studies and 119 rows"):
        tfidf(text, train_labels=text["train"][1][1:])


def test_pooled_learns_and_does_not_mind_the_scale_of_a_feature():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 40)).astype(np.float32)
    labels = (features[:, :K] + 0.3 * rng.normal(size=(300, K)) > 0.8).astype(np.float32)

    def pooled(values):
        train, val, test = np.split(values, [150, 220])
        return classifiers.pooled_logistic(train, labels[:150], test, val_features=val, val_labels=labels[150:220])[0]

    scores = pooled(features)
    assert scores.shape == (80, K)
    assert scores.dtype == np.float32
    assert np.mean([auc(scores[:, k], labels[220:, k]) for k in range(K)]) > 0.85
    np.testing.assert_array_equal(scores, pooled(features))
    scaled = pooled(features.astype(np.float64) * np.logspace(-3, 3, 40) + 5)
    np.testing.assert_allclose(scaled, scores, atol=0.02)
    constant = features.copy()
    constant[:, 20:] = 7
    assert np.isfinite(pooled(constant)).all()
    assert np.isfinite(pooled(features.astype(np.float16))).all()


def test_the_validation_scores_are_those_of_the_model_that_is_taken(text):
    """Thresholds are chosen by them: given as the evaluated reports, the same reports have the same scores."""
    arguments = {"train_reports": text["train"][0], "train_labels": text["train"][1]}
    of_val = {"val_reports": text["val"][0], "val_labels": text["val"][1]}
    scores, val_scores = classifiers.tfidf_logistic(**arguments, **of_val, test_reports=text["val"][0])
    np.testing.assert_array_equal(scores, val_scores)
    assert classifiers.tfidf_logistic(**arguments, test_reports=text["val"][0])[1] is None
