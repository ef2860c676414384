"""A run's folder: what it holds, how it is started, and how `--load` finds it.

config.json        the settings            vocab.txt       the words
run.json           label list, data fingerprint, word vectors' size, backbone's fingerprint
studies.json       fingerprints of the studies that it was trained and validated on
backbone.npz       the frozen weights (modes with an image); feature_norm.npy: its channels' mean and std, where used
checkpoints/       latest-STEP.*, best-STEP.* (TensorFlow's format, weights and optimizer)
latest.json, best.json   which checkpoint that is, its epoch, validation AUC and thresholds
stats.json, log.log, events.*   what Tensorpack logs

How checkpoints are written: `tienet.checkpoint.save`. From which one a run goes on: `tienet.checkpoint.resume`. Which
are there, and whether they are sound: `tienet.checkpoint.entries`. How weights are loaded: `tienet.checkpoint.restore`.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tienet import files
from tienet.checkpoint import calibration
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.entries import complete, entry_of, pointed
from tienet.config import Config
from tienet.data.features import statistics
from tienet.data.leaks import Fingerprint
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.grid import ENDS
from tienet.labels import LABELS, K
from tienet.modes import mode_named


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


@dataclass(frozen=True)
class OpenedRun(Run):
    """A run with the checkpoint of it that is used.

    Attributes:
        load: what the user named. prefix: of the checkpoint's files.
    """

    load: str
    prefix: Path

    @cached_property
    def calibration(self) -> Calibration | None:
        """The checkpoint's temperatures and thresholds; None if it is not calibrated.

        Raises:
            InputError: calibration.json is broken.
        """
        return calibration.load(self.prefix)

    def thresholds(self) -> np.ndarray:
        """float32 [K], from the validation split: of the calibration, else of the epoch; NaN where there is none."""
        if self.calibration is not None:
            return self.calibration.thresholds
        found = thresholds_of(self.folder, self.prefix)
        return np.full(K, np.nan, np.float32) if found is None else found

    def check_mode(self, needed: str, allowed: tuple[str, ...]) -> None:
        """Raise InputError unless the run's mode is one of `allowed`; `needed` says what for."""
        mode_named(self.config.mode)
        if self.config.mode not in allowed:
            raise InputError(
                f"{self.folder}: a checkpoint of mode {self.config.mode}, but {needed} needs {' or '.join(allowed)}"
            )


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


def open_run(load: "str | Path | OpenedRun") -> OpenedRun:
    """What `--load` names, read once; the opened run is what everything after the command line is given.

    Args:
        load: as `locate` takes it, or a run that is open already, which is returned as it is.
    Raises:
        InputError: there is no such checkpoint, or the folder is not that of a whole run.
    """
    if isinstance(load, OpenedRun):
        return load
    folder, prefix = locate(load)
    return OpenedRun(**vars(load_run(folder)), load=str(load), prefix=prefix)


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


def thresholds_of(folder: Path, prefix: Path) -> np.ndarray | None:
    """float32 [K], chosen on the validation split when this checkpoint was written; None if it was not judged."""
    for entry in (entry_of(prefix), pointed(folder, "best"), pointed(folder, "latest")):
        if entry is not None and entry.name == prefix.name and entry.thresholds:
            return np.array(entry.thresholds, np.float32)
    return None


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error
