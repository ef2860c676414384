"""Studies from a CSV or a folder, one at a time: none is kept, whatever their number."""

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
MAX_CELL = 1 << 20  # characters
_CHUNK_BYTES = 1 << 16
_IMAGE_ENDING = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|ima)$", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """Why a study is passed over: the kind, which is counted, and what is said of this one."""

    kind: str
    message: str


@dataclass(frozen=True)
class StudyInput:
    """One study.

    Attributes:
        row: the line of the CSV where it starts, or its place in the folder, from 1.
        study_id: one line of text.
        image: its file; None where none is needed.
        report: its text; empty where none is needed.
        fault: why it is passed over; None where nothing is wrong so far.
    """

    row: int
    study_id: str
    image: Path | None = None
    report: str = ""
    fault: Fault | None = None


@dataclass(frozen=True)
class Needs:
    """What the network wants of a study."""

    image: bool
    report: bool


class CsvStudyInputs:
    """The rows of a CSV file (UTF-8, with a header), read twice from start to end: once here, once by the caller.

    Columns: study_id (or study, or image) names the study; image, relative to the file's folder; report (or text, or
    findings and impression). Others are ignored, so a manifest will do.

    Attributes:
        total: number of rows.
        identity: what tells whether the file was changed or only continued.
    """

    def __init__(self, path: Path, needs: Needs) -> None:
        """Check the file.

        Raises:
            FileNotFoundError: there is no such file.
            InputError: it is not UTF-8 text, not CSV, or lacks a column or rows.
        """
        self.path, self._needs = path, needs
        self.identity = {"bytes": path.stat().st_size, "sha256": sha256_of_start(path)}
        csv.field_size_limit(MAX_CELL)
        rows = self._rows()
        _, header = next(rows, (1, []))
        self._columns = _Columns.from_header(path, header, needs)
        hashes = array("Q")  # 8 bytes an id: a million of them stay small
        for _, cells in rows:
            hashes.append(_hash(self._columns.study_id(cells)))
        if not hashes:
            raise InputError(f"{path}: there is no row under the header")
        self.total = len(hashes)
        ordered = np.sort(np.frombuffer(hashes, np.uint64))
        self._repeated = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())

    def __iter__(self) -> Iterator[StudyInput]:
        """The rows, in the file's order."""
        first: dict[str, int] = {}  # of the ids that come again
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
            wrong = f"{len(cells)} cells where the header has {columns.count}; quote text that has a comma"
            return replace(study, fault=Fault("row with a wrong number of cells", wrong))
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
        """(line where it starts, cells) of each row that is not blank."""
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
    """Where a header has what; -1 and () for what is not needed."""

    count: int
    id_place: int
    image_place: int
    report_places: tuple[int, ...]
    sections: bool  # report_places are findings and impression, -1 for one that is not there

    @classmethod
    def from_header(cls, path: Path, header: list[str], needs: Needs) -> "_Columns":
        """Raises InputError if the header lacks what is needed, or has a column twice."""
        names = [name.strip().lower().replace("_", " ") for name in header]
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if not header:
            raise InputError(f"{path} is empty; expected a CSV file with a header")
        if twice:
            raise InputError(f"{path}, row 1: column {twice[0]} is there {names.count(twice[0])} times; keep one")

        def place(wanted: Sequence[str]) -> int:
            return next((names.index(name) for name in wanted if name in names), -1)

        id_place, image_place, report = place(ID_COLUMNS), place(IMAGE_COLUMNS), place(REPORT_COLUMNS)
        sections = tuple(place([name]) for name in SECTION_COLUMNS)
        missing = []
        if id_place < 0:
            missing.append("study_id (or study, or image)")
        if needs.image and image_place < 0:
            missing.append("image")
        if needs.report and report < 0 and max(sections) < 0:
            missing.append("report (or text, or findings and impression)")
        if missing:
            there = ", ".join(name.strip()[:40] for name in header[:20])
            raise InputError(f"{path}, row 1: no column {', no column '.join(missing)}; the columns are: {there}")
        return cls(len(header), id_place, image_place, (report,) if report >= 0 else sections, report < 0)

    def study_id(self, cells: list[str]) -> str:
        return cells[self.id_place].strip() if self.id_place < len(cells) else ""

    def image(self, cells: list[str]) -> str:
        return cells[self.image_place].strip()

    def report(self, cells: list[str]) -> str:
        texts = [cells[place] if place >= 0 else "" for place in self.report_places]
        return report_text(*texts) if self.sections else texts[0]


class FolderStudyInputs:
    """The files of a folder and all below it: images with a .txt file of the same name, or .txt files alone.

    A study's name is its path below the folder without the ending. Attributes: as in `CsvStudyInputs`.
    """

    def __init__(self, path: Path, needs: Needs) -> None:
        """Raises InputError if nothing of the kind is in it."""
        self.path, self._needs = path, needs
        self.identity: dict[str, object] = {}  # files come and go: the studies' names are compared instead
        self._second: set[Path] = set()
        if needs.image:
            found = files.index(path, without=Path(os.devnull))
            self._files = [source.path for source in sorted(found.sources, key=lambda source: source.name)]
            self._files += [source.path for source in found.second]
            self._second = {source.path for source in found.second}
        else:
            self._files = files.text_files(path)
        self.total = len(self._files)

    def __iter__(self) -> Iterator[StudyInput]:
        """The images, or the texts, by name."""
        for row, file in enumerate(self._files, 1):
            yield self._study(row, file)

    def _study(self, row: int, file: Path) -> StudyInput:
        inside = file.relative_to(self.path).as_posix()
        name = _IMAGE_ENDING.sub("", inside) if self._needs.image else inside[: -len(file.suffix)]
        readable = " ".join(name.split()).encode("utf-8", "backslashreplace").decode()
        study = StudyInput(row, readable, file if self._needs.image else None)
        if file in self._second:
            return replace(study, fault=Fault("image of a name that is there already", f"{file}: so is {name}"))
        if not self._needs.report:
            return study
        text = file.parent / f"{name.rpartition('/')[2]}.txt" if self._needs.image else file
        report = _read_text(text)
        if isinstance(report, Fault):
            return replace(study, fault=report)
        return replace(study, report=report)


def open_studies(path: Path, needs: Needs) -> CsvStudyInputs | FolderStudyInputs:
    """The studies of a CSV file or a folder. Raises as these, and FileNotFoundError if there is neither."""
    if path.is_dir():
        try:
            return FolderStudyInputs(path, needs)
        except InputError as error:  # these were written for other flags
            raise InputError(str(error).removeprefix("--images ").removeprefix("--reports ")) from None
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a CSV file or a folder")
    if not path.is_file():
        raise InputError(f"{path} is no file that can be read twice; expected a CSV file or a folder")
    return CsvStudyInputs(path, needs)


def sha256_of_start(path: Path, count: int | None = None) -> str:
    """Hex digest of a file's first `count` bytes, or of all."""
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
