"""The words that R2Gen (Chen et al., EMNLP 2020) compares: its cleaning of OpenI's reports, its vocabulary, its limit.

The rules are those of its published code. Some are odd, and kept, because figures compare only with them: "1. " goes
wherever it is, also in "T11. ", and a sentence without a word still has its dot.
"""

import re
from collections import Counter
from collections.abc import Iterable

MIN_COUNT = 3
"""How often a word must be in the training findings to be in the vocabulary; all others become UNKNOWN."""

MAX_TOKENS = 60
"""The longest sequence. A reference starts with a mark that is one of them, so it has one word less."""

UNKNOWN = "<unk>"

_DOTS = re.compile(r"\.{2,}")
_FIRST, _LATER = "1. ", "2345"
_REMOVED = re.compile(r"""["'/\\.,?;*!%^&_+():<=>@\[\]{}]""")  # a hyphen stays


def clean(text: str) -> list[str]:
    """The words of a text in lower case, without the numbers of lists and punctuation, each sentence ended by ".".

    A sentence ends at a dot that a space follows. An empty text is one empty sentence: ["."].
    """
    text = _DOTS.sub(".", text).replace(_FIRST, "")
    for number in _LATER:  # a list's number ends the sentence before it, whether that has its dot or not
        text = re.sub(rf"\.? {number}\. ", ". ", text)
    words: list[str] = []
    for sentence in text.strip().lower().split(". "):
        words += [*_REMOVED.sub("", sentence).split(), "."]
    return words


class R2GenWords:
    """R2Gen's vocabulary, and texts in it.

    Args:
        train_findings: The findings of its training studies.
    """

    def __init__(self, train_findings: Iterable[str]) -> None:
        counts = Counter(word for findings in train_findings for word in clean(findings))
        self.known = {word for word, count in counts.items() if count >= MIN_COUNT}

    def of_reference(self, findings: str) -> list[str]:
        """The words of a true report's findings."""
        return self._known(clean(findings))[: MAX_TOKENS - 1]

    def of_written(self, findings: str) -> list[str]:
        """The words of written findings; none if there is no text."""
        return self._known(clean(findings))[:MAX_TOKENS] if findings.strip() else []

    def _known(self, words: list[str]) -> list[str]:
        return [word if word in self.known else UNKNOWN for word in words]
