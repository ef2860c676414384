"""The table of labels as a Parquet file: made of the rows of its CSV file when they are complete, and back."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet import files
from tienet.commands import labels_row
from tienet.commands.growing_table import AGAIN
from tienet.commands.labels_row import DISTANCE, EVIDENCE, HEADER, NAMED
from tienet.commands.parquet import ParquetRows, as_text, import_pyarrow
from tienet.errors import InputError
from tienet.labels import LABELS

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 1 << 15
"""Rows of a row group, which are in memory together."""


def pack_rows(
    rows: Iterator[list[str]], path: Path, header: tuple[str, ...], kept_from: ParquetRows | None = None
) -> None:
    """Write the Parquet file, as a whole or not at all, a row group at a time.

    Labels are int8, probabilities and `image_distance` float32, the other columns strings. Null stands for a
    label without a threshold, and for all that is empty because a study was passed over.

    Args:
        rows: The cells of each row, as they are in the CSV file.
        header: The names of the columns.
        kept_from: The file that the columns which are kept come from, with a row for each of `rows`; they have its
            types and its nulls. None: they are strings.
    """
    pa, parquet = import_pyarrow()
    own = len(labels_row.columns(header[len(HEADER) :][:1] == (EVIDENCE,)))
    kept = list(header[own:])
    fields = [pa.field(name, _type_of(name)) for name in header[:own]]
    fields += [kept_from.schema.field(name) if kept_from else pa.field(name, pa.string()) for name in kept]
    schema = pa.schema(fields)
    with files.replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for cells, kept_arrays in _groups(rows, kept, kept_from):
            columns = dict(zip(header[:own], zip(*cells, strict=True), strict=False))
            arrays = [_array(name, columns) for name in header[:own]]
            kept_arrays = kept_arrays or [pa.array(column) for column in list(zip(*cells, strict=True))[own:]]
            writer.write_table(pa.Table.from_arrays([*arrays, *kept_arrays], schema=schema))


def _groups(
    rows: Iterator[list[str]], kept: list[str], kept_from: ParquetRows | None
) -> "Iterator[tuple[list[list[str]], list[pa.Array]]]":
    """The rows of each row group, and the columns of `kept_from` for them."""
    if kept_from is None or not kept:
        while cells := list(islice(rows, GROUP_ROWS)):
            yield cells, []
        return
    for batch in kept_from.batches(kept, GROUP_ROWS):
        cells = list(islice(rows, batch.num_rows))
        assert len(cells) == batch.num_rows
        yield cells, batch.columns


def _array(name: str, columns: dict[str, tuple[str, ...]]) -> "pa.Array":
    """A column of the file; null where `pack_rows` says so."""
    pa, _ = import_pyarrow()
    cells = columns[name]
    if name == NAMED:  # empty cells are those of studies in which nothing was found, but for these
        labels = zip(*(columns[label] for label in LABELS), strict=True)
        named = [cell if any(of_row) else None for cell, of_row in zip(cells, labels, strict=True)]
        return pa.array(named, pa.string())
    if name == "study_id":
        return pa.array(cells, pa.string())
    return pa.array([cell or None for cell in cells], pa.string()).cast(_type_of(name))


def _type_of(name: str) -> "pa.DataType":
    pa, _ = import_pyarrow()
    if name in LABELS:
        return pa.int8()
    return pa.float32() if name.endswith("_probability") or name == DISTANCE else pa.string()


def count_rows(path: Path) -> int:
    """The number of rows of a Parquet file."""
    _, parquet = import_pyarrow()
    return parquet.read_metadata(path).num_rows


def unpack_rows(path: Path, rows_path: Path, header: Sequence[str]) -> None:
    """Write the CSV file of a Parquet file that is complete, so that a run can go on with it.

    Raises:
        InputError: The file has other columns, or is damaged.
    """
    table = ParquetRows(path)
    if tuple(table.schema.names) != tuple(header):
        raise InputError(f"{path}: has another header; {AGAIN}")
    with files.replacing(rows_path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(labels_row.line([], header))
        for batch in table.batches(list(header), GROUP_ROWS):
            columns = [_cells(column) for column in batch.columns]
            file.writelines(labels_row.line([], cells) for cells in zip(*columns, strict=True))


def _cells(column: "pa.Array") -> list[str]:
    """The cells of the CSV file, with the digits of float32 that `labels_row.labelled` writes."""
    pa, _ = import_pyarrow()
    if column.type == pa.float32():
        return ["" if value is None else str(np.float32(value)) for value in column.to_pylist()]
    return as_text(column)
