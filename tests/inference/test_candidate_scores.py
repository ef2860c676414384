"""The scores of candidates against loops, and the choice by each of them alone."""

from collections import Counter

import numpy as np
import pytest

from tienet.inference import candidate_scores as scores
from tienet.inference.candidate_scores import Evidence
from tienet.labels import FINDINGS, LABELS, K
from tienet.modeling.decoding import Decoding

REPORTS = ["the heart is large .", "the heart is large . no effusion .", "", "clear", "the heart is normal .", ""]
N, W = 4, 6


@pytest.fixture
def evidence() -> Evidence:
    random = np.random.default_rng(0)
    return Evidence(
        log_probability=-random.random((N, W)) * 30,
        word_len=random.integers(1, 30, (N, W)),
        said=random.random((N, W, K)).astype(np.float32),
        seen=random.random((N, K)).astype(np.float32),
        thresholds=np.where(np.arange(K) == 2, np.nan, random.random(K)).astype(np.float32),
        agreement=random.random((N, W)),
    )


def consistency_loop(said, seen, thresholds, margin) -> float:
    """Of one candidate."""
    total = 0.0
    for name in FINDINGS:
        k = LABELS.index(name)
        if not np.isnan(thresholds[k]):
            p, t = float(seen[k]), float(thresholds[k])
            total += float(said[k]) * (np.log(p / (1 - p)) - np.log(t / (1 - t)) + margin)
    return total


def similarity_loop(one: list[str], other: list[str]) -> float:
    shares = []
    for n in (1, 2, 3, 4):
        counts = [Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (one, other)]
        if any(counts):
            shares.append(2 * (counts[0] & counts[1]).total() / (counts[0].total() + counts[1].total()))
    return sum(shares) / len(shares) if shares else 1.0


def test_consistency_equals_a_loop(evidence):
    found = scores.consistency(evidence.said, evidence.seen, evidence.thresholds, 0.7)
    for n in range(N):
        for w in range(W):
            expected = consistency_loop(evidence.said[n, w], evidence.seen[n], evidence.thresholds, 0.7)
            assert found[n, w] == pytest.approx(expected, rel=1e-5)


def test_what_the_image_shows_counts_for_a_report_and_what_it_does_not_show_against_it():
    said = np.zeros((1, 4, K))
    mass, edema = LABELS.index("Mass"), LABELS.index("Edema")
    said[0, 1, mass] = said[0, 2, edema] = said[0, 3, [mass, edema]] = 1
    said[0, 0, LABELS.index("No_Finding")] = 1  # says nothing of its own
    seen = np.full((1, K), 0.02)
    seen[0, mass] = 0.4
    none, right, wrong, both = scores.consistency(said, seen, np.full(K, 0.2))[0]
    assert none == 0 and wrong < both < 0 < right


def test_probabilities_of_0_and_1_are_no_infinite_evidence():
    seen = np.tile([0.0, 1.0, 0.5], (1, 5))
    assert np.isfinite(scores.consistency(np.ones((1, 1, K)), seen, seen[0])).all()


def test_agreement_equals_a_loop():
    words = [report.split() for report in REPORTS]
    found, similar = scores.agreement(words), scores.similarity(words)
    for i, one in enumerate(words):
        for j, other in enumerate(words):
            assert similar[i, j] == pytest.approx(similarity_loop(one, other))
        others = [similarity_loop(one, other) for j, other in enumerate(words) if j != i]
        assert found[i] == pytest.approx(sum(others) / len(others))
    assert similar[2, 5] == 1 and similar[2, 0] == 0  # two empty reports, and one with another
    assert scores.agreement(words[:1]) == [0]


def test_the_report_that_most_agree_with_is_chosen():
    words = [report.split() for report in ("a b c d e", "a b c d f", "a b c x f", "v w x y z")]
    assert scores.agreement(words).argmax() == 1


def test_the_score_is_the_weighted_sum(evidence):
    decoding = Decoding("consistent", likelihood_weight=0.5, consistency_weight=2.0, agreement_weight=3.0, margin=0.5)
    expected = 0.5 * evidence.log_probability / evidence.word_len + 3 * evidence.agreement
    expected += 2 * scores.consistency(evidence.said, evidence.seen, evidence.thresholds, 0.5)
    np.testing.assert_allclose(scores.score(evidence, decoding), expected)
    np.testing.assert_array_equal(scores.choose(evidence, decoding), expected.argmax(1))


def test_with_one_weight_the_best_by_that_score_is_chosen_and_with_none_the_first(evidence):
    none = {"likelihood_weight": 0.0, "consistency_weight": 0.0, "agreement_weight": 0.0}
    best = {
        "likelihood_weight": (evidence.log_probability / evidence.word_len).argmax(1),
        "agreement_weight": evidence.agreement.argmax(1),
    }
    for name, expected in best.items():
        chosen = scores.choose(evidence, Decoding("consistent", **none | {name: 1.0}))
        np.testing.assert_array_equal(chosen, expected)
    assert not scores.choose(evidence, Decoding("consistent", **none)).any()
