"""The metrics of the controls, which have no network: scikit-learn models (AUC) and simple reports (captions)."""

import sys
from typing import NamedTuple

import numpy as np

from tienet.checkpoint.calibration import with_temperatures
from tienet.checkpoint.thresholds import LARGEST_F1, Objective
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.calibrate import fit
from tienet.evaluation.controls import classifiers
from tienet.evaluation.controls.reports import most_frequent_report, nearest_reports
from tienet.evaluation.judged import Judged
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.options import Options
from tienet.evaluation.report_metrics import ReportMetrics
from tienet.inference.predictor import Predictor
from tienet.labels import name_labels

_NEVER = -30.0
"""The log-odds of a label for which a control has no model: far below any threshold."""

Pooled = list[np.ndarray]
"""Pooled features of the training, the validation and the evaluated studies."""


class Control(NamedTuple):
    """What a control reaches, with the same keys as in metrics.json, and what it said of each study."""

    metrics: dict
    judged: Judged


def evaluate_controls(
    dataset: Manifest,
    split: Manifest,
    predictor: Predictor,
    report_metrics: ReportMetrics | None,
    options: Options,
    cache: EvaluationCache,
) -> dict[str, Control]:
    """Evaluate the controls that fit the checkpoint's mode; they are made from the training split of the data set.

    Without cached features the controls that compare images are left out, and a note says which.

    Args:
        dataset: All studies of the data set.
        split: The studies that are evaluated.
        predictor: The checkpoint that the controls are compared with; the image controls use its image features.
        report_metrics: The metrics of written reports; None: there are no report controls.
        options: The options of the evaluation.
        cache: Keeps the controls for checkpoints that use the same image features.
    Returns:
        The controls by name.
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
    found, calibration = {}, predictor.calibration
    objective = LARGEST_F1 if calibration is None else Objective.parse(calibration.objective)
    if classifies:
        found |= cache.get_or_make(
            ("auc controls", dataset.path, key, objective),
            lambda: _evaluate_classifiers(train, val, split, pooled, options, objective),
        )
    if writes:
        found |= cache.get_or_make(
            ("report controls", dataset.path, key), lambda: _evaluate_reports(train, split, pooled, report_metrics)
        )
    return found


def _evaluate_classifiers(
    train: Manifest, val: Manifest, split: Manifest, pooled: Pooled | None, options: Options, objective: Objective
) -> dict[str, Control]:
    """Train the scikit-learn models for which there are reports or image features, and evaluate them.

    Their temperatures and thresholds are fitted to the validation studies as those of a run are.
    """
    scores = {}
    if any(train.reports) and any(split.reports):
        scores["tfidf_logistic"] = classifiers.tfidf_logistic(
            train.reports, train.labels, split.reports, val_reports=val.reports, val_labels=val.labels
        )
    if pooled is not None:
        scores["pooled_logistic"] = classifiers.pooled_logistic(
            pooled[0], train.labels, pooled[2], val_features=pooled[1], val_labels=val.labels
        )
    controls = {}
    for name, (logits, val_logits) in scores.items():
        named = _name_labels(logits, val_logits, val, objective)
        metrics = evaluate_auc(logits, split.labels, split.patient_ids, resamples=options.resamples)
        metrics["labels"] = None
        if named is not None:
            metrics["labels"] = evaluate_labels(named, split.labels, split.patient_ids, resamples=options.resamples)
        controls[name] = Control(metrics, Judged.of(split, logits=logits, named=named))
    return controls


def _name_labels(
    logits: np.ndarray, val_logits: np.ndarray | None, val: Manifest, objective: Objective
) -> np.ndarray | None:
    """The labels that a control names; None without validation studies to choose its thresholds by."""
    if val_logits is None or not len(val):
        return None
    logits, val_logits = (np.nan_to_num(values, nan=_NEVER) for values in (logits, val_logits))
    calibration = fit(val_logits, val.labels, objective)
    return name_labels(with_temperatures(logits, calibration.temperatures), calibration.thresholds)


def _evaluate_reports(
    train: Manifest, split: Manifest, pooled: Pooled | None, report_metrics: ReportMetrics
) -> dict[str, Control]:
    """Evaluate the most frequent training report, given to all studies, and the report of the nearest image."""
    reports = {"constant_report": [most_frequent_report(train.reports)] * len(split)}
    if pooled is not None:
        nearest = nearest_reports(pooled[0], train.reports, pooled[2])
        reports["nearest_report"] = [" ".join(tokenize(report)) for report in nearest]
    controls = {}
    for name, written in reports.items():
        metrics, labels = report_metrics.score_and_label(written)
        judged = Judged.of(split, written, written_labels=labels, read_labels=report_metrics.read_labels)
        controls[name] = Control(metrics, judged)
    return controls
