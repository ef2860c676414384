"""A prediction as text, as JSON and as a page."""

import json

import numpy as np

from tests.commands.predictions import prediction_with
from tienet.commands.output_formats import as_json, as_page, as_text, notes_on
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


def test_it_is_said_why_a_likely_no_finding_is_not_named():
    study, labels = StudyInput(1, "a", "a.png"), np.zeros(K, np.float32)
    said = "  That nothing was found is said only where no finding is named.\n"
    for threshold, shown in ((0.69, True), (0.71, False), (np.nan, False)):  # its probability is .7
        prediction = prediction_with(labels=labels, thresholds=np.full(K, threshold, np.float32))
        assert as_text(study, prediction).endswith(said) == shown
    labels[-1] = 1
    named = prediction_with(labels=labels, thresholds=np.full(K, 0.5, np.float32))
    assert not as_text(study, named).endswith(said)


def test_a_report_that_was_cut_is_marked_everywhere():
    study, cut = StudyInput(1, "a", "a.png"), prediction_with(cut_at=7, words=["<START>", *"abcdefg"])
    assert "  [...] It stopped at 7 words, the most that is written" in as_text(study, cut)
    assert json.loads(as_json(study, cut))["cut_at"] == 7
    page = render(as_page("a", np.zeros((8, 8), np.uint8), cut))
    assert "[...]" in page and "stopped at 7 words" in page
    whole = prediction_with()
    assert "[...]" not in as_text(study, whole) and json.loads(as_json(study, whole))["cut_at"] is None
    assert "[...]" not in render(as_page("a", np.zeros((8, 8), np.uint8), whole))


def test_precision_and_recall_are_shown_where_they_are_known():
    shares = {"precision": np.full(K, 0.25, np.float32), "recall": np.full(K, 0.5, np.float32)}
    shares["precision"][0] = np.nan
    study, known = StudyInput(1, "a", "a.png"), prediction_with(**shares)
    rows = {line.split("  ")[1]: line.split() for line in as_text(study, known).splitlines() if "0." in line}
    assert rows["Hernia"][-3:] == ["0.25", "0.50", "-"] and rows["Atelectasis"][-3:] == ["-", "0.50", "-"]
    line = json.loads(as_json(study, known))
    assert (line["precision"]["Atelectasis"], line["precision"]["Hernia"], line["recall"]["Hernia"]) == (
        None,
        0.25,
        0.5,
    )


def test_a_page_escapes_what_a_file_is_called():
    page = render(
        as_page("<script>alert(1)</script>", np.zeros((8, 8), np.uint8), prediction_with(report=None, words=[]))
    )
    assert "<script>alert" not in page


def test_every_form_has_the_notes_on_the_file_and_on_the_image():
    study, unlike = StudyInput(1, "a", "a.png"), prediction_with(image_distance=2.5)
    notes = notes_on(["says <b>"], unlike)
    assert notes[0] == "The file says <b>." and "unlike the training images (distance 2.50" in notes[1]
    line = json.loads(as_json(study, unlike, notes))
    assert (line["notes"], line["image_distance"]) == (notes, 2.5)
    assert as_text(study, unlike, notes).splitlines()[1:3] == [f"  note: {note}" for note in notes]
    page = render(as_page("a", np.zeros((8, 8), np.uint8), unlike, notes))
    assert "says &lt;b&gt;." in page and page.index("unlike the training images") < page.index("<main")
    alike = prediction_with(image_distance=0.8)
    assert notes_on([], alike) == [] and json.loads(as_json(study, alike))["notes"] == []


def test_a_report_is_text_to_read_and_its_words_are_kept():
    written = prediction_with(report="findings : heart is normal . impression : clear .")
    assert as_text(StudyInput(1, "a", "a.png"), written).splitlines()[1:3] == [
        "  Findings: Heart is normal.",
        "  Impression: Clear.",
    ]
    line = json.loads(as_json(StudyInput(1, "a", "a.png"), written))
    assert line["report"] == "findings : heart is normal . impression : clear ."
    assert line["text"] == "Findings: Heart is normal.\nImpression: Clear."
