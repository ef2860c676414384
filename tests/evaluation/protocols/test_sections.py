"""The sections of a report, and its words as text to read."""

import pytest

from tienet.data.text import report_text, tokenize
from tienet.evaluation.protocols.sections import as_prose, join_words, split_sections


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
    assert as_prose("heart of 2.5 cm .") == "Heart of 2.5 cm."  # the dot in a number ends no sentence
    assert as_prose("") == ""
