"""The studies of a table, one at a time, so that memory does not grow with their number."""

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet.commands.kept_columns import Keep
from tienet.commands.study import Fault, StudyInput
from tienet.commands.study_columns import Columns, Needs, is_file_name
from tienet.commands.table_rows import PipedRows, Row, TableRows
from tienet.data.text import find_text_fault, is_nothing
from tienet.errors import InputError

if TYPE_CHECKING:
    from tienet.commands.parquet import ParquetRows

_CHUNK_BYTES = 1 << 16
_RECENT = 1 << 16  # names of a pipe in a set before they are sorted into an array


class _TableStudies:
    """What the studies of a file and those of a pipe share: from a row's cells to a study.

    Column study_id (or study, uid or image) has the study's name; image has the path of the image, relative to the
    table's folder; report (or text, or findings and impression) has the report. A cell of `tienet.data.text.NOTHING`,
    such as NaN, counts as empty. Other columns are kept, if `Keep` says so, or ignored.

    Attributes:
        name: What messages call the table.
        kept: The names of the columns that are kept, as they are in the header.
        columns_taken: Which column is taken for what, in one line.
    """

    def __init__(self, name: str, folder: Path, needs: Needs, keep: Keep | None) -> None:
        self.name, self._folder, self._needs, self._keep = name, folder, needs, keep
        self._cells_of_nothing: Counter[str] = Counter()
        self._kept_indices: tuple[int, ...] = ()
        self._columns: Columns | None = None

    def where(self, study: StudyInput) -> str:
        """Where a study stands, for messages: the table, the row, and the study's name if it has one."""
        return ", ".join(filter(None, [self.name, f"row {study.row}", study.study_id]))

    def _take_header(self, header: list[str]) -> None:
        self._columns = Columns.from_header(self.name, header, self._needs)

    def _choose_kept(self, header: list[str]) -> None:
        if self._keep is not None:
            self._kept_indices = self._keep.find(header, self._columns.used)
        self.kept = tuple(header[index] for index in self._kept_indices)
        self.columns_taken = f"{self.name}: {self._columns.describe(self._kept_indices)}"

    @property
    def notes(self) -> list[str]:
        """What a user should know about the studies that were not passed over, when all of them have been read."""
        if not self._cells_of_nothing:
            return []
        values = ", ".join(f"{count:,} x {value!r}" for value, count in self._cells_of_nothing.most_common())
        return [f"cells that stand for nothing were read as empty: {values}"]

    def _study(self, row: int, cells: list[str]) -> StudyInput:
        columns = self._columns
        name = columns.study_id(cells)
        is_whole = len(cells) == len(columns.names)
        kept = tuple(cells[index] if is_whole else "" for index in self._kept_indices)
        study = StudyInput(row, " ".join(name.split()), kept=kept)
        if not is_whole:
            message = f"{len(cells)} cells where the header has {len(columns.names)}; quote text that has a comma"
            return replace(study, fault=Fault("row with a wrong number of cells", message))
        if is_nothing(name):
            message = f"column study_id is {name!r}, which stands for nothing" if name else "column study_id is empty"
            return replace(study, fault=Fault("no study_id", message))
        if "\n" in name or "\r" in name:
            return replace(study, fault=Fault("study_id of several lines", "column study_id holds a line break"))
        if self._needs.report:
            report, nothing = columns.report(cells)
            fault = find_text_fault(report or "".join(nothing[:1]))
            if fault:
                return replace(study, fault=Fault(*fault))
            self._cells_of_nothing.update(nothing)
            study = replace(study, report=report)
        if self._needs.image:
            image = columns.image(cells)
            if is_nothing(image) or "\0" in image:
                message = f"column image is {image!r}, which stands for nothing" if image else "column image is empty"
                return replace(study, fault=Fault("no image", message))
            path = self._folder / image
            if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  these take any name
                return replace(study, fault=Fault("image that cannot be read", f"{image!r} is not a file"))
            study = replace(study, image=path)
        return study


class TableStudyInputs(_TableStudies):
    """The studies of a file.

    It is read twice from start to end: once when it is opened, to count its rows and to find repeated names, and once
    for the studies.

    Attributes:
        total: The number of studies.
        identity: The file's length and hash, by which a changed file is told from one that only has more rows.
    """

    is_piped = False

    def __init__(self, path: Path, table: TableRows, needs: Needs, keep: Keep | None = None) -> None:
        """Check the file.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is no such table, or it lacks a column or rows.
        """
        super().__init__(str(path), path.parent, needs, keep)
        self.path, self.table = path, table
        self.identity = {"bytes": path.stat().st_size, "sha256": sha256_of_start(path)}
        _, header = next(table.rows(()), (1, []))
        self._take_header(header)
        while wrong := self._read_names():
            self._columns = self._columns.without_id()
            if self._columns is None:
                raise InputError(f"{path}: no column study_id (or study, or uid), and {wrong}; add a column study_id")
        self._choose_kept(header)

    @property
    def kept_from(self) -> "ParquetRows | None":
        """The table, if it has types for the columns that are kept."""
        return self.table if hasattr(self.table, "schema") else None

    def _read_names(self) -> str | None:
        """Count the rows and find the repeated names.

        Returns:
            What is wrong with the column of the names, if it is one of images that tells something else about them.
        Raises:
            InputError: There is no row.
        """
        hashes = array("Q")  # 8 bytes a name, so that a million of them take little memory
        no_file_names, example = 0, ""
        for _, cells in self._rows(self._columns.id_indices[:1]):
            name = self._columns.study_id(cells)
            hashes.append(_hash(name))
            if not is_file_name(name):
                no_file_names, example = no_file_names + 1, example or name
        if not hashes:
            raise InputError(f"{self.path}: there is no row under the header")
        self.total = len(hashes)
        ordered = np.sort(np.frombuffer(hashes, np.uint64))
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        self._repeated = set(repeated.tolist())
        if not self._columns.names_images or 2 * max(len(repeated), no_file_names) < self.total:
            return None
        start = f"column {self._columns.id_name} does not name the studies: of {self.total:,} cells"
        if len(repeated) > no_file_names:
            return f"{start} {len(repeated):,} repeat others"
        return f"{start} {no_file_names:,} are no file names, the first is {example[:60]!r}"

    def __iter__(self) -> Iterator[StudyInput]:
        """The studies, in the file's order."""
        self._cells_of_nothing.clear()
        first: dict[str, int] = {}  # row where each repeated name comes first
        for row, cells in self._rows({*self._columns.used, *self._kept_indices}):
            study = self._study(row, cells)
            name = self._columns.study_id(cells)
            if _hash(name) in self._repeated and first.setdefault(name, row) != row and name:
                message = f"{name!r} is there already, at row {first[name]}"
                study = replace(study, fault=Fault("study_id that is there already", message))
            yield study

    def _rows(self, columns: set[int] | tuple[int, ...]) -> Iterator[Row]:
        rows = self.table.rows(columns)
        next(rows)
        return rows


class PipedStudyInputs(_TableStudies):
    """The studies of a table that can be read once, such as standard input; images are relative to this folder.

    Attributes:
        total: None, as nobody knows how many there will be.
        identity: Says that the input was a pipe, with which no run can go on.
        kept_from: None: what comes is text.
    """

    is_piped = True
    total = kept_from = None

    def __init__(self, table: PipedRows, name: str, needs: Needs, keep: Keep | None = None) -> None:
        """Read and check the header, for which it waits.

        Raises:
            InputError: What comes is no such table, or it lacks a column.
        """
        super().__init__(name, Path(), needs, keep)
        self.identity = {"pipe": True}
        self._rows = table.rows()
        _, header = next(self._rows, (1, []))
        self._take_header(header)
        self._choose_kept(header)

    def __iter__(self) -> Iterator[StudyInput]:
        """The studies, in their order, each as soon as it is there; it can be called once.

        Raises:
            InputError: There is no row.
        """
        names, row = _Names(), None
        for row, cells in self._rows:
            study = self._study(row, cells)
            name = self._columns.study_id(cells)
            if name and names.has_or_adds(_hash(name)):
                message = f"{name!r} is there already, at an earlier row"
                study = replace(study, fault=Fault("study_id that is there already", message))
            yield study
        if row is None:
            raise InputError(f"{self.name}: there is no row under the header")


class _Names:
    """The hashes of the names so far, in 8 bytes each but for the latest."""

    def __init__(self) -> None:
        self._sorted, self._recent = np.zeros(0, np.uint64), set()

    def has_or_adds(self, number: int) -> bool:
        """Whether the hash is there already; it is afterwards."""
        place = np.searchsorted(self._sorted, np.uint64(number))
        if number in self._recent or (place < len(self._sorted) and self._sorted[place] == number):
            return True
        self._recent.add(number)
        if len(self._recent) >= _RECENT:
            self._sorted = np.union1d(self._sorted, np.fromiter(self._recent, np.uint64))
            self._recent.clear()
        return False


def sha256_of_start(path: Path, count: int | None = None) -> str:
    """The SHA-256 of a file's first `count` bytes, or of the whole file, as hex digits."""
    digest, left = hashlib.sha256(), path.stat().st_size if count is None else count
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
