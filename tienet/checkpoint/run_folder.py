"""A run's folder, and checkpoints that are loaded whole or not at all.

config.json        the settings            vocab.txt       the words
run.json           label list, data fingerprint, word vectors' size, backbone's fingerprint
studies.json       fingerprints of the studies that it was trained and validated on
backbone.npz       the frozen weights (modes with an image); feature_norm.npy: its channels' mean and std, where used
checkpoints/       latest-STEP.*, best-STEP.* (TensorFlow's format, weights and optimizer)
latest.json, best.json   which checkpoint that is, its epoch, validation AUC and thresholds
stats.json, log.log, events.*   what Tensorpack logs

How checkpoints are written: `tienet.checkpoint.save`. From which one a run goes on: `tienet.checkpoint.resume`. Which
are there, and whether they are sound: `tienet.checkpoint.entries`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.sessinit import SessionInit

from tienet import files
from tienet.checkpoint.entries import TrainingState, complete, damage, entry_of, newest_sound, pointed, reason
from tienet.config import Config
from tienet.data.features import statistics
from tienet.data.leaks import Fingerprint
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.grid import ENDS
from tienet.labels import LABELS
from tienet.modes import mode_named

__all__ = [
    "ACCUMULATION",
    "Run",
    "StrictRestore",
    "TrainingState",
    "WordVectors",
    "check_mode",
    "create_run",
    "load_run",
    "locate",
    "restore",
    "thresholds_of",
]

tf1 = tf.compat.v1

ACCUMULATION = "tienet_accumulation"
"""The collection of gradient accumulation's counters and sums: zero whenever a checkpoint is written."""


@dataclass(frozen=True)
class Run:
    """What a run's folder says about it, without its weights."""

    folder: Path
    config: Config
    vocab: Vocab
    word_dim: int
    facts: dict[str, object]

    @property
    def backbone_path(self) -> Path:
        """The frozen weights that the run was trained with."""
        return self.folder / "backbone.npz"

    def feature_statistics(self) -> np.ndarray | None:
        """float32 [2, channels], what the features are standardised with; None if they are not."""
        if not (self.config.mode_parts.image and self.config.feature_norm):
            return None
        return statistics.load(self.folder / "feature_norm.npy", ENDS[self.config.backbone_end][1])

    def studies(self) -> dict[str, list[Fingerprint]] | None:
        """Split -> fingerprints of its studies; None for a run that has not kept them."""
        path = self.folder / "studies.json"
        if not path.is_file():
            return None
        return {split: [Fingerprint(*one) for one in kept] for split, kept in _read_json(path).items()}


def create_run(
    folder: Path, config: Config, vocab: Vocab, facts: dict[str, object], studies: dict[str, list[Fingerprint]]
) -> None:
    """Start a run's folder; `facts` must have `word_dim`, `studies` goes by split."""
    files.write_text(folder / "studies.json", json.dumps(studies) + "\n")
    config.save(folder / "config.json")
    vocab.save(folder / "vocab.txt")
    facts = {"labels": list(LABELS), "vocab_fingerprint": vocab.fingerprint(), **facts}
    files.write_json(folder / "run.json", facts)


def load_run(folder: Path) -> Run:
    """Read a run's folder, strictly.

    Raises:
        InputError, FileNotFoundError: something is missing, or belongs to another run.
    """
    for name in ("config.json", "vocab.txt", "run.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: not the folder of a run: it has no {name}; give the --logdir of train.py")
    facts = _read_json(folder / "run.json")
    config = Config.load(folder / "config.json")
    vocab = Vocab.load(folder / "vocab.txt", needs_words=config.mode_parts.reads)
    if facts.get("labels") != list(LABELS):
        raise InputError(f"{folder / 'run.json'}: the labels are {facts.get('labels')}, expected {list(LABELS)}")
    if facts.get("vocab_fingerprint") != vocab.fingerprint():
        raise InputError(f"{folder / 'vocab.txt'}: not the vocabulary that this run was trained with; put it back")
    return Run(folder, config, vocab, int(facts["word_dim"]), facts)


def locate(load: str | Path) -> tuple[Path, Path]:
    """What `--load` names -> (the run's folder, the checkpoint's prefix).

    `load` is a run's folder (its best checkpoint), a checkpoint (prefix, .index or .data file), the text file
    `checkpoint` that TensorFlow keeps beside them (the latest one), or the folder that holds them.

    Raises:
        InputError: there is no such checkpoint.
    """
    path = Path(load)
    if path.is_dir() and (path / "run.json").is_file():
        return path, _named_checkpoint(path)
    if path.is_dir() and path.name == "checkpoints":
        return path.parent, _named_checkpoint(path.parent)
    if path.is_dir():
        raise InputError(f"{path}: not the folder of a run: it has no run.json; give the --logdir of train.py")
    if path.name == "checkpoint" and path.is_file():
        return path.parent.parent, _named_checkpoint(path.parent.parent, ("latest",))
    prefix = path.with_name(path.name.split(".index")[0].split(".data-")[0])
    if not prefix.with_name(prefix.name + ".index").is_file():
        raise InputError(f"{load}: no checkpoint there; --load takes a run's folder or one of its checkpoints")
    return prefix.parent.parent, prefix


def _named_checkpoint(folder: Path, kinds: tuple[str, ...] = ("best", "latest")) -> Path:
    """What best.json names, or, where a kill came before it, the newest best-STEP; else the same of latest."""
    for kind in kinds:
        named = pointed(folder, kind) or next((e for e in complete(folder) if e.name.startswith(f"{kind}-")), None)
        if named is not None:
            return named.prefix
        if (folder / f"{kind}.json").is_file():
            raise InputError(f"{folder / f'{kind}.json'}: names no checkpoint; give one of {folder / 'checkpoints'}")
    raise InputError(f"{folder}: the run has no checkpoint yet; train it further with --resume")


def restore(session: tf1.Session, prefix: Path, variables: list[tf.Variable]) -> None:
    """Load exactly `variables` from a checkpoint; those in `ACCUMULATION` start at zero where it has none.

    Raises:
        InputError: the file is damaged, or a variable is missing there or has another shape: all are named.
    """
    with session.graph.as_default():
        there, missing = _check_contents(prefix, variables)
        session.run(tf1.variables_initializer(missing))
        _load(session, tf1.train.Saver(there), prefix)


def _load(session: tf1.Session, saver: tf1.train.Saver, prefix: Path) -> None:
    try:
        saver.restore(session, str(prefix))
    except (tf.errors.OpError, ValueError) as error:
        raise _damaged(prefix, reason(error)) from error


def _check_contents(prefix: Path, variables: list[tf.Variable]) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """The variables that the checkpoint has, and those of `ACCUMULATION` that it need not have and lacks."""
    entry = entry_of(prefix)
    flaw = damage(entry) if entry is not None and entry.files is not None else None
    if flaw is not None:
        raise _damaged(prefix, flaw)
    try:
        shapes = tf1.train.NewCheckpointReader(str(prefix)).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise _damaged(prefix, reason(error)) from error
    may_lack = {variable.op.name for variable in tf1.get_collection(ACCUMULATION)}
    problems, missing = [], []
    for variable in variables:
        name, expected = variable.op.name, variable.shape.as_list()
        if name not in shapes and name in may_lack:
            missing.append(variable)
        elif name not in shapes:
            problems.append(f"{name} is missing")
        elif shapes[name] != expected:
            problems.append(f"{name} has shape {shapes[name]}, expected {expected}")
    if problems:
        raise InputError(f"{prefix}: does not fit this network: {'; '.join(problems)}")
    return [variable for variable in variables if variable.op.name in shapes], missing


def _damaged(prefix: Path, flaw: str) -> InputError:
    """The error for a checkpoint that cannot be used; names one that can."""
    other = newest_sound(prefix.parent.parent, other_than=prefix.name) if prefix.parent.name == "checkpoints" else None
    instead = f"use {other.prefix}" if other is not None else "there is no sound one beside it"
    return InputError(f"{prefix}: the checkpoint is damaged ({flaw}); {instead}")


class StrictRestore(SessionInit):
    """`restore` as Tensorpack's trainers want it: all variables, or those that are trained (Adam starts anew)."""

    def __init__(self, prefix: Path, trainable_only: bool = False):
        self._prefix, self._trainable_only = prefix, trainable_only

    def _setup_graph(self) -> None:  # before the graph is finalized
        variables = tf1.trainable_variables() if self._trainable_only else tf1.global_variables()
        there, missing = _check_contents(self._prefix, variables)
        self._start = tf1.variables_initializer(missing)
        self._saver = tf1.train.Saver(there, name="strict_restore")

    def _run_init(self, session: tf1.Session) -> None:
        session.run(self._start)
        _load(session, self._saver, self._prefix)


class WordVectors(SessionInit):
    """The first values of the word vectors, float32 [V, E]."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.trainable_variables() if v.op.name == "word_vectors")

    def _run_init(self, session: tf1.Session) -> None:
        self._variable.load(self._vectors, session)


def thresholds_of(folder: Path, prefix: Path) -> np.ndarray | None:
    """float32 [K], chosen on the validation split when this checkpoint was written; None if it was not judged."""
    for entry in (entry_of(prefix), pointed(folder, "best"), pointed(folder, "latest")):
        if entry is not None and entry.name == prefix.name and entry.thresholds:
            return np.array(entry.thresholds, np.float32)
    return None


def check_mode(run: Run, needed: str, allowed: tuple[str, ...]) -> None:
    """Raise InputError unless the run's mode is one of `allowed`; `needed` says what for."""
    mode_named(run.config.mode)
    if run.config.mode not in allowed:
        raise InputError(
            f"{run.folder}: a checkpoint of mode {run.config.mode}, but {needed} needs {' or '.join(allowed)}"
        )


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error
