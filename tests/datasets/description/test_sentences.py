"""The sentences of the table and the page: numbers with their nouns, long lists and long lines cut, paths shown."""

from collections import Counter

import pytest

from tests.datasets.description.toy_sets import load_set
from tienet.datasets.description import sentences
from tienet.datasets.description.image_survey import ImageSurvey
from tienet.datasets.description.summary import summarize


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((0, "image"), "0 images"),
        ((1, "study", "studies"), "1 study"),
        ((3362, "study", "studies"), "3,362 studies"),
    ],
)
def test_a_number_has_its_noun(words, text):
    assert sentences.counted(*words) == text


def test_the_values_that_are_not_named_are_counted_together():
    counts = Counter({"a": 5, "b": 3, "c": 2, "d": 1})
    assert sentences.most_common(counts, 2) == [("a", 5), ("b", 3), ("2 others", 3)]
    assert sentences.most_common(counts, 3)[-1] == ("1 other", 1)
    assert sentences.most_common(counts, 4) == counts.most_common()


def test_a_long_line_says_how_much_was_cut():
    assert sentences.one_line(" a\n b\t c ", 5) == "a b c"
    assert sentences.one_line("x" * 1300, 60) == "x" * 60 + "... (1,240 characters more)"


def test_views_have_their_shares_and_say_how_many_are_not_known(tmp_path):
    manifest = load_set(tmp_path / "toy", view=["PA", "PA", "AP", "LL", "PA", ""])
    summary = summarize(manifest, 5000, 0, progress=False)
    assert sentences.view_lines(summary, 1) == [
        "Views (column view): PA 3 (50.0%), 2 others 2 (33.3%), not known 1 (16.7%)."
    ]


def test_a_path_is_shown_relative_to_the_folder_if_it_is_inside(tmp_path):
    assert sentences.shown_path(tmp_path / "a/b.png", tmp_path) == "a/b.png"
    assert sentences.shown_path(tmp_path / "b.png", tmp_path / "a") == str(tmp_path / "b.png")


def test_a_survey_says_whether_all_headers_were_read():
    def line(files: int, read: int) -> str:
        return sentences.survey_line(ImageSurvey(files, read, Counter(), Counter(), {}))

    assert line(0, 0) == "No image."
    assert line(1, 1) == "Headers of 1 image file were read: all."
    assert line(5000, 20) == "Headers of 20 of 5,000 image files were read: a random sample (--images)."
