"""One evaluation from a checkpoint and a data set to scores, metrics, table, ROC curves and pages."""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.dataflow import Studies
from tienet.data.image import read_image
from tienet.data.manifest import Manifest
from tienet.data.text import tokenize
from tienet.errors import InputError
from tienet.evaluation import controls
from tienet.evaluation.auroc import evaluate_auc
from tienet.evaluation.pages import StudyPage, write_pages
from tienet.evaluation.plots import plot_roc
from tienet.evaluation.tables import format_auc_table
from tienet.labels import LABELS
from tienet.predict import Predictor

PAPER_DATA = "chestxray14"
_NOT_OF_THE_METHOD = ("mode", "data", "seed", "features", "epochs", "patience")


@dataclass(frozen=True)
class Options:
    """What to judge, and how.

    Attributes:
        split: train, val or test. features: "cache" or "off".
        controls: judge scikit-learn models beside. pages: studies that get a page.
        resamples: of the bootstrap.
    """

    split: str = "test"
    features: str = "cache"
    controls: bool = False
    pages: int = 20
    resamples: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("pages", 0), ("resamples", 1)):
            if getattr(self, name) < least:
                raise InputError(f"--{name} {getattr(self, name)}: expected {least} or more")


def evaluate(load: str, data: str, data_root: Path, out: Path | None, options: Options) -> tuple[Path, str]:
    """Judge a checkpoint on a split of a data set.

    Writes scores.csv, metrics.json, table.txt, roc.png and pages/ into `out` (default RUN/eval/NAME-SPLIT).

    Returns:
        The folder and the table.
    Raises:
        InputError: the checkpoint or the data do not fit.
    """
    with Predictor(load, options.features) as network:
        whole = manifests.load(data, data_root)
        part = whole.split(options.split)
        out = out or network.run.folder / "eval" / f"{whole.name}-{options.split}"
        studies = network.studies(part)
        for note in studies.notes:
            print(f"note: {note}", file=sys.stderr)
        scores = network.probabilities(studies, progress=True)

        metrics = {
            "mode": network.config.mode,
            "data": whole.name,
            "split": options.split,
            "studies": len(part),
            **evaluate_auc(scores, part.labels, part.patient_ids, resamples=options.resamples),
            "captions": None,
            "controls": _controls(whole, part, network, options) if options.controls else {},
            "differs": differences(network.config, whole.name),
        }
        _write_scores(out / "scores.csv", part, scores)
        files.write_json(out / "metrics.json", metrics)
        table = format_auc_table(metrics)
        files.write_text(out / "table.txt", table)
        paper_name = network.config.mode_parts.paper_name
        plot_roc(out / "roc.png", scores, part.labels, f"{paper_name} classification on {whole.name}")
        if options.pages:
            write_pages(out / "pages", _pages(network, studies, scores, options.pages))
    return out, table


def differences(config: Config, data: str) -> list[str]:
    """How this run differs from the paper's, a line each."""
    paper = Config()
    lines = [] if data == PAPER_DATA else [f"judged on {data}, the paper's Table 1 on {PAPER_DATA}"]
    if config.data != PAPER_DATA:
        lines.append(f"trained on {config.data}, the paper's on {PAPER_DATA}")
    for field in dataclasses.fields(Config):
        ours, theirs = getattr(config, field.name), getattr(paper, field.name)
        if field.name not in _NOT_OF_THE_METHOD and ours != theirs:
            lines.append(f"{field.name} is {ours}, the paper's {theirs}")
    return lines


def _controls(whole: Manifest, part: Manifest, network: Predictor, options: Options) -> dict[str, dict]:
    """Metrics of plain scikit-learn models, trained on the training split of the data set that is judged."""
    train, val = whole.split("train"), whole.split("val")
    scores = {}
    if any(train.reports) and any(part.reports):
        scores["tfidf_logistic"] = controls.tfidf_logistic(
            train.reports, train.labels, part.reports, val_reports=val.reports, val_labels=val.labels
        )
    if network.config.mode_parts.image and options.features == "cache":
        pooled = [network.studies(split).features.pooled() for split in (train, val, part)]
        scores["pooled_logistic"] = controls.pooled_logistic(
            pooled[0], train.labels, pooled[2], val_features=pooled[1], val_labels=val.labels
        )
    return {
        name: evaluate_auc(values, part.labels, part.patient_ids, resamples=options.resamples)
        for name, values in scores.items()
    }


def _write_scores(path: Path, part: Manifest, scores: np.ndarray) -> None:
    table = pd.DataFrame(scores, columns=list(LABELS))
    table.insert(0, "study_id", part.study_ids)
    with files.replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6f")


def _pages(network: Predictor, studies: Studies, scores: np.ndarray, count: int) -> list[StudyPage]:
    indices = varied(studies.labels, count)
    thresholds = network.thresholds()
    pages = []
    for n, explanation in zip(indices, network.explain(studies, indices), strict=True):
        image = studies.manifest.images[n] if network.config.mode_parts.image else None
        words = tokenize(studies.manifest.reports[n])[: len(explanation.g) - 1]
        pages.append(
            StudyPage(
                study_id=studies.manifest.study_ids[n],
                image=None if image is None else read_image(image, network.config.image_px),
                a_ws=explanation.a_ws,
                words=["<START>", *words],
                g=explanation.g,
                probabilities=scores[n],
                labels=studies.labels[n],
                thresholds=thresholds,
            )
        )
    return pages


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
