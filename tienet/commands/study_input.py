"""Reading of studies from a CSV file or a folder, one at a time, so that memory does not grow with their number."""

import csv
import hashlib
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tienet.data.text import report_text
from tienet.datasets.folder import files
from tienet.errors import InputError

ID_COLUMNS = ("study id", "study", "image", "image index")
IMAGE_COLUMNS = ("image", "image index")
REPORT_COLUMNS = ("report", "text")
SECTION_COLUMNS = ("findings", "impression")
MAX_CELL_CHARACTERS = 1 << 20
_CHUNK_BYTES = 1 << 16
_IMAGE_ENDING = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|ima)$", re.IGNORECASE)


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


@dataclass(frozen=True)
class Needs:
    """The parts of a study that the network needs."""

    image: bool
    report: bool


class CsvStudyInputs:
    """The studies of a CSV file (UTF-8, with a header).

    The file is read twice from start to end: once when it is opened, to count its rows and to find repeated names, and
    once for the studies. Column study_id (or study, or image) has the study's name; image has the path of the image,
    relative to the file's folder; report (or text, or findings and impression) has the report. Other columns are
    ignored, so a manifest can be given, too.

    Attributes:
        total: The number of studies.
        identity: The file's length and hash, by which a changed file is told from one that only has more rows.
    """

    def __init__(self, path: Path, needs: Needs) -> None:
        """Check the file.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: The file is not UTF-8 text or not CSV, or it lacks a column or rows.
        """
        self.path, self._needs = path, needs
        self.identity = {"bytes": path.stat().st_size, "sha256": sha256_of_start(path)}
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        rows = self._rows()
        _, header = next(rows, (1, []))
        self._columns = _Columns.from_header(path, header, needs)
        hashes = array("Q")  # 8 bytes a name, so that a million of them take little memory
        for _, cells in rows:
            hashes.append(_hash(self._columns.study_id(cells)))
        if not hashes:
            raise InputError(f"{path}: there is no row under the header")
        self.total = len(hashes)
        ordered = np.sort(np.frombuffer(hashes, np.uint64))
        self._repeated = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())

    def __iter__(self) -> Iterator[StudyInput]:
        """The studies, in the file's order."""
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
        if len(cells) != columns.count:
            message = f"{len(cells)} cells where the header has {columns.count}; quote text that has a comma"
            return replace(study, fault=Fault("row with a wrong number of cells", message))
        if not name:
            return replace(study, fault=Fault("no study_id", "column study_id is empty"))
        if "\n" in name or "\r" in name:
            return replace(study, fault=Fault("study_id of several lines", "column study_id holds a line break"))
        if self._needs.report:
            study = replace(study, report=columns.report(cells))
            if not study.report.strip():
                return replace(study, fault=Fault("no report", "the report is empty"))
        if self._needs.image:
            image = columns.image(cells)
            if not image or "\0" in image:
                return replace(study, fault=Fault("no image", "column image is empty"))
            study = replace(study, image=self.path.parent / image)
        return study

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The line where it starts and the cells of each row that is not blank."""
        start = 1
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, strict=True)
                for row in reader:
                    if row:
                        yield start, row
                    start = reader.line_num + 1
        except csv.Error as error:
            why = "a quote inside a quoted cell is written twice; a quote that is never closed swallows what follows"
            raise InputError(f"{self.path}, row {start}: not CSV: {error}; {why}") from None
        except UnicodeDecodeError:
            where = f"{self.path}, row {start} or after it"
            raise InputError(f"{where}: not UTF-8 text; save the file as CSV, UTF-8, not packed") from None


@dataclass(frozen=True)
class _Columns:
    """Where the header has the columns that are read.

    Attributes:
        count: The number of columns.
        id_index: The index of the column with the study's name.
        image_index: The index of the column with the image; -1 if there is none.
        report_indices: The indices of the columns with the report: one, or those of findings and of impression, -1 for
            a column that is missing.
        sections: Whether the report is in sections, findings and impression.
    """

    count: int
    id_index: int
    image_index: int
    report_indices: tuple[int, ...]
    sections: bool

    @classmethod
    def from_header(cls, path: Path, header: list[str], needs: Needs) -> "_Columns":
        """Find the columns; raises InputError if the header lacks one that is needed, or has one twice."""
        names = [name.strip().lower().replace("_", " ") for name in header]
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if not header:
            raise InputError(f"{path} is empty; expected a CSV file with a header")
        if twice:
            raise InputError(f"{path}, row 1: column {twice[0]} is there {names.count(twice[0])} times; keep one")

        def find(wanted: Sequence[str]) -> int:
            return next((names.index(name) for name in wanted if name in names), -1)

        id_index, image_index, report = find(ID_COLUMNS), find(IMAGE_COLUMNS), find(REPORT_COLUMNS)
        sections = tuple(find([name]) for name in SECTION_COLUMNS)
        missing = []
        if id_index < 0:
            missing.append("study_id (or study, or image)")
        if needs.image and image_index < 0:
            missing.append("image")
        if needs.report and report < 0 and max(sections) < 0:
            missing.append("report (or text, or findings and impression)")
        if missing:
            found = ", ".join(name.strip()[:40] for name in header[:20])
            raise InputError(f"{path}, row 1: no column {', no column '.join(missing)}; the columns are: {found}")
        return cls(len(header), id_index, image_index, (report,) if report >= 0 else sections, report < 0)

    def study_id(self, cells: list[str]) -> str:
        return cells[self.id_index].strip() if self.id_index < len(cells) else ""

    def image(self, cells: list[str]) -> str:
        return cells[self.image_index].strip()

    def report(self, cells: list[str]) -> str:
        texts = [cells[index] if index >= 0 else "" for index in self.report_indices]
        return report_text(*texts) if self.sections else texts[0]


class FolderStudyInputs:
    """The studies of a folder and of the folders in it: images with a .txt file of the same name, or .txt files alone.

    A study's name is its path below the folder without the suffix.

    Attributes:
        total: The number of studies.
        identity: Empty: files come and go, so `LabelsFile` compares the studies' names alone.
    """

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
        name = _IMAGE_ENDING.sub("", inside) if self._needs.image else inside[: -len(file.suffix)]
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
        content = path.read_bytes() if path.stat().st_size <= files.MAX_TEXT_BYTES else b"\0"
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return Fault("no report", f"{path} does not exist")
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        return Fault("report that cannot be read", f"{path} cannot be read ({error.strerror})")
    if "\0" in text:
        return Fault("report that cannot be read", f"{path} is not UTF-8 text of at most 1 MB")
    return text if text.strip() else Fault("no report", f"{path} is empty")


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
