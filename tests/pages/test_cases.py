"""The sheets of four studies: who is on them, what they show, and when there are none."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tienet.labels import LABELS, K
from tienet.pages.cases import ON_A_SHEET
from tienet.pages.pages_folder import write_pages
from tienet.pages.study import StudyPage


@pytest.fixture
def page() -> StudyPage:
    probabilities, labels = np.full(K, 0.1), np.zeros(K)
    probabilities[LABELS.index("Edema")] = probabilities[LABELS.index("Mass")] = 0.9
    labels[LABELS.index("Edema")] = labels[LABELS.index("Nodule")] = 1
    return StudyPage(
        study_id="A&B",
        image=np.zeros((64, 64), np.uint8),
        a_ws=None,
        words=["<START>", "mild", "edema"],
        g=np.array([0.1, 0.2, 0.7]),
        probabilities=probabilities,
        labels=labels,
        thresholds=np.full(K, 0.5),
        true_words=["edema", "<i>"],
    )


def test_four_studies_are_on_a_sheet(page, tmp_path):
    write_pages(tmp_path, [replace(page, study_id=f"s{n}") for n in range(2 * ON_A_SHEET + 1)])
    html = (tmp_path / "cases.html").read_text()
    sheets = re.findall(r"<section.*?</section>", html, re.S)
    assert [sheet.count("<article") for sheet in sheets] == [ON_A_SHEET, ON_A_SHEET, 1]
    assert 'href="cases.html"' in (tmp_path / "index.html").read_text()


def test_a_case_shows_verdicts_and_both_reports(page, tmp_path):
    write_pages(tmp_path, [page])
    html = (tmp_path / "cases.html").read_text()
    assert re.findall(r'<li class="(\w+)">.*?<strong>(.*?)</strong>', html) == [
        ("wrong", "Mass"),
        ("missed", "Nodule"),
        ("right", "Edema"),
    ]
    assert html.index("True report") < html.index("&lt;i&gt;") < html.index("Written report")
    assert "--g:1.000" in html and "A&amp;B" in html and "data:image/png" in html
    assert 'href="study-A_B.html"' in html


def test_without_truth_or_report_there_is_no_sheet_and_an_old_one_goes(page, tmp_path):
    write_pages(tmp_path, [page])
    for other in (replace(page, labels=None), replace(page, words=[], g=None, true_words=None)):
        write_pages(tmp_path, [other])
        assert not (tmp_path / "cases.html").exists()
        assert "cases.html" not in (tmp_path / "index.html").read_text()
