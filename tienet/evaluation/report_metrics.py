"""The metrics of written reports, a network's or a control's: caption metrics, variety, and findings."""

from collections.abc import Mapping, Sequence

import numpy as np

from tienet.data.manifest import Manifest
from tienet.evaluation.labeller import Labeller
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.named_labels import MEANS, evaluate_labels
from tienet.evaluation.metrics.report_findings import evaluate_findings
from tienet.evaluation.metrics.report_variety import report_statistics

NO_REPORT_METRICS: Mapping[str, None] = {"captions": None, "reports": None, "report_findings": None}
"""The entries of metrics.json where there are no written reports, or no true ones to compare them with."""


class ReportMetrics:
    """Compares written reports with the true ones of a data set.

    Args:
        studies: The studies with their true reports. Studies whose report is empty are left out and counted.
        scorer: The scorer of the caption metrics.
        labeller: Names the findings in the true and in the written reports; None: `report_findings` is None.
        resamples: The number of bootstrap resamples.
    """

    def __init__(self, studies: Manifest, scorer: CaptionScorer, labeller: Labeller | None, resamples: int):
        self._true, self._scorer, self._labeller, self._resamples = studies.reports, scorer, labeller, resamples
        self._with_report = [n for n, report in enumerate(studies.reports) if report.strip()]
        self._studies = studies.take(self._with_report)
        self._true_labels = labeller.label(self._studies, self._studies.reports) if labeller else None
        self._labeller_rates = self._judge_labeller()

    def score(self, written: Sequence[str]) -> dict[str, dict | None]:
        """The entries "captions", "reports" and "report_findings" of metrics.json, for one report per study."""
        return {
            "captions": self._scorer.score(self._true, written),
            "reports": report_statistics(self._true, written),
            "report_findings": self._evaluate_findings([written[n] for n in self._with_report]),
        }

    def _evaluate_findings(self, written: Sequence[str]) -> dict | None:
        if self._labeller is None:
            return None
        written_labels = self._labeller.label(self._studies, written).astype(np.int64)
        true_labels = self._true_labels.astype(np.int64)
        found = evaluate_findings(written_labels, true_labels, self._studies.patient_ids, resamples=self._resamples)
        return found | {"labeller": self._labeller_rates}

    def _judge_labeller(self) -> dict | None:
        """The labeller's own micro and macro rates on the true reports; None where no true label is known."""
        if self._labeller is None or np.isnan(self._studies.labels).all():
            return None
        patient_ids = self._studies.patient_ids
        rates = evaluate_labels(self._true_labels, self._studies.labels, patient_ids, resamples=self._resamples)
        return {mean: rates[mean] for mean in MEANS}
