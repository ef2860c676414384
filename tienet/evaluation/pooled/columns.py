"""The metrics of a run or a control over all folds.

AUCs are from pairs of studies within a fold, because the scores of several models do not compare. Every study is named
by the thresholds of its own fold's run. All reports are one corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from tienet.evaluation.judged import Judged
from tienet.evaluation.metrics.auroc import MEANS, evaluate_auc
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.named_labels import MEANS as LABEL_MEANS
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.paired_bootstrap import DrawnAUC, DrawnRates, draw_auc, draw_rates
from tienet.evaluation.metrics.report_findings import evaluate_findings
from tienet.evaluation.metrics.report_variety import report_statistics


@dataclass(frozen=True, eq=False)
class PooledColumn:
    """What a run or a control said of the studies of all folds.

    Attributes:
        title: Its name among the columns.
        judged: The studies of all folds, one fold after the other.
        folds: int [N], the fold of each study.
        lacking: The fields of `Judged` that only some folds have, which are None in `judged`.
        resamples: The number of bootstrap resamples.
    """

    title: str
    judged: Judged
    folds: np.ndarray
    lacking: tuple[str, ...]
    resamples: int

    @cached_property
    def drawn_auc(self) -> DrawnAUC | None:
        """The AUCs in every resample; None without logits."""
        judged = self.judged
        if judged.logits is None:
            return None
        options = {"folds": self.folds, "resamples": self.resamples}
        return draw_auc(judged.logits, judged.labels, judged.patient_ids, **options)

    @cached_property
    def drawn_rates(self) -> DrawnRates | None:
        """The micro rates of the named labels in every resample; None where no labels are named."""
        judged = self.judged
        if judged.named is None:
            return None
        return draw_rates(judged.named, judged.labels, judged.patient_ids, resamples=self.resamples)


def pool(title: str, of_folds: Sequence[Judged], resamples: int) -> PooledColumn:
    """Put together what was said of the studies of each fold."""
    joined: dict[str, object] = {}
    lacking = []
    for field in fields(Judged):
        parts = [getattr(judged, field.name) for judged in of_folds]
        there = [part for part in parts if part is not None]
        if len(there) < len(parts):
            lacking += [field.name] * bool(there)
        elif isinstance(parts[0], np.ndarray):
            joined[field.name] = np.concatenate(parts)
        else:
            joined[field.name] = [value for part in parts for value in part]
    folds = np.repeat(np.arange(len(of_folds)), [len(judged) for judged in of_folds])
    return PooledColumn(title, Judged(**joined), folds, tuple(lacking), resamples)


def column_metrics(column: PooledColumn, scorer: CaptionScorer) -> dict:
    """The metrics of a column, with the keys of an evaluation's metrics.json, None where it has none.

    Returns:
        "studies", the entries of `auroc.evaluate_auc`, "labels" (`named_labels.evaluate_labels`), "captions",
        "reports" and "report_findings" (`ReportMetrics`), which also has "against_labels": the micro and macro rates of
        the findings that the labeller names in the written reports, against the true labels.
    """
    judged, resamples = column.judged, column.resamples
    metrics: dict = {"studies": len(judged), "auc": None, **dict.fromkeys(MEANS)}
    if judged.logits is not None:
        metrics |= evaluate_auc(
            judged.logits, judged.labels, judged.patient_ids, folds=column.folds, resamples=resamples
        )
    metrics["labels"] = None
    if judged.named is not None:
        metrics["labels"] = evaluate_labels(judged.named, judged.labels, judged.patient_ids, resamples=resamples)
    return metrics | _report_metrics(judged, scorer, resamples)


def _report_metrics(judged: Judged, scorer: CaptionScorer, resamples: int) -> dict:
    metrics: dict = dict.fromkeys(("captions", "reports", "report_findings"))
    if judged.written is None or not any(report.strip() for report in judged.reports):
        return metrics
    metrics["captions"] = scorer.score(judged.reports, judged.written)
    metrics["reports"] = report_statistics(judged.reports, judged.written)
    if judged.written_labels is None or judged.read_labels is None:
        return metrics
    rows = np.flatnonzero(~np.isnan(judged.read_labels).any(axis=1))  # those that have a true report
    written, read, true = (array[rows] for array in (judged.written_labels, judged.read_labels, judged.labels))
    patient_ids = [judged.patient_ids[n] for n in rows]
    findings = evaluate_findings(written, read, patient_ids, resamples=resamples)
    for name, found in (("against_labels", written), ("labeller", read)):
        findings[name] = None
        if not np.isnan(true).all():
            rates = evaluate_labels(found, true, patient_ids, resamples=resamples)
            findings[name] = {mean: rates[mean] for mean in LABEL_MEANS}
    return metrics | {"report_findings": findings}
