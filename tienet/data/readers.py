"""Who labelled a data set by hand, and how far the readers agreed: readers.json, beside its manifest.

Few data sets have it. Where one has, the note on it stands wherever the data set is used.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from tienet import files
from tienet.errors import InputError

FILE_NAME = "readers.json"


@dataclass(frozen=True)
class Readers:
    """How the labels of a data set came about.

    Attributes:
        data: The name of the data set that the studies come from.
        readers: The names of the readers who labelled every study.
        decided_by: Who decided where they differed; None: they differed nowhere.
        studies: The number of studies.
        labels: The number of answers of each reader.
        differed: In how many of these the readers differed.
        kappa: Cohen's kappa of the readers for each label and for all findings together; None where it is undefined.
        kappa_interval: The 95% bootstrap interval of the latter.
        assist: The networks whose labels a reader saw while labelling.
    """

    data: str
    readers: list[str]
    decided_by: str | None
    studies: int
    labels: int
    differed: int
    kappa: dict[str, float | None]
    kappa_interval: list[float | None]
    assist: list[str]

    def note(self) -> str:
        """One sentence or two for people who use the data set."""
        overall = self.kappa.get("all findings")
        lo, hi = self.kappa_interval
        span = "" if lo is None else f" (95% {lo:.2f} to {hi:.2f})"
        kappa = "kappa undefined" if overall is None else f"kappa {overall:.2f}{span} over all findings"
        decided = f"; {self.decided_by} decided the {self.differed:,} labels on which they differed"
        text = f"labelled by hand by {' and '.join(self.readers)}, {kappa}{decided if self.decided_by else ''}"
        if self.assist:
            text += f"; the labels of {', '.join(self.assist)} were shown meanwhile, so agreement with that is too high"
        return text


def write(folder: Path, readers: Readers) -> None:
    """Write readers.json into a data set's folder."""
    files.write_json(folder / FILE_NAME, asdict(readers))


def read(folder: Path) -> Readers | None:
    """Who labelled the data set in this folder; None where nothing is noted.

    Raises:
        InputError: The file is not what `write` wrote.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    found = files.read_json(path)
    try:
        readers = Readers(**found)
        readers.note()
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: not what tienet label writes; put it back, or remove it") from None
    return readers
