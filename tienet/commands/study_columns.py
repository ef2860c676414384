"""Which columns of a user's table name the studies, their images and their reports."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tienet.data.csv_table import separator_hint
from tienet.data.text import is_nothing, report_text, without_nothing
from tienet.errors import InputError

ID_COLUMNS = ("study id", "study", "uid", "image", "image index")
IMAGE_COLUMNS = ("image", "image index")
REPORT_COLUMNS = ("report", "text")
SECTION_COLUMNS = ("findings", "impression")
IMAGE_ENDING = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|ima)$", re.IGNORECASE)

_MAX_COLUMNS, _MAX_NAME = 20, 40  # columns of a header that a message names, and characters of each


@dataclass(frozen=True)
class Needs:
    """The parts of a study that the network needs."""

    image: bool
    report: bool


@dataclass(frozen=True)
class Columns:
    """Where the header has the columns that are read.

    Attributes:
        names: The names of all columns, in the file's spelling.
        id_indices: The indices of the columns that may name the studies; the first is read.
        image_index: The index of the column with the image; -1 if there is none, or none is needed.
        report_indices: The indices of the columns with the report: one, or those of findings and of impression, -1 for
            a column that is missing; none if no report is needed.
        sections: Whether the report is in sections, findings and impression.
    """

    names: tuple[str, ...]
    id_indices: tuple[int, ...]
    image_index: int
    report_indices: tuple[int, ...]
    sections: bool

    @classmethod
    def from_header(cls, path: Path | str, header: list[str], needs: Needs) -> "Columns":
        """Find the columns; raises InputError if the header lacks one that is needed, or has one twice."""
        names = [name.strip().lower().replace("_", " ") for name in header]
        counts = Counter(names)
        twice = sorted(name for name, count in counts.items() if name and count > 1)
        if not header:
            raise InputError(f"{path} is empty; expected a CSV file with a header")
        if twice:
            shown = " ".join(twice[0].split())[:_MAX_NAME]
            raise InputError(f"{path}, row 1: column {shown} is there {counts[twice[0]]} times; keep one")

        def find(wanted: Sequence[str]) -> int:
            return next((names.index(name) for name in wanted if name in names), -1)

        id_indices = tuple(names.index(name) for name in ID_COLUMNS if name in names)
        image_index, report = find(IMAGE_COLUMNS), find(REPORT_COLUMNS)
        sections = tuple(find([name]) for name in SECTION_COLUMNS)
        missing = []
        if not id_indices:
            missing.append("study_id (or study, uid or image)")
        if needs.image and image_index < 0:
            missing.append("image")
        if needs.report and report < 0 and max(sections) < 0:
            missing.append("report (or text, or findings and impression)")
        shown = tuple(" ".join(name.split())[:_MAX_NAME] or "(no name)" for name in header)
        if missing:
            found = f"{', '.join(shown[:_MAX_COLUMNS])}{_hint(header)}"
            raise InputError(f"{path}, row 1: no column {', no column '.join(missing)}; the columns are: {found}")
        report_indices = () if not needs.report else (report,) if report >= 0 else sections
        return cls(shown, id_indices, image_index if needs.image else -1, report_indices, report < 0)

    @property
    def names_images(self) -> bool:
        """Whether the studies go by the name of their image, in a column that is read for nothing else."""
        return self.id_name.lower().replace("_", " ") in IMAGE_COLUMNS and self.id_indices[0] != self.image_index

    @property
    def id_name(self) -> str:
        """The name of the column that names the studies."""
        return self.names[self.id_indices[0]]

    def without_id(self) -> "Columns | None":
        """With the next column that may name the studies; None if there is no other."""
        return replace(self, id_indices=self.id_indices[1:]) if len(self.id_indices) > 1 else None

    def study_id(self, cells: list[str]) -> str:
        """The study's name in a row, which may have too few cells."""
        return cells[self.id_indices[0]].strip() if self.id_indices[0] < len(cells) else ""

    def image(self, cells: list[str]) -> str:
        """The path of the image in a row."""
        return cells[self.image_index].strip()

    def report(self, cells: list[str]) -> tuple[str, list[str]]:
        """The report in a row, and the cells such as NaN that are left out of it."""
        texts = [cells[index] if index >= 0 else "" for index in self.report_indices]
        nothing = [text.strip() for text in texts if text.strip() and is_nothing(text)]
        texts = list(map(without_nothing, texts))
        return report_text(*texts) if self.sections else texts[0], nothing

    @property
    def used(self) -> set[int]:
        """The indices of the columns that are read."""
        return {index for indices in self._taken().values() for index in indices}

    def _taken(self) -> dict[str, list[int]]:
        taken = {"study_id": self.id_indices[:1], "image": (self.image_index,), "report": self.report_indices}
        return {what: [index for index in indices if index >= 0] for what, indices in taken.items()}

    def describe(self, kept: Collection[int] = ()) -> str:
        """Which column is taken for what, in one line; `kept` are the indices of those that the output keeps."""
        parts = [
            f"{what} from column {' and '.join(self.names[index] for index in indices)}"
            for what, indices in self._taken().items()
            if indices
        ]
        unused = [index for index in range(len(self.names)) if index not in self.used and index not in kept]
        return ", ".join(parts) + self._listed("kept", kept) + self._listed("not read", unused)

    def _listed(self, what: str, indices: Collection[int]) -> str:
        names = [self.names[index] for index in indices]
        more = [f"{len(names) - _MAX_COLUMNS} more"] if len(names) > _MAX_COLUMNS else []
        return f"; {what}: {', '.join([*names[:_MAX_COLUMNS], *more])}" if names else ""


def is_file_name(name: str) -> bool:
    """Whether a cell may name a file: it ends as images do, or is one word, as names without an ending are."""
    return bool(IMAGE_ENDING.search(name)) or len(name.split()) < 2


def _hint(header: list[str]) -> str:
    """What to do about a header that is not one of commas; empty if it seems to be."""
    hint = separator_hint(header)
    return f"; {hint}" if hint else ""
