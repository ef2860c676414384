"""The metrics of the controls, which have no network: scikit-learn models (AUC) and simple reports (captions)."""

import sys

import numpy as np

from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.controls import classifiers
from tienet.evaluation.controls.reports import most_frequent_report, nearest_reports
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.options import Options
from tienet.evaluation.report_metrics import ReportMetrics
from tienet.inference.predictor import Predictor

Pooled = list[np.ndarray]
"""Pooled features of the training, the validation and the evaluated studies."""


def control_metrics(
    dataset: Manifest,
    split: Manifest,
    predictor: Predictor,
    report_metrics: ReportMetrics | None,
    options: Options,
    cache: EvaluationCache,
) -> dict[str, dict]:
    """Evaluate the controls that fit the checkpoint's mode; they are made from the training split of the data set.

    Without cached features the controls that compare images are left out, and a note says which.

    Args:
        dataset: All studies of the data set.
        split: The studies that are evaluated.
        predictor: The checkpoint that the controls are compared with; the image controls use its image features.
        report_metrics: The metrics of written reports; None: there are no report controls.
        options: The options of the evaluation.
        cache: Keeps the metrics for checkpoints that use the same image features.
    Returns:
        The metrics by the name of the control, with the same keys as in metrics.json.
    """
    train, val = dataset.split("train"), dataset.split("val")
    pooled, key = None, None
    if predictor.config.mode_parts.image and options.features == "cache":
        key = predictor.feature_key
        pooled = cache.get_or_make(
            ("pooled", dataset.path, options.split, key),
            lambda: [predictor.studies(studies).features.pooled() for studies in (train, val, split)],
        )
    classifies = predictor.config.mode_parts.classifies and options.metrics != "captions"
    writes = report_metrics is not None and any(train.reports)
    left_out = ["pooled_logistic"] * classifies + ["nearest_report"] * writes
    if predictor.config.mode_parts.image and pooled is None and left_out:
        names = " and ".join(left_out)
        print(f"note: --controls: {names} left out, as --features off gives no cached features", file=sys.stderr)
    metrics = {}
    if classifies:
        metrics |= cache.get_or_make(
            ("auc controls", dataset.path, key), lambda: _evaluate_classifiers(train, val, split, pooled, options)
        )
    if writes:
        metrics |= cache.get_or_make(
            ("report controls", dataset.path, key), lambda: _evaluate_reports(train, split, pooled, report_metrics)
        )
    return metrics


def _evaluate_classifiers(
    train: Manifest, val: Manifest, split: Manifest, pooled: Pooled | None, options: Options
) -> dict[str, dict]:
    """Train the scikit-learn models for which there are reports or image features, and evaluate them by AUC."""
    scores = {}
    if any(train.reports) and any(split.reports):
        scores["tfidf_logistic"] = classifiers.tfidf_logistic(
            train.reports, train.labels, split.reports, val_reports=val.reports, val_labels=val.labels
        )
    if pooled is not None:
        scores["pooled_logistic"] = classifiers.pooled_logistic(
            pooled[0], train.labels, pooled[2], val_features=pooled[1], val_labels=val.labels
        )
    return {
        name: evaluate_auc(values, split.labels, split.patient_ids, resamples=options.resamples)
        for name, values in scores.items()
    }


def _evaluate_reports(
    train: Manifest, split: Manifest, pooled: Pooled | None, report_metrics: ReportMetrics
) -> dict[str, dict]:
    """Evaluate the most frequent training report, given to all studies, and the report of the nearest image."""
    reports = {"constant_report": [most_frequent_report(train.reports)] * len(split)}
    if pooled is not None:
        nearest = nearest_reports(pooled[0], train.reports, pooled[2])
        reports["nearest_report"] = [" ".join(tokenize(report)) for report in nearest]
    return {name: report_metrics.score(written) for name, written in reports.items()}
