"""What the sections of the page are made of: templates and small tables. All text is escaped here."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tienet.pages import template

_TEMPLATES = Path(__file__).with_name("templates").absolute()


def read(name: str) -> str:
    """The text of a file in this package's templates/."""
    return template.read(str(_TEMPLATES / name))  # an absolute name is taken as it is


def fill(name: str, **values: object) -> str:
    """As `page_template.fill`, from this package's templates/; values are HTML already."""
    return template.fill(str(_TEMPLATES / name), **values)


def section(title: str, *parts: str) -> str:
    """A card of the page; the parts are HTML already."""
    return "\n".join([f'<section id="{_anchor(title)}">', f"<h2>{html.escape(title)}</h2>", *parts, "</section>"])


def links(sections: Iterable[str]) -> str:
    """A link to each section, by its title."""
    found = (re.match(r'<section id="(.*?)">\n<h2>(.*?)</h2>', text) for text in sections)
    return "\n".join(f'<a href="#{match[1]}">{match[2]}</a>' for match in found if match)


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower())


def paragraphs(lines: Iterable[str]) -> str:
    return "\n".join(f"<p>{html.escape(line)}</p>" for line in lines)


def table(label: str, rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """A table of plain text in a box that scrolls sideways; the first cell of a row is its name."""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    return scrolling(label, f"<thead><tr>{heads}</tr></thead>" if head else "", map(_row, rows))


def scrolling(label: str, head: str, rows: Iterable[str], css: str = "grid") -> str:
    """The same of HTML."""
    body = "\n".join(rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(label)}">\n'
        f'<table class="{css}">\n{head}\n<tbody>\n{body}\n</tbody>\n</table>\n</div>'
    )


def _row(cells: Sequence[str]) -> str:
    name, *others = map(html.escape, cells)
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
