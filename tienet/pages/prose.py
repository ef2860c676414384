"""A report's words as text that reads like a report: punctuation at its words, capitals, a line for each section.

The words are those of `tienet.data.text.tokenize`, or what a network wrote of them.
"""

import re
from collections.abc import Sequence

HEADINGS = ("findings", "impression")
"""The words that begin a section, with a colon behind them (`tienet.data.text`)."""

START = "<START>"
"""The word that stands for the beginning of a report; it is no part of its text."""

_HEADING = re.compile(rf"(?:^|\s)({'|'.join(HEADINGS)}) :(?=\s|$)")

# Spaces that `tokenize` has put around punctuation.
_BEFORE = re.compile(r" (?=[.,;:!?%)\]}])")
_AFTER = re.compile(r"(?<=[(\[{]) ")
_SLASH = re.compile(r" ?/ ?")
_HYPHEN = re.compile(r"(?<=\d) - (?=\w)|(?<=\w) - (?=\d)")  # tokenize splits a hyphen off only beside a digit

_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")
_REMOVED = re.compile(r"\b[Xx]x{3,}\b")  # OpenI's mark XXXX of removed text, also in x-XXXX


def join_words(words: str) -> str:
    """Words of `tienet.data.text.tokenize`, joined by spaces, with punctuation at the word that it belongs to."""
    text = _AFTER.sub("", _BEFORE.sub("", words))
    return _HYPHEN.sub("-", _SLASH.sub("/", text))


def as_prose(words: str) -> str:
    """The same words as text to read: sentences start with a capital, and the mark of removed text is XXXX again."""
    text = _SENTENCE_START.sub(lambda found: found[0].upper(), join_words(words))
    return _REMOVED.sub(lambda found: found[0].upper(), text)


def as_report(words: str) -> str:
    """A whole report as text to read: each section on a line of its own, "Findings: ..." and "Impression: ..."."""
    before, *parts = _HEADING.split(words)
    lines = [as_prose(before.strip())] if before.strip() else []
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        lines.append(f"{heading.capitalize()}: {as_prose(text.strip())}".rstrip())
    return "\n".join(lines)


def pieces(words: Sequence[str]) -> list[str]:
    """What each word is in the text to read, with the space before it: all together they are `as_report`.

    Args:
        words: Words without white space, <START> perhaps among them, whose piece is empty.
    """
    text, found = as_report(" ".join(word for word in words if word != START)), []
    at = 0
    for word in words:
        end = at
        if word != START:
            while end < len(text) and text[end] in " \n":
                end += 1
            end += len(word)
        found.append(text[at:end])
        at = end
    return found
