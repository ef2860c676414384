"""The elements of the sections of the page: templates and small tables. All text is escaped here."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tienet.pages import template

_TEMPLATES = Path(__file__).with_name("templates").absolute()


def read(name: str) -> str:
    """Read the text of a file in the folder templates/ of this package."""
    return template.read(str(_TEMPLATES / name))  # an absolute path is used as it is


def fill(name: str, **values: object) -> str:
    """Fill a template of the folder templates/ of this package (see `tienet.pages.template.fill`); values are HTML."""
    return template.fill(str(_TEMPLATES / name), **values)


def document(name: str, title: str, style: str, **values: object) -> str:
    """A page whose body is a template of this package (see `tienet.pages.template.document`)."""
    return template.document(str(_TEMPLATES / name), title, style, **values)


def section(title: str, *parts: str) -> str:
    """A section of the page with a title; the parts are HTML."""
    return "\n".join([f'<section id="{_anchor(title)}">', f"<h2>{html.escape(title)}</h2>", *parts, "</section>"])


def links(sections: Iterable[str]) -> str:
    """Links to the sections, with their titles as text."""
    found = (re.match(r'<section id="(.*?)">\n<h2>(.*?)</h2>', text) for text in sections)
    return "\n".join(f'<a href="#{match[1]}">{match[2]}</a>' for match in found if match)


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower())


def paragraphs(lines: Iterable[str]) -> str:
    """A paragraph for each line of plain text."""
    return "\n".join(f"<p>{html.escape(line)}</p>" for line in lines)


def table(label: str, rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """A table in a box that scrolls sideways, from plain text; the first cell of a row is the name of the row."""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    return scrolling(label, f"<thead><tr>{heads}</tr></thead>" if head else "", map(_row, rows))


def scrolling(label: str, head: str, rows: Iterable[str], css: str = "grid") -> str:
    """A table in a box that scrolls sideways; the head and the rows are HTML."""
    body = "\n".join(rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(label)}">\n'
        f'<table class="{css}">\n{head}\n<tbody>\n{body}\n</tbody>\n</table>\n</div>'
    )


def _row(cells: Sequence[str]) -> str:
    name, *others = map(html.escape, cells)
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
