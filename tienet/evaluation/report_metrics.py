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
        self._labeller_rates = self._compare_with_labels(self._true_labels)  # its own, on the true reports

    @property
    def read_labels(self) -> np.ndarray | None:
        """float32 [N, K], the labels in the true reports, NaN where there is none; None without a labeller."""
        return None if self._labeller is None else self._in_all_studies(self._true_labels)

    def score(self, written: Sequence[str]) -> dict[str, dict | None]:
        """The entries "captions", "reports" and "report_findings" of metrics.json, for one report per study."""
        return self.score_and_label(written)[0]

    def score_and_label(self, written: Sequence[str]) -> tuple[dict[str, dict | None], np.ndarray | None]:
        """The entries as from `score`, and the labels in the written reports, in the form of `read_labels`."""
        labels = None
        if self._labeller is not None:
            labels = self._labeller.label(self._studies, [written[n] for n in self._with_report])
        scores = {
            "captions": self._scorer.score(self._true, written),
            "reports": report_statistics(self._true, written),
            "report_findings": None if labels is None else self._evaluate_findings(labels),
        }
        return scores, None if labels is None else self._in_all_studies(labels)

    def _in_all_studies(self, labels: np.ndarray) -> np.ndarray:
        rows = np.full((len(self._true), labels.shape[1]), np.nan, np.float32)
        rows[self._with_report] = labels
        return rows

    def _evaluate_findings(self, written_labels: np.ndarray) -> dict:
        written, true = written_labels.astype(np.int64), self._true_labels.astype(np.int64)
        found = evaluate_findings(written, true, self._studies.patient_ids, resamples=self._resamples)
        against_labels = self._compare_with_labels(written_labels)
        return found | {"against_labels": against_labels, "labeller": self._labeller_rates}

    def _compare_with_labels(self, found: np.ndarray | None) -> dict | None:
        """The micro and macro rates of labels that were read in reports; None where no true label is known."""
        if found is None or np.isnan(self._studies.labels).all():
            return None
        patient_ids = self._studies.patient_ids
        rates = evaluate_labels(found, self._studies.labels, patient_ids, resamples=self._resamples)
        return {mean: rates[mean] for mean in MEANS}
