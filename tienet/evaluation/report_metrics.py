"""What is measured of written reports, a model's or a control's: caption metrics, variety, findings."""

from collections.abc import Mapping, Sequence

import numpy as np

from tienet.data.manifest import Manifest
from tienet.evaluation.labeller import Labeller
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.report_findings import evaluate_findings
from tienet.evaluation.metrics.report_variety import report_statistics

NOTHING: Mapping[str, None] = {"captions": None, "reports": None, "report_findings": None}
"""Where there are no written reports, or no true ones to compare with."""


class ReportMetrics:
    """Compares reports with the true ones of a data set.

    Args:
        studies: with the true reports; those that are empty are left out and counted.
        scorer: of caption metrics.
        labeller: names the findings in both reports; None: `report_findings` is None.
        resamples: of the bootstrap.
    """

    def __init__(self, studies: Manifest, scorer: CaptionScorer, labeller: Labeller | None, resamples: int):
        self._true, self._scorer, self._labeller, self._resamples = studies.reports, scorer, labeller, resamples
        self._there = [n for n, report in enumerate(studies.reports) if report.strip()]
        self._studies = studies.take(self._there)
        self._true_labels = labeller.label(self._studies, self._studies.reports) if labeller else None

    def score(self, written: Sequence[str]) -> dict[str, dict | None]:
        """{"captions", "reports", "report_findings"} as metrics.json has them, for a report per study."""
        return {
            "captions": self._scorer.score(self._true, written),
            "reports": report_statistics(self._true, written),
            "report_findings": self._findings([written[n] for n in self._there]),
        }

    def _findings(self, written: Sequence[str]) -> dict | None:
        if self._labeller is None:
            return None
        named = self._labeller.label(self._studies, written).astype(np.int64)
        true = self._true_labels.astype(np.int64)
        return evaluate_findings(named, true, self._studies.patient_ids, resamples=self._resamples)
