"""A table of the paper as HTML, with rounded figures."""

import html
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from tienet.evaluation.paper.layout import TESTS_TITLE, Grid, Table, cell_texts, column_headings
from tienet.pages.plain_text import UNDEFINED


def table_html(table: Table) -> Iterator[str]:
    """Yield the table as HTML: a heading, and a section per data set."""
    yield f"<h2>{html.escape(table.title)}</h2>"
    for block in table.blocks:
        yield f"<section>\n<h3>{html.escape(block.title)}</h3>"
        yield from _grid_html(block.results, f"{table.title}, {block.data}")
        yield list_html(block.notes)
        if block.tests is not None:
            yield f"<h4>{html.escape(TESTS_TITLE)}</h4>"
            yield from _grid_html(block.tests, f"paired tests, {block.data}")
        yield "</section>"


def list_html(lines: Sequence[str]) -> str:
    """The lines as an HTML list."""
    return "<ul>\n" + "\n".join(f"<li>{html.escape(line)}</li>" for line in lines) + "\n</ul>"


def links_html(links: Sequence[tuple[str, str]]) -> str:
    """The links, each its text and its relative address, as an HTML list."""
    items = (f'<li><a href="{html.escape(quote(address))}">{html.escape(text)}</a></li>' for text, address in links)
    return "<ul>\n" + "\n".join(items) + "\n</ul>"


def _grid_html(grid: Grid, label: str) -> Iterator[str]:
    """Yield a grid as an HTML table, in a box of its own that scrolls sideways."""
    columns = range(len(grid.heads))
    kinds = [column_headings(grid, c) for c in columns]
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(label)}">\n<table class="grid">'
    heads = []
    for head, (_, _, beside) in zip(grid.heads, kinds, strict=True):
        run = f' <span class="run">{html.escape(head.run)}</span>' if head.twin and head.run else ""
        heads.append(f'<th scope="col" colspan="{2 if beside else 1}">{html.escape(head.name)}{run}</th>')
    yield f"<thead>\n<tr><th></th>{''.join(heads)}</tr>"
    cells = [_cell_html(*headings, headings) for headings in kinds]
    yield f'<tr class="kinds"><th scope="col">{html.escape(grid.corner)}</th>{"".join(cells)}</tr>\n</thead>'
    shown = [cell_texts(grid, c) for c in columns]
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
    """The HTML cells of one column in a row: our figure with its interval, and the figure beside it if there is any."""
    _, has_spans, has_besides = kinds
    value = f"<em>{value}</em>" if value == UNDEFINED else value
    ours = f"<td>{value}" + (f" <small>{html.escape(span)}</small>" if has_spans else "") + "</td>"
    return ours + (f'<td class="beside">{html.escape(beside)}</td>' if has_besides else "")
