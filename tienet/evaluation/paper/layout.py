"""A table as data, and as text, CSV and JSON; as HTML: `tienet.evaluation.paper.html`.

Text and HTML have rounded figures, CSV and JSON exact ones.
"""

import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from tienet.pages.plain_text import UNDEFINED, WIDTH, wrapped

TESTS_TITLE = "Paired bootstrap on the same resamples of patients: differences, 95% intervals, two-sided p"


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Attributes:
        value: The figure; None if it is undefined.
        lo, hi: The ends of its interval; None if it has none.
        beside: The paper's figure, or the p-value of a difference; None if there is none.
    """

    value: float | int | None
    lo: float | None = None
    hi: float | None = None
    beside: float | int | None = None


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: The text of the first column.
        cells: One for each column, None where the row is blank.
        digits: The number of digits that are shown after the decimal point.
    """

    name: str
    cells: tuple[Cell | None, ...]
    digits: int = 3


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Attributes:
        name: The paper's name of the mode, or the name of a control.
        run: The run's folder as it was typed; None for a column that is not a run.
        twin: Whether another run has the same name, so that the title must name the run.
    """

    name: str
    run: str | None = None
    twin: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} ({self.run})" if self.twin else self.name


@dataclass(frozen=True)
class Grid:
    """Rows and columns of cells.

    Attributes:
        corner: The head of the first column.
        heads: The heads of the other columns.
        groups: The rows, in groups that are set apart by a rule.
        beside: What `Cell.beside` is: "paper" or "p".
        signed: Whether the values are differences, which are written with their sign.
    """

    corner: str
    heads: tuple[Head, ...]
    groups: tuple[tuple[Row, ...], ...]
    beside: str = "paper"
    signed: bool = False

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(itertools.chain.from_iterable(self.groups))

    def column(self, c: int) -> list[Cell | None]:
        return [row.cells[c] for row in self.rows]

    def has(self, c: int, field: str) -> bool:
        """Whether any cell of column `c` has a value in this field, `lo` or `beside`."""
        return any(cell is not None and getattr(cell, field) is not None for cell in self.column(c))


@dataclass(frozen=True)
class Block:
    """The part of a table that is on one data set.

    Attributes:
        data: The name of the data set.
        split: The split that was evaluated.
        studies: The number of studies.
        results: The figures.
        tests: The paired differences between columns; None if there are none.
        notes: The lines of text under the figures.
    """

    data: str
    split: str
    studies: int
    results: Grid
    tests: Grid | None
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"{self.data}, split {self.split}, {self.studies} studies"


@dataclass(frozen=True)
class Table:
    """A table with a block per data set; `name` is the name of its files without the ending."""

    name: str
    title: str
    blocks: tuple[Block, ...]


# ---- text ----


def figure_text(value: float | int | None, digits: int, signed: bool = False) -> str:
    """A figure as the paper prints it, without the 0 before the decimal point; a count (int) as a whole number."""
    if value is None:
        return UNDEFINED
    if isinstance(value, int):
        return str(value)
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if abs(float(text)) < 1:
        return text.replace("0.", ".", 1)
    return text[:-1] if text == "1.000" else text  # so that it is as wide as the others, such as .999


def _span(cell: Cell, digits: int, signed: bool) -> str:
    if cell.lo is None or cell.hi is None:
        return ""
    return (" to " if signed else "-").join(figure_text(end, digits, signed) for end in (cell.lo, cell.hi))


def _beside(grid: Grid, cell: Cell, digits: int) -> str:
    if cell.beside is None:
        return ""
    return "<.001" if grid.beside == "p" and cell.beside < 0.001 else figure_text(cell.beside, digits)


def cell_texts(grid: Grid, c: int) -> list[tuple[str, str, str]]:
    """For each cell of a column the texts of its value, its interval and the figure beside it."""
    shown = []
    for row, cell in zip(grid.rows, grid.column(c), strict=True):
        if cell is None:
            shown.append(("", "", ""))
        else:
            value = figure_text(cell.value, row.digits, grid.signed)
            shown.append((value, _span(cell, row.digits, grid.signed), _beside(grid, cell, row.digits)))
    return shown


def column_headings(grid: Grid, c: int) -> tuple[str, str, str]:
    """The headings over the values, the intervals and the figures beside them in a column; "" where it has none."""
    beside = grid.beside if grid.has(c, "beside") else ""
    return ("ours" if beside == "paper" else "", "interval" if grid.has(c, "lo") else "", beside)


def _text_column(grid: Grid, c: int, twins: bool) -> list[str]:
    """The lines of a column, all of the same width: its head, its headings, and its cells.

    With `twins`, which says that the grid has heads of the same name, the head has a second line for the run.
    """
    head, kinds, shown = grid.heads[c], column_headings(grid, c), cell_texts(grid, c)
    _, spans, beside = kinds
    # The text "undefined" is longer than a number; it may extend into the interval.
    number = max(len(value) for value, *_ in (kinds, *shown) if value != UNDEFINED or not spans)
    span, other = (max(len(parts[i]) for parts in (kinds, *shown)) for i in (1, 2))
    lines = []
    for value, interval, second in (kinds, *shown):
        text = value.rjust(number) + (f" {interval.rjust(span)}" if spans else "")
        if value == UNDEFINED and not interval:
            text = UNDEFINED.rjust(number + (1 + span if spans else 0))
        lines.append(text + (f" {second.rjust(other)}" if beside else ""))
    titles = [head.name, head.run if head.twin else ""] if twins else [head.name]
    width = max(map(len, (*titles, *lines)))
    return [line.rjust(width) for line in (*titles, *lines)]


def _text_grid(grid: Grid) -> list[str]:
    """The lines of a grid. Columns that do not fit into WIDTH follow below, where the first column is repeated."""
    twins = any(head.twin for head in grid.heads)
    columns = [_text_column(grid, c, twins) for c in range(len(grid.heads))]
    first = [*([""] * (2 if twins else 1)), grid.corner, *(row.name for row in grid.rows)]
    wide = max(map(len, first))
    lines: list[str] = []
    for panel in _panels([len(column[0]) for column in columns], WIDTH - wide):
        shown = [[name.ljust(wide) for name in first], *(columns[c] for c in panel)]
        rule = "  ".join("-" * len(column[0]) for column in shown)
        text = ["  ".join(parts).rstrip() for parts in zip(*shown, strict=True)]
        start = len(first) - len(grid.rows)
        lines += [*([""] if lines else []), *text[:start]]
        for group in grid.groups:
            lines += [rule, *text[start : start + len(group)]]
            start += len(group)
    return lines


def _panels(widths: Sequence[int], room: int) -> list[list[int]]:
    """Distribute columns over panels that are at most `room` wide; returns the column numbers of each panel.

    Two spaces stand before each column. A panel has at least one column, even if that is wider than `room`.
    """
    panels: list[list[int]] = [[]]
    left = room
    for c, width in enumerate(widths):
        if panels[-1] and width + 2 > left:
            panels.append([])
            left = room
        panels[-1].append(c)
        left -= width + 2
    return panels


def table_text(table: Table) -> str:
    """The table as text for a terminal of WIDTH columns, with a block per data set."""
    lines = [table.title]
    for block in table.blocks:
        lines += ["", block.title, *_text_grid(block.results), "", *map(wrapped, block.notes)]
        if block.tests is not None:
            lines += ["", TESTS_TITLE, *_text_grid(block.tests)]
    return "\n".join(lines) + "\n"


# ---- CSV, JSON ----


def table_csv(table: Table) -> str:
    """The table as CSV with a line per row, not rounded; undefined and blank cells are empty.

    The values of each data set and column are one CSV column, followed by one each for lo, hi and paper if any row has
    them. The paired differences are in the JSON form only.
    """
    header = [table.blocks[0].results.corner]
    names = dict.fromkeys(row.name for block in table.blocks for row in block.results.rows)
    lines: dict[str, list] = {name: [name] for name in names}
    for block in table.blocks:
        grid = block.results
        rows = {row.name: row for row in grid.rows}
        for c, head in enumerate(grid.heads):
            endings = {"value": "", "lo": " lo", "hi": " hi", "beside": f" {grid.beside}"}
            kept = {field: end for field, end in endings.items() if field == "value" or grid.has(c, field)}
            header += [f"{block.data} {head.title}{end}" for end in kept.values()]
            for name, line in lines.items():
                cell = rows[name].cells[c] if name in rows else None
                line += ["" if cell is None else getattr(cell, field) for field in kept]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *lines.values()])
    return text.getvalue()


def table_json(table: Table) -> dict:
    """The table as a JSON object: data sets, columns, rows; not rounded, and null where undefined or blank."""
    return {
        "table": table.name,
        "title": table.title,
        "data": [
            {
                "data": block.data,
                "split": block.split,
                "studies": block.studies,
                **_grid_json(block.results),
                "tests": None if block.tests is None else _grid_json(block.tests),
                "notes": list(block.notes),
            }
            for block in table.blocks
        ],
    }


def _grid_json(grid: Grid) -> dict:
    return {
        "columns": [{"name": head.name, "run": head.run} for head in grid.heads],
        "rows": [{"name": row.name, "cells": [_cell_json(grid, cell) for cell in row.cells]} for row in grid.rows],
    }


def _cell_json(grid: Grid, cell: Cell | None) -> dict | None:
    if cell is None:
        return None
    return {"value": cell.value, "lo": cell.lo, "hi": cell.hi, grid.beside: cell.beside}
