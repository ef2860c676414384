"""The rows of a CSV file, plain or gzipped, or of one that comes through a pipe, one at a time."""

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from tienet.data.csv_table import NOT_CSV
from tienet.errors import InputError

MAX_CELL_CHARACTERS = 1 << 26
"""A cell with more is no report that is too long, which is passed over: a quote was never closed."""

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
"""The bytes that such files start with."""

Row = tuple[int, list[str]]


class TableRows(Protocol):
    """A table that can be read from its start as often as one likes."""

    def rows(self, columns: Collection[int] | None = None) -> Iterator[Row]:
        """The header and each row under it, with where it starts: a line, or the number of the row.

        Args:
            columns: The indices of the columns that are wanted; None: all. The cells of others may be empty.
        Raises:
            InputError: The file is no such table, or cut off.
        """


class CsvRows:
    """The rows of a CSV file (UTF-8, with a header), plain or gzipped, whatever its name is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, columns: Collection[int] | None = None) -> Iterator[Row]:
        """As `TableRows.rows`; blank lines are skipped, and a row is named by the line of the unpacked file."""
        with self.path.open("rb") as file:
            yield from read_csv(file, str(self.path))


class PipedRows:
    """The rows of a CSV file, plain or gzipped, that can be read once, such as standard input."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name

    def rows(self, columns: Collection[int] | None = None) -> Iterator[Row]:
        """As `CsvRows.rows`, each row as soon as it is there."""
        return read_csv(self._file, self._name)


def read_csv(file: BinaryIO, name: str) -> Iterator[Row]:
    """The line where it starts and the cells of each row that is not blank, the header among them.

    Args:
        file: The bytes, gzipped or not; it is read forwards only.
        name: What messages call it.
    Raises:
        InputError: It is no CSV file of UTF-8 text, or a gzip file that is damaged or cut off.
    """
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    start = 1
    with _errors_of(name, lambda: start), io.TextIOWrapper(_unpacked(file, name), "utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1


@contextmanager
def _errors_of(name: str, row) -> Iterator[None]:
    """Errors of reading as one line; `row` gives the number of the row that is read."""
    try:
        yield
    except csv.Error:
        raise InputError(f"{name}, row {row()}: not CSV: {NOT_CSV}") from None
    except UnicodeDecodeError:
        where = f"{name}, row {row()} or after it"
        raise InputError(f"{where}: not UTF-8 text; save the file as CSV, UTF-8, plain or gzipped") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{name}, after row {row()}: the gzip file is cut off or damaged; get it again") from None


def _unpacked(file: BinaryIO, name: str) -> BinaryIO:
    """The file from its start on, unpacked if it is gzipped."""
    start = file.read(len(PARQUET))
    if start == PARQUET:
        raise InputError(f"{name}: Parquet cannot be read from a pipe; give the file's name")
    whole = _WithStart(start, file)
    return gzip.GzipFile(fileobj=whole, mode="rb") if start.startswith(GZIP) else io.BufferedReader(whole)


class _WithStart(io.RawIOBase):
    """A file whose first bytes have been read already; a read gives what is there, without waiting for more."""

    def __init__(self, start: bytes, file: BinaryIO) -> None:
        self._start, self._file = start, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        data = self._start[: len(buffer)] or self._file.read1(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
