"""The sections of a report, and its words as text to read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tienet.data.readable_text import as_prose, as_report, join_words, pieces, split_sections
from tienet.data.text import FINDINGS, IMPRESSION, report_text, tokenize
from tienet.pages import prose

WORDS = ("findings", "impression", *":.,()/-?%", "2", "1.5", "mm", "x-xxxx", "xxxx", "the", "<START>", "é")


@pytest.mark.parametrize(
    ("findings", "impression"),
    [("The heart is normal. No effusion.", "No acute disease."), ("Clear.", ""), ("", "Normal."), ("", "")],
)
def test_sections_are_what_the_report_was_made_of(findings, impression):
    report = report_text(findings, impression)
    assert split_sections(report) == (findings, impression)
    words = [" ".join(tokenize(text)) for text in (findings, impression)]
    assert split_sections(" ".join(tokenize(report))) == tuple(words)


@pytest.mark.parametrize(
    ("written", "sections"),
    [
        ("the lungs are clear .", ("", "")),  # no heading, so no section
        ("clear . impression : normal .", ("", "normal .")),
        ("findings : impression : normal .", ("", "normal .")),
        ("findings : clear . impression :", ("clear .", "")),  # cut at the longest report
        ("findings : a . findings : b . impression : c .", ("a . b .", "c .")),
        ("findings : the impression is normal .", ("the impression is normal .", "")),
    ],
)
def test_what_a_network_may_write(written, sections):
    assert split_sections(written) == sections


@pytest.mark.parametrize(
    "text",
    [
        "the heart is normal, and the lungs (both) are clear.",
        "t9-t10 disc; 8-mm nodule and/or scar of 2.5 cm: stable?",
        "left-sided picc, patient's x-xxxx; 50% of it",
    ],
)
def test_punctuation_returns_to_its_words(text):
    assert join_words(" ".join(tokenize(text))) == text


def test_prose_has_capitals_and_the_mark_of_removed_text():
    words = "1 . no acute disease . 2 . stable x-xxxx , xxxx of the spine ? clear ."
    assert as_prose(words) == "1. No acute disease. 2. Stable x-XXXX, XXXX of the spine? Clear."
    assert as_prose("xxxx opacities . xxxxx") == "XXXX opacities. XXXXX"
    assert as_prose("heart of 2.5 cm .") == "Heart of 2.5 cm."  # the dot in a number ends no sentence
    assert as_prose("") == ""


def test_the_headings_of_the_text_are_those_of_reports():
    assert prose.HEADINGS == (FINDINGS, IMPRESSION)


def test_a_report_reads_as_text():
    words = "findings : the heart ( both sides ) is normal . no 8 - mm nodule . impression : no acute disease ."
    text = "Findings: The heart (both sides) is normal. No 8-mm nodule.\nImpression: No acute disease."
    assert as_report(words) == text
    assert as_report("lungs are clear . impression :") == "Lungs are clear.\nImpression:"
    assert as_report("") == ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS)))
def test_the_pieces_of_the_words_make_up_the_text(words):
    found = pieces(words)
    assert len(found) == len(words)
    said = [word for word in words if word != prose.START]
    assert "".join(found) == as_report(" ".join(said))
    for word, piece in zip(words, found, strict=True):
        assert piece == "" if word == prose.START else piece.strip(" \n").lower() == word


def test_the_pieces_of_what_people_write():
    for text in ("Findings: 1. Heart/lungs (AP) clear. Impression: T9-T10 disc?", "no heading: at all", "a\n\n b ; c"):
        words = tokenize(text)
        assert [piece.strip().lower() for piece in pieces(words)] == words
