"""What the network made of an image, for people, for programs, and as a page."""

import json
import math

import numpy as np

from tienet.commands.study_input import StudyInput
from tienet.labels import LABELS, readable
from tienet.pages.plain_text import align
from tienet.pages.study import DISCLAIMER, StudyPage
from tienet.predict import Prediction

__all__ = ["DISCLAIMER", "as_json", "as_page", "as_text", "by_probability"]


def by_probability(prediction: Prediction) -> list[int]:
    """The labels' places: those that are named first, then by probability."""
    return sorted(range(len(LABELS)), key=lambda k: (prediction.labels[k] != 1, -prediction.probabilities[k]))


def as_text(study: StudyInput, prediction: Prediction) -> str:
    """Several lines."""
    lines = [str(study.image)]
    if prediction.report is not None:
        report = prediction.report or "(empty)"
        lines += [f"  {part}" for part in report.replace(" impression :", "\nimpression :").split("\n")]
    if not np.isnan(prediction.probabilities).all():
        rows = []
        for k in by_probability(prediction):
            threshold, label = prediction.thresholds[k], prediction.labels[k]
            named = "-" if math.isnan(label) else "yes" if label else "no"
            cell = "-" if math.isnan(threshold) else f"{threshold:.3f}"
            rows.append([readable(LABELS[k]), f"{prediction.probabilities[k]:.3f}", cell, named])
        lines += [f"  {line}" for line in align(["label", "probability", "threshold", "named"], rows)]
    return "\n".join(lines) + "\n"


def as_json(study: StudyInput, prediction: Prediction) -> str:
    """One line; no value is NaN."""
    labelled = not np.isnan(prediction.probabilities).all()

    def by_label(values: np.ndarray, whole: bool = False) -> dict[str, float | int | None] | None:
        if not labelled:
            return None
        numbers = [None if math.isnan(value) else int(value) if whole else float(str(value)) for value in values]
        return dict(zip(LABELS, numbers, strict=True))

    fields = {
        "image": str(study.image),
        "study_id": study.study_id,
        "probabilities": by_label(prediction.probabilities),
        "thresholds": by_label(prediction.thresholds),
        "labels": by_label(prediction.labels, whole=True),
        "report": prediction.report,
        "log_probability": prediction.log_probability,
    }
    return json.dumps(fields, allow_nan=False)


def as_page(study_id: str, image: np.ndarray, prediction: Prediction) -> StudyPage:
    """The page as evaluation makes it, without a truth to compare with; `image` uint8 [px, px]."""
    labelled = not np.isnan(prediction.probabilities).all()
    return StudyPage(
        study_id=study_id,
        image=image,
        a_ws=prediction.a_ws,
        words=prediction.words,
        g=prediction.g,
        a=prediction.a,
        probabilities=prediction.probabilities if labelled else None,
        labels=None,
        thresholds=prediction.thresholds if labelled else None,
        written=prediction.report is not None,
    )
