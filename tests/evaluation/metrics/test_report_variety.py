"""The variety and the length of written reports, by hand."""

import json

import pytest

from tienet.evaluation.metrics.report_variety import report_statistics

TRUE = ["No effusion. The heart is large.", "", "The heart is normal.", "Effusion!"]
WRITTEN = ["the heart is normal .", "The heart is normal.", "", "effusion"]


def test_by_hand():
    assert report_statistics(TRUE, WRITTEN) == {
        "studies": 4,
        "empty": 1,
        "distinct": 3,
        "distinct_share": 0.75,
        "words_mean": 11 / 4,
        "words_median": 3.0,  # of 0, 1, 5, 5
        "true_studies": 3,
        "true_distinct": 3,
        "true_distinct_share": 1.0,
        "true_words_mean": 15 / 3,
        "true_words_median": 5.0,  # of 2, 5, 8
        # no, effusion, ., the, heart, is, large, normal, !: nine; no, large and ! are never written
        "unwritten_share": 3 / 9,
        "unwritten_token_share": 3 / 15,
    }


def test_one_report_for_all_shows():
    found = report_statistics(["a b"] * 50, ["no finding"] * 50)
    assert (found["distinct"], found["distinct_share"]) == (1, 0.02)
    assert (found["unwritten_share"], found["unwritten_token_share"]) == (1.0, 1.0)


def test_a_perfect_writer_has_the_same_figures_twice_and_misses_no_word():
    reports = ["A b c.", "a b c .", "d, e", "f"]
    found = report_statistics(reports, reports)
    for name in ("distinct", "distinct_share", "words_mean", "words_median"):
        assert found[name] == found[f"true_{name}"]
    assert found["distinct"] == 3
    assert found["unwritten_share"] == found["unwritten_token_share"] == 0


def test_a_word_that_is_written_for_another_study_is_written():
    assert report_statistics(["a", "b"], ["b", "a"])["unwritten_share"] == 0
    # also where the other study has no true report
    assert report_statistics(["a", ""], ["b", "a"])["unwritten_share"] == 0


def test_tokens_are_weighted_by_how_often_they_are_true():
    found = report_statistics(["a a a b"], ["a c c c"])
    assert (found["unwritten_share"], found["unwritten_token_share"]) == (0.5, 0.25)


def test_all_written_reports_empty():
    found = report_statistics(["a", "b"], ["", " \n\t\N{ZERO WIDTH SPACE}"])
    assert (found["empty"], found["distinct"], found["words_mean"]) == (2, 1, 0.0)
    assert found["unwritten_share"] == 1.0


def test_without_a_true_report_there_are_no_true_figures():
    found = report_statistics(["", " "], ["a", "a b"])
    assert (found["true_studies"], found["true_distinct"]) == (0, 0)
    assert (found["studies"], found["distinct"], found["words_mean"]) == (2, 2, 1.5)
    lacking = (
        "true_distinct_share",
        "true_words_mean",
        "true_words_median",
        "unwritten_share",
        "unwritten_token_share",
    )
    assert all(found[name] is None for name in lacking)


def test_no_study_at_all():
    found = report_statistics([], [])
    assert found["studies"] == found["empty"] == found["distinct"] == 0
    assert found["distinct_share"] is found["words_mean"] is found["words_median"] is None
    json.dumps(found, allow_nan=False)


def test_another_number_of_reports_is_refused():
    with pytest.raises(ValueError, match="2 true reports and 1 written ones"):
        report_statistics(["a", "b"], ["a"])
