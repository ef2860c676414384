"""Which split a study belongs to: by a hash, so that no other study can change it, or from a file.

A patient (or report) has a place on a circle of circumference 1, given by the sha256 of its name. `by_hash` cuts the
circle once into training, validation and test. `Fold` is one of the N cuts of a cross-validation: its test split is
the K-th of N equal arcs, so every study is in the test split of exactly one of the N folds.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.errors import InputError

SPLITS: tuple[str, ...] = ("train", "val", "test")
TRAIN_SHARE, VAL_SHARE = 0.70, 0.10  # the rest, 0.20, is the test split; these are the paper's shares for OpenI


MIN_FOLDS = 3
"""With fewer folds, the training split of each would be less than half of the studies."""

_PLACES = 16**12


def _place(group: str) -> int:
    """The place of a patient (or report) on the circle, a whole number from 0 to `_PLACES` - 1."""
    return int(hashlib.sha256(group.encode()).hexdigest()[:12], 16)


def by_hash(group: str) -> str:
    """The split, "train", "val" or "test", of a patient (or report), by the sha256 of its name.

    It is the same on every machine. The shares 70/10/20 hold on average.
    """
    place = _place(group) / _PLACES  # in [0, 1)
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


@dataclass(frozen=True)
class Fold:
    """One fold of a cross-validation.

    The test split is the arc from (number - 1) / folds to number / folds, and the validation split the tenth of the
    circle that follows it, for five folds half of the next fold. The rest is the training split.

    Attributes:
        number: K, from 1 to `folds`.
        folds: N, MIN_FOLDS or more.
    """

    number: int
    folds: int

    @classmethod
    def parse(cls, text: str) -> "Fold":
        """The fold that is written as fold=K/N. Raises InputError if it is not one."""
        found = re.fullmatch(r"fold=(\d{1,6})/(\d{1,6})", text, re.ASCII)
        fold = cls(int(found[1]), int(found[2])) if found else None
        if fold is None or fold.folds < MIN_FOLDS or not 1 <= fold.number <= fold.folds:
            form = f"fold=K/N with N folds, {MIN_FOLDS} or more, and K from 1 to N"
            raise InputError(f"--split {text}: expected {form}, such as fold=1/5")
        return fold

    def split(self, group: str) -> str:
        """The split, "train", "val" or "test", of a patient (or report); it is the same on every machine."""
        place = _place(group) * self.folds  # whole numbers, so that no study lies in two folds or in none
        if place // _PLACES == self.number - 1:
            return "test"
        beyond = (place - self.number * _PLACES) % (self.folds * _PLACES)
        return "val" if beyond < VAL_SHARE * self.folds * _PLACES else "train"


def rule(text: str) -> Callable[[str], str | None]:
    """What `--split` names, as a function from a patient (or report) to its split, None where it has none.

    Args:
        text: "hash", "fold=K/N", or the path of a file as `from_json` reads it.
    Raises:
        InputError, FileNotFoundError: It is none of them.
    """
    if text == "hash":
        return by_hash
    return Fold.parse(text).split if text.startswith("fold=") else from_json(Path(text)).get


def from_json(path: Path) -> dict[str, str]:
    """The split of each report (uid -> split), from R2Gen's JSON file.

    Its form is {"train": [{"id": "CXR2384_IM-0942", ...}, ...], "val": ..., "test": ...}.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file does not have this form, or has a uid in two splits.
    """
    form = 'expected {"train": [{"id": "CXR<uid>..."}, ...], "val": [...], "test": [...]}'
    try:
        parts = files.read_json(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"--split {path} does not exist; expected hash, fold=K/N or a JSON file") from None
    except IsADirectoryError:
        raise InputError(f"--split {path}: not a JSON file (a folder); {form}") from None
    except InputError as error:
        raise InputError(f"--split {error}; {form}") from None
    if not isinstance(parts, dict) or set(parts) != set(SPLITS):
        raise InputError(f"--split {path}: its parts are not train, val and test; {form}")
    split_of: dict[str, str] = {}
    for split, entries in parts.items():
        for n, entry in enumerate(entries if isinstance(entries, list) else [None]):
            name = entry.get("id") if isinstance(entry, dict) else entry
            found = re.match(r"(?:CXR)?(\d+)(?:_|$)", name) if isinstance(name, str) else None
            if not found:
                raise InputError(f"--split {path}: entry {n} of {split} has no id CXR<uid>; {form}")
            if split_of.setdefault(found[1], split) != split:
                raise InputError(f"--split {path}: report {name!r} is in {split} and in {split_of[found[1]]}")
    return split_of
