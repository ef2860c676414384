"""The studies of a folder: images with their texts, or texts alone."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tienet.commands.study import Fault, StudyInput
from tienet.commands.study_columns import IMAGE_ENDING, Needs
from tienet.data.text import MAX_REPORT_CHARACTERS, find_text_fault
from tienet.datasets.folder import files

OTHER_KINDS = frozenset((
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".j2c", ".j2k", ".jp2", ".jpf", ".jpx", ".jxl", ".pbm", ".pgm", ".pnm",
    ".ppm", ".tif", ".tiff", ".webp",
))  # fmt: skip
"""The endings of image files of kinds that are not read. Whoever leaves such a file in a folder may believe it was
read, which nobody believes of a README.txt."""


class FolderStudyInputs:
    """The studies of a folder and of the folders in it: images with a .txt file of the same name, or .txt files alone.

    A study's name is its path below the folder without the suffix.

    Attributes:
        name: What messages call the folder.
        total: The number of studies.
        left_out: The number of image files of other kinds, by their ending, where images are read; they are no studies.
        identity: Empty: files come and go, so `LabelsFile` compares the studies' names alone.
        columns_taken, kept: Empty: there are none.
    """

    is_piped = False
    kept: tuple[str, ...] = ()
    kept_from = None
    columns_taken = ""

    def __init__(self, path: Path, needs: Needs) -> None:
        """Find the files; raises InputError if the folder has none."""
        self.path, self.name, self._needs = path, str(path), needs
        self.identity: dict[str, object] = {}
        self.left_out: Counter[str] = Counter()
        self._first: dict[Path, Path] = {}  # for each image whose name another one has already, the other one
        if needs.image:
            found = files.index(path, without=Path(os.devnull))
            self._files = [source.path for source in sorted(found.sources, key=lambda source: source.name)]
            self._files += [source.path for source in found.second]
            by_name = {source.name: source.path for source in found.sources}
            self._first = {source.path: by_name[source.name] for source in found.second}
            self.left_out.update({ending: n for ending, n in found.others.items() if ending in OTHER_KINDS})
        else:
            self._files = files.text_files(path)
        self.total = len(self._files)

    @property
    def notes(self) -> list[str]:
        """What a user should know of the folder beside the faults of the studies: which images were left out."""
        if not self.left_out:
            return []
        endings = ", ".join(f"{count:,} x {ending}" for ending, count in sorted(self.left_out.items()))
        return [f"{self.path}: image files that were left out: {endings}; convert them to PNG, JPEG or DICOM"]

    def __iter__(self) -> Iterator[StudyInput]:
        """The studies in the order of their names; images whose name another image has come last."""
        for row, file in enumerate(self._files, 1):
            yield self._study(row, file)

    def where(self, study: StudyInput) -> str:
        """Empty: the messages on a study of a folder name its file."""
        return ""

    def _study(self, row: int, file: Path) -> StudyInput:
        inside = file.relative_to(self.path).as_posix()
        name = IMAGE_ENDING.sub("", inside) if self._needs.image else inside[: -len(file.suffix)]
        study = StudyInput(row, _one_line(name), file if self._needs.image else None)
        if first := self._first.get(file):
            message = f"{file}: has the same name as {first} without the ending; rename one of them"
            return replace(study, fault=Fault("image of a name that is there already", message))
        if not self._needs.report:
            return study
        text = file.parent / f"{name.rpartition('/')[2]}.txt" if self._needs.image else file
        report = _read_text(text)
        if isinstance(report, Fault):
            return replace(study, fault=report)
        return replace(study, report=report)


def name_of_image(path: Path) -> str:
    """The name of a study that is an image file alone: that which it has in its folder."""
    return _one_line(IMAGE_ENDING.sub("", path.name))


def _one_line(name: str) -> str:
    """A name of a file as one line of UTF-8 text."""
    return " ".join(name.split()).encode("utf-8", "backslashreplace").decode()


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
