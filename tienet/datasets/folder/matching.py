"""Which image each row of a table, and each text, belongs to: names are matched from the longest to the shortest.

A name matches an image whose path ends in all parts of the name (`tienet.data.image_names`); of several names that
match, the longest one counts. So patient00002/frontal.png never matches patient00001/frontal.png, although the file
names are equal. Otherwise the name may be the SOP or study instance UID or the accession number of a DICOM file, or the
folder that the image lies in, with all parts of the name.

Absolute paths of another machine match too, if all of them start with one folder that takes the place of the user's,
and what follows it is the whole path of an image below the user's folder, with a folder at least.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.data import image_names
from tienet.errors import InputError

Parts = tuple[str, ...]
_ENDING = re.compile(r"[A-Za-z][A-Za-z0-9]{0,4}")


@dataclass(frozen=True)
class Film:
    """What an image is called.

    Attributes:
        file: The path of the file.
        path: The parts of the absolute path, without the ending of the file.
        below: The parts of the path below the folder of the images.
        sop_uid: The SOP instance UID; empty if the file has none, or is no DICOM file.
        ids: The SOP and study instance UIDs and the accession number, as `image_names.parts`.
        patient: The id of the patient in a DICOM file; may be empty.
    """

    file: Path
    path: Parts
    below: Parts
    sop_uid: str = ""
    ids: tuple[Parts, ...] = ()
    patient: str = ""

    @classmethod
    def of(cls, file: Path, name: str, *, ids: Sequence[str] = (), patient: str = "") -> "Film":
        """The film of a file; `name` is its path below the folder, the first of `ids` is the SOP instance UID."""
        parts = tuple(found for found in map(image_names.parts, ids) if found)
        path = image_names.parts(str(file.absolute()))
        return cls(file, path, path[-len(image_names.parts(name)) :], ids[0] if ids else "", parts, patient)

    @property
    def spare_path(self) -> Parts:
        """The path without a second ending, such as that of a.dcm.png; () if there is none."""
        last = image_names.ENDING.sub("", self.path[-1])
        return (*self.path[:-1], last) if last and last != self.path[-1] else ()

    @property
    def folder(self) -> Parts:
        """The path of the folder that the image lies in; () if this is the folder of all images."""
        return image_names.parts("/".join(self.path[:-1])) if len(self.below) > 1 else ()


@dataclass(frozen=True)
class Matches:
    """The result of `match`.

    Attributes:
        name_of: The name of each film, or None, in the order of the films.
        root: The folder in absolute names that took the place of the images' folder; () if there is none.
    """

    name_of: list[str | None]
    root: Parts


def match(names: Iterable[str], films: Sequence[Film], where: str, beside: bool = False) -> Matches:
    """Find the name of each film.

    Args:
        names: The names of a table or of texts, as `image_names.plain` writes them.
        films: All images, so that it is known what fits several.
        where: The table, for messages.
        beside: Whether the names are those of texts beside the images; then a name that is the whole path of an image
            below the folder belongs to this image alone.
    Raises:
        InputError: Two names are the same, or a name fits several images and is neither their study nor their folder.
    """
    rows: dict[Parts, str] = {}
    for name in names:
        first = rows.setdefault(_split(name), name)
        if first != name:
            raise InputError(f"{where}: {first!r} and {name!r} are the same path; keep one")
    root = _foreign_root(rows, films)
    own = {film.below for film in films} & set(rows) if beside else set()
    longest = max(map(len, rows), default=0)

    def by_path(film: Film) -> Parts | None:
        if film.below in own:
            return film.below
        copied = [(*root, *film.below)] if root and len(film.below) > 1 and (*root, *film.below) in rows else []
        tails = (tail for tail in _tails(film.path, longest) if tail in rows and tail not in own)
        return max((*copied, *tails), key=len, default=None)

    found = [by_path(film) for film in films]
    taken = own | {parts for parts in found if parts}
    last_parts = _unique_last_parts(rows)

    def otherwise(film: Film) -> Parts | None:
        spare = (tail for tail in _tails(film.spare_path, longest) if tail not in taken)
        ways = (spare, film.ids, (last_parts.get(film.sop_uid, ()),), _tails(film.folder, longest))
        return next((parts for way in ways for parts in way if parts in rows and parts not in own), None)

    found = [parts or otherwise(film) for film, parts in zip(films, found, strict=True)]
    _refuse_unclear(rows, films, found, where)
    return Matches([None if parts is None else rows[parts] for parts in found], root)


def _split(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part)


def _tails(path: Parts, longest: int) -> Iterator[Parts]:
    """The ends of a path, the longest first."""
    return (path[-n:] for n in range(min(len(path), longest), 0, -1))


def _unique_last_parts(rows: Iterable[Parts]) -> dict[str, Parts]:
    """The paths by their last part, where only one has it: it may be a UID, which names an image wherever it lies."""
    counts = Counter(parts[-1] for parts in rows)
    return {parts[-1]: parts for parts in rows if counts[parts[-1]] == 1}


def _foreign_root(rows: dict[Parts, str], films: Sequence[Film]) -> Parts:
    """The folder of another machine, in absolute names, that the images' folder is a copy of; () if none is sure.

    It is sure if all absolute names lie in it and divide into several folders, if what follows it is the path of an
    image below the images' folder, and if it is no patient's: its name has no digit, or all names divide in it and no
    two files have the same name.
    """
    absolute = [parts for parts, name in rows.items() if name.startswith("/")]
    below = {film.below for film in films if len(film.below) > 1}
    common = _common_start(absolute) if absolute and below else ()
    deep = [parts for parts in absolute if len(parts) > len(common) + 1]
    deepest = max(map(len, below), default=0)
    shortest = max(0, min(map(len, deep), default=0) - deepest - 1)  # below it, all names are too deep for an image
    roots = (common[:n] for n in range(len(common), shortest, -1))
    root = next((root for root in roots if any(parts[len(root) :] in below for parts in deep)), ())
    if not root:
        return ()
    is_of_this_machine = any(
        rows.get(tail, "").startswith("/") for film in films for tail in _tails(film.path, len(film.path))
    )
    names = [[parts[-1] for parts in absolute], [film.below[-1] for film in films]]
    names_repeat = any(len(set(of)) < len(of) for of in names)
    may_be_patient = any(c.isdigit() for c in root[-1]) and (names_repeat or root != common)
    return () if is_of_this_machine or may_be_patient else root


def _common_start(paths: Sequence[Parts]) -> Parts:
    """The folders that all paths start with, if there are several that follow; else ()."""
    low, high = min(paths), max(paths)
    count = 0
    while count < min(len(low), len(high)) - 1 and low[count] == high[count]:
        count += 1
    return low[:count] if low != high else ()


def _refuse_unclear(rows: dict[Parts, str], films: Sequence[Film], found: Sequence[Parts | None], where: str) -> None:
    """Raise InputError for a name of several images that is not the name of what they have in common."""
    of_row: dict[Parts, list[Film]] = {}
    for film, parts in zip(films, found, strict=True):
        if parts is not None:
            of_row.setdefault(parts, []).append(film)
    for parts, several in of_row.items():
        if len(several) > 1 and not _is_shared(parts, several):
            first, second = (files.printable(film.file) for film in several[:2])
            raise InputError(
                f"{where}: {files.printable(rows[parts])!r} is the name of {len(several)} images, such as {first} and "
                f"{second}; write the path from the folder on in which they differ"
            )


def _is_shared(parts: Parts, films: Sequence[Film]) -> bool:
    """Whether a name is that of the films' folder or of their study, or they are copies of one DICOM image."""
    folders = {film.folder for film in films}
    if len(folders) == 1 and films[0].folder[-len(parts) :] == parts:
        return True
    if all(parts in film.ids for film in films):
        return len({film.patient for film in films} - {""}) <= 1
    return bool(films[0].sop_uid) and len({film.sop_uid for film in films}) == 1


# ---- names that fit no image ----


def _any_ending(name: str) -> str:
    first, *endings = name.split(".")
    while endings and _ENDING.fullmatch(endings[-1]):
        endings.pop()
    return ".".join([first, *endings])


def _without_zeros(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)


def _letters(name: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]", "", _without_zeros(_any_ending(bare).casefold()))


_DIFFERENCES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("the folder", lambda name: name),
    ("the ending", _any_ending),
    ("leading zeros", _without_zeros),
    ("upper and lower case", str.casefold),
    ("how they are spelt (case, zeros, ending, signs or accents)", _letters),
)
"""What may differ in two names, and the function that makes them equal in spite of it."""


def difference(names: Sequence[str], films: Sequence[Film]) -> str:
    """In which part names that fit no image differ from those of the images, with an example of both."""
    paths = [_split(name) for name in names]
    for what, plain in _DIFFERENCES:
        like = {plain(film.below[-1]): film for film in reversed(films)}
        for name, path in zip(names, paths, strict=True):
            key = plain(path[-1])
            if key and key in like:
                return f"{files.printable(name)!r} and the file {files.printable(like[key].file)} differ in {what}"
    return f"the first name is {files.printable(names[0])!r}, the first file {files.printable(films[0].file)}"
