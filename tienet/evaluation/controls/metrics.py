"""What has no network, judged beside it: scikit-learn models (AUC) and simple reports (caption metrics)."""

import numpy as np

from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.evaluation.controls import classifiers
from tienet.evaluation.controls.reports import most_frequent_report, nearest_reports
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.options import Options, Shared
from tienet.evaluation.report_metrics import ReportMetrics
from tienet.inference.predictor import Predictor

Pooled = list[np.ndarray]
"""Pooled features of the training, validation and judged studies."""


def control_metrics(
    whole: Manifest,
    part: Manifest,
    network: Predictor,
    report_metrics: ReportMetrics | None,
    options: Options,
    shared: Shared,
) -> dict[str, dict]:
    """Metrics of what has no network, made from the training split of the data set that is judged."""
    train, val = whole.split("train"), whole.split("val")
    pooled, key = None, None
    if network.config.mode_parts.image and options.features == "cache":
        key = network.config.image_px, network.config.backbone_end
        parts = (train, val, part)
        pooled = shared.once(
            ("pooled", whole.path, options.split, key),
            lambda: [network.studies(studies).features.pooled() for studies in parts],
        )
    found = {}
    if network.config.mode_parts.classifies and options.metrics != "captions":
        found |= shared.once(
            ("auc controls", whole.path, key), lambda: _auc_controls(train, val, part, pooled, options)
        )
    if report_metrics is not None and any(train.reports):
        found |= shared.once(
            ("report controls", whole.path, key), lambda: _report_controls(train, part, pooled, report_metrics)
        )
    return found


def _auc_controls(
    train: Manifest, val: Manifest, part: Manifest, pooled: Pooled | None, options: Options
) -> dict[str, dict]:
    """Plain scikit-learn models."""
    scores = {}
    if any(train.reports) and any(part.reports):
        scores["tfidf_logistic"] = classifiers.tfidf_logistic(
            train.reports, train.labels, part.reports, val_reports=val.reports, val_labels=val.labels
        )
    if pooled is not None:
        scores["pooled_logistic"] = classifiers.pooled_logistic(
            pooled[0], train.labels, pooled[2], val_features=pooled[1], val_labels=val.labels
        )
    return {
        name: evaluate_auc(values, part.labels, part.patient_ids, resamples=options.resamples)
        for name, values in scores.items()
    }


def _report_controls(
    train: Manifest, part: Manifest, pooled: Pooled | None, report_metrics: ReportMetrics
) -> dict[str, dict]:
    """The most frequent training report for all, and the report of the nearest training image."""
    reports = {"constant_report": [most_frequent_report(train.reports)] * len(part)}
    if pooled is not None:
        nearest = nearest_reports(pooled[0], train.reports, pooled[2])
        reports["nearest_report"] = [" ".join(tokenize(report)) for report in nearest]
    return {name: report_metrics.score(written) for name, written in reports.items()}
