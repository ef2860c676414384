"""Which checkpoints a run's folder holds, and whether their files are what was written.

checkpoints/latest-STEP.*, best-STEP.*   TensorFlow's files, NAME.validation.npz, which is the record of the validation
                                         split, and NAME.json, the checkpoint's entry: how far the run had come, and
                                         the sizes and SHA-256 of the files. A checkpoint without an entry is not
                                         complete.
latest.json, best.json                   copies of the latest and the best entry, without the files' sizes and SHA-256,
                                         for people and other programs. Older runs have no entries, only these two;
                                         their checkpoints are read to the end instead, with TensorFlow's checksums.
"""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tienet.checkpoint.tensorflow_path import readable_prefix
from tienet.checkpoint.writing import Writing
from tienet.errors import InputError

CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"(latest|best)-([0-9]{1,18})")
_LARGEST = 2**63  # no step is larger, since TensorFlow's is int64
_FILE_NAME = re.compile(rf"({_NAME.pattern})[._].+")
_OF_FILE = re.compile(r"[A-Za-z0-9._-]{1,255}")


@dataclass
class TrainingState:
    """How far a run has come: what `latest.json` and `best.json` hold beside the checkpoint's name.

    Attributes:
        step: The number of updates done.
        epoch: The number of epochs done.
        best_score: The best score so far, of the rule `chosen_by`; None if it is undefined.
        best_epoch: The epoch with the best score, from 1; 0 if no epoch was validated yet.
        epochs_since_best: The number of epochs since then.
        chosen_by: What the score is (`tienet.training.ranking.rule_for`); None: in older runs it is the mean AUC, in
            `caption` BLEU-4.
    """

    step: int = 0
    epoch: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    epochs_since_best: int = 0
    chosen_by: str | None = None

    def record_epoch(self, step: int, epoch: int, score: float | None) -> bool:
        """Record the end of an epoch; returns whether its score is the best so far.

        A score of None is undefined, and below all others.
        """
        self.step, self.epoch = step, epoch
        better = self.best_epoch == 0 or (score is not None and (self.best_score is None or score > self.best_score))
        if better:
            self.best_score, self.best_epoch = score, epoch
        self.epochs_since_best = epoch - self.best_epoch
        return better

    def record_unranked(self, step: int, epoch: int, last: bool) -> None:
        """Record the end of an epoch that no score ranks; the last one is kept as the best."""
        self.step, self.epoch = step, epoch
        if last:
            self.best_score, self.best_epoch = None, epoch
        self.epochs_since_best = epoch - self.best_epoch if self.best_epoch else 0


@dataclass(frozen=True)
class Entry:
    """The entry of a complete checkpoint.

    Attributes:
        prefix: The prefix of the checkpoint's files, FOLDER/checkpoints/NAME.
        state: How far the run had come when the checkpoint was written.
        thresholds: The K thresholds of the validation split; None if the checkpoint was not evaluated.
        best: Whether the checkpoint was the best one so far.
        files: The SHA-256 of each file, by name; None where they are not known.
        sizes: The size of each file in bytes, by name.
        writing: What its reports were like in validation; None in modes that do not write, and where it is not known.
    """

    prefix: Path
    state: TrainingState
    thresholds: list[float] | None
    best: bool
    files: dict[str, str] | None
    sizes: dict[str, int]
    writing: Writing | None = None

    @property
    def name(self) -> str:
        """The name of the checkpoint, latest-STEP or best-STEP."""
        return self.prefix.name

    @property
    def path(self) -> Path:
        """The path of the file that holds the entry."""
        return self.prefix.with_name(f"{self.name}.json")

    def summary(self) -> dict[str, object]:
        """The content of `latest.json` or `best.json` that names this checkpoint."""
        writing = {} if self.writing is None else {"writing": self.writing.to_json()}
        return {"checkpoint": self.name, **asdict(self.state), "thresholds": self.thresholds, **writing}

    def to_json(self) -> dict[str, object]:
        """The content of the file at `path`."""
        return self.summary() | {"best": self.best, "files": self.files, "bytes": self.sizes}


def is_checkpoint_name(name: str) -> bool:
    """Whether a checkpoint may have this name: latest-STEP or best-STEP."""
    return _NAME.fullmatch(name) is not None


def step_from_name(name: str) -> int:
    """The step in the name of a checkpoint: 320 for latest-320."""
    return int(name.rpartition("-")[2])


def read_entry(prefix: Path) -> Entry | None:
    """Read the entry beside a checkpoint; None if there is none, or it cannot be read."""
    return _parse(prefix, read_json(prefix.with_name(f"{prefix.name}.json")), with_files=True)


def named_entry(folder: Path, kind: str) -> Entry | None:
    """The entry of the checkpoint that latest.json or best.json names; None if the file names none.

    The checkpoint's files need not exist.

    Args:
        folder: The run's folder.
        kind: "latest" or "best".
    """
    value = read_json(folder / f"{kind}.json")
    name = value.get("checkpoint") if isinstance(value, dict) else None
    if not isinstance(name, str) or not is_checkpoint_name(name):
        return None
    prefix = folder / "checkpoints" / name
    return read_entry(prefix) or _parse(prefix, value, with_files=False)


def complete_entries(folder: Path) -> list[Entry]:
    """The checkpoints that have an entry, or are named by latest.json or best.json.

    They are sorted, the newest first and latest-N before best-N. Whether their files are sound is not checked here: see
    `find_damage`.
    """
    checkpoints = folder / "checkpoints"
    found = {name: read_entry(checkpoints / name) for name in _names(checkpoints)}
    for kind in ("latest", "best"):
        entry = named_entry(folder, kind)
        if entry is not None:
            found[entry.name] = entry
    return sorted((e for e in found.values() if e), key=lambda e: (step_from_name(e.name), e.name), reverse=True)


def incomplete_checkpoints(folder: Path) -> dict[str, str]:
    """The names of the checkpoints in the folder that are not complete, each with the reason."""
    checkpoints = folder / "checkpoints"
    complete = {entry.name for entry in complete_entries(folder)}
    reasons = {}
    for name in _names(checkpoints) - complete:
        broken = (checkpoints / f"{name}.json").exists()
        reasons[name] = f"{name}.json cannot be read" if broken else "it was not written to its end"
    return reasons


def find_damage(entry: Entry) -> str | None:
    """Check the files of a checkpoint; returns what is wrong with them, None if they are what was written."""
    if entry.files is None:
        return _read_all(entry.prefix)
    return next((flaw for name in entry.files if (flaw := find_flaw(entry, name))), None)


def find_missing(prefix: Path) -> str | None:
    """Check that the files of a checkpoint are there and have the sizes that were written, without reading them.

    Returns:
        What is wrong, in the words of `find_damage`; None if nothing is.
    """
    entry = read_entry(prefix)
    if entry is None or entry.files is None:
        there = any(prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*"))
        return None if there else "its .data file is missing"
    return next((flaw for name in entry.files if (flaw := find_flaw(entry, name, with_content=False))), None)


def find_flaw(entry: Entry, name: str, with_content: bool = True) -> str | None:
    """What is wrong with one file of a checkpoint, by its size and, if asked for, its content; None if nothing is."""
    path, kind = entry.prefix.with_name(name), name[len(entry.name) :].split("-")[0]
    try:
        size, written_size = path.stat().st_size, entry.sizes.get(name)
        if written_size is not None and size != written_size:
            return f"its {kind} file is {'shorter' if size < written_size else 'longer'} than what was written"
        if with_content and sha256(path) != entry.files[name]:
            return f"its {kind} file is not what was written"
    except FileNotFoundError:
        return f"its {kind} file is missing"
    except OSError as error:
        return f"its {kind} file cannot be read: {error.strerror}"
    return None


def newest_sound(folder: Path, other_than: str = "") -> Entry | None:
    """The newest checkpoint whose files are what was written, except the one named `other_than`; None if none is."""
    return next((e for e in complete_entries(folder) if e.name != other_than and find_damage(e) is None), None)


def damaged(prefix: Path, flaw: str) -> InputError:
    """The error for a damaged checkpoint; it names a sound one if there is one."""
    other = newest_sound(prefix.parent.parent, other_than=prefix.name) if prefix.parent.name == "checkpoints" else None
    instead = f"use {other.prefix}" if other is not None else "there is no sound one beside it"
    return InputError(f"{prefix}: the checkpoint is damaged ({flaw}); {instead}")


def remove_checkpoint(checkpoints: Path, name: str) -> None:
    """Remove the files of a checkpoint, its entry first, so that it is not complete while the others are removed."""
    (checkpoints / f"{name}.json").unlink(missing_ok=True)
    for path in list(checkpoints.iterdir()):
        match = _FILE_NAME.fullmatch(path.name)
        if match and match[1] == name:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def short_reason(error: Exception) -> str:
    """Why reading or writing failed, in a few words; TensorFlow's own messages have many lines."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(getattr(error, "message", None) or error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO):
        if os.strerror(number) in text:
            return os.strerror(number)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("Graph execution error")]
    return lines[0] if lines else type(error).__name__


def how_to_go_on(error: Exception) -> str:
    """What to do after a training could not write, in a few words, by why it could not."""
    full = short_reason(error) in map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
    return f"{'free some space and ' * full}run again with --resume"


def read_json(path: Path) -> object:
    """The content of a JSON file; None if it does not exist or is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def is_number(value: object, least: float, most: float) -> bool:
    """Whether a value from JSON is a number in this range; NaN, true and false are none."""
    return type(value) in (int, float) and least <= value <= most


def _names(checkpoints: Path) -> set[str]:
    if not checkpoints.is_dir():
        return set()
    matches = (_FILE_NAME.fullmatch(path.name) for path in checkpoints.iterdir())
    return {match[1] for match in matches if match}


def _parse(prefix: Path, value: object, with_files: bool) -> Entry | None:
    """The entry that a JSON value stands for; None if it is not what was written there.

    Args:
        prefix: The prefix of the checkpoint that the value should be about.
        value: The content of the entry's file, or of latest.json or best.json.
        with_files: Whether the value is from the entry's file, which has the SHA-256 and sizes of the files.
    """
    if not isinstance(value, dict):
        return None
    known = {field.name: value[field.name] for field in fields(TrainingState) if field.name in value}
    state = TrainingState(**{"step": step_from_name(prefix.name), **known})
    numbers = [getattr(state, name) for name in ("step", "epoch", "best_epoch", "epochs_since_best")]
    score, thresholds, writing = state.best_score, value.get("thresholds"), Writing.from_json(value.get("writing"))
    sound = (
        all(type(number) is int and 0 <= number < _LARGEST for number in numbers)
        and (score is None or is_number(score, -sys.float_info.max, sys.float_info.max))
        and (thresholds is None or (isinstance(thresholds, list) and all(is_number(t, 0, 1) for t in thresholds)))
        and (state.chosen_by is None or type(state.chosen_by) is str)
        and (writing is not None or value.get("writing") is None)
        and (value.get("checkpoint"), state.step) == (prefix.name, step_from_name(prefix.name))
    )
    if not sound:
        return None
    if not with_files:  # with thresholds it was evaluated, and then it was the best if its epoch was the best
        best = prefix.name.startswith("best-") or (thresholds is not None and state.best_epoch == state.epoch)
        return Entry(prefix, state, thresholds, best, None, {}, writing)
    files, sizes = value.get("files"), value.get("bytes")
    if files is None:
        return Entry(prefix, state, thresholds, value.get("best") is True, None, {}, writing)
    if not isinstance(files, dict) or not isinstance(sizes, dict) or f"{prefix.name}.index" not in files:
        return None
    if not all(name.startswith(f"{prefix.name}.") and _OF_FILE.fullmatch(name) for name in files):
        return None
    if not all(type(sha) is str for sha in files.values()) or not all(type(size) is int for size in sizes.values()):
        return None
    return Entry(prefix, state, thresholds, value.get("best") is True, files, sizes, writing)


def _read_all(prefix: Path) -> str | None:
    """Read every value of a checkpoint; returns what TensorFlow finds wrong, None if nothing."""
    import tensorflow as tf  # only here, as all else that is asked of a run's folder needs no TensorFlow

    try:
        with readable_prefix(prefix) as readable:
            reader = tf.compat.v1.train.NewCheckpointReader(readable)
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, MemoryError) as error:
        return short_reason(error)
    return None
