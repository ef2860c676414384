"""A row of the table that `tienet annotate` writes, and the columns of it."""

import csv
import io
import json
from collections.abc import Sequence

import numpy as np

from tienet.commands.study import StudyInput
from tienet.labels import LABELS, K

NAMED, PASSED_OVER, EVIDENCE = "named", "passed_over", "evidence"
DISTANCE, NOTES = "image_distance", "notes"
HEADER = (
    "study_id", *(f"{label}_probability" for label in LABELS), *LABELS, NAMED, PASSED_OVER, DISTANCE, NOTES,
)  # fmt: skip
SEPARATOR = ";"  # between the names in column `named`; no label has it in its name


def columns(evidence: bool, kept: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the columns: those of every table, `evidence` where it is asked for, and those that are kept."""
    return (*HEADER, *[EVIDENCE] * evidence, *kept)


def labelled(
    study: StudyInput,
    probabilities: np.ndarray,
    labels: np.ndarray,
    evidence: Sequence[dict] | None = None,
    image_distance: float | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The row of a study that was labelled, a line or more of CSV.

    Args:
        study: The study.
        probabilities: float32 [K]; they are written with the fewest digits that give the same float32 again.
        labels: float [K], 1 or 0, NaN without a threshold.
        evidence: What the column `evidence` holds, where there is one.
        image_distance: How far the image is from the training images; None without an image, or where it is not known.
        notes: Sentences on the image that a user should know.
    """
    probability_cells = [str(value) for value in probabilities.astype(np.float32)]
    label_cells = ["" if np.isnan(value) else str(int(value)) for value in labels]
    named = SEPARATOR.join(label for label, value in zip(LABELS, labels, strict=True) if value == 1)
    more = [] if evidence is None else [json.dumps(evidence, ensure_ascii=False)]  # its line breaks are escaped
    of_image = ["" if image_distance is None else str(np.float32(image_distance)), " ".join(notes)]
    return line([study.study_id], [*probability_cells, *label_cells, named, "", *of_image, *more, *study.kept])


def passed_over(study: StudyInput, evidence: bool) -> str:
    """The row of a study that was passed over: its name, empty cells, why, and what is kept."""
    return line([study.study_id], [*[""] * (2 * K + 1), study.fault.kind, "", "", *[""] * evidence, *study.kept])


def line(cells: Sequence[str], as_they_are: Sequence[str] = ()) -> str:
    """The cells as one row of CSV; line breaks in a cell become spaces, but for those in `as_they_are`."""
    text = io.StringIO()
    # With this terminator the module quotes a cell that holds \r, too, which else would end the row where it is read.
    csv.writer(text, lineterminator="\r\n").writerow([*(" ".join(cell.split()) for cell in cells), *as_they_are])
    return text.getvalue()[:-2] + "\n"
