"""Which split a study belongs to: by a hash, so that no other study can change it, or from a file."""

import hashlib
import re
from pathlib import Path

from tienet import files
from tienet.errors import InputError

SPLITS: tuple[str, ...] = ("train", "val", "test")
TRAIN_SHARE, VAL_SHARE = 0.70, 0.10  # the rest, 0.20, is the test split; these are the paper's shares for OpenI


def by_hash(group: str) -> str:
    """The split, "train", "val" or "test", of a patient (or report), by the sha256 of its name.

    It is the same on every machine. The shares 70/10/20 hold on average.
    """
    place = int(hashlib.sha256(group.encode()).hexdigest()[:12], 16) / 16**12  # in [0, 1)
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


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
        raise FileNotFoundError(f"--split {path} does not exist; expected hash or a JSON file") from None
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
