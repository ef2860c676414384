"""The sentence that a finding comes from: how a report is cut into sentences, and which of them is pointed at."""

from types import SimpleNamespace

import numpy as np
import pytest

from tienet.inference.evidence import find_evidence, split_into_sentences, without
from tienet.labels import LABELS, NO_FINDING, K

EFFUSION, NODULE, NONE = (LABELS.index(name) for name in ("Effusion", "Nodule", NO_FINDING))


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("", []),
        ("...", []),
        ("Clear lungs", ["Clear lungs"]),
        (" Clear lungs .  No effusion ! ", ["Clear lungs .", "No effusion !"]),
        ("FINDINGS:  A 2.5 cm mass. IMPRESSION: 1. Mass. 2.New", ["A 2.5 cm mass.", "1. Mass.", "2.New"]),
        ("findings : normal . impression : no change .", ["normal .", "no change ."]),
        ("A mass is seen.. . Small effusion\n\nNo nodule?", ["A mass is seen.", "Small effusion", "No nodule?"]),
        ("Size is 3. Stable at t9.", ["Size is 3.", "Stable at t9."]),
        ("sin hallazg patolog . sutil infiltr bas .", ["sin hallazg patolog .", "sutil infiltr bas ."]),
    ],
)
def test_sentences_are_parts_of_the_report_itself(report, expected):
    sentences = split_into_sentences(report)
    assert [sentence.text for sentence in sentences] == expected
    for sentence in sentences:
        assert report[sentence.start : sentence.end] == sentence.text
        assert without(report, sentence) == report[: sentence.start] + " " + report[sentence.end :]


class Words:
    """Stands for a network: a finding is as likely as its word is frequent; it is named at .4."""

    thresholds = np.full(K, 0.4, np.float32)

    def __init__(self):
        self.read: list[str] = []

    def annotate(self, reports, images=None):
        assert images is None or len(images) == len(reports)
        self.read += reports
        found = []
        for n, report in enumerate(reports):
            probabilities = np.full(K, 0.05, np.float32)
            seen = 0 if images is None else images[n]
            probabilities[EFFUSION] = min(0.9, 0.1 + 0.5 * report.count("effusion") + seen)
            probabilities[NODULE] = min(0.9, 0.1 + 0.5 * report.count("nodule"))
            probabilities[NONE] = 0.6
            labels = (probabilities >= self.thresholds).astype(np.float32)
            found.append(SimpleNamespace(probabilities=probabilities, labels=labels, thresholds=self.thresholds))
        return found


def test_a_finding_comes_from_the_sentence_without_which_it_falls_most():
    network = Words()
    reports = ["Clear.", "Heart normal. Small effusion. A nodule, and again a nodule. Stable nodule."]
    predictions = network.annotate(reports)
    none, both = find_evidence(network, reports, predictions)
    assert none == []  # No_Finding is named there, and comes from no sentence
    assert [(found.label, found.sentence.text) for found in both] == [
        ("Effusion", "Small effusion."), ("Nodule", "A nodule, and again a nodule."),
    ]  # fmt: skip
    assert both[0].drop == pytest.approx(0.5) and both[0].probability == pytest.approx(0.6)
    assert both[0].alone is None
    assert both[1].alone == pytest.approx(0.9)  # named without any one sentence, so each is read alone
    assert both[1].drop == pytest.approx(0.3)
    assert both[0].to_json() == {
        "label": "Effusion", "probability": 0.6, "drop": 0.5, "start": 14, "end": 29, "text": "Small effusion.",
    }  # fmt: skip
    assert both[1].to_json()["alone"] == 0.9
    assert network.read.count("Heart normal.") == 1 and reports[0] not in network.read[2:]


def test_each_report_keeps_its_image():
    network = Words()
    reports, images = ["effusion. x ray.", "effusion. x ray."], [0.0, 0.4]
    found = find_evidence(network, reports, network.annotate(reports, images), images)
    assert [of_study[0].drop for of_study in found] == pytest.approx([0.5, 0.4])
    assert found[1][0].alone == pytest.approx(0.9)  # without the sentence the image still names it: .5


def test_a_report_of_marks_alone_has_no_evidence():
    network = Words()
    assert find_evidence(network, ["..."], network.annotate(["..."], [0.5]), [0.5]) == [[]]
