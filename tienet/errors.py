"""The exception for input that the user can correct."""

import unicodedata

MAX_LINE = 2000
"""The largest number of characters in a line of a message; a longer one is cut in its middle."""

_UNPRINTED = frozenset(["Cc", "Zl", "Zp"])  # control characters, ends of lines and of paragraphs
_END = 400  # characters of a line that is cut that are kept at its end, where messages say what to do


class InputError(ValueError):
    """Wrong input: the message says which value is wrong, where it is, what was expected and what to do.

    Commands print the message and exit with status 2 (`tienet.cli.run`). Any other exception is a bug of this project
    and is shown with its traceback.
    """

    def __init__(self, message: object = "") -> None:
        """Args: message: What the user sees. Values of files in it may be long, and hold characters that a terminal
        obeys: each line is cut at MAX_LINE characters, and such characters are written as \\x1b."""
        super().__init__("\n".join(map(_shown, str(message).split("\n"))))


def _shown(line: str) -> str:
    if len(line) > MAX_LINE:
        line = f"{line[: MAX_LINE - _END - 5]} ... {line[-_END:]}"
    if line.isprintable():
        return line
    return "".join(_escaped(c) if unicodedata.category(c) in _UNPRINTED else c for c in line)


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")
