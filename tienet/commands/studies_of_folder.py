"""The studies of a folder: images with their texts, or texts alone."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tienet.commands.study import Fault, StudyInput
from tienet.commands.study_columns import IMAGE_ENDING, Needs
from tienet.data.text import MAX_REPORT_CHARACTERS, find_text_fault
from tienet.datasets.folder import files


class FolderStudyInputs:
    """The studies of a folder and of the folders in it: images with a .txt file of the same name, or .txt files alone.

    A study's name is its path below the folder without the suffix.

    Attributes:
        total: The number of studies.
        identity: Empty: files come and go, so `LabelsFile` compares the studies' names alone.
        columns_taken, kept: Empty: there are none.
        notes: Empty: all that is wrong with a study is its fault.
    """

    is_piped = False
    kept: tuple[str, ...] = ()
    kept_from = None
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
