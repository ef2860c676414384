"""Pictures to try: files of a folder, or drawn chests."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from tienet.data.text import report_text
from tienet.datasets.phantom import facts as phantom_facts
from tienet.datasets.phantom import reports
from tienet.datasets.phantom.anatomy import Anatomy
from tienet.datasets.phantom.drawing import draw
from tienet.errors import InputError
from tienet.server.uploads import MAX_REPORT_CHARACTERS, MAX_UPLOAD_BYTES

MAX_SAMPLES = 200
THUMBNAIL_PX = 160

_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".dcm": "application/dicom"}
_DRAWN, _DRAWN_PX, _SEED = 6, 512, 5


@dataclass(frozen=True)
class FileSample:
    """A file of the folder; the text file of the same name, if there is one, is its report."""

    path: Path
    drawn: bool = False

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return self.path.name

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.path.name

    @property
    def media_type(self) -> str:
        """What `content` is."""
        return _MEDIA_TYPES[self.path.suffix.lower()]

    @cached_property
    def report(self) -> str | None:
        """The report beside it."""
        beside = self.path.with_suffix(".txt")
        return (
            beside.read_text(encoding="utf-8", errors="replace")[:MAX_REPORT_CHARACTERS] if beside.is_file() else None
        )

    def content(self) -> bytes:
        """The file. Raises InputError if it cannot be read any more."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.name} cannot be read ({error.strerror})") from None


@dataclass(frozen=True)
class DrawnSample:
    """A drawn chest, made when it is first asked for."""

    study: phantom_facts.PhantomStudy
    drawn: bool = True
    media_type: str = "image/png"

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return f"drawn-{self.study.number}.png"

    @property
    def title(self) -> str:
        """What is drawn in it."""
        names = [fact.finding.replace("_", " ").lower() for fact in self.study.facts]
        return f"drawing: {', '.join(names) or 'no finding'}"

    @cached_property
    def report(self) -> str:
        """A report of what is drawn."""
        return report_text(*reports.write(self.study.facts, np.random.default_rng([_SEED, 2, self.study.number])))

    def content(self) -> bytes:
        """A PNG."""
        return self._png

    @cached_property
    def _png(self) -> bytes:
        anatomy = Anatomy.from_rng(np.random.default_rng([_SEED, 0, self.study.patient]))
        pixels, _ = draw(anatomy, self.study.facts, _DRAWN_PX, np.random.default_rng([_SEED, 1, self.study.number]))
        done, png = cv2.imencode(".png", pixels)
        assert done, "cv2 could not encode a PNG"
        return png.tobytes()


AnySample = FileSample | DrawnSample


def drawn() -> list[DrawnSample]:
    """One normal chest and some with other findings each."""
    chosen: list[phantom_facts.PhantomStudy] = []
    seen: set[str] = set()
    for study in sorted(phantom_facts.plan(40, _SEED), key=lambda study: bool(study.facts)):
        names = {fact.finding for fact in study.facts}
        if (not names and not chosen) or (names and not names & seen):
            chosen.append(study)
            seen |= names
    return [DrawnSample(study) for study in chosen[:_DRAWN]]


def from_folder(folder: Path) -> tuple[list[FileSample], list[str]]:
    """The PNG, JPEG and DICOM (.dcm) files of a folder, by name, at most MOST; and what is left out, a line each.

    Raises:
        InputError: there is no such folder, or none of these in it.
    """
    if not folder.is_dir():
        raise InputError(f"--samples {folder}: no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _MEDIA_TYPES and path.is_file())
    if not paths:
        raise InputError(f"--samples {folder}: no file of {', '.join(_MEDIA_TYPES)} in it")
    small = [path for path in paths if path.stat().st_size <= MAX_UPLOAD_BYTES]
    left_out = [f"{path}: more than {MAX_UPLOAD_BYTES >> 20} MB" for path in paths if path not in small]
    if len(small) > MAX_SAMPLES:
        left_out.append(
            f"{len(small) - MAX_SAMPLES} files after {small[MAX_SAMPLES - 1].name}: at most {MAX_SAMPLES} are shown"
        )
    return [FileSample(path) for path in small[:MAX_SAMPLES]], left_out
