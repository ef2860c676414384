"""What the words of a sentence count in L_R, against a count by hand."""

from itertools import chain

import numpy as np
import pytest

from tienet.data.sentences import MOST_TIMES, split_sentences, word_weights
from tienet.data.text import START

STOP = 9


def report_of(*words: int) -> np.ndarray:
    return np.array([START, *words], np.int32)


def test_the_sentences_of_a_report_are_what_full_stops_end():
    words = np.array([5, 6, STOP, STOP, 7], np.int32)
    assert [part.tolist() for part in split_sentences(words, STOP)] == [[5, 6, STOP], [STOP], [7]]
    assert np.concatenate(split_sentences(words, STOP)).tolist() == words.tolist()
    assert [part.tolist() for part in split_sentences(words, -1)] == [words.tolist()]


@pytest.mark.parametrize("power", [0.3, 0.5, 1.0])
def test_words_count_by_how_often_their_sentence_is_written(power):
    """Every word against a loop that compares its sentence with each sentence of every report."""
    random = np.random.default_rng(0)
    kinds = [[5, STOP], [5, 6, STOP], [7, 8, 5, STOP], [6, STOP], [3, 3, STOP]]
    shares = [0.5, 0.2, 0.2, 0.05, 0.05]
    drawn = [[kinds[k] for k in random.choice(5, random.integers(0, 7), p=shares)] for _ in range(40)]
    drawn[7].append([5])  # its last sentence has no full stop
    reports = [report_of(*chain.from_iterable(sentences)) for sentences in drawn]
    every = [sentence for sentences in drawn for sentence in sentences]
    plain = [[min(every.count(s), MOST_TIMES) ** -power for s in sentences for _ in s] for sentences in drawn]
    mean = np.mean(list(chain.from_iterable(plain)))
    weights = word_weights(reports, STOP, power)
    for of_report, expected, report in zip(weights, plain, reports, strict=True):
        assert of_report.dtype == np.float32 and len(of_report) == len(report)
        np.testing.assert_allclose(of_report, [*(np.array(expected) / mean), 1.0], rtol=1e-6)
    assert every.count([5, STOP]) > MOST_TIMES > every.count([6, STOP])
    assert np.concatenate(weights).mean() == pytest.approx(1)


def test_without_power_and_without_words_all_count_the_same():
    reports = [report_of(5, STOP), report_of(5, STOP, 6, STOP), report_of()]
    assert [weights.tolist() for weights in word_weights(reports, STOP, 0.0)] == [[1.0] * 3, [1.0] * 5, [1.0]]
    assert [weights.tolist() for weights in word_weights([report_of()], STOP, 0.5)] == [[1.0]]
