"""Names and tables in Markdown."""

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~$])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def one_line(text: str) -> str:
    """The text in UTF-8 without control characters and line breaks, for which it has spaces."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode()


def plain(text: object) -> str:
    """A name as one line of text, in which nothing is taken for Markdown."""
    return _MARKUP.sub(r"\\\1", one_line(str(text)))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is aligned to the left, and the others to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
