"""Who and what a DICOM file is of: the parts of its header that a document on it repeats, and no pixels.

The file is read in this process. A child process has read the whole of it before (`tienet.data.dicom.reader`), so that
what takes too long or too much memory does not come here.

A document that names another patient is worse than none. So what identifies the patient or the image is taken as it
is, or the file is refused; any other element that is broken is left empty, with a note.
"""

import datetime
import re
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tienet.data.dicom.elements import RefusedError, parts_of
from tienet.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

_IDENTITY = {"PatientID": "LO", "IssuerOfPatientID": "LO", "PatientName": "PN"}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_OTHERS = {
    "PatientBirthDate": "DA", "PatientSex": "CS", "StudyDate": "DA", "StudyTime": "TM", "StudyID": "SH",
    "AccessionNumber": "SH", "ReferringPhysicianName": "PN", "StudyDescription": "LO",
}  # fmt: skip
_SEXES = ("M", "F", "O")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True)
class Source:
    """The header of an image. A text is empty where the file does not have the element.

    Attributes:
        path: The file.
        elements: The value of each element by its keyword, decoded: LO, SH and CS as text, PN with ^ and =, DA as
            YYYYMMDD, TM as it is, UIDs.
        rows, columns: The size of the stored image in pixels.
        notes: What was left empty or had to be guessed; each goes on after the words "the file".
    """

    path: Path
    elements: dict[str, str]
    rows: int
    columns: int
    notes: tuple[str, ...] = ()

    def __getitem__(self, keyword: str) -> str:
        return self.elements[keyword]


def read_source(path: Path) -> Source:
    """Read the header of a DICOM file that the project reads as an image.

    Raises:
        InputError: The header cannot be read, or an element that identifies the patient is broken.
    """
    from pydicom import dcmread

    wanted = [*_IDENTITY, *UIDS, *_OTHERS, "SpecificCharacterSet", "Rows", "Columns"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are checked here
        try:
            ds = dcmread(path, force=True, stop_before_pixels=True, specific_tags=wanted)
            rows, columns = int(ds.Rows), int(ds.Columns)
        except MemoryError:
            raise
        except Exception:
            raise InputError(f"{path}: its header cannot be read; copy the file again") from None
        notes: list[str] = []
        elements = {keyword: _identity(ds, path, keyword, vr) for keyword, vr in _IDENTITY.items()}
        elements |= {keyword: _other(ds, keyword, "UI", notes) for keyword in UIDS}
        elements |= {keyword: _other(ds, keyword, vr, notes) for keyword, vr in _OTHERS.items()}
        if not _has_known_letters(ds) and not all(value.isascii() for value in elements.values()):
            notes.append("names no character set that is known; its letters are read as those of ISO 8859-1")
    return Source(path, elements, rows, columns, tuple(notes))


def _identity(ds: "Dataset", path: Path, keyword: str, vr: str) -> str:
    value = _valid(ds, keyword, vr)
    if value is None:
        raise InputError(
            f"{path}: its {keyword} is broken, has several values or more characters than DICOM allows, so that a "
            "document on it could name another patient; correct the file"
        )
    return value


def _other(ds: "Dataset", keyword: str, vr: str, notes: list[str]) -> str:
    value = _valid(ds, keyword, vr)
    if value is None:
        notes.append(f"has a broken {keyword}, which is left empty")
    return value or ""


def _valid(ds: "Dataset", keyword: str, vr: str) -> str | None:
    """The text of an element, empty if there is none; None if it is not what its VR allows."""
    from pydicom import config, valuerep

    try:
        parts = parts_of(ds, keyword)
        if not all(isinstance(part, (str, int, float, valuerep.PersonName)) for part in parts):
            return None  # bytes, or a sequence
        text = "\\".join(map(str, parts)).strip(" \0").strip()
        valuerep.validate_value(vr, text, config.RAISE)
    except (RefusedError, ValueError, TypeError):
        return None
    if "\\" in text or "\ufffd" in text or any(unicodedata.category(c) == "Cc" for c in text):
        return None
    return text if _fits(keyword, vr, text) else None


def _fits(keyword: str, vr: str, text: str) -> bool:
    """What pydicom does not check: days that there are, UIDs and sexes."""
    if not text:
        return True
    if vr == "DA":
        try:
            datetime.datetime.strptime(text, "%Y%m%d")
        except ValueError:
            return False
        return len(text) == len("YYYYMMDD")
    if vr == "UI":
        return len(text) <= 64 and _UID.fullmatch(text) is not None
    if vr == "PN":  # three groups, for letters, ideographs and sounds, each of five parts
        return text.count("=") <= 2 and all(group.count("^") <= 4 for group in text.split("="))
    return keyword != "PatientSex" or text in _SEXES


def _has_known_letters(ds: "Dataset") -> bool:
    """Whether the file names character sets, all of which pydicom knows."""
    from pydicom.charset import python_encoding

    try:
        names = [str(part) for part in parts_of(ds, "SpecificCharacterSet")]
    except RefusedError:
        return False
    return any(names) and all(name in python_encoding for name in names)
