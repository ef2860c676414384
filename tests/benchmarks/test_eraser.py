"""ERASER's two measures on a network that is known, and the rankings of words."""

import numpy as np
import pytest

from benchmarks.eraser import BY_G, BY_SENTENCE, RANDOM_WORDS, RANKINGS, SHARES, chosen, measure, ranked, sentences_of
from benchmarks.eraser import summary as summary_of
from tienet.labels import K

REPORT = ["the", "heart", "is", "fine", ".", "small", "nodule", ".", "the", "lungs", "are", "clear"]


def read(positions, reports):
    """A finding is as likely as half of its words are there."""
    assert len(list(positions)) == len(reports)
    found = np.zeros((len(reports), K), np.float32)
    found[:, 0] = [(words.count("small") + words.count("nodule")) / 2 for words in reports]
    return found


def test_a_report_is_cut_into_sentences_and_shares():
    assert [list(part) for part in sentences_of(REPORT)] == [list(range(5)), [5, 6, 7], [8, 9, 10, 11]]
    assert list(chosen([4, 2, 9, 1], 0.5)) == [2, 4] and list(chosen([7, 3, 5], 0.1)) == [7]


def test_words_are_ranked_by_attention_and_by_sentence():
    g = np.zeros(12)
    g[[6, 1]] = 2, 1
    orders = ranked(REPORT, g, [0.1, 0.9, 0.2], np.random.default_rng(0))
    assert orders[BY_G][:2] == [6, 1] and orders[BY_SENTENCE][:7] == [5, 6, 7, 8, 9, 10, 11]
    for order in orders.values():
        assert sorted(order) == list(range(12))


def test_taking_the_sentence_out_takes_the_finding_away():
    named = np.zeros((2, K), bool)
    named[0, 0] = True
    g = [np.arange(12.0), np.zeros(3)]
    falls = measure(read, [REPORT, ["all", "clear", "."]], g, named, seed=0)
    assert len(falls) == len(RANKINGS) * len(SHARES) and set(falls.study) == {0}
    by_sentence = falls[falls.ranking == BY_SENTENCE].set_index("share")
    assert list(by_sentence.comprehensiveness) == [0.5, 1.0, 1.0]  # one word, two words and six words are taken out
    assert list(by_sentence.sufficiency) == [0.5, 0.0, 0.0]  # or kept alone
    by_g = falls[falls.ranking == BY_G].set_index("share")  # the last words come first
    assert list(by_g.comprehensiveness) == [0.0, 0.0, 0.5]
    table = summary_of(falls)
    mean = table[(table.ranking == BY_SENTENCE) & (table.share == "mean")].iloc[0]
    assert mean.comprehensiveness == pytest.approx(2.5 / 3) and mean.findings == 1
    assert mean.sufficiency_low == mean.sufficiency_high == pytest.approx(mean.sufficiency)
    random = falls[falls.ranking == RANDOM_WORDS]
    assert (random.comprehensiveness + random.sufficiency == 1).all()  # what is not taken out is kept
