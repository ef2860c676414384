"""What a model card says of the validation split: metrics with intervals, their controls, the best and worst studies.

Axes: N studies of the validation split, K = 15 labels.

The logits are those that the checkpoint keeps (`tienet.checkpoint.validation_record`). Reports are written anew, for at
most MAX_WRITTEN studies.
"""

from dataclasses import dataclass

import numpy as np

from tienet.checkpoint import validation_record
from tienet.checkpoint.calibration import with_temperatures
from tienet.checkpoint.run_folder import OpenedRun
from tienet.data import leaks
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.evaluation.controls.classifiers import tfidf_logistic
from tienet.evaluation.controls.reports import most_frequent_report
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.caption_intervals import evaluate_captions
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.report_variety import report_statistics
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS, K, name_labels

MAX_CONTROL_STUDIES = 5000
"""With more training studies the TF-IDF control would take minutes, and is left out."""

MAX_WRITTEN = 500
"""How many studies reports are written for at most; a training is not to wait long for its card."""

SHOWN = 10
"""How many of the best and of the worst studies are shown."""


@dataclass(frozen=True)
class Ranked:
    """One of the best or the worst studies.

    Attributes:
        row: Its place in the validation split.
        value: By what it is ranked.
        true: The true labels; None if none is known.
        named: The labels that are named; None in mode `caption`.
        words: The number of words that were written; None in modes that do not write.
    """

    row: int
    value: float
    true: list[str] | None
    named: list[str] | None
    words: int | None


@dataclass(frozen=True)
class LabelFigures:
    """What is measured of the labels.

    Attributes:
        auc: As from `auroc.evaluate_auc`.
        named: As from `named_labels.evaluate_labels`, at the thresholds of the checkpoint.
        thresholds: float32 [K]; NaN where there is none.
        objective: What the thresholds were chosen for.
        control: As `auc`, of the TF-IDF control; None if there is none.
        no_control: Why there is none; empty if there is one.
    """

    auc: dict
    named: dict
    thresholds: np.ndarray
    objective: str
    control: dict | None
    no_control: str


@dataclass(frozen=True)
class ReportFigures:
    """What is measured of the written reports.

    Attributes:
        studies: The number of studies that reports were written for here.
        scores: {METRIC: {"value", "lo", "hi"}} of the network.
        constant: The same of the constant report, on the same studies.
        statistics: As from `report_variety.report_statistics`.
        most_frequent: How often the most frequent written report was written.
    """

    studies: int
    scores: dict
    constant: dict
    statistics: dict
    most_frequent: int


@dataclass(frozen=True)
class Figures:
    """What a card says of the validation split.

    Attributes:
        labels: None in mode `caption`, and where the checkpoint has no record of its logits.
        reports: None in modes that do not write.
        ranked_by: What the studies are ranked by; empty: they are not.
        best, worst: The best studies, from the best on, and the worst, from the worst on.
    """

    labels: LabelFigures | None
    reports: ReportFigures | None
    ranked_by: str
    best: list[Ranked]
    worst: list[Ranked]


def measure(run: OpenedRun, data_set: Manifest) -> Figures:
    """Measure the checkpoint of an opened run on its validation split; nothing of a run that has learnt from it too.

    Args:
        data_set: The data set that the run was trained on, with all its splits.
    Raises:
        InputError: The validation split is not the one that the run's record is of.
    """
    if run.earlier is not None:
        return Figures(None, None, "", [], [])
    mode, train, val = run.config.mode_parts, data_set.split("train"), data_set.split("val")
    record = validation_record.read(run.prefix) if mode.classifies else None
    if record is not None and record.studies != leaks.fingerprints(val):
        raise InputError(f"{val.path}: its split val is not the one that {run.folder} was validated on")
    labels = named = None
    ranking, by = np.full(len(val), np.nan), ""
    if record is not None:
        temperatures = np.ones(K) if run.calibration is None else run.calibration.temperatures
        probabilities = with_temperatures(record.logits, temperatures)
        named = name_labels(probabilities, run.thresholds())
        labels = _measure_labels(run, train, val, record.logits, named)
        ranking, by = (
            -_loss(probabilities, val.labels),
            "the loss of their labels, the mean of -ln p over the known ones",
        )
    reports, words = None, np.full(len(val), -1)
    if mode.writes:
        rows, written = _write(run, val)
        reports, cider = _measure_reports(train, val.take(rows), written)
        words[rows] = [len(tokenize(report)) for report in written]
        ranking, by = np.full(len(val), np.nan), "the CIDEr of their written reports, 0 to 10"
        ranking[rows] = cider
    order = np.argsort(-ranking, kind="stable")
    order = order[~np.isnan(ranking[order])]
    sign = 1 if mode.writes else -1
    shown = [
        Ranked(
            int(n),
            sign * float(ranking[n]),
            _names(val.labels[n]) if not np.isnan(val.labels[n]).all() else None,
            None if named is None else _names(named[n]),
            None if words[n] < 0 else int(words[n]),
        )
        for n in order
    ]
    count = min(SHOWN, len(shown) // 2)
    return Figures(labels, reports, by if count else "", shown[:count], shown[::-1][:count])


def _names(row: np.ndarray) -> list[str]:
    return [label for label, value in zip(LABELS, row, strict=True) if value == 1]


# ---- labels ----


def _measure_labels(
    run: OpenedRun, train: Manifest, val: Manifest, logits: np.ndarray, named: np.ndarray
) -> LabelFigures:
    control, why = _control(run, train, val)
    return LabelFigures(
        evaluate_auc(logits, val.labels, val.patient_ids),
        evaluate_labels(named, val.labels, val.patient_ids),
        run.thresholds(),
        "f1" if run.calibration is None else run.calibration.objective,
        control,
        why,
    )


def _control(run: OpenedRun, train: Manifest, val: Manifest) -> tuple[dict | None, str]:
    """The AUCs of the TF-IDF control, or why there are none."""
    mode = run.config.mode_parts
    if mode.writes or not mode.reads:
        return None, "it sees the image alone, and a control by words would see the report; .500 is an order at random"
    if len(train) > MAX_CONTROL_STUDIES:
        command = "tienet evaluate --controls"
        return None, f"left out with more than {MAX_CONTROL_STUDIES:,} training studies; `{command}` has it"
    logits, _ = tfidf_logistic(train.reports, train.labels, val.reports)
    return evaluate_auc(logits, val.labels, val.patient_ids), ""


def _loss(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean of -ln p over the known labels of each study, float64 [N]; NaN where none is known."""
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    terms = np.where(labels == 1, -np.log(p), -np.log(1 - p))
    known = ~np.isnan(labels)
    return np.divide(np.where(known, terms, 0).sum(1), known.sum(1), out=np.full(len(p), np.nan), where=known.any(1))


# ---- reports ----


def _write(run: OpenedRun, val: Manifest) -> tuple[np.ndarray, list[str]]:
    """The rows of the studies that reports are written for, and these reports."""
    rows = np.unique(np.linspace(0, len(val) - 1, min(len(val), MAX_WRITTEN)).astype(int))
    with Predictor(run, run.config.features) as predictor:
        return rows, predictor.predict(predictor.studies(val.take(rows))).reports


def _measure_reports(train: Manifest, val: Manifest, written: list[str]) -> tuple[ReportFigures, np.ndarray]:
    """The figures, and the CIDEr of each study."""
    scores, cider = evaluate_captions(val.reports, written, val.patient_ids)
    constant, _ = evaluate_captions(val.reports, [most_frequent_report(train.reports)] * len(val), val.patient_ids)
    most = max(map(written.count, set(written)))
    statistics = report_statistics(val.reports, written)
    return ReportFigures(len(written), scores, constant, statistics, most), cider
