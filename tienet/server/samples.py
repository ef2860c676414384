"""Samples: images that the page offers to try, which are the files of a folder, or drawings of chests."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from tienet.data.text import length_problem, report_text
from tienet.datasets.phantom import facts as phantom_facts
from tienet.datasets.phantom import reports
from tienet.datasets.phantom.anatomy import Anatomy
from tienet.datasets.phantom.drawing import draw
from tienet.errors import InputError
from tienet.files import is_hidden
from tienet.server.uploads import MAX_UPLOAD_BYTES

MAX_SAMPLES = 200
MAX_THUMBNAIL_PX = 160
"""The longer side of a thumbnail in pixels."""

_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".dcm": "application/dicom"}
_MAX_DRAWN, _DRAWN_PX, _SEED = 6, 512, 5


@dataclass(frozen=True)
class FileSample:
    """An image file of the folder; the text file of the same name, if there is one, is its report."""

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
        """The media type of `content`."""
        return _MEDIA_TYPES[self.path.suffix.lower()]

    @cached_property
    def report(self) -> str | None:
        """The text of the file beside the image; None if there is no such file, or if its text is too long."""
        text = self._read_text()
        return None if length_problem(text or "") else text

    @property
    def report_fault(self) -> str | None:
        """Why the text of the file beside the image is no report; None if it is one, or if there is no such file."""
        problem = length_problem(self._read_text() or "")
        return f"{self._text_path}: {problem}" if problem else None

    @property
    def _text_path(self) -> Path:
        return self.path.with_suffix(".txt")

    def _read_text(self) -> str | None:
        path = self._text_path
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None

    def content(self) -> bytes:
        """The bytes of the file; raises InputError if it cannot be read any more."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.name} cannot be read ({error.strerror})") from None


@dataclass(frozen=True)
class DrawnSample:
    """A drawing of a chest, which is made when it is first asked for."""

    study: phantom_facts.PhantomStudy
    drawn: bool = True
    media_type: str = "image/png"

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return f"drawn-{self.study.number}.png"

    @property
    def title(self) -> str:
        """The findings that are drawn, for people."""
        names = [fact.finding.replace("_", " ").lower() for fact in self.study.facts]
        return f"drawing: {', '.join(names) or 'no finding'}"

    @cached_property
    def report(self) -> str:
        """A report of the findings that are drawn."""
        return report_text(*reports.write(self.study.facts, np.random.default_rng([_SEED, 2, self.study.number])))

    def content(self) -> bytes:
        """The drawing as a PNG."""
        return self._png

    @cached_property
    def _png(self) -> bytes:
        anatomy = Anatomy.from_rng(np.random.default_rng([_SEED, 0, self.study.patient]))
        pixels, _ = draw(anatomy, self.study.facts, _DRAWN_PX, np.random.default_rng([_SEED, 1, self.study.number]))
        done, png = cv2.imencode(".png", pixels)
        assert done, "cv2 could not encode a PNG"
        return png.tobytes()


AnySample = FileSample | DrawnSample


def draw_samples() -> list[DrawnSample]:
    """One normal chest, and a few with findings that no earlier one has."""
    chosen: list[phantom_facts.PhantomStudy] = []
    shown: set[str] = set()
    for study in sorted(phantom_facts.plan(40, _SEED), key=lambda study: bool(study.facts)):
        names = {fact.finding for fact in study.facts}
        if (not names and not chosen) or (names and not names & shown):
            chosen.append(study)
            shown |= names
    return [DrawnSample(study) for study in chosen[:_MAX_DRAWN]]


def from_folder(folder: Path) -> tuple[list[FileSample], list[str]]:
    """The PNG, JPEG and DICOM (.dcm) files of a folder that are not hidden.

    Returns:
        At most MAX_SAMPLES samples in the order of their names, and a line about each file that is left out.
    Raises:
        InputError: There is no such folder, or it has no such file.
    """
    if not folder.is_dir():
        raise InputError(f"--samples {folder}: no such folder")
    names = (path for path in folder.iterdir() if path.suffix.lower() in _MEDIA_TYPES and not is_hidden(path.name))
    paths = sorted(path for path in names if path.is_file())
    if not paths:
        raise InputError(f"--samples {folder}: no file of {', '.join(_MEDIA_TYPES)} in it")
    small = [path for path in paths if path.stat().st_size <= MAX_UPLOAD_BYTES]
    left_out = [f"{path}: more than {MAX_UPLOAD_BYTES >> 20} MB" for path in paths if path not in small]
    if len(small) > MAX_SAMPLES:
        left_out.append(
            f"{len(small) - MAX_SAMPLES} files after {small[MAX_SAMPLES - 1].name}: at most {MAX_SAMPLES} are shown"
        )
    samples = [FileSample(path) for path in small[:MAX_SAMPLES]]
    return samples, left_out + [sample.report_fault for sample in samples if sample.report_fault]
