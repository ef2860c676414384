"""The record of a checkpoint's validation split: what the network gave there for each study.

checkpoints/NAME.validation.npz is one of the files of its checkpoint. From the records of several runs the thresholds
of their mean are chosen without their data set (`tienet.checkpoint.together`). A checkpoint of mode `caption` has none,
and neither has one that was not evaluated, or is older than the records: `tienet calibrate` makes it then.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tienet import files
from tienet.checkpoint.entries import damaged, find_flaw, read_entry, sha256
from tienet.data import arrays
from tienet.data.leaks import Fingerprint
from tienet.labels import K

ENDING = ".validation.npz"
"""What the name of the file has after the checkpoint's name."""

_FLAW = f"its {ENDING} file is not what was written"


@dataclass(frozen=True, eq=False)
class ValidationRecord:
    """What a network gave for the N studies of its validation split.

    Attributes:
        logits: float32 [N, K], not calibrated; in mode `report` those of the reports that it wrote.
        labels: float32 [N, K], 1, 0 or NaN (unknown).
        studies: The fingerprints of the N studies, as in studies.json.
    """

    logits: np.ndarray
    labels: np.ndarray
    studies: list[Fingerprint]


def path_of(prefix: Path) -> Path:
    """The file of the record of the checkpoint with this prefix."""
    return prefix.with_name(f"{prefix.name}{ENDING}")


def write(file: Path | BinaryIO, record: ValidationRecord) -> None:
    """Write a record to a file; the same record gives the same bytes."""
    np.savez(
        file,
        logits=np.asarray(record.logits, np.float32),
        labels=np.asarray(record.labels, np.float32),
        studies=np.array(record.studies, "S16").reshape(-1, len(Fingerprint._fields)),
    )


def add(prefix: Path, record: ValidationRecord) -> None:
    """Give a complete checkpoint a record, in the place of one that it may have."""
    path, entry = path_of(prefix), read_entry(prefix)
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        write(file, record)
    if entry is not None and entry.files is not None:  # a checkpoint of an older run has no sums of its files
        sums, sizes = {path.name: sha256(path)}, {path.name: path.stat().st_size}
        entry = replace(entry, files=entry.files | sums, sizes=entry.sizes | sizes)
        files.write_json(entry.path, entry.to_json())


def read(prefix: Path) -> ValidationRecord | None:
    """Read the record of a checkpoint; None if it has none.

    Raises:
        InputError: The file is damaged, and with it the checkpoint.
    """
    path, entry = path_of(prefix), read_entry(prefix)
    if entry is None or entry.files is None:
        if not path.is_file():
            return None
    elif path.name not in entry.files:  # also where a kill came before `add` was done
        return None
    elif flaw := find_flaw(entry, path.name):
        raise damaged(prefix, flaw)
    with path.open("rb") as file:
        archive = arrays.load_from(file)
        is_archive = isinstance(archive, np.lib.npyio.NpzFile)
        found = {name: arrays.array_of(archive, name) if is_archive else None for name in _KINDS}
    if not _is_record(found):
        raise damaged(prefix, _FLAW)
    studies = [Fingerprint(*values) for values in found["studies"].astype(str).tolist()]
    return ValidationRecord(found["logits"], found["labels"], studies)


_KINDS = {"logits": ("f4", K), "labels": ("f4", K), "studies": ("S16", len(Fingerprint._fields))}
"""The type and the number of columns of each array of a record."""


def _is_record(found: dict[str, np.ndarray | None]) -> bool:
    if any(array is None for array in found.values()):
        return False
    rows = len(np.atleast_1d(found["logits"]))
    return all(
        found[name].dtype == np.dtype(dtype) and found[name].shape == (rows, columns)
        for name, (dtype, columns) in _KINDS.items()
    )
