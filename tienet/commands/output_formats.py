"""What the network made of an image, for people, for programs, and as a page."""

import json
import math

import numpy as np

from tienet.commands.study_input import Study
from tienet.evaluation.tables import align
from tienet.labels import LABELS
from tienet.pages.study import DISCLAIMER, StudyPage
from tienet.pages.verdicts import readable
from tienet.predict import Reading

__all__ = ["DISCLAIMER", "as_json", "as_page", "as_text", "by_probability"]


def by_probability(reading: Reading) -> list[int]:
    """The labels' places: those that are named first, then by probability."""
    return sorted(range(len(LABELS)), key=lambda k: (reading.labels[k] != 1, -reading.probabilities[k]))


def as_text(study: Study, reading: Reading) -> str:
    """Several lines."""
    lines = [str(study.image)]
    if reading.report is not None:
        report = reading.report or "(empty)"
        lines += [f"  {part}" for part in report.replace(" impression :", "\nimpression :").split("\n")]
    if not np.isnan(reading.probabilities).all():
        rows = []
        for k in by_probability(reading):
            threshold, label = reading.thresholds[k], reading.labels[k]
            named = "-" if math.isnan(label) else "yes" if label else "no"
            cell = "-" if math.isnan(threshold) else f"{threshold:.3f}"
            rows.append([readable(LABELS[k]), f"{reading.probabilities[k]:.3f}", cell, named])
        lines += [f"  {line}" for line in align(["label", "probability", "threshold", "named"], rows)]
    return "\n".join(lines) + "\n"


def as_json(study: Study, reading: Reading) -> str:
    """One line; no value is NaN."""
    labelled = not np.isnan(reading.probabilities).all()

    def by_label(values: np.ndarray, whole: bool = False) -> dict[str, float | int | None] | None:
        if not labelled:
            return None
        numbers = [None if math.isnan(value) else int(value) if whole else float(str(value)) for value in values]
        return dict(zip(LABELS, numbers, strict=True))

    fields = {
        "image": str(study.image),
        "study_id": study.study_id,
        "probabilities": by_label(reading.probabilities),
        "thresholds": by_label(reading.thresholds),
        "labels": by_label(reading.labels, whole=True),
        "report": reading.report,
        "log_probability": reading.log_probability,
    }
    return json.dumps(fields, allow_nan=False)


def as_page(study_id: str, image: np.ndarray, reading: Reading) -> StudyPage:
    """The page as evaluation makes it, without a truth to compare with; `image` uint8 [px, px]."""
    labelled = not np.isnan(reading.probabilities).all()
    return StudyPage(
        study_id=study_id,
        image=image,
        a_ws=reading.a_ws,
        words=reading.words,
        g=reading.g,
        a=reading.a,
        probabilities=reading.probabilities if labelled else None,
        labels=None,
        thresholds=reading.thresholds if labelled else None,
        written=reading.report is not None,
    )
