"""Standard output as the place of a table, with nothing else on it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import BinaryIO

from tienet.errors import InputError

PIPE = Path("-")
"""Standard input or standard output in the place of a file."""


@contextmanager
def taken() -> Iterator[BinaryIO]:
    """Standard output, while all else that is printed there, by whatever library, goes to standard error.

    The file is closed at the end. A reader that has gone, such as `head`, raises BrokenPipeError from a write or a
    flush of the caller alone, not from the end.

    Raises:
        InputError: Standard output is closed.
    """
    if sys.stdout is None:
        raise InputError("--out -: standard output is closed; write to a file, or into a pipe")
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    file = os.fdopen(kept, "wb")
    try:
        with redirect_stdout(sys.stderr):
            yield file
    finally:
        os.dup2(kept, 1)
        with suppress(BrokenPipeError):
            file.close()
