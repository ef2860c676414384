"""Plain text for a terminal: aligned tables, wrapped notes, and how numbers and intervals are written."""

import itertools
import textwrap
from collections.abc import Mapping

WIDTH = 120
"""Columns of the terminal that tables and notes are laid out for."""

UNDEFINED = "undefined"
"""What stands in place of a figure that does not exist, such as the AUC of one class."""


def align(header: list[str], *groups: list[list[str]]) -> list[str]:
    """The lines of a text table, a rule before each group of rows; the first column is text, the others end alike."""
    widths = [max(len(row[i]) for row in [header, *itertools.chain(*groups)]) for i in range(len(header))]

    def line(row: list[str]) -> str:
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return [line(header), *(text for rows in groups for text in (rule, *map(line, rows)))]


def wrapped(note: str) -> str:
    """The note in lines of at most WIDTH columns, indented from the second on."""
    return textwrap.fill(note, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def level_text(metrics: Mapping) -> str:
    return f"{100 * metrics.get('bootstrap', {}).get('level', 0.95):g}%"


def number_text(value: float | None) -> str:
    """A figure with three decimals; None is `UNDEFINED`."""
    return UNDEFINED if value is None else f"{value:.3f}"


def span_text(lo: float | None, hi: float | None) -> str:
    """An interval with three decimals; `UNDEFINED` where an end is None."""
    return UNDEFINED if lo is None or hi is None else f"{lo:.3f} to {hi:.3f}"
