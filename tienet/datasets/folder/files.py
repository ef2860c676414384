"""The files of a user's folder of X-rays, and the texts and tables that belong to the images.

An image has several names: its path below the folder without the ending (its name); the last part of this path (its
stem), if only one image has it; the folder that it lies in; and for DICOM files the UIDs of the image and of the study,
and the accession number. A report, or a row of a table, belongs to the images that have its name.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from tienet.data.dicom.reader import PREAMBLE, starts_as_dicom
from tienet.data.gzipped_table import read_table
from tienet.data.image import SIGNATURE_BYTES, file_format
from tienet.datasets.chestxray14 import tables
from tienet.errors import InputError

MAX_TEXT_BYTES = 1 << 20
_ENDING = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|ima)$", re.IGNORECASE)
_BY_ENDING = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG"}
_KINDS = ("DICOM", "PNG", "JPEG")  # if a name has several files, the first of these kinds counts

Value = TypeVar("Value")


@dataclass(frozen=True)
class Source:
    """An image file.

    Attributes:
        path: The path of the file.
        name: The path below the folder, without the ending.
        kind: "DICOM", "PNG" or "JPEG" by the content, or by the ending if the content is none of these.
    """

    path: Path
    name: str
    kind: str

    @property
    def stem(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The name of the folder that the file lies in; empty if that is the top folder."""
        return self.name.rpartition("/")[0].rpartition("/")[2]


@dataclass
class Folder:
    """The files in a folder and below it; hidden files are not counted.

    Attributes:
        sources: The images, one for each name.
        second: The images whose name another image has already.
        texts: The .txt files.
        others: The number of other files by their ending.
    """

    sources: list[Source] = field(default_factory=list)
    second: list[Source] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


class NamedValues(Generic[Value]):
    """Values that are looked up by name; it is recorded which of them were used."""

    def __init__(self, values: dict[str, Value], aliases: dict[str, str] | None = None) -> None:
        """Args: values: The value of each name. aliases: Maps other names to those of `values`."""
        self.values = values
        self._aliases = aliases or {}
        self._used: set[str] = set()

    def find(self, names: Iterable[str]) -> Value | None:
        """The value of the first name that has one; None if no name has."""
        for name in names:
            key = name if name in self.values else self._aliases.get(name)
            if name and key is not None:
                self._used.add(key)
                return self.values[key]
        return None

    def unused(self) -> list[str]:
        """The names whose values were never found."""
        return [name for name in self.values if name not in self._used]


def index(folder: Path, without: Path) -> Folder:
    """List the files in a folder and below it; links are followed.

    Args:
        folder: The folder.
        without: A folder that is skipped with everything below it.
    Raises:
        FileNotFoundError: There is no such folder.
        InputError: No image is in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--images {folder}: there is no such folder")
    found, by_name = Folder(), {}
    for path in _walk(folder, without.resolve()):
        kind = _kind(path)
        if kind is None:
            if path.suffix.lower() == ".txt":
                found.texts.append(path)
            else:
                found.others[path.suffix.lower() or "no ending"] += 1
            continue
        source = Source(path, _name(path, folder), kind)
        by_name.setdefault(source.name, []).append(source)
    for sources in by_name.values():
        first, *second = sorted(sources, key=lambda source: (_KINDS.index(source.kind), str(source.path)))
        found.sources.append(first)
        found.second += second
    if not found.sources:
        raise InputError(f"--images {folder}: no PNG, JPEG or DICOM file in it")
    return found


def _walk(folder: Path, without: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(top)  # noqa: PTH116
        is_new = (status.st_dev, status.st_ino) not in seen  # because a link may lead back
        seen.add((status.st_dev, status.st_ino))
        if not is_new or Path(top).resolve() == without:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(top, name) for name in sorted(names) if not name.startswith("."))


def _kind(path: Path) -> str | None:
    ending = _ENDING.search(path.name)
    by_ending = _BY_ENDING.get(ending[1].lower(), "DICOM") if ending else None
    try:
        if not path.is_file():
            return by_ending
        with path.open("rb") as file:
            start = file.read(PREAMBLE)
    except OSError:
        return by_ending
    return "DICOM" if starts_as_dicom(start) else file_format(start[:SIGNATURE_BYTES]) or by_ending


def _name(path: Path, folder: Path) -> str:
    return _ENDING.sub("", path.relative_to(folder).as_posix())


# ---- texts and tables ----


def read_texts(paths: Sequence[Path], folder: Path) -> tuple[NamedValues[str], list[str]]:
    """Read the reports in text files.

    A file without text is ignored. Runs of white space become one space.

    Returns:
        The reports by name, and also by stem if only one file has that stem; and the names of the files that are not
        UTF-8 text or have more than MAX_TEXT_BYTES.
    """
    texts, refused = {}, []
    for path in paths:
        name = path.relative_to(folder).as_posix()[: -len(path.suffix)]
        try:
            content = path.read_bytes() if path.stat().st_size <= MAX_TEXT_BYTES else b"\0"
            text = content.decode("utf-8-sig")
        except (UnicodeDecodeError, OSError):
            text = "\0"
        if "\0" in text:
            refused.append(name)
        elif text.strip():
            texts[name] = " ".join(text.split())
    return NamedValues(texts, _stems(texts)), refused


def texts_beside(folder: Folder) -> bool:
    """Whether a .txt file has the name of an image or of its folder, and is therefore not just a README.txt."""
    names = {name for source in folder.sources for name in (source.stem, source.folder)}
    return any(path.stem in names for path in folder.texts)


def text_files(folder: Path) -> list[Path]:
    """The .txt files in a folder and below it. Raises InputError if there are none."""
    paths = [path for path in _walk(folder, Path(os.devnull)) if path.suffix.lower() == ".txt"]
    if not paths:
        raise InputError(f"--reports {folder}: no .txt file in it; expected one for each image, of the same name")
    return paths


def read_column(path: Path, column: str) -> dict[str, str]:
    """Read a column of a table that also has a column with the name of the image.

    Returns:
        The cell of each name; empty cells are left out.
    Raises:
        InputError: A column is missing, or two names are the same without their endings.
    """
    table = read_table(path)
    if column not in table.header:
        raise InputError(f"{path}, row 1: no column {column}; the columns are: {', '.join(table.header)}")
    names = (tables.stem(cell) for cell in table.cells(tables.image_column(table)))
    return by_plain_name({name: cell for name, cell in zip(names, table.cells(column), strict=True) if cell}, path)


def by_plain_name(values: dict[str, Value], path: Path) -> dict[str, Value]:
    """The values of a table by names without an ending. Raises InputError if two names become the same."""
    plain: dict[str, Value] = {}
    for name, value in values.items():
        key = _ENDING.sub("", name)
        if key in plain:
            raise InputError(f"{path}: two rows for {key!r}, once with another ending; keep one")
        plain[key] = value
    return plain


def unique_stems(names: Iterable[str]) -> set[str]:
    """The last parts of these names that only one of them has."""
    counts = Counter(name.rpartition("/")[2] for name in names)
    return {stem for stem, count in counts.items() if count == 1}


def _stems(names: Iterable[str]) -> dict[str, str]:
    names = list(names)
    unique = unique_stems(names)
    return {stem: name for name in names if (stem := name.rpartition("/")[2]) in unique}
