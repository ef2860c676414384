"""A run's folder, and checkpoints that are loaded whole or not at all.

config.json        the settings            vocab.txt       the words
run.json           label list, data fingerprint, word vectors' size, backbone's fingerprint
studies.json       fingerprints of the studies that it was trained and validated on
backbone.npz       the frozen weights (modes with an image); feature_norm.npy: its channels' mean and std, where used
checkpoints/       latest-STEP.*, best-STEP.* (TensorFlow's format, weights and optimizer)
latest.json, best.json   which checkpoint that is, its epoch, validation AUC and thresholds
stats.json, log.log, events.*   what Tensorpack logs
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.sessinit import SessionInit

from tienet import files
from tienet.config import Config
from tienet.data import feature_statistics
from tienet.data.leaks import Fingerprint
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.labels import LABELS
from tienet.modeling.backbone_weights import ENDS
from tienet.modes import mode_named

tf1 = tf.compat.v1


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
        return feature_statistics.load(self.folder / "feature_norm.npy", ENDS[self.config.backbone_end][1])

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
        return path.parent.parent, path.parent / _read_json(path.parent.parent / "latest.json")["checkpoint"]
    prefix = path.with_name(path.name.split(".index")[0].split(".data-")[0])
    if not prefix.with_name(prefix.name + ".index").is_file():
        raise InputError(f"{load}: no checkpoint there; --load takes a run's folder or one of its checkpoints")
    return prefix.parent.parent, prefix


def _named_checkpoint(folder: Path) -> Path:
    for name in ("best.json", "latest.json"):
        if (folder / name).is_file():
            return folder / "checkpoints" / _read_json(folder / name)["checkpoint"]
    raise InputError(f"{folder}: the run has no checkpoint yet; train it further with --resume")


def restore(session: tf1.Session, prefix: Path, variables: list[tf.Variable]) -> None:
    """Load exactly `variables` from a checkpoint.

    Raises:
        InputError: the file is damaged, or a variable is missing there or has another shape: all are named.
    """
    _check_contents(prefix, variables)
    try:
        tf1.train.Saver(variables).restore(session, str(prefix))
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(f"{prefix}: the checkpoint is damaged ({_first_line(error)}); use another one") from error


def _check_contents(prefix: Path, variables: list[tf.Variable]) -> None:
    try:
        shapes = tf1.train.NewCheckpointReader(str(prefix)).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(f"{prefix}: not a checkpoint that can be read ({_first_line(error)})") from error
    problems = []
    for variable in variables:
        name, expected = variable.op.name, variable.shape.as_list()
        if name not in shapes:
            problems.append(f"{name} is missing")
        elif shapes[name] != expected:
            problems.append(f"{name} has shape {shapes[name]}, expected {expected}")
    if problems:
        raise InputError(f"{prefix}: does not fit this network: {'; '.join(problems)}")


class StrictRestore(SessionInit):
    """`restore` as Tensorpack's trainers want it: all variables, or those that are trained (Adam starts anew)."""

    def __init__(self, prefix: Path, trainable_only: bool = False):
        self._prefix, self._trainable_only = prefix, trainable_only

    def _setup_graph(self) -> None:
        self._variables = tf1.trainable_variables() if self._trainable_only else tf1.global_variables()
        _check_contents(self._prefix, self._variables)
        self._saver = tf1.train.Saver(self._variables, name="strict_restore")  # before the graph is finalized

    def _run_init(self, session: tf1.Session) -> None:
        try:
            self._saver.restore(session, str(self._prefix))
        except (tf.errors.OpError, ValueError) as error:
            raise InputError(f"{self._prefix}: the checkpoint is damaged ({_first_line(error)})") from error


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
    for name in ("best.json", "latest.json"):
        if (folder / name).is_file():
            entry = _read_json(folder / name)
            if entry["checkpoint"] == prefix.name and entry.get("thresholds"):
                return np.array(entry["thresholds"], np.float32)
    return None


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

    @classmethod
    def load(cls, folder: Path) -> "TrainingState":
        """The state in a run's `latest.json`."""
        entry = _read_json(folder / "latest.json") if (folder / "latest.json").is_file() else {}
        return cls(**{field: entry[field] for field in cls.__dataclass_fields__ if field in entry})

    def judge(self, step: int, epoch: int, score: float | None) -> bool:
        """Note an epoch's end; True if its score is the best so far (None, undefined, is below all others)."""
        self.step, self.epoch = step, epoch
        better = self.best_epoch == 0 or (score is not None and (self.best_score is None or score > self.best_score))
        if better:
            self.best_score, self.best_epoch = score, epoch
        self.epochs_since_best = epoch - self.best_epoch
        return better


def latest(folder: Path) -> Path:
    """Prefix of the checkpoint that a run goes on from."""
    if not (folder / "latest.json").is_file():
        raise InputError(f"{folder}: the run has no checkpoint to resume; start it again in another --logdir")
    return folder / "checkpoints" / _read_json(folder / "latest.json")["checkpoint"]


def save(
    folder: Path,
    session: tf1.Session,
    saver: tf1.train.Saver,
    state: TrainingState,
    thresholds: list[float] | None,
    best: bool,
) -> None:
    """Write the latest checkpoint, and link it as the best; `latest.json` and `best.json` change last.

    Raises:
        InputError: it cannot be written (a full disk); the one before it is kept.
    """
    checkpoints = folder / "checkpoints"
    prefix = checkpoints / f"latest-{state.step}"
    try:
        checkpoints.mkdir(exist_ok=True)
        saver.save(session, str(prefix), write_meta_graph=False)
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"{prefix}: cannot be written ({_first_line(error)}); the checkpoint before it is kept"
        ) from error
    entry = {"checkpoint": prefix.name, **asdict(state), "thresholds": thresholds}
    _switch(folder, "latest", entry)
    if best:
        linked = prefix.with_name(f"best-{state.step}")
        for source in checkpoints.glob(f"{prefix.name}.*"):
            target = checkpoints / source.name.replace(prefix.name, linked.name, 1)
            target.unlink(missing_ok=True)
            target.hardlink_to(source)
        _switch(folder, "best", entry | {"checkpoint": linked.name})


def _switch(folder: Path, kind: str, entry: dict) -> None:
    """Point KIND.json at its new checkpoint, then remove the ones before."""
    files.write_json(folder / f"{kind}.json", entry)
    for old in (folder / "checkpoints").glob(f"{kind}-*"):
        if not old.name.startswith(entry["checkpoint"] + "."):
            old.unlink()


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


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).splitlines()[0]
