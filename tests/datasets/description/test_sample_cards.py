"""The cards of the studies to look at."""

import pytest

from tests.datasets.description.pages import page_of
from tienet.datasets.description.sample_cards import MAX_CHARACTERS, report_html
from tienet.labels import NO_FINDING


def test_every_drawn_study_has_its_picture_labels_and_report(tmp_path):
    page = page_of(tmp_path / "toy")
    assert [tag for tag, _ in page.tags].count("img") == 5
    assert "5 studies to look at" in page.text
    assert "Effusion" in page.text and "no label" in page.text and "1 unknown" in page.text and "no report" in page.text


def test_no_finding_is_the_first_sample(tmp_path):
    page = page_of(tmp_path / "toy")
    after = page.text[page.text.index("studies to look at Drawn") :]
    assert after.index("s5") < after.index(NO_FINDING.replace("_", " "), 80) < after.index("Effusion")


@pytest.mark.parametrize("length", [MAX_CHARACTERS, MAX_CHARACTERS + 1234])
def test_a_very_long_report_is_cut_and_says_so(length):
    shown = report_html("x" * length)
    assert shown.count("x") == MAX_CHARACTERS
    assert ("1,234 characters more" in shown) == (length > MAX_CHARACTERS)
