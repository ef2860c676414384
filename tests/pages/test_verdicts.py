"""Verdicts on labels, and the letters that the index filters by."""

import numpy as np
import pytest

from tienet.labels import LABELS, K
from tienet.pages import verdicts as page_labels

NAN = np.nan


@pytest.mark.parametrize(
    ("probability", "label", "threshold", "verdict"),
    [
        (0.5, 1, 0.5, page_labels.RIGHT),  # reaching the threshold is enough
        (0.5, 0, 0.5, page_labels.WRONG),
        (0.49, 1, 0.5, page_labels.MISSED),
        (0.49, 0, 0.5, page_labels.ABSENT),
        (0.6, NAN, 0.5, page_labels.NAMED_UNKNOWN),
        (0.4, NAN, 0.5, page_labels.UNKNOWN),
        (0.9, 1, NAN, page_labels.UNJUDGED),
    ],
)
def test_verdicts(probability, label, threshold, verdict):
    assert page_labels.verdict_of(probability, label, threshold) == verdict


def test_marks_and_colours_differ():
    judged = (page_labels.RIGHT, page_labels.WRONG, page_labels.MISSED)
    assert len({verdict.mark for verdict in judged}) == len({verdict.css for verdict in judged}) == 3


def test_codes_say_what_the_filter_needs():
    probabilities, labels, thresholds = np.full(K, 0.1), np.zeros(K), np.full(K, 0.5)
    probabilities[[0, 1, 3]] = 0.9
    labels[:5] = 1, 0, 1, NAN, NAN  # right, wrong, missed, named, unknown
    labels[5], thresholds[5] = 1, NAN  # true, and nothing says whether it was named
    verdicts = page_labels.verdicts_of(probabilities, labels, thresholds)
    assert page_labels.codes(verdicts, labels) == "rwmn-t" + "-" * (K - 6)
    assert page_labels.codes(None, labels) == "t-t--t" + "-" * (K - 6)


def test_where_no_truth_is_known_nothing_is_right_or_wrong():
    probabilities, labels, thresholds = np.full(K, 0.1), np.full(K, NAN), np.full(K, 0.5)
    probabilities[2], thresholds[3] = 0.5, NAN
    verdicts = page_labels.verdicts_of(probabilities, labels, thresholds)
    expected = [page_labels.NOT_NAMED] * K
    expected[2], expected[3] = page_labels.NAMED, page_labels.UNJUDGED
    assert verdicts == expected
    assert page_labels.codes(verdicts, labels) == "--n" + "-" * (K - 3)
    labels[14] = 0  # one that is known, and the others are unknown, not unjudged
    assert page_labels.verdicts_of(probabilities, labels, thresholds)[2] == page_labels.NAMED_UNKNOWN


@pytest.mark.parametrize(
    ("threshold", "label", "said"),
    [(0.5, 0, "no label named, none missed"), (0.5, NAN, "no label named<"), (NAN, NAN, "no threshold is known")],
)
def test_chips_say_why_there_are_none(threshold, label, said):
    verdicts = page_labels.verdicts_of(np.full(K, 0.1), np.full(K, label), np.full(K, threshold))
    assert said in page_labels.chips(verdicts)


def test_rows_are_in_the_order_of_the_labels():
    rows = list(page_labels.rows(np.full(K, 0.25), np.zeros(K), np.full(K, NAN)))
    assert len(rows) == K
    for row, name in zip(rows, LABELS, strict=True):
        assert f">{page_labels.readable(name)}</th>" in row and "width:25.00%" in row and "no threshold</td>" in row
