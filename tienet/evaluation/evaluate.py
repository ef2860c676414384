"""The evaluation of one checkpoint on one data set: scores, reports, metrics, tables, ROC curves and study pages."""

import contextlib
import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.checkpoint.calibration import with_temperatures
from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import OpenedRuns, open_model
from tienet.config import Config, settings_without_effect
from tienet.data import manifest as manifests
from tienet.data import readers
from tienet.data.dataflow import Studies
from tienet.data.manifest import Manifest
from tienet.datasets.phantom.lesions_in_text import lesions_of, score_lesions
from tienet.evaluation import judged as judgements
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.controls.metrics import evaluate_controls
from tienet.evaluation.inputs import Inputs, open_inputs
from tienet.evaluation.judged import Judged, set_of_studies
from tienet.evaluation.metrics.auroc import MEANS, evaluate_auc
from tienet.evaluation.metrics.calibration import calibration_metrics, format_calibration
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.pointing import pointing_game
from tienet.evaluation.metrics.report_findings import format_findings_table
from tienet.evaluation.options import Options
from tienet.evaluation.paper import published
from tienet.evaluation.paper.published import PAPER_AUC, paper_test_set
from tienet.evaluation.plots import plot_reliability, plot_roc
from tienet.evaluation.report_metrics import NO_REPORT_METRICS, ReportMetrics
from tienet.evaluation.results_folder import replacing_results
from tienet.evaluation.study_pages import study_pages
from tienet.evaluation.tables import format_auc_table, format_named, format_places, format_report_table, format_singles
from tienet.folders import contents
from tienet.inference.predictor import Predictions, Predictor
from tienet.labels import LABELS, name_labels
from tienet.modes import Mode
from tienet.pages.pages_folder import write_pages

PAPER_DATA = "chestxray14"
"""The data set that the paper trains on."""


@dataclass(frozen=True)
class Result:
    """The result of an evaluation.

    Attributes:
        out: The folder that the files were written into.
        metrics: The content of its metrics.json.
        table: The tables as text for the terminal.
        predictions: The network's probabilities and reports.
        studies: The studies that were evaluated.
    """

    out: Path
    metrics: dict
    table: str
    predictions: Predictions
    studies: Manifest


def evaluate(
    load: str | OpenedRun,
    data: str,
    data_root: Path,
    out: Path | None,
    options: Options,
) -> Result:
    """Evaluate a checkpoint on a split of a data set.

    Writes metrics.json, table.txt, judged.csv (`tienet.evaluation.judged`; judged-CONTROL.csv of each control) and
    pages/ into `out`, and those of scores.csv, roc.png, reliability.png and reports.csv that the mode has.

    Args:
        load: An opened run, or what `open_run` opens: a run's folder or a checkpoint.
        data: The name of a data set in `data_root`, or the path of a manifest.
        data_root: The folder of the data sets.
        out: The folder to write into; None: RUN/eval/NAME-SPLIT.
        options: What to evaluate, and how.
    Raises:
        InputError: The checkpoint, the data or the options do not fit, or `out` holds something else.
    """
    with EvaluationCache(options) as cache:
        return evaluate_inputs(open_inputs(load, data, data_root, cache), out, cache)


def evaluate_inputs(inputs: Inputs, out: Path | None, cache: EvaluationCache) -> Result:
    """As `evaluate`, for what was opened already.

    Args:
        inputs: The checkpoint and the studies.
        out: As in `evaluate`.
        cache: Has the options, and what this evaluation shares with others that have the same ones.
    """
    options, dataset, split, boxes = cache.options, inputs.dataset, inputs.split, inputs.boxes
    mode, out = inputs.run.config.mode_parts, out or inputs.default_out(options)
    by_hand = readers.read(dataset.path.parent)
    _log_notes(*inputs.notes, *([f"{dataset.name}: {by_hand.note()}"] if by_hand else []))
    with (
        contents.writing(out, contents.EVALUATION, "--out"),
        inputs.judges or contextlib.nullcontext() as judges,
        Predictor(inputs.run, options.features, options.decoding, judges) as predictor,
    ):
        report_metrics = _make_report_metrics(inputs, cache)
        studies = predictor.studies(split)
        _log_notes(*studies.notes)
        predictions = predictor.predict(studies, progress=True, maps=boxes is not None)
        report_scores, labels_in_reports = _score_reports(report_metrics, predictions)
        said = {"logits": predictions.logits, "named": labels_named(inputs.run, predictions, options)}
        judged = Judged.of(split, predictions.reports, **said, **labels_in_reports)
        controls = {}
        if options.controls:
            controls = evaluate_controls(dataset, split, predictor, report_metrics, options, cache)
        metrics = {
            "mode": predictor.config.mode,
            "column": published.column_of(predictor.config),
            "data": dataset.name,
            "split": options.split,
            "studies": len(split),
            "all_studies": set_of_studies(dataset.study_ids, dataset.patient_ids),
            "seen": inputs.seen,
            "readers": by_hand and dataclasses.asdict(by_hand),
            # From the logits: with temperatures, different logits may give equal probabilities.
            **auc_metrics(predictions.logits, split, options),
            "labels": label_metrics(inputs.run, predictions, split, options),
            **report_scores,
            "true_reports_read": _true_report_metrics(predictor, studies, mode),
            "pointing": _pointing_metrics(predictions, split, boxes),
            "lesions": _lesion_metrics(predictions, split),
            "calibration": _calibration_metrics(predictor, predictions, split),
            "controls": {name: control.metrics for name, control in controls.items()},
            "decoding": _decoding_facts(inputs, options, predictor),
            "differs": differences(predictor.config, dataset.name),
        }
        with replacing_results(out, metrics):
            table = write_files(out, metrics, predictions, split)
            judgements.write(out, judged, {name: control.judged for name, control in controls.items()})
        if options.pages:
            write_pages(out / "pages", study_pages(predictor, studies, predictions, options.pages))
    return Result(out, metrics, table, predictions, split)


def _log_notes(*notes: str) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _make_report_metrics(inputs: Inputs, cache: EvaluationCache) -> ReportMetrics | None:
    """The metrics of written reports; None where there are none."""
    if not inputs.scores_reports:
        return None
    split = inputs.split
    return cache.get_or_make(
        ("report metrics", split.path),
        lambda: ReportMetrics(split, cache.scorer, cache.labeller, cache.options.resamples),
    )


def _score_reports(
    report_metrics: ReportMetrics | None, predictions: Predictions
) -> tuple[Mapping[str, dict | None], dict[str, np.ndarray | None]]:
    """The entries of metrics.json on the written reports, and the labels in the written and in the true ones."""
    if report_metrics is None:
        return NO_REPORT_METRICS, {}
    scores, written_labels = report_metrics.score_and_label(predictions.reports)
    return scores, {"written_labels": written_labels, "read_labels": report_metrics.read_labels}


def auc_metrics(scores: np.ndarray | None, split: Manifest, options: Options) -> dict:
    """The AUC entries of metrics.json; all None without scores."""
    if scores is None or options.metrics == "captions":
        means = {f"{name}{end}": None for name in MEANS for end in ("", "_lo", "_hi")}
        return {"auc": None, **means, "findings_covered": 0, "avg10_findings": 0}
    return evaluate_auc(scores, split.labels, split.patient_ids, resamples=options.resamples)


def labels_named(run: OpenedRun | OpenedRuns, predictions: Predictions, options: Options) -> np.ndarray | None:
    """The labels that the run names; None without probabilities or thresholds."""
    thresholds = run.thresholds()
    if predictions.probabilities is None or options.metrics == "captions" or np.isnan(thresholds).all():
        return None
    return name_labels(predictions.probabilities, thresholds)


def label_metrics(
    run: OpenedRun | OpenedRuns, predictions: Predictions, split: Manifest, options: Options
) -> dict | None:
    """Precision, recall and F1 of the labels that the run names; None without such."""
    named = labels_named(run, predictions, options)
    if named is None:
        return None
    return evaluate_labels(named, split.labels, split.patient_ids, resamples=options.resamples)


def _decoding_facts(inputs: Inputs, options: Options, predictor: Predictor) -> dict | None:
    """How the reports were written, with the run's own settings; None in modes that do not write."""
    if not predictor.config.mode_parts.writes:
        return None
    facts, judges = dataclasses.asdict(predictor.decoding), inputs.judges
    if judges is None:
        return facts
    labellers = () if options.labeller is None else open_model(options.labeller).runs
    same = any(run.prefix == reader.prefix for run in labellers for reader in judges.reader.runs)
    return facts | {"reader": judges.reader.load, "judge": judges.judge.load, "reader_is_labeller": same}


def _true_report_metrics(predictor: Predictor, studies: Studies, mode: Mode) -> dict | None:
    """The mean AUCs of mode `report` if it were given the true reports, as in training; None in other modes."""
    if not (mode.writes and mode.classifies and any(studies.manifest.reports)):
        return None
    scores = predictor.probabilities_of_true_reports(studies)
    means = evaluate_auc(scores, studies.labels, studies.manifest.patient_ids, resamples=0)
    return {name: means[name] for name in MEANS}


def _pointing_metrics(predictions: Predictions, split: Manifest, boxes: dict[str, np.ndarray] | None) -> dict | None:
    """The pointing game over the studies that have a box; None without boxes or attention maps."""
    if predictions.a_ws is None:
        return None
    with_box = [n for n, study_id in enumerate(split.study_ids) if study_id in boxes]
    return pointing_game(predictions.a_ws[with_box], [boxes[split.study_ids[n]] for n in with_box])


def _calibration_metrics(predictor: Predictor, predictions: Predictions, split: Manifest) -> dict | None:
    """The calibration error with and without the checkpoint's temperatures; None if it is not calibrated."""
    if predictor.calibration is None or predictions.logits is None:
        return None
    return calibration_metrics(predictions.logits, split.labels, predictor.calibration.temperatures)


def _lesion_metrics(predictions: Predictions, split: Manifest) -> dict | None:
    """Which lesions of phantom data the written reports name; None for other data and without reports."""
    path = split.path.parent / "boxes.csv"
    if predictions.reports is None or not path.is_file() or "side" not in (table := pd.read_csv(path, dtype=str)):
        return None
    return score_lesions(predictions.reports, lesions_of(table, split.study_ids))


def differences(config: Config, data: str) -> list[str]:
    """The differences between a run and the paper's, one line each: of settings, only those that the paper states.

    Settings that have no effect in the run's mode are left out.

    Args:
        config: The run's settings.
        data: The name of the data set that it is evaluated on.
    """
    lines = []
    if paper_test_set(data) is None:
        lines.append(f"judged on {data}, the paper's Table 1 on {', '.join(PAPER_AUC)}")
    if (trained_on := manifests.name_of(config.data)) != PAPER_DATA:
        lines.append(f"trained on {trained_on}, the paper's on {PAPER_DATA}")
    without_effect = settings_without_effect(config.mode)
    for name, theirs in published.SETTINGS.items():
        ours = getattr(config, name)
        if name not in without_effect and ours not in (None, theirs):  # dropout_image=None is the same as dropout
            lines.append(f"{name} is {ours}, the paper's {theirs}")
    return lines


# ---- the files that are written ----


def write_files(out: Path, metrics: dict, predictions: Predictions, split: Manifest) -> str:
    """Write the tables, the plots, and what was said of each study; returns the tables as text."""
    tables = []
    if predictions.probabilities is not None:
        _write_csv(out / "scores.csv", split, dict(zip(LABELS, predictions.probabilities.T, strict=True)))
        title = f"{metrics['column']} classification on {metrics['data']}"
        plot_roc(out / "roc.png", predictions.logits, split.labels, title)  # from the logits, as the table's AUCs
        uncalibrated = with_temperatures(predictions.logits, np.ones(len(LABELS)))
        calibrated = predictions.probabilities if metrics["calibration"] else None
        plot_reliability(out / "reliability.png", split.labels, uncalibrated, calibrated, title)
    if metrics["auc"] is not None:
        tables.append(format_auc_table(metrics))
    if metrics["labels"] is not None:
        tables.append(format_named(metrics))
    if metrics.get("singles"):
        tables.append(format_singles(metrics))
    if predictions.reports is not None:
        _write_csv(out / "reports.csv", split, {"written": predictions.reports, "true": split.reports})
    if metrics["captions"] is not None:
        tables.append(format_report_table(metrics))
    if metrics["report_findings"] is not None:
        tables.append(format_findings_table(metrics["report_findings"]))
    tables += [lines for lines in (format_calibration(metrics), format_places(metrics)) if lines]
    if metrics.get("readers"):
        tables.append(f"{metrics['data']}: {readers.Readers(**metrics['readers']).note()}.\n")
    table = "\n".join(tables)
    files.write_text(out / "table.txt", table)
    return table


def _write_csv(path: Path, split: Manifest, columns: dict) -> None:
    table = pd.DataFrame({"study_id": split.study_ids, **columns})
    with files.replacing(path) as temporary:
        table.to_csv(temporary, index=False)  # with all digits of float32: at six decimals 3e-7 would be 0
