"""The metrics of written reports put together, with a labeller that finds words."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tienet.data.manifest import Manifest
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.report_findings import evaluate_findings, format_findings_table
from tienet.evaluation.metrics.report_variety import report_statistics
from tienet.evaluation.report_metrics import NO_REPORT_METRICS, ReportMetrics
from tienet.labels import LABELS, K

TRUE = ["edema .", "", "clear lungs .", "mass and edema ."]
WRITTEN = ["edema .", "mass .", "", "edema ."]


class WordLabeller:
    """Names a label where its name is in the report."""

    def label(self, studies: Manifest, reports: list[str]) -> np.ndarray:
        assert len(studies) == len(reports)
        return np.array([[name.lower() in report for name in LABELS] for report in reports], np.float32)


@pytest.fixture
def studies() -> Manifest:
    ids = [str(n) for n in range(len(TRUE))]
    return Manifest(
        "x", Path("x.csv"), ids, ids, [None] * 4, TRUE, np.array(["test"] * 4), np.zeros((4, K), np.float32)
    )


def test_every_part_is_over_the_studies_with_a_true_report(studies):
    with CaptionScorer(java=False) as scorer:
        found = ReportMetrics(studies, scorer, WordLabeller(), resamples=7).score(WRITTEN)
        assert found["captions"] == scorer.score(TRUE, WRITTEN)
    assert found.keys() == NO_REPORT_METRICS.keys()
    assert found["captions"]["studies"] == 3 and found["captions"]["references_empty"] == 1
    assert found["reports"] == report_statistics(TRUE, WRITTEN)
    kept = [0, 2, 3]
    written, true = (WordLabeller().label(kept, [reports[n] for n in kept]) for reports in (WRITTEN, TRUE))
    labeller, against_labels = (found["report_findings"].pop(name) for name in ("labeller", "against_labels"))
    assert found["report_findings"] == evaluate_findings(written, true, ["0", "2", "3"], resamples=7)
    assert labeller["micro"]["true"] == 0 and labeller["micro"]["precision"] == 0  # three are named, and none is true
    assert against_labels["micro"]["true"] == 0 and against_labels["micro"]["named"] == 2
    assert found["report_findings"]["micro"]["true"] == 3  # the mass written for study 1 does not count


def test_the_labels_in_the_reports_are_given_for_every_study(studies):
    with CaptionScorer(java=False) as scorer:
        metrics = ReportMetrics(studies, scorer, WordLabeller(), resamples=7)
        scores, written = metrics.score_and_label(WRITTEN)
    assert scores.keys() == NO_REPORT_METRICS.keys()
    for labels, reports in ((written, WRITTEN), (metrics.read_labels, TRUE)):
        expected = WordLabeller().label(reports, reports)
        expected[1] = np.nan  # it has no true report
        np.testing.assert_array_equal(labels, expected)


def test_without_a_labeller_there_are_no_findings(studies):
    with CaptionScorer(java=False) as scorer:
        metrics = ReportMetrics(studies, scorer, None, resamples=7)
        scores, labels = metrics.score_and_label(WRITTEN)
    assert scores["report_findings"] is labels is metrics.read_labels is None


def test_the_labellers_own_rates_stand_beside_what_it_judges(studies):
    """It finds the edema of study 0, and the mass and edema of study 3, which has a mass and a hernia."""
    labels = np.zeros((4, K), np.float32)
    labels[0, LABELS.index("Edema")] = labels[3, LABELS.index("Mass")] = labels[3, LABELS.index("Hernia")] = 1
    labels[1] = 1  # without a report, so it does not count
    judged = dataclasses.replace(studies, labels=labels)
    with CaptionScorer(java=False) as scorer:
        findings = ReportMetrics(judged, scorer, WordLabeller(), resamples=7).score(WRITTEN)["report_findings"]
        unknown = dataclasses.replace(studies, labels=np.full((4, K), np.nan, np.float32))
        unjudged = ReportMetrics(unknown, scorer, WordLabeller(), 7).score(WRITTEN)["report_findings"]
    assert unjudged["labeller"] is unjudged["against_labels"] is None
    micro = findings["against_labels"]["micro"]  # edema is written for studies 0 and 3, and true in study 0
    assert (micro["precision"], micro["recall"], micro["true"], micro["named"]) == (1 / 2, 1 / 3, 3, 2)
    assert findings["micro"]["precision"] == 1  # as the labeller reads the true reports, study 3 has edema, too
    micro = findings["labeller"]["micro"]
    assert (micro["precision"], micro["recall"], micro["true"], micro["named"]) == (2 / 3, 2 / 3, 3, 3)
    table = format_findings_table(findings)
    assert "labeller itself" in table and "micro precision 0.667" in table
    assert "Against the true labels" in table and "micro precision 0.500 (" in table
