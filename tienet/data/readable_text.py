"""The two sections of a report, and its words as text that reads like a report (`tienet.pages.prose`)."""

import re
from typing import NamedTuple

from tienet.data.text import FINDINGS, IMPRESSION
from tienet.pages.prose import as_prose, as_report, join_words, pieces

__all__ = ["Sections", "as_prose", "as_report", "join_words", "pieces", "split_sections"]

_HEADING = re.compile(rf"(?:^|\s)({FINDINGS}|{IMPRESSION}) :(?=\s|$)")


class Sections(NamedTuple):
    """The text of the two sections of a report; empty where there is none."""

    findings: str
    impression: str


def split_sections(report: str) -> Sections:
    """The sections of a report as `tienet.data.text.report_text` makes it: "findings : ... impression : ...".

    Text before the first heading is in no section. What follows a heading that comes again is added to its section.
    """
    _, *parts = _HEADING.split(report)
    text = {FINDINGS: "", IMPRESSION: ""}
    for heading, part in zip(parts[::2], parts[1::2], strict=True):
        text[heading] = f"{text[heading]} {part.strip()}".strip()
    return Sections(text[FINDINGS], text[IMPRESSION])
