"""The paper's two tables, filled with our figures and the paper's beside them: text, CSV, JSON and one HTML page.

`table_1` and `table_2` compose a `Table`; all four forms are made from it. Text and HTML round, CSV and JSON do not.
"""

import csv
import html
import io
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.evaluation import page_template
from tienet.evaluation.auroc import AVG10_POSITIVES, MEANS
from tienet.evaluation.captions import CAPTION_METRICS
from tienet.evaluation.pages import DISCLAIMER
from tienet.evaluation.paper import (
    CAPTION_COLUMNS,
    CAPTION_DATA,
    COLUMNS,
    PAPER_AUC,
    PAPER_CAPTIONS,
    PAPER_POSITIVES,
    paper_test_set,
)
from tienet.evaluation.tables import UNDEFINED
from tienet.labels import FINDINGS, LABELS

WIDTH = 120
"""Columns of a terminal: what does not fit goes on below, with the first column again."""

MEAN_TITLES = dict(zip(MEANS, ("AVG", "#wAVG", "AVG10"), strict=True))

_LOST = {
    "table1": "Table 1 is not written: nothing here was judged by AUC.",
    "table2": "Table 2 is not written: nothing here wrote reports that could be judged.",
}
_TESTS = "Paired bootstrap on the same resamples of patients: differences, 95% intervals, two-sided p"
_STATISTICS = {
    "distinct_share": ("distinct reports, share", 3),
    "words_mean": ("words written, mean", 1),
    "true_words_mean": ("words of the true report, mean", 1),
    "unwritten_share": ("true words never written, share", 3),
}


@dataclass(frozen=True)
class Column:
    """One checkpoint on one data set.

    Attributes:
        paper_name: R, I+R, I, I+GR or Captioning (`Mode.paper_name`).
        run: the run's folder, as typed.
        metrics: what its metrics.json holds.
    """

    paper_name: str
    run: str
    metrics: Mapping


@dataclass(frozen=True)
class Cell:
    """A figure; None: undefined. `beside` is the paper's figure, or the p-value of a difference."""

    value: float | int | None
    lo: float | None = None
    hi: float | None = None
    beside: float | int | None = None


@dataclass(frozen=True)
class Row:
    """A row's name and a cell per column, None where it is blank. `digits`: shown behind the point."""

    name: str
    cells: tuple[Cell | None, ...]
    digits: int = 3


@dataclass(frozen=True)
class Head:
    """What a column is: its name, and the run where it is one; `twin`: another run has that name too."""

    name: str
    run: str | None = None
    twin: bool = False

    @property
    def title(self) -> str:
        return f"{self.name} ({self.run})" if self.twin else self.name


@dataclass(frozen=True)
class Grid:
    """Rows and columns. `groups`: rows that belong together; `beside`: what the cells' second figure is.

    `signed`: the values are differences.
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

    def has(self, c: int, part: str) -> bool:
        """Does any cell of column `c` have a `lo` or a `beside`?"""
        return any(cell is not None and getattr(cell, part) is not None for cell in self.column(c))


@dataclass(frozen=True)
class Block:
    """The part of a table that is on one data set; `tests`: paired differences between its columns."""

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
    """A table: `name` as its files have it, and a block per data set."""

    name: str
    title: str
    blocks: tuple[Block, ...]


# ---- Table 1 ----


def table_1(
    columns_by_data: Mapping[str, Sequence[Column]], paired: Mapping[str, Mapping[tuple[str, str], Mapping]]
) -> Table | None:
    """AUC of each label and the means, in the paper's order R, I+R, I, I+GR, then the controls.

    Args:
        columns_by_data: the checkpoints by data set. Those whose `metrics["auc"]` is None are left out. Two runs of
            one mode are told apart by their folders.
        paired: data set -> (name of a, name of b) -> {"avg", "wavg", "avg10"}, as `paired.paired_auc` returns them.
    Returns:
        None where nothing was judged by AUC.
    """
    blocks = []
    for data, columns in columns_by_data.items():
        if judged := _ordered(columns, "auc", COLUMNS):
            blocks.append(_auc_block(data, judged, paired.get(data) or {}))
    return Table("table1", "Table 1: AUC of each finding", tuple(blocks)) if blocks else None


def _ordered(columns: Sequence[Column], key: str, order: Sequence[str]) -> list[Column]:
    """The columns that have metrics[key], as the paper orders them; names that it lacks come last."""
    there = [column for column in columns if column.metrics.get(key) is not None]
    return sorted(there, key=lambda column: [*order, column.paper_name].index(column.paper_name))


def _heads_and_metrics(columns: Sequence[Column], key: str) -> tuple[list[Head], list[Mapping]]:
    """The checkpoints, then each control that has metrics[key], once."""
    names = [column.paper_name for column in columns]
    heads = [Head(column.paper_name, column.run, names.count(column.paper_name) > 1) for column in columns]
    controls: dict[str, Mapping] = {}
    for column in columns:
        for name, control in (column.metrics.get("controls") or {}).items():
            if control.get(key) is not None:
                controls.setdefault(name, control)
    heads += [Head(name.replace("_", " ")) for name in controls]
    return heads, [*(column.metrics for column in columns), *controls.values()]


def _auc_block(data: str, columns: Sequence[Column], paired: Mapping[tuple[str, str], Mapping]) -> Block:
    heads, metrics = _heads_and_metrics(columns, "auc")
    test_set = paper_test_set(data)
    papers = [PAPER_AUC[test_set].get(head.name, {}) if test_set else {} for head in heads]
    counts = PAPER_POSITIVES.get(test_set or "", {})
    labels = []
    for label in LABELS:
        entries = [one["auc"][label] for one in metrics]
        cells = [_cell(e["auc"], e["lo"], e["hi"], p.get(label)) for e, p in zip(entries, papers, strict=True)]
        labels.append(Row(label, (Cell(entries[0]["positives"], beside=counts.get(label)), *cells)))
    means = []
    for key, title in MEAN_TITLES.items():
        cells = [
            _cell(one[key], one[f"{key}_lo"], one[f"{key}_hi"], paper.get(title))
            for one, paper in zip(metrics, papers, strict=True)
        ]
        means.append(Row(title, (None, *cells)))
    grid = Grid("Finding", (Head("#"), *heads), (tuple(labels), tuple(means)))
    notes = (*_auc_notes(heads, metrics, test_set), *_true_reports(columns, heads))
    return Block(data, columns[0].metrics["split"], columns[0].metrics["studies"], grid, _tests(paired), notes)


def _cell(value: float | None, lo: float | None = None, hi: float | None = None, beside: float | None = None) -> Cell:
    """A cell of plain floats, whatever number type came in."""
    return Cell(*(None if number is None else float(number) for number in (value, lo, hi, beside)))


def _tests(paired: Mapping[tuple[str, str], Mapping]) -> Grid | None:
    if not paired:
        return None
    rows = []
    for (a, b), means in paired.items():
        entries = [means[key] for key in MEAN_TITLES]
        rows.append(Row(f"{a} - {b}", tuple(_cell(e["difference"], e["lo"], e["hi"], e["p"]) for e in entries)))
    return Grid("Difference", tuple(map(Head, MEAN_TITLES.values())), (tuple(rows),), beside="p", signed=True)


def _auc_notes(heads: Sequence[Head], metrics: Sequence[Mapping], test_set: str | None) -> list[str]:
    """What the means cover, how the intervals came about, and what stands beside."""
    covered: dict[str, list[str]] = {}
    for head, one in zip(heads, metrics, strict=True):
        lacking = [name for name in FINDINGS if one["auc"][name]["auc"] is None]
        frequent = f"{one['avg10_findings']} with at least {AVG10_POSITIVES} positives"
        said = f"{_over(lacking)}, without No_Finding; AVG10 over the {frequent}"
        covered.setdefault(said, []).append(head.title)
    notes = []
    for said, titles in covered.items():
        whose = f"{', '.join(titles)}: " if len(covered) > 1 else ""
        notes.append(f"{whose}AVG and #wAVG (weighted by positives) are over {said}.")
    if len(covered) > 1:
        notes.append("Means over different findings cannot be compared; a paired difference is over those of both.")
    notes.append(_bootstrap_note(metrics[0]))
    if test_set is None:
        return [*notes, "The paper has no figures on this data set."]
    unprinted = [name for name in FINDINGS if PAPER_AUC[test_set][COLUMNS[0]][name] is None]
    return [*notes, f"paper: its Table 1, test set {test_set}; its means are over {_over(unprinted)}; it has no AVG10."]


def _over(lacking: Sequence[str]) -> str:
    named = f" (undefined: {', '.join(lacking)})" if lacking else ""
    return f"{len(FINDINGS) - len(lacking)} of {len(FINDINGS)} findings{named}"


def _bootstrap_note(metrics: Mapping) -> str:
    bootstrap = metrics.get("bootstrap") or {}
    drawn = f"{bootstrap['resamples']} bootstrap resamples" if "resamples" in bootstrap else "the bootstrap"
    return f"Intervals: {100 * bootstrap.get('level', 0.95):g}%, from {drawn} of patients. #: studies with the finding."


def _true_reports(columns: Sequence[Column], heads: Sequence[Head]) -> Iterator[str]:
    """What a network that writes would reach with the true reports."""
    for column, head in zip(columns, heads[: len(columns)], strict=True):
        if given := column.metrics.get("true_reports_read"):
            means = ", ".join(f"{title} {_number(given[key], 3)}" for key, title in MEAN_TITLES.items())
            yield f"{head.title}, given the true reports instead of its own: {means}."


# ---- Table 2 ----


def table_2(columns_by_data: Mapping[str, Sequence[Column]]) -> Table | None:
    """Caption metrics of Captioning and I+GR, then of the controls; variety and length; F1 of the findings.

    Args:
        columns_by_data: as for `table_1`; those whose `metrics["captions"]` is None are left out.
    Returns:
        None where there are no caption metrics.
    """
    blocks = []
    for data, columns in columns_by_data.items():
        if writing := _ordered(columns, "captions", CAPTION_COLUMNS):
            blocks.append(_caption_block(data, writing))
    return Table("table2", "Table 2: written reports", tuple(blocks)) if blocks else None


def _caption_block(data: str, columns: Sequence[Column]) -> Block:
    heads, metrics = _heads_and_metrics(columns, "captions")
    papers = [PAPER_CAPTIONS.get(head.name, {}) if paper_test_set(data) else {} for head in heads]
    pairs = [(one["captions"], paper) for one, paper in zip(metrics, papers, strict=True)]
    scores = [
        Row(name, tuple(_cell(ours[name], beside=paper.get(name)) for ours, paper in pairs), digits=4)
        for name in CAPTION_METRICS
    ]
    reports = [one.get("reports") for one in metrics]
    variety = [
        Row(title, tuple(None if one is None else _cell(one.get(key)) for one in reports), digits)
        for key, (title, digits) in _STATISTICS.items()
        if any(reports)
    ]
    findings = [one.get("report_findings") for one in metrics]
    judged = [Row(f"{mean} F1 of findings", tuple(_f1(one, mean) for one in findings)) for mean in ("micro", "macro")]
    groups = (tuple(scores), tuple(variety), tuple(judged if any(findings) else ()))
    grid = Grid("Reports", tuple(heads), tuple(group for group in groups if group))
    notes = tuple(_caption_notes(data, heads, metrics))
    return Block(data, columns[0].metrics["split"], columns[0].metrics["studies"], grid, None, notes)


def _f1(findings: Mapping | None, mean: str) -> Cell | None:
    return None if findings is None else _cell(*(findings[mean][key] for key in ("f1", "f1_lo", "f1_hi")))


def _caption_notes(data: str, heads: Sequence[Head], metrics: Sequence[Mapping]) -> Iterator[str]:
    yield f"Over {metrics[0]['captions']['studies']} studies with a true report."
    for head, one in zip(heads, metrics, strict=True):
        if empty := one["captions"]["empty"]:
            yield f"{head.title}: {empty} written reports are empty; they score 0."
    if any(one["captions"]["METEOR"] is None for one in metrics):
        yield "METEOR needs Java and was left out (--no-java)."
    if findings := next((one["report_findings"] for one in metrics if one.get("report_findings")), None):
        covered = findings["macro"]["findings_covered"]
        yield f"F1: of the {len(FINDINGS)} findings, as a labeller names them in the written and in the true report."
        yield f"macro F1: the mean over the {covered} findings that a true report has."
    if paper_test_set(data) is None:
        yield "The paper has no figures on this data set."
    else:
        other = "" if data == CAPTION_DATA else ", so on other studies than these"
        yield f"paper: its Table 2, on {CAPTION_DATA}{other}; it has no CIDEr."


# ---- text ----


def _number(value: float | int | None, digits: int, signed: bool = False) -> str:
    """As the paper prints figures: no 0 before the point. Counts are whole."""
    if value is None:
        return UNDEFINED
    if isinstance(value, int):
        return str(value)
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if abs(float(text)) < 1:
        return text.replace("0.", ".", 1)
    return text[:-1] if text == "1.000" else text  # as wide as the others


def _span(cell: Cell, digits: int, signed: bool) -> str:
    if cell.lo is None or cell.hi is None:
        return ""
    return (" to " if signed else "-").join(_number(end, digits, signed) for end in (cell.lo, cell.hi))


def _beside(grid: Grid, cell: Cell, digits: int) -> str:
    if cell.beside is None:
        return ""
    return "<.001" if grid.beside == "p" and cell.beside < 0.001 else _number(cell.beside, digits)


def _shown(grid: Grid, c: int) -> list[tuple[str, str, str]]:
    """Value, interval and what is beside, for each cell of a column."""
    shown = []
    for row, cell in zip(grid.rows, grid.column(c), strict=True):
        if cell is None:
            shown.append(("", "", ""))
        else:
            value = _number(cell.value, row.digits, grid.signed)
            shown.append((value, _span(cell, row.digits, grid.signed), _beside(grid, cell, row.digits)))
    return shown


def _kinds(grid: Grid, c: int) -> tuple[str, str, str]:
    """What value, interval and what is beside are called in a column."""
    beside = grid.beside if grid.has(c, "beside") else ""
    return ("ours" if beside == "paper" else "", "interval" if grid.has(c, "lo") else "", beside)


def _text_column(grid: Grid, c: int, twins: bool) -> list[str]:
    """The lines of a column, all as wide: its head (the run too where there are twins), what its parts are, cells."""
    head, kinds, shown = grid.heads[c], _kinds(grid, c), _shown(grid, c)
    _, spans, beside = kinds
    # "undefined" is longer than a number: it may reach into the interval
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
    """The lines of a grid; columns that do not fit into WIDTH follow below."""
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
    """Columns side by side as far as they fit into `room`, two spaces before each; at least one in a panel."""
    panels: list[list[int]] = [[]]
    left = room
    for c, width in enumerate(widths):
        if panels[-1] and width + 2 > left:
            panels.append([])
            left = room
        panels[-1].append(c)
        left -= width + 2
    return panels


def _wrapped(note: str) -> str:
    return textwrap.fill(note, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def table_text(table: Table) -> str:
    """The table for a terminal of WIDTH columns, a block per data set."""
    lines = [table.title]
    for block in table.blocks:
        lines += ["", block.title, *_text_grid(block.results), "", *map(_wrapped, block.notes)]
        if block.tests is not None:
            lines += ["", _TESTS, *_text_grid(block.tests)]
    return "\n".join(lines) + "\n"


# ---- CSV, JSON, HTML ----


def table_csv(table: Table) -> str:
    """A line per row; for each data set and column the value, and as far as there are any lo, hi and paper.

    Not rounded. Undefined and blank are empty. The paired differences are in the JSON only.
    """
    header = [table.blocks[0].results.corner]
    names = dict.fromkeys(row.name for block in table.blocks for row in block.results.rows)
    lines: dict[str, list] = {name: [name] for name in names}
    for block in table.blocks:
        grid = block.results
        rows = {row.name: row for row in grid.rows}
        for c, head in enumerate(grid.heads):
            parts = {"value": "", "lo": " lo", "hi": " hi", "beside": f" {grid.beside}"}
            kept = {part: end for part, end in parts.items() if part == "value" or grid.has(c, part)}
            header += [f"{block.data} {head.title}{end}" for end in kept.values()]
            for name, line in lines.items():
                cell = rows[name].cells[c] if name in rows else None
                line += ["" if cell is None else getattr(cell, part) for part in kept]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *lines.values()])
    return text.getvalue()


def table_json(table: Table) -> dict:
    """The table as JSON has it: data set, column, row; not rounded, null where undefined or blank."""
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


def _table_html(table: Table) -> Iterator[str]:
    yield f"<h2>{html.escape(table.title)}</h2>"
    for block in table.blocks:
        yield f"<section>\n<h3>{html.escape(block.title)}</h3>"
        yield from _grid_html(block.results, f"{table.title}, {block.data}")
        yield _list_html(block.notes)
        if block.tests is not None:
            yield f"<h4>{html.escape(_TESTS)}</h4>"
            yield from _grid_html(block.tests, f"paired tests, {block.data}")
        yield "</section>"


def _list_html(lines: Sequence[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{html.escape(line)}</li>" for line in lines) + "\n</ul>"


def _grid_html(grid: Grid, label: str) -> Iterator[str]:
    """A table in a box of its own that scrolls sideways."""
    columns = range(len(grid.heads))
    kinds = [_kinds(grid, c) for c in columns]
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(label)}">\n<table class="grid">'
    heads = []
    for head, (_, _, beside) in zip(grid.heads, kinds, strict=True):
        run = f' <span class="run">{html.escape(head.run)}</span>' if head.twin and head.run else ""
        heads.append(f'<th scope="col" colspan="{2 if beside else 1}">{html.escape(head.name)}{run}</th>')
    yield f"<thead>\n<tr><th></th>{''.join(heads)}</tr>"
    cells = [_cell_html(*part, part) for part in kinds]
    yield f'<tr class="kinds"><th scope="col">{html.escape(grid.corner)}</th>{"".join(cells)}</tr>\n</thead>'
    shown = [_shown(grid, c) for c in columns]
    start = 0
    for group in grid.groups:
        yield "<tbody>"
        for r, row in enumerate(group, start):
            cells = [_cell_html(*shown[c][r], kinds[c]) for c in columns]
            yield f'<tr><th scope="row">{html.escape(row.name)}</th>{"".join(cells)}</tr>'
        yield "</tbody>"
        start += len(group)
    yield "</table>\n</div>"


def _cell_html(value: str, span: str, beside: str, kinds: tuple[str, str, str]) -> str:
    """One column's cells in a row: ours with its interval, and what is beside if the column has any."""
    _, spans, besides = kinds
    value = f"<em>{value}</em>" if value == UNDEFINED else value
    ours = f"<td>{value}" + (f" <small>{html.escape(span)}</small>" if spans else "") + "</td>"
    return ours + (f'<td class="beside">{html.escape(beside)}</td>' if besides else "")


# ---- all of it ----


def write_tables(out: Path, table_1: Table | None, table_2: Table | None, notes: Sequence[str]) -> str:
    """Write table1 and table2 as .txt, .csv and .json, and tables.html, into `out`.

    A table that is None is not written, and its files of an earlier call are removed.

    Args:
        notes: how each run differs from the paper, a line each; under every table.
    Returns:
        The text for the terminal.
    """
    texts, parts = [], []
    differs = "\n".join(["How the runs differ from the paper:", *map(_wrapped, notes)]) + "\n" if notes else ""
    for name, table in (("table1", table_1), ("table2", table_2)):
        if table is None:
            for end in ("txt", "csv", "json"):
                (out / f"{name}.{end}").unlink(missing_ok=True)
            texts.append(_LOST[name] + "\n")
            parts.append(f"<p>{_LOST[name]}</p>")
            continue
        texts.append(table_text(table))
        files.write_text(out / f"{name}.txt", "\n".join(text for text in (texts[-1], differs) if text))
        files.write_text(out / f"{name}.csv", table_csv(table))
        files.write_json(out / f"{name}.json", table_json(table) | {"runs": list(notes)})
        parts += _table_html(table)
    if notes:
        parts += ["<section>\n<h2>How the runs differ from the paper</h2>", _list_html(notes), "</section>"]
    page = page_template.fill(
        "tables.html",
        style=page_template.read("page.css") + page_template.read("tables.css"),
        tables="\n".join(parts),
        disclaimer=DISCLAIMER,
    )
    files.write_text(out / "tables.html", page)
    return "\n".join(text for text in (*texts, differs) if text)
