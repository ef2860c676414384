"""The two sections of a report, and its words as text that reads like a report."""

import re
from typing import NamedTuple

from tienet.data.text import FINDINGS, IMPRESSION

_HEADING = re.compile(rf"(?:^|\s)({FINDINGS}|{IMPRESSION}) :(?=\s|$)")

# Spaces that `tienet.data.text.tokenize` has put around punctuation.
_BEFORE = re.compile(r" (?=[.,;:!?%)\]}])")
_AFTER = re.compile(r"(?<=[(\[{]) ")
_SLASH = re.compile(r" ?/ ?")
_HYPHEN = re.compile(r"(?<=\d) - (?=\w)|(?<=\w) - (?=\d)")  # tokenize splits a hyphen off only beside a digit

_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")
_REMOVED = re.compile(r"\bx{4,}\b")  # OpenI's mark XXXX of removed text, also in x-XXXX


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


def join_words(words: str) -> str:
    """Words of `tienet.data.text.tokenize`, joined by spaces, with punctuation at the word that it belongs to."""
    text = _AFTER.sub("", _BEFORE.sub("", words))
    return _HYPHEN.sub("-", _SLASH.sub("/", text))


def as_prose(words: str) -> str:
    """The same words as text to read: sentences start with a capital, and the mark of removed text is XXXX again."""
    text = _SENTENCE_START.sub(lambda found: found[0].upper(), join_words(words))
    return _REMOVED.sub(lambda found: found[0].upper(), text)
