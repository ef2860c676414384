"""Reading of Parquet files in batches, by pyarrow, which is an extra."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tienet.commands.table_rows import Row
from tienet.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2048
"""Rows that are read together: reports of a thousand words take some 15 MB."""


class ParquetRows:
    """The rows of a Parquet file as text.

    A number, a date or a truth value is written as text, such as 17 (also for 17.0) or 2020-01-31; null is an empty
    cell, and a list or a structure is JSON.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; raises InputError if it is no whole Parquet file, or pyarrow is missing."""
        self.path = path
        _, parquet = import_pyarrow()
        with _errors_of(path), parquet.ParquetFile(path) as file:
            self.schema: pa.Schema = file.schema_arrow

    def rows(self, columns: Collection[int] | None = None) -> Iterator[Row]:
        """As `TableRows.rows`; a row's number is its place in the file, from 1, and the cells of others are empty."""
        names = self.schema.names
        yield 0, list(names)
        wanted = range(len(names)) if columns is None else sorted(columns)
        row = 0
        for batch in self.batches([names[index] for index in wanted], BATCH_ROWS):
            cells: list[list[str]] = [[""] * batch.num_rows for _ in names]
            for place, index in enumerate(wanted):
                cells[index] = as_text(batch.column(place))
            for values in zip(*cells, strict=True):
                row += 1
                yield row, list(values)

    def batches(self, columns: list[str], size: int) -> "Iterator[pa.RecordBatch]":
        """These columns in batches of at most `size` rows; raises InputError where the file is damaged."""
        _, parquet = import_pyarrow()
        with _errors_of(self.path), parquet.ParquetFile(self.path) as file:
            for batch in file.iter_batches(batch_size=size, columns=columns):
                yield batch.select(columns)


def import_pyarrow() -> tuple[ModuleType, ModuleType]:
    """The modules pyarrow and pyarrow.parquet; raises InputError that says what to install if they are missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError("Parquet needs pyarrow, which is not installed; pip install 'tienet[parquet]'") from None
    return pyarrow, parquet


def as_text(column: "pa.Array") -> list[str]:
    """The values of a column as text, as `ParquetRows` gives them."""
    pa, _ = import_pyarrow()
    try:
        values = column.cast(pa.string()).to_pylist()
        if pa.types.is_floating(column.type):
            values = list(map(_whole_or, column.to_pylist(), values))
    except pa.ArrowException:
        values = [None if value is None else _as_json(value) for value in column.to_pylist()]
    return ["" if value is None else value for value in values]


def _whole_or(number: float | None, text: str | None) -> str | None:
    """A whole number without an exponent, as pandas makes floats of whole ids where one is missing; else the text."""
    return str(int(number)) if number is not None and number.is_integer() and abs(number) <= 2**53 else text


def _as_json(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return json.dumps(value, ensure_ascii=False, default=str)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Errors of pyarrow as one line."""
    pa, _ = import_pyarrow()
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except (pa.ArrowException, OSError):
        raise InputError(f"{path}: the Parquet file is damaged or cut off; get it again") from None
