"""One checkpoint on one data set: scores, reports, metrics, tables, ROC curves and pages."""

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.dataflow import Studies
from tienet.data.image import read_image
from tienet.data.manifest import Manifest
from tienet.data.phantom.lesions_in_text import judge_lesions, lesions_of
from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.evaluation import controls
from tienet.evaluation.auroc import MEANS, evaluate_auc
from tienet.evaluation.captions import CaptionScorer
from tienet.evaluation.labeller import Labeller
from tienet.evaluation.pages import StudyPage, write_pages
from tienet.evaluation.plots import plot_roc
from tienet.evaluation.pointing import pointing_game, read_boxes
from tienet.evaluation.report_controls import most_frequent_report, nearest_reports
from tienet.evaluation.report_findings import format_findings_table
from tienet.evaluation.report_judge import NOTHING, ReportJudge
from tienet.evaluation.tables import format_auc_table, format_places, format_report_table
from tienet.labels import LABELS
from tienet.modeling.generate import Decoding
from tienet.modes import Mode
from tienet.predict import Judged, Predictor

PAPER_DATA = "chestxray14"
METRICS = ("all", "auc", "captions")
_NOT_OF_THE_METHOD = ("mode", "data", "seed", "features", "epochs", "patience")


@dataclass(frozen=True)
class Options:
    """What to judge, and how.

    Attributes:
        split: train, val or test. features: "cache" or "off".
        metrics: "auc", "captions", or "all" that the mode has.
        controls: judge scikit-learn models and simple reports beside. pages: studies that get a page.
        resamples: of the bootstrap.
        decoding: how reports are written; None: greedily, as in training.
        labeller: a checkpoint of mode annotate-text that names the findings in reports; None: findings are not judged.
        java: False leaves METEOR out.
    """

    split: str = "test"
    features: str = "cache"
    metrics: str = "all"
    controls: bool = False
    pages: int = 20
    resamples: int = 1000
    decoding: Decoding | None = None
    labeller: str | None = None
    java: bool = True

    def __post_init__(self) -> None:
        for name, least in (("pages", 0), ("resamples", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}: expected {least} or more")
        if self.metrics not in METRICS:
            raise InputError(f"--metrics {self.metrics}: expected {', '.join(METRICS)}")

    def check(self, mode: Mode, load: str) -> None:
        """Raise InputError where a checkpoint is asked for what its mode does not have."""
        if self.metrics == "auc" and not mode.classifies:
            raise InputError(f"{load}: mode {mode.name} has no classifier, so there is no AUC; leave --metrics auc out")
        asked = {"--metrics captions": self.metrics == "captions", "--decode": self.decoding is not None}
        for flag, given in asked.items():
            if given and not mode.writes:
                raise InputError(
                    f"{load}: mode {mode.name} writes no reports; leave {flag} out, or load caption or report"
                )


@dataclass(frozen=True)
class Result:
    """What came out.

    Attributes:
        out: the folder. metrics: what metrics.json there holds. table: for the terminal.
        judged: probabilities and reports. studies: what was judged.
    """

    out: Path
    metrics: dict
    table: str
    judged: Judged
    studies: Manifest


@dataclass
class Shared:
    """What several evaluations in one process use together: METEOR's process, the labeller, the controls.

    Use as a context manager; each part is started when it is needed first.
    """

    options: Options
    _stack: ExitStack = field(default_factory=ExitStack)
    _parts: dict = field(default_factory=dict)

    def __enter__(self) -> "Shared":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def once(self, key: object, make) -> object:
        """What `make()` gave the first time that `key` was asked for."""
        if key not in self._parts:
            self._parts[key] = make()
        return self._parts[key]

    @property
    def scorer(self) -> CaptionScorer:
        """The caption metrics; InputError without Java, before anything is judged."""
        return self.once("scorer", lambda: self._stack.enter_context(CaptionScorer(java=self.options.java)))

    @property
    def labeller(self) -> Labeller | None:
        """The labeller, if there is to be one."""
        load = self.options.labeller
        return self.once("labeller", lambda: self._stack.enter_context(Labeller(load))) if load else None


def evaluate(
    load: str, data: str, data_root: Path, out: Path | None, options: Options, shared: Shared | None = None
) -> Result:
    """Judge a checkpoint on a split of a data set.

    Writes metrics.json, table.txt and pages/ into `out` (default RUN/eval/NAME-SPLIT), and as far as the mode has them
    scores.csv, roc.png and reports.csv.

    Raises:
        InputError: the checkpoint, the data or the options do not fit.
    """
    if shared is None:
        with Shared(options) as shared:
            return evaluate(load, data, data_root, out, options, shared)
    with Predictor(load, options.features, options.decoding) as network:
        mode = network.config.mode_parts
        options.check(mode, load)
        whole = manifests.load(data, data_root)
        part = whole.split(options.split)
        out = out or network.run.folder / "eval" / f"{whole.name}-{options.split}"
        judge = _report_judge(part, mode, options, shared)
        studies = network.studies(part)
        _note(*studies.notes)
        boxes = read_boxes(part)
        judged = network.judge(studies, progress=True, maps=boxes is not None)
        metrics = {
            "mode": network.config.mode,
            "data": whole.name,
            "split": options.split,
            "studies": len(part),
            **_auc(judged.probabilities, part, options),
            **(judge.judge(judged.reports) if judge else NOTHING),
            "true_reports_read": _true_reports_read(network, studies, mode),
            "pointing": _pointing(judged, part, boxes),
            "lesions": _lesions(judged, part),
            "controls": _controls(whole, part, network, judge, options, shared) if options.controls else {},
            "decoding": dataclasses.asdict(options.decoding) if options.decoding else None,
            "differs": differences(network.config, whole.name),
        }
        table = _write(out, metrics, judged, part, mode)
        if options.pages:
            write_pages(out / "pages", _pages(network, studies, judged, options.pages))
    return Result(out, metrics, table, judged, part)


def _note(*notes: str | None) -> None:
    for note in notes:
        if note:
            print(f"note: {note}", file=sys.stderr)


def _report_judge(part: Manifest, mode: Mode, options: Options, shared: Shared) -> ReportJudge | None:
    """Made before the network runs: what is missing (Java, a labeller) should be said first."""
    if not mode.writes or options.metrics == "auc":
        return None
    if not any(report.strip() for report in part.reports):
        _note(f"{part.path}: no study of split {options.split} has a report, so there are no caption metrics")
        return None
    scorer, labeller = shared.scorer, shared.labeller
    _note(scorer.note, labeller.check_words(part.reports) if labeller else None)
    return shared.once(("judge", part.path), lambda: ReportJudge(part, scorer, labeller, options.resamples))


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


def _pointing(judged: Judged, part: Manifest, boxes: dict[str, np.ndarray] | None) -> dict | None:
    """The pointing game over the studies that have a box; None without boxes or a map."""
    if judged.a_ws is None:
        return None
    chosen = [n for n, study_id in enumerate(part.study_ids) if study_id in boxes]
    return pointing_game(judged.a_ws[chosen], [boxes[part.study_ids[n]] for n in chosen])


def _lesions(judged: Judged, part: Manifest) -> dict | None:
    """Phantom data: which lesions the written reports name; None for other data."""
    path = part.path.parent / "boxes.csv"
    if judged.reports is None or not path.is_file() or "side" not in (table := pd.read_csv(path, dtype=str)):
        return None
    return judge_lesions(judged.reports, lesions_of(table, part.study_ids))


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


# ---- controls ----


def _controls(
    whole: Manifest, part: Manifest, network: Predictor, judge: ReportJudge | None, options: Options, shared: Shared
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
    if judge is not None and any(train.reports):
        found |= shared.once(("report controls", whole.path, key), lambda: _report_controls(train, part, pooled, judge))
    return found


def _auc_controls(train: Manifest, val: Manifest, part: Manifest, pooled, options: Options) -> dict[str, dict]:
    """Plain scikit-learn models."""
    scores = {}
    if any(train.reports) and any(part.reports):
        scores["tfidf_logistic"] = controls.tfidf_logistic(
            train.reports, train.labels, part.reports, val_reports=val.reports, val_labels=val.labels
        )
    if pooled is not None:
        scores["pooled_logistic"] = controls.pooled_logistic(
            pooled[0], train.labels, pooled[2], val_features=pooled[1], val_labels=val.labels
        )
    return {
        name: evaluate_auc(values, part.labels, part.patient_ids, resamples=options.resamples)
        for name, values in scores.items()
    }


def _report_controls(train: Manifest, part: Manifest, pooled, judge: ReportJudge) -> dict[str, dict]:
    """The most frequent training report for all, and the report of the nearest training image."""
    reports = {"constant_report": [most_frequent_report(train.reports)] * len(part)}
    if pooled is not None:
        nearest = nearest_reports(pooled[0], train.reports, pooled[2])
        reports["nearest_report"] = [" ".join(tokenize(report)) for report in nearest]
    return {name: judge.judge(written) for name, written in reports.items()}


# ---- what is written ----


def _write(out: Path, metrics: dict, judged: Judged, part: Manifest, mode: Mode) -> str:
    """All files but the pages; returns the table."""
    tables = []
    files.write_json(out / "metrics.json", metrics)
    if judged.probabilities is not None:
        _write_csv(out / "scores.csv", part, dict(zip(LABELS, judged.probabilities.T, strict=True)))
        plot_roc(
            out / "roc.png", judged.probabilities, part.labels, f"{mode.paper_name} classification on {metrics['data']}"
        )
    if metrics["auc"] is not None:
        tables.append(format_auc_table(metrics))
    if judged.reports is not None:
        _write_csv(out / "reports.csv", part, {"written": judged.reports, "true": part.reports})
    if metrics["captions"] is not None:
        tables.append(format_report_table(metrics))
    if metrics["report_findings"] is not None:
        tables.append(format_findings_table(metrics["report_findings"]))
    if places := format_places(metrics):
        tables.append(places)
    table = "\n".join(tables)
    files.write_text(out / "table.txt", table)
    return table


def _write_csv(path: Path, part: Manifest, columns: dict) -> None:
    table = pd.DataFrame({"study_id": part.study_ids, **columns})
    with files.replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f")


def _pages(network: Predictor, studies: Studies, judged: Judged, count: int) -> Iterator[StudyPage]:
    indices = varied(studies.labels, count)
    mode, thresholds = network.config.mode_parts, network.thresholds()
    for n in indices:
        (explanation,) = network.explain(studies, [n])
        report = studies.manifest.reports[n]
        words = explanation.words
        if not mode.writes:  # as they stand in the report, also those that the network does not know
            words = words[:1] + tokenize(report)[: max(len(words) - 1, 0)]
        yield StudyPage(
            study_id=studies.manifest.study_ids[n],
            image=read_image(studies.manifest.images[n], network.config.image_px) if mode.image else None,
            a_ws=explanation.a_ws,
            words=words,
            g=explanation.g,
            a=explanation.a,
            true_words=tokenize(report) if mode.writes else None,
            probabilities=judged.probabilities[n] if mode.classifies else None,
            labels=studies.labels[n] if mode.classifies else None,
            thresholds=thresholds if mode.classifies else None,
        )


def varied(labels: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` studies in which each label has its turn, in the data set's order.

    Args:
        labels: [N, K], 1, 0 or NaN.
    Returns:
        int [at most count], rising.
    """
    chosen: dict[int, None] = {}
    queues = [list(np.flatnonzero(column == 1)) for column in labels.T] + [list(range(len(labels)))]
    while len(chosen) < min(count, len(labels)):
        for queue in queues:
            while queue and queue[0] in chosen:
                queue.pop(0)
            if queue and len(chosen) < count:
                chosen[int(queue.pop(0))] = None
    return np.sort(np.array(list(chosen), np.int64))
