"""Which checkpoints a run's folder holds, and whether their files are what was written.

checkpoints/latest-STEP.*, best-STEP.*   TensorFlow's files, and NAME.json, the checkpoint's entry: how far the run had
                                         come, and sizes and sha256 of the files. Without an entry it is not complete.
latest.json, best.json                   what two of the entries say, for people and for other programs. Runs of before
                                         there were entries have only these; their checkpoints are read to the end
                                         instead, with TensorFlow's own checksums.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import tensorflow as tf

tf1 = tf.compat.v1

CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"(latest|best)-(\d+)")
_FILE_NAME = re.compile(rf"({_NAME.pattern})[._].+")


@dataclass
class TrainingState:
    """How far a run has come: what `latest.json` and `best.json` hold beside the checkpoint's name.

    Attributes:
        step: updates done. epoch: epochs done.
        best_score, best_epoch: the best mean validation AUC (caption: BLEU-4) so far, and when;
        epochs_since_best: epochs after it.
    """

    step: int = 0
    epoch: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    epochs_since_best: int = 0

    def record_epoch(self, step: int, epoch: int, score: float | None) -> bool:
        """Note an epoch's end; True if its score is the best so far (None, undefined, is below all others)."""
        self.step, self.epoch = step, epoch
        better = self.best_epoch == 0 or (score is not None and (self.best_score is None or score > self.best_score))
        if better:
            self.best_score, self.best_epoch = score, epoch
        self.epochs_since_best = epoch - self.best_epoch
        return better


@dataclass(frozen=True)
class Entry:
    """A complete checkpoint.

    Attributes:
        prefix: of its files, FOLDER/checkpoints/NAME. state: of the run when it was written.
        thresholds: K of them; None if it was not judged. best: it was the best one so far.
        files: sha256 by file name; None where they are not known. sizes: bytes by file name.
    """

    prefix: Path
    state: TrainingState
    thresholds: list[float] | None
    best: bool
    files: dict[str, str] | None
    sizes: dict[str, int]

    @property
    def name(self) -> str:
        """latest-STEP or best-STEP."""
        return self.prefix.name

    @property
    def path(self) -> Path:
        """The file that holds the entry."""
        return self.prefix.with_name(f"{self.name}.json")

    def summary(self) -> dict[str, object]:
        """What `latest.json` and `best.json` hold."""
        return {"checkpoint": self.name, **asdict(self.state), "thresholds": self.thresholds}

    def to_json(self) -> dict[str, object]:
        """What `path` holds."""
        return self.summary() | {"best": self.best, "files": self.files, "bytes": self.sizes}


def step_of(name: str) -> int:
    """320 for latest-320."""
    return int(name.rpartition("-")[2])


def entry_of(prefix: Path) -> Entry | None:
    """The entry beside a checkpoint; None where there is none that can be read."""
    return _parse(prefix, read_json(prefix.with_name(f"{prefix.name}.json")), with_files=True)


def pointed(folder: Path, kind: str) -> Entry | None:
    """The checkpoint that KIND.json (latest, best) names; None where it names none. It need not be there."""
    value = read_json(folder / f"{kind}.json")
    name = value.get("checkpoint") if isinstance(value, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    prefix = folder / "checkpoints" / name
    return entry_of(prefix) or _parse(prefix, value, with_files=False)


def complete(folder: Path) -> list[Entry]:
    """The checkpoints with an entry, or named by latest.json or best.json; newest first, latest-N before best-N.

    Whether their files are sound is not looked at here: see `damage`.
    """
    checkpoints = folder / "checkpoints"
    found = {name: entry_of(checkpoints / name) for name in _names(checkpoints)}
    for kind in ("latest", "best"):
        entry = pointed(folder, kind)
        if entry is not None:
            found[entry.name] = entry
    return sorted((e for e in found.values() if e), key=lambda e: (step_of(e.name), e.name), reverse=True)


def incomplete(folder: Path) -> dict[str, str]:
    """Name -> why, of what lies in checkpoints/ and is no complete checkpoint."""
    checkpoints = folder / "checkpoints"
    whole = {entry.name for entry in complete(folder)}
    reasons = {}
    for name in _names(checkpoints) - whole:
        broken = (checkpoints / f"{name}.json").exists()
        reasons[name] = f"{name}.json cannot be read" if broken else "it was not written to its end"
    return reasons


def damage(entry: Entry) -> str | None:
    """What is wrong with a checkpoint's files; None if they are what was written."""
    if entry.files is None:
        return _read_through(entry.prefix)
    for name, sha in entry.files.items():
        path, kind = entry.prefix.with_name(name), name[len(entry.name) :].split("-")[0]
        try:
            size, written = path.stat().st_size, entry.sizes.get(name)
            if written is not None and size != written:
                return f"its {kind} file is {'shorter' if size < written else 'longer'} than what was written"
            if sha256(path) != sha:
                return f"its {kind} file is not what was written"
        except FileNotFoundError:
            return f"its {kind} file is missing"
        except OSError as error:
            return f"its {kind} file cannot be read: {error.strerror}"
    return None


def newest_sound(folder: Path, other_than: str = "") -> Entry | None:
    """The newest checkpoint whose files are what was written."""
    return next((e for e in complete(folder) if e.name != other_than and damage(e) is None), None)


def remove(checkpoints: Path, name: str) -> None:
    """Remove a checkpoint, its entry first."""
    (checkpoints / f"{name}.json").unlink(missing_ok=True)
    for path in list(checkpoints.iterdir()):
        match = _FILE_NAME.fullmatch(path.name)
        if match and match[1] == name:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """Why reading or writing failed, in a few words: TensorFlow says it in many lines."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(getattr(error, "message", None) or error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO):
        if os.strerror(number) in text:
            return os.strerror(number)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("Graph execution error")]
    return lines[0] if lines else type(error).__name__


def read_json(path: Path) -> object:
    """What a JSON file holds; None where there is no such file or it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _names(checkpoints: Path) -> set[str]:
    if not checkpoints.is_dir():
        return set()
    matches = (_FILE_NAME.fullmatch(path.name) for path in checkpoints.iterdir())
    return {match[1] for match in matches if match}


def _parse(prefix: Path, value: object, with_files: bool) -> Entry | None:
    """An entry, or what a latest.json without an entry says; None if that is not what was written."""
    if not isinstance(value, dict):
        return None
    known = {field.name: value[field.name] for field in fields(TrainingState) if field.name in value}
    state = TrainingState(**{"step": step_of(prefix.name), **known})
    numbers = [getattr(state, name) for name in ("step", "epoch", "best_epoch", "epochs_since_best")]
    score, thresholds = state.best_score, value.get("thresholds")
    sound = (
        all(type(number) is int and number >= 0 for number in numbers)
        and (score is None or type(score) in (int, float))
        and (thresholds is None or (isinstance(thresholds, list) and all(type(t) in (int, float) for t in thresholds)))
        and (value.get("checkpoint"), state.step) == (prefix.name, step_of(prefix.name))
    )
    if not sound:
        return None
    if not with_files:  # it was judged where it has thresholds, and then it was the best if that epoch was
        best = prefix.name.startswith("best-") or (thresholds is not None and state.best_epoch == state.epoch)
        return Entry(prefix, state, thresholds, best, None, {})
    files, sizes = value.get("files"), value.get("bytes")
    if files is None:
        return Entry(prefix, state, thresholds, value.get("best") is True, None, {})
    if not isinstance(files, dict) or not isinstance(sizes, dict) or f"{prefix.name}.index" not in files:
        return None
    if not all(name.startswith(f"{prefix.name}.") for name in files):
        return None
    if not all(type(sha) is str for sha in files.values()) or not all(type(size) is int for size in sizes.values()):
        return None
    return Entry(prefix, state, thresholds, value.get("best") is True, files, sizes)


def _read_through(prefix: Path) -> str | None:
    """What TensorFlow finds wrong when it reads every value; None if nothing."""
    try:
        reader = tf1.train.NewCheckpointReader(str(prefix))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, MemoryError) as error:
        return reason(error)
    return None
