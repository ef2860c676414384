"""A prediction for an image as text for people, as JSON for programs, and as a page."""

import json
import math
from collections.abc import Callable, Sequence

import numpy as np

from tienet.checkpoint.calibration import Calibration
from tienet.commands.study_input import StudyInput
from tienet.data.dicom.reader import notes_of
from tienet.labels import LABELS, NO_FINDING, readable
from tienet.pages.plain_text import align
from tienet.pages.prose import as_report
from tienet.pages.study import DISCLAIMER, StudyPage, cut_text
from tienet.predict import Prediction

__all__ = ["DISCLAIMER", "as_json", "as_page", "as_text", "by_probability"]


def by_probability(prediction: Prediction) -> list[int]:
    """The labels' indices: first those that reach their threshold, then the others, each by falling probability."""
    return sorted(range(len(LABELS)), key=lambda k: (prediction.labels[k] != 1, -prediction.probabilities[k]))


def notes_on(remarks: Sequence[str], prediction: Prediction) -> list[str]:
    """Sentences that a reader of the prediction should know: those on the file, and those on the image.

    Args:
        remarks: Those on the file (`tienet.data.dicom.reader.Dicom.remarks`).
    """
    return [*notes_of(remarks), *prediction.notes]


def as_text(study: StudyInput, prediction: Prediction, notes: Sequence[str] = ()) -> str:
    """The prediction as lines of text: notes, the report, and a table of the labels, those that the mode has."""
    lines = [str(study.image), *(f"  note: {note}" for note in notes)]
    if prediction.report is not None:
        lines += [f"  {line}" for line in (as_report(prediction.report) or "(empty)").split("\n")]
        if prediction.cut_at is not None:
            lines += [f"  [...] {cut_text(prediction.cut_at, written=True)}"]
    if not np.isnan(prediction.probabilities).all():
        rows, known = [], (prediction.precision, prediction.recall)
        if np.isnan(known).all():
            known = ()
        for k in by_probability(prediction):
            probability, threshold, label = (
                values[k] for values in (prediction.probabilities, prediction.thresholds, prediction.labels)
            )
            threshold_cell = "-" if math.isnan(threshold) else f"{threshold:.3f}"
            named_cell = "-" if math.isnan(label) else "yes" if label else "no"
            shares = [shorten(values[k]) for values in known]
            rows.append([readable(LABELS[k]), f"{probability:.3f}", threshold_cell, *shares, named_cell])
        header = ["label", "probability", "threshold", *["precision", "recall"] * (known != ()), "named"]
        lines += [f"  {line}" for line in align(header, rows)]
        k = LABELS.index(NO_FINDING)
        if prediction.labels[k] == 0 and prediction.probabilities[k] >= prediction.thresholds[k]:
            lines.append("  That nothing was found is said only where no finding is named.")
    return "\n".join(lines) + "\n"


def shorten(share: float) -> str:
    """A share as text with two decimals; "-" if it is not known."""
    return "-" if math.isnan(share) else f"{share:.2f}"


def threshold_table(calibration: Calibration) -> str:
    """The thresholds of a calibration as text, with what they gave on the validation split."""
    columns = (calibration.thresholds, calibration.precision, calibration.recall)
    rows = [
        [readable(label), str(calibration.positives.get(label, "-")), f"{threshold:.3f}", *map(shorten, shares)]
        for label, threshold, *shares in zip(LABELS, *columns, strict=True)
    ]
    header = ["label", "positives", "threshold", "precision", "recall"]
    title = f"Thresholds ({calibration.objective}), and what they gave on {calibration.studies:,} validation studies:"
    return "\n".join([title, *align(header, rows)])


def as_json(study: StudyInput, prediction: Prediction, notes: Sequence[str] = ()) -> str:
    """The prediction as one line of JSON; values that are not known are null."""
    labelled = not np.isnan(prediction.probabilities).all()

    def by_label(
        values: np.ndarray, number: Callable[[np.float32], float | int]
    ) -> dict[str, float | int | None] | None:
        if not labelled:
            return None
        numbers = [None if math.isnan(value) else number(value) for value in values]
        return dict(zip(LABELS, numbers, strict=True))

    def as_float(value: np.float32) -> float:
        return float(str(value))  # with the digits of float32, so that 0.1 stays 0.1

    fields = {
        "image": str(study.image),
        "study_id": study.study_id,
        "notes": list(notes),
        "image_distance": prediction.image_distance,
        "probabilities": by_label(prediction.probabilities, as_float),
        "thresholds": by_label(prediction.thresholds, as_float),
        "precision": by_label(prediction.precision, as_float),
        "recall": by_label(prediction.recall, as_float),
        "labels": by_label(prediction.labels, int),
        "report": prediction.report,
        "text": None if prediction.report is None else as_report(prediction.report),
        "cut_at": prediction.cut_at,
        "log_probability": prediction.log_probability,
    }
    return json.dumps(fields, allow_nan=False)


def as_page(study_id: str, image: np.ndarray, prediction: Prediction, notes: Sequence[str] = ()) -> StudyPage:
    """The page that evaluation makes of a study, without true labels to compare with.

    Args:
        study_id: The study's name, the title of the page.
        image: uint8 [image_px, image_px].
        prediction: With attention maps.
        notes: What a reader of the page should know of the image.
    """
    labelled = not np.isnan(prediction.probabilities).all()
    return StudyPage(
        study_id=study_id,
        image=image,
        a_ws=prediction.a_ws,
        words=prediction.words,
        g=prediction.g,
        G=prediction.G,
        a=prediction.a,
        probabilities=prediction.probabilities if labelled else None,
        labels=None,
        thresholds=prediction.thresholds if labelled else None,
        written=prediction.report is not None,
        cut_at=prediction.cut_at,
        precision=prediction.precision if labelled else None,
        recall=prediction.recall if labelled else None,
        notes=notes,
    )
