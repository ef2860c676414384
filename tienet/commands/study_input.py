"""Reading of studies from a CSV file or a folder, one at a time, so that memory does not grow with their number."""

import csv
import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tienet.commands.study_columns import IMAGE_ENDING, Columns, Needs, is_file_name
from tienet.data.csv_table import NOT_CSV
from tienet.data.text import MAX_REPORT_CHARACTERS, find_text_fault, is_nothing
from tienet.datasets.folder import files
from tienet.errors import InputError

MAX_CELL_CHARACTERS = 1 << 26
"""A cell with more is no report that is too long, which is passed over: a quote was never closed."""

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Fault:
    """Why a study is passed over.

    Attributes:
        kind: The kind of the fault; the studies of a kind are counted.
        message: What is wrong with this study, for the user.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class StudyInput:
    """One study.

    Attributes:
        row: The line of the CSV file where the study starts, or its place in the folder, both from 1.
        study_id: The study's name, one line of text.
        image: The path of the image file; None if no image is needed.
        report: The report's text; empty if no report is needed.
        fault: Why the study is passed over; None if nothing wrong was found so far.
    """

    row: int
    study_id: str
    image: Path | None = None
    report: str = ""
    fault: Fault | None = None


class CsvStudyInputs:
    """The studies of a CSV file (UTF-8, with a header).

    The file is read twice from start to end: once when it is opened, to count its rows and to find repeated names, and
    once for the studies. Column study_id (or study, uid or image) has the study's name; image has the path of the
    image, relative to the file's folder; report (or text, or findings and impression) has the report. Other columns are
    ignored, so a manifest can be given, too. A cell of `tienet.data.text.NOTHING`, such as NaN, counts as empty.

    Attributes:
        total: The number of studies.
        identity: The file's length and hash, by which a changed file is told from one that only has more rows.
        columns_taken: Which column is taken for what, in one line.
    """

    def __init__(self, path: Path, needs: Needs) -> None:
        """Check the file.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is not UTF-8 text or not CSV, or it lacks a column or rows.
        """
        self.path, self._needs = path, needs
        self.identity = {"bytes": path.stat().st_size, "sha256": sha256_of_start(path)}
        _, header = next(self._rows(), (1, []))
        self._columns: Columns | None = Columns.from_header(path, header, needs)
        while wrong := self._read_names():
            self._columns = self._columns.without_id()
            if self._columns is None:
                raise InputError(f"{path}: no column study_id (or study, or uid), and {wrong}; add a column study_id")
        self.columns_taken = f"{path}: {self._columns.describe()}"
        self._cells_of_nothing: Counter[str] = Counter()

    def _read_names(self) -> str | None:
        """Count the rows and find the repeated names.

        Returns:
            What is wrong with the column of the names, if it is one of images that tells something else about them.
        Raises:
            InputError: There is no row.
        """
        hashes = array("Q")  # 8 bytes a name, so that a million of them take little memory
        no_file_names, example = 0, ""
        rows = self._rows()
        next(rows)
        for _, cells in rows:
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

    @property
    def notes(self) -> list[str]:
        """What a user should know about the studies that were not passed over, when all of them have been read."""
        if not self._cells_of_nothing:
            return []
        values = ", ".join(f"{count:,} x {value!r}" for value, count in self._cells_of_nothing.most_common())
        return [f"cells that stand for nothing were read as empty: {values}"]

    def __iter__(self) -> Iterator[StudyInput]:
        """The studies, in the file's order."""
        self._cells_of_nothing.clear()
        first: dict[str, int] = {}  # row where each repeated name comes first
        rows = self._rows()
        next(rows)
        for line, cells in rows:
            study = self._study(line, cells)
            name = self._columns.study_id(cells)
            if _hash(name) in self._repeated and first.setdefault(name, line) != line and name:
                message = f"{name!r} is there already, at row {first[name]}"
                study = replace(study, fault=Fault("study_id that is there already", message))
            yield study

    def _study(self, line: int, cells: list[str]) -> StudyInput:
        columns = self._columns
        name = columns.study_id(cells)
        study = StudyInput(line, " ".join(name.split()))
        if len(cells) != len(columns.names):
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
            path = self.path.parent / image
            if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  these take any name
                return replace(study, fault=Fault("image that cannot be read", f"{image!r} is not a file"))
            study = replace(study, image=path)
        return study

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The line where it starts and the cells of each row that is not blank."""
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        start = 1
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                for row in reader:
                    if row:
                        yield start, row
                    start = reader.line_num + 1
        except csv.Error:
            raise InputError(f"{self.path}, row {start}: not CSV: {NOT_CSV}") from None
        except UnicodeDecodeError:
            where = f"{self.path}, row {start} or after it"
            raise InputError(f"{where}: not UTF-8 text; save the file as CSV, UTF-8, not packed") from None


class FolderStudyInputs:
    """The studies of a folder and of the folders in it: images with a .txt file of the same name, or .txt files alone.

    A study's name is its path below the folder without the suffix.

    Attributes:
        total: The number of studies.
        identity: Empty: files come and go, so `LabelsFile` compares the studies' names alone.
        columns_taken: Empty: there are none.
        notes: Empty: all that is wrong with a study is its fault.
    """

    columns_taken = ""
    notes: Sequence[str] = ()

    def __init__(self, path: Path, needs: Needs) -> None:
        """Find the files; raises InputError if the folder has none."""
        self.path, self._needs = path, needs
        self.identity: dict[str, object] = {}
        self._repeated: set[Path] = set()
        if needs.image:
            found = files.index(path, without=Path(os.devnull))
            self._files = [source.path for source in sorted(found.sources, key=lambda source: source.name)]
            self._files += [source.path for source in found.second]
            self._repeated = {source.path for source in found.second}
        else:
            self._files = files.text_files(path)
        self.total = len(self._files)

    def __iter__(self) -> Iterator[StudyInput]:
        """The studies in the order of their names; images whose name another image has come last."""
        for row, file in enumerate(self._files, 1):
            yield self._study(row, file)

    def _study(self, row: int, file: Path) -> StudyInput:
        inside = file.relative_to(self.path).as_posix()
        name = IMAGE_ENDING.sub("", inside) if self._needs.image else inside[: -len(file.suffix)]
        readable = " ".join(name.split()).encode("utf-8", "backslashreplace").decode()
        study = StudyInput(row, readable, file if self._needs.image else None)
        if file in self._repeated:
            return replace(study, fault=Fault("image of a name that is there already", f"{file}: so is {name}"))
        if not self._needs.report:
            return study
        text = file.parent / f"{name.rpartition('/')[2]}.txt" if self._needs.image else file
        report = _read_text(text)
        if isinstance(report, Fault):
            return replace(study, fault=report)
        return replace(study, report=report)


def open_studies(path: Path, needs: Needs) -> CsvStudyInputs | FolderStudyInputs:
    """The studies of a CSV file or a folder.

    Raises:
        FileNotFoundError: There is no such file or folder.
        InputError: The file is no such table, or the folder has no such files.
    """
    if path.is_dir():
        try:
            return FolderStudyInputs(path, needs)
        except InputError as error:  # the messages name the flags of another command
            raise InputError(str(error).removeprefix("--images ").removeprefix("--reports ")) from None
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a CSV file or a folder")
    if not path.is_file():
        raise InputError(f"{path} is no file that can be read twice; expected a CSV file or a folder")
    return CsvStudyInputs(path, needs)


def sha256_of_start(path: Path, count: int | None = None) -> str:
    """The SHA-256 of a file's first `count` bytes, or of the whole file, as hex digits."""
    digest, left = hashlib.sha256(), path.stat().st_size if count is None else count
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def _read_text(path: Path) -> str | Fault:
    try:
        size = path.stat().st_size
        if size > files.MAX_TEXT_BYTES:
            message = f"{path} has {size:,} bytes; the most that is read is {MAX_REPORT_CHARACTERS:,} characters"
            return Fault("report that is too long", message)
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return Fault("no report", f"{path} does not exist")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        return Fault("report that cannot be read", f"{path} cannot be read ({error.strerror})")
    if "\0" in text:
        return Fault("report that cannot be read", f"{path} is not UTF-8 text")
    fault = find_text_fault(text)
    return Fault(fault.kind, f"{path}: {fault.message}") if fault else text


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
