"""One study that a command is given, or why it is passed over."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """Why a study is passed over.

    Attributes:
        kind: The kind of the fault; the studies of a kind are counted.
        message: What is wrong with this study, for the user.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class StudyInput:
    """One study.

    Attributes:
        row: The line of the CSV file where the study starts, or its place in the Parquet file or the folder, from 1.
        study_id: The study's name, one line of text.
        image: The path of the image file; None if no image is needed.
        report: The report's text; empty if no report is needed.
        fault: Why the study is passed over; None if nothing wrong was found so far.
        kept: The cells of the columns that the output keeps, as they are in the input.
    """

    row: int
    study_id: str
    image: Path | None = None
    report: str = ""
    fault: Fault | None = None
    kept: tuple[str, ...] = ()
