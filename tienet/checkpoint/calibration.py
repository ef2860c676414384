"""The file RUN/calibration.json: temperatures and thresholds from the validation split, for each checkpoint.

They are valid only for the weights that they were chosen for. An entry is therefore used for a checkpoint only if its
`index_sha256` is the SHA-256 of the checkpoint's .index file, which holds a checksum of every tensor. An entry under
the name latest-N is also used for best-N if both are the same checkpoint.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from tienet import files
from tienet.checkpoint.entries import is_checkpoint_name, is_number, read_json, sha256
from tienet.errors import InputError
from tienet.labels import LABELS

FILE_NAME = "calibration.json"
_FLOAT32_TINY, _FLOAT32_MAX = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Calibration:
    """The calibration of one checkpoint.

    Attributes:
        temperatures: float32 [K], above 0; a calibrated probability is sigmoid(logit / temperature).
        thresholds: float32 [K], in 0 to 1, for the calibrated probabilities.
        objective: What the thresholds were chosen for, as `--objective` says it, such as f1 or sensitivity=0.9.
        precision: float32 [K], the share of the studies that the thresholds name on the validation split that are
            positive; NaN where it is not known, or none is named.
        recall: float32 [K], the share of the positive studies there that are named; NaN where it is not known, or
            none is positive.
        positives: The number of positive studies there by label; empty for a calibration that is older.
        left_out: Maps each label whose temperature could not be fitted, and is 1, to the reason.
        studies: The number of studies of the validation split.
        ece_before, ece_after: Map each label to its expected calibration error on the validation split, before and
            after the calibration; None where it is undefined.
        source: The run and the checkpoint that all of this is from, where it is not the checkpoint's own
            (`tienet.checkpoint.earlier_run`); empty if it is.
    """

    temperatures: np.ndarray
    thresholds: np.ndarray
    objective: str
    precision: np.ndarray
    recall: np.ndarray
    positives: dict[str, int]
    left_out: dict[str, str]
    studies: int
    ece_before: dict[str, float | None]
    ece_after: dict[str, float | None]
    source: str = ""


def save(prefix: Path, calibration: Calibration) -> Path:
    """Write a checkpoint's calibration into the calibration.json of its run; returns the path of that file.

    The entries of other checkpoints are kept as long as these checkpoints exist.
    """
    path, before = _path(prefix), read_json(_path(prefix))
    kept = {} if not isinstance(before, dict) else before
    kept = {
        name: entry
        for name, entry in kept.items()
        if is_checkpoint_name(name) and _belongs_to(entry, prefix.with_name(name))
    }
    entry = {"index_sha256": _sha256(prefix), **to_json(calibration)}
    same = {name for name, other in kept.items() if other["index_sha256"] == entry["index_sha256"]}
    files.write_json(path, {name: other for name, other in kept.items() if name not in same} | {prefix.name: entry})
    return path


def to_json(calibration: Calibration) -> dict[str, object]:
    """A calibration as a dict that JSON can hold; `from_json` reads it."""
    return {
        "studies": calibration.studies,
        "objective": calibration.objective,
        "temperatures": _by_label(calibration.temperatures),
        "thresholds": _by_label(calibration.thresholds),
        "precision": _by_label(calibration.precision),
        "recall": _by_label(calibration.recall),
        "positives": calibration.positives,
        "left_out": calibration.left_out,
        "ece_before": calibration.ece_before,
        "ece_after": calibration.ece_after,
        **({"source": calibration.source} if calibration.source else {}),
    }


def load(prefix: Path) -> Calibration | None:
    """Read a checkpoint's calibration; None if it is not calibrated.

    Raises:
        InputError: The file is broken.
    """
    path = _path(prefix)
    if not path.is_file():
        return None
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise InputError(f"{path}: not what was written there; remove it, or calibrate the run again")
    sha = _sha256(prefix)
    for name, entry in entries.items():
        if isinstance(entry, dict) and entry.get("index_sha256") == sha and is_checkpoint_name(name):
            return from_json(f"{path}, {name}", entry)
    return None


def discard_broken(prefix: Path) -> None:
    """Remove the entry of a checkpoint if `load` cannot read it, so that the checkpoint can be calibrated again."""
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


_OBJECTIVE = re.compile(r"f1|youden|(sensitivity|precision)=[0-9.e-]{1,24}")


def from_json(where: str, entry: dict) -> Calibration:
    """Read what `to_json` gave; raises InputError, whose message starts with `where`, if it is not that."""
    arrays = {}
    for key, least, most in (("temperatures", _FLOAT32_TINY, _FLOAT32_MAX), ("thresholds", 0, 1)):
        values = entry.get(key)
        if not isinstance(values, dict) or set(values) != set(LABELS):
            raise InputError(f"{where}: {key} are not those of the {len(LABELS)} labels; calibrate the run again")
        for label, value in values.items():
            if not is_number(value, least, most):
                expected = "a number above 0" if key == "temperatures" else "a number from 0 to 1"
                raise InputError(f"{where}: {key}, {label} is {value!r}, expected {expected}; calibrate the run again")
        arrays[key] = np.array([values[label] for label in LABELS], np.float32)
    sensitivity, studies, left_out = entry.get("sensitivity"), entry.get("studies", 0), entry.get("left_out", {})
    errors = {key: entry.get(key, {}) for key in ("ece_before", "ece_after")}
    sound = (
        (sensitivity is None or is_number(sensitivity, 0, 1))
        and _OBJECTIVE.fullmatch(_objective(entry))
        and type(studies) is int
        and isinstance(left_out, dict)
        and all(isinstance(why, str) for why in left_out.values())
        and all(isinstance(by_label, dict) for by_label in errors.values())
        and all(ece is None or is_number(ece, 0, 1) for by_label in errors.values() for ece in by_label.values())
        and isinstance(entry.get("source", ""), str)
    )
    if not sound:
        raise InputError(f"{where}: not what was written there; calibrate the run again")
    return Calibration(
        **arrays,
        objective=_objective(entry),
        precision=_shares(entry, "precision"),
        recall=_shares(entry, "recall"),
        positives=_counts(entry.get("positives")),
        left_out=left_out,
        studies=studies,
        **errors,
        source=entry.get("source", ""),
    )


def _objective(entry: dict) -> str:
    """What the thresholds were chosen for; older entries say a sensitivity, or none for Youden's J."""
    sensitivity = entry.get("sensitivity")
    return str(entry.get("objective") or ("youden" if sensitivity is None else f"sensitivity={sensitivity}"))


def _shares(entry: dict, key: str) -> np.ndarray:
    """The precision or the recall by label, float32 [K]; NaN where it is not known."""
    values = entry.get(key)
    values = values if isinstance(values, dict) else {}
    known = [values.get(label) for label in LABELS]
    return np.array(
        [value if type(value) in (int, float) and 0 <= value <= 1 else np.nan for value in known], np.float32
    )


def _counts(values: object) -> dict[str, int]:
    """The numbers of positives by label; empty where they are not known."""
    sound = isinstance(values, dict) and all(type(values.get(label)) is int for label in LABELS)
    return {label: values[label] for label in LABELS} if sound else {}


def _by_label(values: np.ndarray) -> dict[str, float | None]:
    """The values by label, as the shortest decimals that give the same float32 when they are read; None for NaN."""
    numbers = (None if np.isnan(value) else float(str(value)) for value in values.astype(np.float32))
    return dict(zip(LABELS, numbers, strict=True))


def _belongs_to(entry: object, prefix: Path) -> bool:
    index = prefix.with_name(f"{prefix.name}.index")
    return isinstance(entry, dict) and index.is_file() and entry.get("index_sha256") == sha256(index)


def _sha256(prefix: Path) -> str:
    return sha256(prefix.with_name(f"{prefix.name}.index"))


def _path(prefix: Path) -> Path:
    return prefix.parent.parent / FILE_NAME


def with_temperatures(logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Calibrated probabilities, sigmoid(logits / temperatures).

    Args:
        logits: float [N, K].
        temperatures: float [K], above 0.
    Returns:
        float32 [N, K].
    """
    return expit(np.asarray(logits, np.float64) / np.asarray(temperatures, np.float64)).astype(np.float32)
