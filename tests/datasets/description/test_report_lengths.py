"""Words of reports: quantiles, distinct ones, the most frequent, the histogram."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tienet.data.text import tokenize
from tienet.datasets.description.report_lengths import MAX_BINS, histogram, measure_reports


def measured(*reports: str):
    return measure_reports(reports, [f"s{n}" for n in range(len(reports))], progress=False)


def test_words_are_the_tokenizers():
    reports = ("No effusion.", "", "x-ray of t9-t10", " \n")
    found = measured(*reports)
    assert found.words.tolist() == [len(tokenize(reports[0])), len(tokenize(reports[2]))] == [3, 5]
    assert found.empty == 2 and found.longest == "s2"


def test_reports_are_distinct_by_their_words():
    found = measured("Clear  lungs.", "clear lungs .", "clear lungs", "CLEAR LUNGS.")
    assert (found.distinct, found.times, found.frequent) == (2, 3, "Clear  lungs.")


def test_the_longest_is_the_first_of_them():
    assert measured("a", "b c", "d e", "b c").longest == "s1"


def test_no_report_at_all():
    found = measured("", " ")
    assert (len(found.words), found.empty, found.distinct, found.longest, found.times) == (0, 2, 0, "", 0)


def test_a_report_of_marks_that_are_dropped_has_no_word():
    found = measured("\N{ZERO WIDTH SPACE}", "a")
    assert found.words.tolist() == [0, 1] and found.empty == 0


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 100))
def test_a_quantile_is_the_least_length_that_so_many_do_not_exceed(lengths, percent):
    found = measured(*("a " * n for n in lengths))
    quantile = found.quantile(percent)
    least = next(n for n in sorted(lengths) if 100 * sum(m <= n for m in lengths) >= percent * len(lengths))
    assert quantile == least


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300))
def test_the_bins_of_a_histogram_hold_every_report_once(lengths):
    words = np.array(lengths)
    bins = histogram(words)
    assert len(bins) <= MAX_BINS and sum(bar.count for bar in bins) == len(words)
    for bar, following in itertools.pairwise(bins):
        assert bar.high + 1 == following.low
    for bar in bins:
        assert bar.count == ((words >= bar.low) & (words <= (np.inf if bar.high is None else bar.high))).sum()


def test_one_very_long_report_does_not_squeeze_the_others():
    bins = histogram(np.array([*range(1, 100)] * 3 + [5000]))
    assert len(bins) > 10 and bins[-1].high is None and bins[-1].low < 100


@pytest.mark.parametrize(("words", "low", "high"), [([7, 7], 7, 7), ([0], 0, 0)])
def test_reports_of_one_length_have_one_bin(words, low, high):
    (bar,) = histogram(np.array(words))
    assert (bar.low, bar.high, bar.count) == (low, high, len(words))
