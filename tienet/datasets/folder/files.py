"""The files of a user's folder of X-rays, and the texts and tables that belong to the images.

An image's name is its path below the folder without the ending, and its stem the last part of this path.
tienet/datasets/folder/matching.py says which image a report, or a row of a table, belongs to.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from tienet.data import image_names
from tienet.data.dicom.reader import PREAMBLE, starts_as_dicom
from tienet.data.gzipped_table import read_table
from tienet.data.image import SIGNATURE_BYTES, file_format
from tienet.data.text import MAX_REPORT_CHARACTERS, without_nothing
from tienet.datasets.chestxray14 import tables
from tienet.datasets.folder import matching
from tienet.datasets.folder.matching import Film
from tienet.errors import InputError
from tienet.files import is_hidden

MAX_TEXT_BYTES = 1 << 20
BAD_TEXT = "text file that is not UTF-8, or too long"
SECOND_TEXT = "second text file of one name"
TOO_LONG = f"report of more than {MAX_REPORT_CHARACTERS:,} characters"
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
    """The values of a table, or of texts, by name, and which images the names are those of.

    Attributes:
        values: The value of each name; a name is written as `image_names.plain` does. Empty for a name without a value.
        where: The table or folder, for messages.
        root: The absolute folder that the names start with in place of the images' folder; empty if there is none.
    """

    def __init__(self, values: dict[str, Value], where: str, beside: bool = False) -> None:
        """Args: values, where: As the attributes. beside: Whether these are the texts beside the images."""
        self.values, self.where, self.root = values, where, ""
        self._beside = beside
        self._name_of: dict[Path, str] = {}

    def match(self, films: Sequence[Film]) -> None:
        """Find the name of each image, which `find` needs. Raises InputError as `matching.match`."""
        matches = matching.match(self.values, films, self.where, self._beside)
        self.root = "/".join(matches.root)
        self._name_of = {film.file: name for film, name in zip(films, matches.name_of, strict=True) if name is not None}

    def check(self, films: Sequence[Film]) -> None:
        """Raise InputError if none of the names is that of an image, although there are some."""
        if self.values and not self._name_of:
            none = f"none of the names in it ({len(self.values):,}) is that of an image ({len(films):,} are here)"
            raise InputError(
                f"{self.where}: {none}: {matching.difference(list(self.values), films)}; expected file names, paths "
                "as they are below --images, UIDs, accession numbers or names of folders"
            )

    def find(self, file: Path) -> Value | None:
        """The value of an image file; None if no name is its name."""
        return self.values[self._name_of[file]] if file in self._name_of else None

    def unused(self) -> list[str]:
        """The names that are no image's."""
        used = set(self._name_of.values())
        return [name for name in self.values if name not in used]


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
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        yield from (Path(top, name) for name in sorted(names) if not is_hidden(name))


def _kind(path: Path) -> str | None:
    ending = image_names.ENDING.search(path.name)
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
    return image_names.ENDING.sub("", path.relative_to(folder).as_posix())


# ---- texts and tables ----


def read_texts(
    paths: Sequence[Path], folder: Path, where: str, beside: bool = False
) -> tuple[NamedValues[str], dict[str, str]]:
    """Read the reports in text files.

    Runs of white space become one space.

    Returns:
        The reports by name, which is the file's path below `folder`, empty for a file without text; and maps the names
        of the files that are left out to the reason. `where` and `beside` are those of `NamedValues`.
    """
    texts: dict[str, str] = {}
    refused: dict[str, str] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()[: -len(path.suffix)]
        key = image_names.plain(name, has_ending=False)
        if key in texts:
            refused[name] = SECOND_TEXT
            continue
        try:
            content = path.read_bytes() if path.stat().st_size <= MAX_TEXT_BYTES else b"\0"
            text = without_nothing(content.decode("utf-8-sig"))
        except (UnicodeDecodeError, OSError):
            text = "\0"
        if "\0" in text:
            refused[name], text = BAD_TEXT, ""
        texts[key] = " ".join(text.split())
    return NamedValues(texts, where, beside), refused | without_long(texts)


def without_long(reports: dict[str, str]) -> dict[str, str]:
    """Empty the reports that are longer than MAX_REPORT_CHARACTERS; maps their names to the reason."""
    too_long = [name for name, text in reports.items() if len(text) > MAX_REPORT_CHARACTERS]
    reports |= dict.fromkeys(too_long, "")
    return dict.fromkeys(too_long, TOO_LONG)


def texts_beside(folder: Folder) -> bool:
    """Whether a .txt file has the name of an image or of its folder, and is therefore not just a README.txt."""
    names = {_composed(name) for source in folder.sources for name in (source.stem, source.folder)}
    return any(_composed(path.stem) in names for path in folder.texts)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def text_files(folder: Path) -> list[Path]:
    """The .txt files in a folder and below it. Raises InputError if there are none."""
    paths = [path for path in _walk(folder, Path(os.devnull)) if path.suffix.lower() == ".txt"]
    if not paths:
        raise InputError(f"--reports {folder}: no .txt file in it; expected one for each image, of the same name")
    return paths


def read_column(path: Path, column: str) -> dict[str, str]:
    """Read a column of a table that also has a column with the name of the image.

    Returns:
        The cell of each name (`image_names.plain`), also where it is empty.
    Raises:
        InputError: A column is missing, or two names are the same.
    """
    table = read_table(path)
    if column not in table.header:
        raise InputError(f"{path}, row 1: no column {column}; the columns are: {', '.join(table.header)}{table.hint}")
    names = tables.unique_names(table, tables.image_column(table), image_names.plain)
    table.raise_problems()
    return dict(zip(names, table.cells(column), strict=True))


def unique_stems(names: Iterable[str]) -> set[str]:
    """The last parts of these names that only one of them has."""
    counts = Counter(name.rpartition("/")[2] for name in names)
    return {stem for stem, count in counts.items() if count == 1}
