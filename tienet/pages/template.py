"""The template files that pages are made from: HTML with $names to fill in, style sheets and scripts."""

from functools import cache
from pathlib import Path
from string import Template


@cache
def read(name: str) -> str:
    """The text of a file in the folder templates/ beside this module."""
    return (Path(__file__).with_name("templates") / name).read_text(encoding="utf-8")


def fill(name: str, **values: object) -> str:
    """A template with every $name in it replaced.

    Args:
        name: The name of the template's file.
        values: The HTML for each $name. It is not escaped here, so text must be escaped before.
    Raises:
        KeyError: The template has a $name that `values` lacks.
    """
    return Template(read(name)).substitute(values)


def document(name: str, title: str, style: str, scripts: bool = False, **values: object) -> str:
    """A page that is one file, with all that it shows in it, and may load nothing.

    Args:
        name: The name of the template of its body.
        title: Its title, as HTML.
        style: Its style sheet.
        scripts: Whether its body has scripts; no others run.
        values: As in `fill`, for the body.
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if scripts:
        policy += "; script-src 'unsafe-inline'"
    return fill("document.html", policy=policy, title=title, style=style, body=fill(name, **values))
