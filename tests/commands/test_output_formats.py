"""A prediction as text, as JSON and as a page."""

import json

import numpy as np

from tests.commands.predictions import prediction_with
from tienet.commands.output_formats import as_json, as_page, as_text
from tienet.commands.study_input import StudyInput
from tienet.labels import K
from tienet.pages.study import render


def test_unknown_thresholds_are_null_and_a_dash():
    study = StudyInput(1, "a", "a.png")
    line = json.loads(as_json(study, prediction_with()))
    assert set(line["thresholds"].values()) == set(line["labels"].values()) == {None}
    rows = [text for text in as_text(study, prediction_with()).splitlines() if "No Finding" in text]
    assert rows == ["  No Finding                0.700          -      -"]


def test_named_labels_come_first_and_an_empty_report_says_so():
    labels = np.zeros(K, np.float32)
    labels[2] = 1
    text = as_text(StudyInput(1, "a", "a.png"), prediction_with(labels=labels, thresholds=labels + 0.1, report=""))
    lines = text.splitlines()
    assert lines[1] == "  (empty)" and lines[4].startswith("  Effusion") and lines[4].endswith("yes")


def test_a_page_escapes_what_a_file_is_called():
    page = render(
        as_page("<script>alert(1)</script>", np.zeros((8, 8), np.uint8), prediction_with(report=None, words=[]))
    )
    assert "<script>alert" not in page
