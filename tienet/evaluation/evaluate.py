"""One checkpoint on one data set: scores, reports, metrics, tables, ROC curves and pages."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.checkpoint.calibration import with_temperatures
from tienet.checkpoint.run_folder import OpenedRun, Run, open_run
from tienet.config import Config
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.dataflow import Studies
from tienet.data.manifest import Manifest
from tienet.datasets.phantom.lesions_in_text import lesions_of, score_lesions
from tienet.errors import InputError
from tienet.evaluation.controls.metrics import control_metrics
from tienet.evaluation.metrics.auroc import MEANS, evaluate_auc
from tienet.evaluation.metrics.calibration import calibration_metrics, format_calibration
from tienet.evaluation.metrics.pointing import pointing_game, read_boxes
from tienet.evaluation.metrics.report_findings import format_findings_table
from tienet.evaluation.options import Options, Shared
from tienet.evaluation.plots import plot_reliability, plot_roc
from tienet.evaluation.report_metrics import NOTHING, ReportMetrics
from tienet.evaluation.study_pages import study_pages
from tienet.evaluation.tables import format_auc_table, format_places, format_report_table
from tienet.inference.predictor import Predictions, Predictor
from tienet.labels import LABELS
from tienet.modes import Mode
from tienet.pages.study import write_pages

PAPER_DATA = "chestxray14"
_NOT_OF_THE_METHOD = ("mode", "data", "seed", "features", "epochs", "patience")


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes:
        out: the folder. metrics: what metrics.json there holds. table: for the terminal.
        predictions: probabilities and reports. studies: what was judged.
    """

    out: Path
    metrics: dict
    table: str
    predictions: Predictions
    studies: Manifest


def evaluate(
    load: str | OpenedRun, data: str, data_root: Path, out: Path | None, options: Options, shared: Shared | None = None
) -> Result:
    """Judge a checkpoint on a split of a data set.

    Writes metrics.json, table.txt and pages/ into `out` (default RUN/eval/NAME-SPLIT), and as far as the mode has them
    scores.csv, roc.png, reliability.png and reports.csv.

    Raises:
        InputError: the checkpoint, the data or the options do not fit.
    """
    if shared is None:
        with Shared(options) as shared:
            return evaluate(load, data, data_root, out, options, shared)
    run = open_run(load)
    options.check(run.config.mode_parts, run.load)
    with Predictor(run, options.features, options.decoding) as network:
        mode = run.config.mode_parts
        whole = manifests.load(data, data_root)
        part = whole.split(options.split)
        seen = _seen(run, part, options)
        out = out or run.folder / "eval" / f"{whole.name}-{options.split}"
        report_metrics = _report_metrics(part, mode, options, shared)
        studies = network.studies(part)
        _note(*studies.notes)
        boxes = read_boxes(part)
        predictions = network.predict(studies, progress=True, maps=boxes is not None)
        metrics = {
            "mode": network.config.mode,
            "data": whole.name,
            "split": options.split,
            "studies": len(part),
            "seen": seen,
            **_auc(predictions.logits, part, options),  # temperatures may make equal what is not
            **(report_metrics.score(predictions.reports) if report_metrics else NOTHING),
            "true_reports_read": _true_reports_read(network, studies, mode),
            "pointing": _pointing(predictions, part, boxes),
            "lesions": _lesions(predictions, part),
            "calibration": _calibration(network, predictions, part),
            "controls": control_metrics(whole, part, network, report_metrics, options, shared)
            if options.controls
            else {},
            "decoding": dataclasses.asdict(options.decoding) if options.decoding else None,
            "differs": differences(network.config, whole.name),
        }
        table = _write(out, metrics, predictions, part, mode)
        if options.pages:
            write_pages(out / "pages", study_pages(network, studies, predictions, options.pages))
    return Result(out, metrics, table, predictions, part)


def _note(*notes: str | None) -> None:
    for note in notes:
        if note:
            print(f"note: {note}", file=sys.stderr)


def _seen(run: Run, part: Manifest, options: Options) -> dict[str, int] | None:
    """How many studies the run was trained and validated on; None where it has not kept them.

    Raises:
        InputError: it was trained on some, and that is not allowed.
    """
    kept = run.studies()
    if kept is None:
        _note(f"{run.folder}: has no studies.json; see yourself that it was not trained on these studies")
        return None
    seen = {split: leaks.find_seen(part, studies) for split, studies in kept.items()}
    if seen["train"] and not options.allow_seen:
        n, first = len(seen["train"]), part.study_ids[seen["train"][0]]
        raise InputError(
            f"{run.folder}: was trained on {n:,} of the {len(part):,} studies of {part.path}, split {options.split} "
            f"(the first is {first}); judge it on others, or say --allow-seen"
        )
    for split, what in (("train", "was trained on"), ("val", "chose its best epoch and thresholds on")):
        if seen[split]:
            _note(f"{run.folder}: {what} {len(seen[split]):,} of these {len(part):,} studies")
    return {split: len(studies) for split, studies in seen.items()}


def _report_metrics(part: Manifest, mode: Mode, options: Options, shared: Shared) -> ReportMetrics | None:
    """Made before the network runs: what is missing (Java, a labeller) should be said first."""
    if not mode.writes or options.metrics == "auc":
        return None
    if not any(report.strip() for report in part.reports):
        _note(f"{part.path}: no study of split {options.split} has a report, so there are no caption metrics")
        return None
    scorer, labeller = shared.scorer, shared.labeller
    _note(scorer.note, labeller.check_words(part.reports) if labeller else None)
    return shared.once(("judge", part.path), lambda: ReportMetrics(part, scorer, labeller, options.resamples))


def _auc(scores: np.ndarray | None, part: Manifest, options: Options) -> dict:
    """The AUC entries of metrics.json; None without scores."""
    if scores is None or options.metrics == "captions":
        means = {f"{name}{end}": None for name in MEANS for end in ("", "_lo", "_hi")}
        return {"auc": None, **means, "findings_covered": 0, "avg10_findings": 0}
    return evaluate_auc(scores, part.labels, part.patient_ids, resamples=options.resamples)


def _true_reports_read(network: Predictor, studies: Studies, mode: Mode) -> dict | None:
    """Mode `report`: the means that it would reach if it were given the true reports, as in training."""
    if not (mode.writes and mode.classifies and any(studies.manifest.reports)):
        return None
    scores = network.probabilities_of_true_reports(studies)
    means = evaluate_auc(scores, studies.labels, studies.manifest.patient_ids, resamples=0)
    return {name: means[name] for name in MEANS}


def _pointing(predictions: Predictions, part: Manifest, boxes: dict[str, np.ndarray] | None) -> dict | None:
    """The pointing game over the studies that have a box; None without boxes or a map."""
    if predictions.a_ws is None:
        return None
    chosen = [n for n, study_id in enumerate(part.study_ids) if study_id in boxes]
    return pointing_game(predictions.a_ws[chosen], [boxes[part.study_ids[n]] for n in chosen])


def _calibration(network: Predictor, predictions: Predictions, part: Manifest) -> dict | None:
    """How far the probabilities can be taken at their word, before and after; None if the run is not calibrated."""
    if network.calibration is None or predictions.logits is None:
        return None
    return calibration_metrics(predictions.logits, part.labels, network.calibration.temperatures)


def _lesions(predictions: Predictions, part: Manifest) -> dict | None:
    """Phantom data: which lesions the written reports name; None for other data."""
    path = part.path.parent / "boxes.csv"
    if predictions.reports is None or not path.is_file() or "side" not in (table := pd.read_csv(path, dtype=str)):
        return None
    return score_lesions(predictions.reports, lesions_of(table, part.study_ids))


def differences(config: Config, data: str) -> list[str]:
    """How this run differs from the paper's, a line each."""
    paper = Config()
    lines = [] if data == PAPER_DATA else [f"judged on {data}, the paper's Table 1 on {PAPER_DATA}"]
    if config.data != PAPER_DATA:
        lines.append(f"trained on {config.data}, the paper's on {PAPER_DATA}")
    for setting in dataclasses.fields(Config):
        ours, theirs = getattr(config, setting.name), getattr(paper, setting.name)
        if setting.name not in _NOT_OF_THE_METHOD and ours != theirs:
            lines.append(f"{setting.name} is {ours}, the paper's {theirs}")
    return lines


# ---- what is written ----


def _write(out: Path, metrics: dict, predictions: Predictions, part: Manifest, mode: Mode) -> str:
    """All files but the pages; returns the table."""
    tables = []
    files.write_json(out / "metrics.json", metrics)
    if predictions.probabilities is not None:
        _write_csv(out / "scores.csv", part, dict(zip(LABELS, predictions.probabilities.T, strict=True)))
        title = f"{mode.paper_name} classification on {metrics['data']}"
        plot_roc(out / "roc.png", predictions.logits, part.labels, title)  # the AUCs of the table
        before = with_temperatures(predictions.logits, np.ones(len(LABELS)))
        after = predictions.probabilities if metrics["calibration"] else None
        plot_reliability(out / "reliability.png", part.labels, before, after, title)
    if metrics["auc"] is not None:
        tables.append(format_auc_table(metrics))
    if predictions.reports is not None:
        _write_csv(out / "reports.csv", part, {"written": predictions.reports, "true": part.reports})
    if metrics["captions"] is not None:
        tables.append(format_report_table(metrics))
    if metrics["report_findings"] is not None:
        tables.append(format_findings_table(metrics["report_findings"]))
    tables += [lines for lines in (format_calibration(metrics), format_places(metrics)) if lines]
    table = "\n".join(tables)
    files.write_text(out / "table.txt", table)
    return table


def _write_csv(path: Path, part: Manifest, columns: dict) -> None:
    table = pd.DataFrame({"study_id": part.study_ids, **columns})
    with files.replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f")
