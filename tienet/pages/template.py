"""The files beside this one that pages are made of: HTML with $names to fill in, style, scripts."""

from functools import cache
from pathlib import Path
from string import Template


@cache
def read(name: str) -> str:
    """The text of a file in templates/."""
    return (Path(__file__).with_name("templates") / name).read_text(encoding="utf-8")


def fill(name: str, **values: object) -> str:
    """A template with every $name in it replaced; values are HTML already, nothing is escaped here.

    Raises:
        KeyError: the template has a name that `values` lacks.
    """
    return Template(read(name)).substitute(values)
