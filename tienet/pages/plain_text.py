"""Plain text for a terminal: aligned tables, wrapped notes, numbers and intervals."""

import itertools
import textwrap
from collections.abc import Mapping

WIDTH = 120
"""The width in characters of the terminal that tables and notes are laid out for."""

UNDEFINED = "undefined"
"""The text in place of a figure that does not exist, such as the AUC of a label with one class only."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun, such as "1 study" or "3,362 studies"; without a plural it is -ies of -y, or else -s."""
    plural = plural or (f"{singular.removesuffix('y')}ies" if singular.endswith("y") else f"{singular}s")
    return f"{number:,} {singular if number == 1 else plural}"


def align(header: list[str], *groups: list[list[str]]) -> list[str]:
    """The lines of a text table, with a rule before each group of rows.

    The first column is aligned to the left, the others to the right.
    """
    widths = [max(len(row[i]) for row in [header, *itertools.chain(*groups)]) for i in range(len(header))]

    def line(row: list[str]) -> str:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return [line(header), *(text for rows in groups for text in (rule, *map(line, rows)))]


def wrapped(note: str) -> str:
    """The note in lines of at most WIDTH characters; all but the first are indented."""
    return textwrap.fill(note, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def level_text(metrics: Mapping) -> str:
    """The level of the bootstrap intervals in a metrics.json, such as "95%"."""
    return f"{100 * metrics.get('bootstrap', {}).get('level', 0.95):g}%"


def number_text(value: float | None) -> str:
    """A figure with three decimals; `UNDEFINED` for None."""
    return UNDEFINED if value is None else f"{value:.3f}"


def span_text(lo: float | None, hi: float | None) -> str:
    """An interval with three decimals; `UNDEFINED` if an end is None."""
    return UNDEFINED if lo is None or hi is None else f"{lo:.3f} to {hi:.3f}"
