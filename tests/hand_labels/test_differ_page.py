"""The page of the studies in which readers differ."""

import re

import numpy as np
import pytest

from tests.hand_labels.a_data_set import sheet_of, write_data_set
from tienet.hand_labels.agreement import compare_all
from tienet.hand_labels.differ_page import differing_cases, render
from tienet.labels import K


@pytest.fixture
def sheets():
    """Study s1 differs in two labels, s3 in one, s0 and s2 in none."""
    a, b = np.zeros((4, K)), np.zeros((4, K))
    a[0] = b[0] = 1
    a[1, 0], a[1, 4], b[3, 4] = 1, -1, 1
    return [sheet_of("anna", a), sheet_of("ben", b)]


def page(sheets, studies=None, notes=()):
    return render(sheets, compare_all(sheets, resamples=3), studies, notes)


def test_the_study_that_differs_most_is_first(sheets):
    cases = differing_cases(sheets)
    assert [(case.study_id, case.labels) for case in cases] == [("s1", ("Atelectasis", "Mass")), ("s3", ("Mass",))]


def test_the_order_goes_by_how_many_labels_differ_before_it_goes_by_name(sheets):
    sheets[0].answers[3, 5:9] = 1
    assert [case.study_id for case in differing_cases(sheets)] == ["s3", "s1"]


def test_what_one_was_not_asked_or_has_not_finished_is_no_difference(sheets):
    sheets[0].answers[3, 4] = np.nan
    shorter = sheet_of("ben", sheets[1].answers[2:], ["s2", "s3"])
    assert [case.study_id for case in differing_cases(sheets)] == ["s1"]
    assert differing_cases([sheets[0], shorter]) == []


def test_every_study_that_differs_has_image_report_and_answers(sheets, tmp_path):
    text = page(sheets, write_data_set(tmp_path / "ours", 4))
    assert text.count("data:image/jpeg;base64,") == 2
    assert "report 1" in text
    assert "report 0" not in text
    card = text[text.index('id="study-1"') :]
    assert re.search(
        r'<th scope="row">Mass</th><td class="unsure"><b>\?</b> cannot tell</td>'
        r'<td class="absent"><b>○</b> not there</td>',
        card,
    )


def test_the_worst_label_is_first_and_links_to_its_studies(sheets):
    text = page(sheets)
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th><td class="studies">(?:<details><summary>)?([^<]+)<', text)
    assert rows[:3] == [("Mass", "2 studies"), ("Atelectasis", "1 study"), ("Cardiomegaly", "no study")]
    assert len(rows) == K
    links, anchors = re.findall(r'href="#(study-\d+)"', text), re.findall(r'id="(study-\d+)"', text)
    assert links == ["study-1", "study-2", "study-1"]
    assert anchors == ["study-1", "study-2"]
    assert "data:image" not in text


def test_text_is_escaped_and_needs_no_script_and_no_network(sheets, tmp_path):
    evil = sheet_of("<b>&", sheets[1].answers, ["<s0>", "s1", "s2", "<s3>"], ["p0", "p0", "p1", "p1"])
    studies = write_data_set(tmp_path / "ours", 4)
    studies.reports[1] = "<script>alert(1)</script>"
    text = page([sheets[0], evil], studies, ["a note & <more>"])
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert '<th scope="col">&lt;b&gt;&amp;</th>' in text
    assert "a note &amp; &lt;more&gt;" in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert "default-src 'none'" in text
    assert "\N{EM DASH}" not in text


def test_an_image_that_cannot_be_read_has_the_reason(sheets, tmp_path):
    studies = write_data_set(tmp_path / "ours", 4)
    studies.images[1].write_bytes(b"no image")
    assert re.search(r'<p class="nothing">[^<]*1\.png', page(sheets, studies))


def test_three_readers_stand_side_by_side(sheets):
    carl = sheet_of("carl", np.ones((1, K)), ["s2"])
    text = page([*sheets, sheet_of("carl", np.stack([np.ones(K), np.zeros(K)]), ["s2", "s0"])])
    assert carl.reader in text
    assert "kappa anna and carl" in text
    assert text.count('<th scope="col">carl</th>') == 2  # not where carl has not finished the study


def test_readers_who_agree_have_a_page_that_says_so(sheets):
    text = page([sheets[0], sheet_of("ben", sheets[0].answers)])
    assert "gave the same answers throughout" in text
