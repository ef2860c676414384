"""The file that ReXrank's evaluation takes: for each study its true sections and what was written.

Its form is a JSON object with an entry for each study, by its name: `section_findings` and `section_impression` are
strings, or null where a report has no such section, and `model_prediction` is "Findings: ... Impression: ...". ReXrank
puts the true sections together in the same way and compares the two texts. All else that its test set says of a study
is kept.
"""

from collections.abc import Sequence

from tienet.data.readable_text import as_prose, split_sections
from tienet.evaluation.protocols.published_studies import (
    FINDINGS_FIELD,
    IMPRESSION_FIELD,
    PublishedStudies,
    PublishedStudy,
)

PREDICTION_FIELD = "model_prediction"


def predictions(published: PublishedStudies, true: Sequence[str], written: Sequence[str]) -> dict[str, dict]:
    """The content of the file.

    Args:
        published: The studies, from ReXrank's file or from R2Gen's, which has no impressions.
        true: The true report of each study (`tienet.data.text.report_text`); used for R2Gen's file.
        written: The written report of each study, in words of `tienet.data.text.tokenize`.
    """
    return {
        study.id: _fields(study, of_study) | {PREDICTION_FIELD: prediction_text(report)}
        for study, of_study, report in zip(published.test, true, written, strict=True)
    }


def _fields(study: PublishedStudy, true: str) -> dict:
    if FINDINGS_FIELD in study.fields:
        return study.fields
    sections = split_sections(true)
    impression = sections.impression or None
    return {
        "image_path": study.fields.get("image_path"),
        "report": _both(study.findings, str(impression)),
        FINDINGS_FIELD: study.findings,
        IMPRESSION_FIELD: impression,
        "split": "test",
    }


def prediction_text(report: str) -> str:
    """A written report as ReXrank reads it; both headings are there, also where a section is not."""
    return _both(*map(as_prose, split_sections(report)))


def _both(findings: str, impression: str) -> str:
    return " ".join(f"Findings: {findings} Impression: {impression}".split())
