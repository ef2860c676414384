"""Tables in the form in which data sets publish them: CSV files, plain or gzipped."""

import gzip
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from tienet.data.csv_table import Table
from tienet.errors import InputError

MAX_BYTES = 1_000_000_000  # when unpacked; NIH's largest table has about 8 million bytes, MIMIC-CXR's 60 million
_GZIP = b"\x1f\x8b"


def read_table(
    path: Path, columns: Sequence[str] = (), mend: Callable[[bytes], bytes] = lambda content: content
) -> Table:
    """Read a CSV file, plain or gzipped, as a `Table`.

    Args:
        columns: The columns that the table must have.
        mend: Receives the bytes of the file and corrects those that are not valid CSV.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is empty or cut off, or is not a table with these columns.
    """
    return Table(path, columns, content=mend(read_bytes(path)))


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked if it is gzipped. Raises as `read_table`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except (IsADirectoryError, NotADirectoryError):
        raise InputError(f"{path} is not a file") from None
    if content.startswith(_GZIP):
        content = _unpack(path)
    elif content and path.suffix.lower() == ".gz":
        raise InputError(f"{path}: not gzip, whatever its name says; unpack it or get it again")
    if not content.strip():
        raise InputError(f"{path} is empty")
    return content


def _unpack(path: Path) -> bytes:
    try:
        with gzip.open(path) as packed:
            content = packed.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, OSError):
        raise InputError(f"{path}: not a whole gzip file; get it again") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{path}: more than {MAX_BYTES:,} bytes when unpacked; expected a table of images")
    return content
