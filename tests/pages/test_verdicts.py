"""Verdicts on labels, and the letters that the index filters by."""

import numpy as np
import pytest

from tienet.labels import LABELS, K, readable
from tienet.pages import verdicts
from tienet.pages.probability import place

NAN = np.nan


@pytest.mark.parametrize(
    ("named", "label", "verdict"),
    [
        (1, 1, verdicts.RIGHT),
        (1, 0, verdicts.WRONG),
        (0, 1, verdicts.MISSED),
        (0, 0, verdicts.ABSENT),
        (1, NAN, verdicts.NAMED_UNKNOWN),
        (0, NAN, verdicts.UNKNOWN),
        (NAN, 1, verdicts.NO_THRESHOLD),
    ],
)
def test_verdicts(named, label, verdict):
    assert verdicts.verdict_of(named, label) == verdict


def test_no_finding_is_not_named_beside_a_finding():
    probabilities, thresholds = np.full(K, 0.4), np.full(K, 0.5)
    probabilities[[2, K - 1]] = 0.5, 0.9
    found = verdicts.verdicts_of(probabilities, np.full(K, NAN), thresholds)
    assert [LABELS[k] for k, verdict in enumerate(found) if verdict == verdicts.NAMED] == ["Effusion"]
    (*_, none) = verdicts.rows(probabilities, np.full(K, NAN), thresholds)
    assert " no</td>" in none


def test_rows_show_what_the_thresholds_gave_on_the_validation_split():
    precision, recall = np.full(K, 0.5), np.full(K, 0.25)
    precision[1] = NAN
    first, second, *_ = verdicts.rows(*np.full((3, K), 0.5), precision, recall)
    assert first.count('<td class="number share">') == 2 and ">50%</td><td" in first and ">25%</td><td" in first
    assert ">-</td>" in second


def test_marks_and_colours_differ():
    outcomes = (verdicts.RIGHT, verdicts.WRONG, verdicts.MISSED)
    assert len({verdict.mark for verdict in outcomes}) == len({verdict.css for verdict in outcomes}) == 3


def test_codes_say_what_the_filter_needs():
    probabilities, labels, thresholds = np.full(K, 0.1), np.zeros(K), np.full(K, 0.5)
    probabilities[[0, 1, 3]] = 0.9
    labels[:5] = 1, 0, 1, NAN, NAN  # right, wrong, missed, named, unknown
    labels[5], thresholds[5] = 1, NAN  # true, and nothing says whether it was named
    found = verdicts.verdicts_of(probabilities, labels, thresholds)
    assert verdicts.codes(found, labels) == "rwmn-t" + "-" * (K - 6)
    assert verdicts.codes(None, labels) == "t-t--t" + "-" * (K - 6)


def test_where_no_truth_is_known_nothing_is_right_or_wrong():
    probabilities, labels, thresholds = np.full(K, 0.1), np.full(K, NAN), np.full(K, 0.5)
    probabilities[2], thresholds[3] = 0.5, NAN
    found = verdicts.verdicts_of(probabilities, labels, thresholds)
    expected = [verdicts.NOT_NAMED] * K
    expected[2], expected[3] = verdicts.NAMED, verdicts.NO_THRESHOLD
    assert found == expected
    assert verdicts.codes(found, labels) == "--n" + "-" * (K - 3)
    labels[14] = 0  # now one truth is known, and the others are unknown
    assert verdicts.verdicts_of(probabilities, labels, thresholds)[2] == verdicts.NAMED_UNKNOWN


@pytest.mark.parametrize(
    ("threshold", "label", "said"),
    [(0.5, 0, "no label named, none missed"), (0.5, NAN, "no label named<"), (NAN, NAN, "no threshold is known")],
)
def test_chips_say_why_there_are_none(threshold, label, said):
    found = verdicts.verdicts_of(np.full(K, 0.1), np.full(K, label), np.full(K, threshold))
    assert said in verdicts.chips(found)


def test_rows_are_in_the_order_of_the_labels():
    rows = list(verdicts.rows(np.full(K, 0.25), np.zeros(K), np.full(K, NAN)))
    assert len(rows) == K
    for row, name in zip(rows, LABELS, strict=True):
        assert f">{readable(name)}</th>" in row and "no threshold</td>" in row
        assert f"width:{100 * place(0.25):.2f}%" in row and ">25%<" in row
