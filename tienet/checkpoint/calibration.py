"""What RUN/calibration.json holds: temperatures and thresholds from the validation split, by checkpoint.

They belong to the weights that they were chosen for. An entry counts for a checkpoint only if its `index_sha256` is
that of the checkpoint's .index file, which has a checksum of every tensor. best-N and latest-N may be one checkpoint.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from tienet import files
from tienet.checkpoint.entries import read_json, sha256
from tienet.errors import InputError
from tienet.labels import LABELS

NAME = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Of one checkpoint.

    Attributes:
        temperatures: float32 [K], above 0; a probability is sigmoid(logit / temperature).
        thresholds: float32 [K], of these probabilities.
        sensitivity: what the thresholds reach on the validation split; None: they are Youden's.
        left_out: label -> why its temperature is 1.
        studies: of the validation split.
        ece_before, ece_after: label -> expected calibration error on the validation split; None where it has none.
    """

    temperatures: np.ndarray
    thresholds: np.ndarray
    sensitivity: float | None
    left_out: dict[str, str]
    studies: int
    ece_before: dict[str, float | None]
    ece_after: dict[str, float | None]


def save(prefix: Path, calibration: Calibration) -> Path:
    """Write a checkpoint's calibration into its run's calibration.json; returns that file.

    Those of other checkpoints stay as long as these are there.
    """
    path, before = _path(prefix), read_json(_path(prefix))
    kept = {} if not isinstance(before, dict) else before
    kept = {name: entry for name, entry in kept.items() if _is_of(entry, prefix.with_name(name))}
    entry = {
        "index_sha256": _sha256(prefix),
        "studies": calibration.studies,
        "sensitivity": calibration.sensitivity,
        "temperatures": _by_label(calibration.temperatures),
        "thresholds": _by_label(calibration.thresholds),
        "left_out": calibration.left_out,
        "ece_before": calibration.ece_before,
        "ece_after": calibration.ece_after,
    }
    same = {name for name, other in kept.items() if other["index_sha256"] == entry["index_sha256"]}
    files.write_json(path, {name: other for name, other in kept.items() if name not in same} | {prefix.name: entry})
    return path


def load(prefix: Path) -> Calibration | None:
    """A checkpoint's calibration; None if it has none.

    Raises:
        InputError: the file is broken.
    """
    path = _path(prefix)
    if not path.is_file():
        return None
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise InputError(f"{path}: not what was written there; remove it, or calibrate the run again")
    sha = _sha256(prefix)
    for name, entry in entries.items():
        if isinstance(entry, dict) and entry.get("index_sha256") == sha:
            return _parse(f"{path}, {name}", entry)
    return None


def discard_broken(prefix: Path) -> None:
    """Remove a checkpoint's entry if `load` refuses it, so that the checkpoint can be calibrated again."""
    try:
        load(prefix)
    except InputError:
        entries, sha = read_json(_path(prefix)), _sha256(prefix)
        entries = entries if isinstance(entries, dict) else {}
        kept = {
            name: entry
            for name, entry in entries.items()
            if not (isinstance(entry, dict) and entry.get("index_sha256") == sha)
        }
        files.write_json(_path(prefix), kept)


def _parse(where: str, entry: dict) -> Calibration:
    arrays = {}
    for key, least, most in (("temperatures", np.nextafter(0, 1), np.inf), ("thresholds", 0, 1)):
        values = entry.get(key)
        if not isinstance(values, dict) or set(values) != set(LABELS):
            raise InputError(f"{where}: {key} are not those of the {len(LABELS)} labels; calibrate the run again")
        for label, value in values.items():
            if type(value) not in (int, float) or not least <= value <= most or value == np.inf:
                what = "a number above 0" if key == "temperatures" else "a number from 0 to 1"
                raise InputError(f"{where}: {key}, {label} is {value!r}, expected {what}; calibrate the run again")
        arrays[key] = np.array([values[label] for label in LABELS], np.float32)
    return Calibration(
        **arrays,
        sensitivity=entry.get("sensitivity"),
        left_out=entry.get("left_out", {}),
        studies=entry.get("studies", 0),
        ece_before=entry.get("ece_before", {}),
        ece_after=entry.get("ece_after", {}),
    )


def _by_label(values: np.ndarray) -> dict[str, float]:
    """The shortest decimals that are the same float32 when they are read."""
    return {label: float(str(value)) for label, value in zip(LABELS, values.astype(np.float32), strict=True)}


def _is_of(entry: object, prefix: Path) -> bool:
    index = prefix.with_name(f"{prefix.name}.index")
    return isinstance(entry, dict) and index.is_file() and entry.get("index_sha256") == sha256(index)


def _sha256(prefix: Path) -> str:
    return sha256(prefix.with_name(f"{prefix.name}.index"))


def _path(prefix: Path) -> Path:
    return prefix.parent.parent / NAME


def with_temperatures(logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """sigmoid(logits / T): [N, K] and [K] -> float32 [N, K]."""
    return expit(np.asarray(logits, np.float64) / np.asarray(temperatures, np.float64)).astype(np.float32)
