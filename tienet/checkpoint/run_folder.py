"""A run's folder: which files it holds, how it is created, and how `--load` names a checkpoint in it.

config.json        the settings
vocab.txt          the words of the vocabulary
run.json           the list of labels, the size of the word vectors, the fingerprint of the data, the run's identity,
                   the preset and the weights that it was started with (`tienet.training.started`),
                   and what it has from an earlier run if it was trained on two splits (`tienet.checkpoint.earlier_run`)
studies.json       fingerprints of the studies that the run was trained on (with those of the run whose weights it
                   started from) and validated on
backbone.npz       the frozen weights of the backbone (in modes with an image)
feature_norm.npy   the mean and standard deviation of the backbone's channels (where `feature_norm` is set)
images.npz         how the backbone's features of the training images are distributed (in modes with an image)
calibration.json   temperatures and thresholds of calibrated checkpoints
checkpoints/       latest-STEP.*, best-STEP.*: weights and the optimizer's state, in TensorFlow's format, and, in modes
                   that classify, NAME.validation.npz: the logits, labels and fingerprints of the validation split
latest.json, best.json          the name of that checkpoint, its epoch, validation score and thresholds, and
                                what its reports were like
stats.json, log.log, events.*   Tensorpack's logs
README.md, curves.png           what the run is, and the curves of its training, for people (`tienet.training.card`)

What a run's identity is, and where runs are compared by it, is in `tienet.checkpoint.identity`; the files that it
describes are compared with it whenever they are read. How checkpoints are written is in `tienet.checkpoint.save`, from
which one a run is resumed in `tienet.checkpoint.resume`, which there are and whether they are sound in
`tienet.checkpoint.entries`, how weights are loaded in `tienet.checkpoint.restore`, what NAME.validation.npz holds in
`tienet.checkpoint.validation_record`, and how several runs label as one model in `tienet.checkpoint.together`.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tienet import files
from tienet.checkpoint import calibration
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.earlier_run import EarlierRun
from tienet.checkpoint.entries import Entry, complete_entries, damaged, find_missing, named_entry, read_entry
from tienet.config import Config
from tienet.data.features import image_distribution, statistics
from tienet.data.features.image_distribution import ImageDistribution
from tienet.data.leaks import Fingerprint
from tienet.data.text import Vocab
from tienet.errors import InputError
from tienet.grid import ENDS
from tienet.labels import LABELS, K
from tienet.modeling import backbone_weights

MAX_WORD_DIM = 100_000
"""The largest size of a word vector."""

PREPROCESSING_SETTINGS = ("image_px", "backbone_end", "backbone_dtype", "feature_norm")
"""The settings that change the features of an image; run.json has them beside config.json, as `preprocessing`."""

_FACTS = {
    "vocab_fingerprint": str,
    "word_vectors_fingerprint": str,
    "backbone_fingerprint": str,
    "feature_statistics_fingerprint": str,
    "preprocessing": dict,
    "libraries": dict,
}  # the type of each entry of the identity that is there and not null


@dataclass(frozen=True)
class Run:
    """A run as its folder describes it, without its weights.

    Attributes:
        folder: The run's folder.
        config: The settings that the run was trained with.
        vocab: The run's vocabulary.
        word_dim: The size of a word vector.
        facts: The content of run.json.
    """

    folder: Path
    config: Config
    vocab: Vocab
    word_dim: int
    facts: dict[str, object]

    @property
    def backbone_path(self) -> Path:
        """The file of the frozen backbone weights that the run was trained with."""
        return self.folder / "backbone.npz"

    def backbone_weights(self) -> dict[str, np.ndarray]:
        """The arrays of the frozen backbone that the run was trained with, by name.

        Raises:
            InputError: backbone.npz is missing or broken, or not the one that the run was trained with.
        """
        weights = backbone_weights.load_weights(self.backbone_path, self.config.backbone_end)
        if self.facts.get("backbone_fingerprint") not in (None, backbone_weights.fingerprint(weights)):
            raise InputError(f"{self.backbone_path}: not the backbone that this run was trained with; put it back")
        return weights

    def feature_statistics(self) -> np.ndarray | None:
        """float32 [2, channels], the mean and standard deviation of the features; None if they are not standardised.

        Raises:
            InputError: feature_norm.npy is missing or broken, or not the one that the run was trained with.
        """
        if not (self.config.mode_parts.image and self.config.feature_norm):
            return None
        path = self.folder / "feature_norm.npy"
        measured = statistics.load(path, ENDS[self.config.backbone_end][1])
        if self.facts.get("feature_statistics_fingerprint") not in (None, statistics_fingerprint(measured)):
            raise InputError(f"{path}: not the statistics that this run was trained with; put them back")
        return measured

    @property
    def earlier(self) -> EarlierRun | None:
        """What a run that was trained on the training and the validation split has from an earlier one.

        None for a run that was trained on the training split alone.
        """
        return EarlierRun.from_facts(str(self.folder / "run.json"), self.facts)

    def image_distribution(self) -> ImageDistribution | None:
        """How the features of the training images are distributed; None without an image, and in older runs.

        Raises:
            InputError: images.npz is damaged, or of another network.
        """
        if not self.config.mode_parts.image:
            return None
        path = self.folder / image_distribution.FILE_NAME
        return image_distribution.load(path, ENDS[self.config.backbone_end][1])

    def studies(self) -> dict[str, list[Fingerprint]] | None:
        """The fingerprints of the studies of each split; None for an older run, which has no studies.json.

        Raises:
            InputError: studies.json is broken, or lacks the split train or val.
        """
        path = self.folder / "studies.json"
        if not path.is_file():
            return None
        studies = files.read_json(path)
        sound = isinstance(studies, dict) and all(map(_are_fingerprints, studies.values()))
        if not sound or not {"train", "val"} <= studies.keys():
            raise InputError(f"{path}: not what was written there; put it back, or remove it")
        return {split: [Fingerprint(*values) for values in of_split] for split, of_split in studies.items()}


@dataclass(frozen=True)
class OpenedRun(Run):
    """A run with the one of its checkpoints that is used.

    Attributes:
        load: What the user has named with `--load`.
        prefix: The prefix of the checkpoint's files.
    """

    load: str
    prefix: Path

    @property
    def runs(self) -> "tuple[OpenedRun, ...]":
        """This run alone; `tienet.checkpoint.together.OpenedRuns` has several here."""
        return (self,)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The checkpoint's temperatures and thresholds, read when first asked for; None if it is not calibrated.

        Raises:
            InputError: calibration.json is broken.
        """
        return calibration.load(self.prefix)

    @cached_property
    def writing_flaw(self) -> str | None:
        """Why nobody can use the reports that the checkpoint writes, in one line (`Writing.flaw`).

        None: one can, or the mode does not write, or the checkpoint does not say what its reports were like.
        """
        return next((entry.writing.flaw for entry in _entries_of(self.folder, self.prefix) if entry.writing), None)

    def thresholds(self) -> np.ndarray:
        """float32 [K], thresholds of the validation split; NaN if there are none.

        They are those of the calibration, or, without one, those that were chosen when the checkpoint was written. A
        run that was trained on the validation split too has those of its earlier run (`earlier`).

        Raises:
            InputError: The file that has them is broken.
        """
        if self.calibration is not None:
            return self.calibration.thresholds
        found = read_thresholds(self.folder, self.prefix)
        if found is None:
            return np.full(K, np.nan, np.float32)
        if len(found) != K:
            entry = self.prefix.with_name(f"{self.prefix.name}.json")
            raise InputError(f"{entry}: {len(found)} thresholds, expected {K}; tienet calibrate chooses new ones")
        return found

    def check_files(self) -> None:
        """Check, without TensorFlow, that all files are there from which the network is loaded.

        Large files are not read: what is in them is checked when they are loaded.

        Raises:
            InputError: A file is missing, has another size than what was written, or is broken.
        """
        _ = self.calibration, self.feature_statistics(), self.image_distribution()
        if self.config.mode_parts.image:
            backbone_weights.check_is_file(self.backbone_path)
        if flaw := find_missing(self.prefix):
            raise damaged(self.prefix, flaw)

    def check_mode(self, needed: str, allowed: tuple[str, ...]) -> None:
        """Raise InputError unless the run's mode is one of `allowed`; `needed` says in the message what needs it."""
        if self.config.mode not in allowed:
            raise InputError(
                f"{self.folder}: a checkpoint of mode {self.config.mode}, but {needed} needs {' or '.join(allowed)}"
            )


def create_run(
    folder: Path, config: Config, vocab: Vocab, facts: dict[str, object], studies: dict[str, list[Fingerprint]]
) -> None:
    """Write the files that a run's folder has before training; run.json, the last of them, makes it a run.

    Args:
        folder: The run's folder.
        config: The settings.
        vocab: The vocabulary.
        facts: The content of run.json: `word_dim`, the data set, and the run's identity.
        studies: The fingerprints of the studies of each split.
    """
    files.write_text(folder / "studies.json", json.dumps(studies) + "\n")
    config.save(folder / "config.json")
    vocab.save(folder / "vocab.txt")
    facts = {"labels": list(LABELS), "vocab_fingerprint": vocab.fingerprint(), **facts}
    files.write_json(folder / "run.json", facts)


def statistics_fingerprint(statistics: np.ndarray) -> str:
    """The fingerprint of feature statistics, float32 [2, channels]: of their shape and their values."""
    return backbone_weights.fingerprint({"feature_norm": statistics})


def load_run(folder: Path) -> Run:
    """Read a run's folder, without its checkpoints.

    Raises:
        InputError: A file is missing or broken, or belongs to another run.
    """
    for name in ("config.json", "vocab.txt", "run.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: not the folder of a run: it has no {name}; give the --logdir of train.py")
    facts = files.read_json(folder / "run.json")
    if not isinstance(facts, dict):
        raise InputError(f"{folder / 'run.json'}: not what was written there; put it back")
    config = Config.load(folder / "config.json")
    vocab = Vocab.load(folder / "vocab.txt", needs_words=config.mode_parts.reads)
    if facts.get("labels") != list(LABELS):
        raise InputError(f"{folder / 'run.json'}: the labels are {facts.get('labels')!r}, expected {list(LABELS)}")
    if facts.get("vocab_fingerprint") != vocab.fingerprint():
        raise InputError(f"{folder / 'vocab.txt'}: not the vocabulary that this run was trained with; put it back")
    word_dim = facts.get("word_dim")
    if type(word_dim) is not int or not 1 <= word_dim <= MAX_WORD_DIM:
        expected = f"expected the size of a word vector, 1 to {MAX_WORD_DIM:,}"
        raise InputError(f"{folder / 'run.json'}: word_dim is {word_dim!r}; {expected}")
    _check_identity(folder, config, facts)
    EarlierRun.from_facts(str(folder / "run.json"), facts)  # raises an InputError if it is broken
    return Run(folder, config, vocab, word_dim, facts)


def _check_identity(folder: Path, config: Config, facts: dict) -> None:
    """Raise InputError if the identity in run.json is broken, or config.json has other settings than it."""
    for name, kind in _FACTS.items():
        if not isinstance(facts.get(name), kind | None):
            raise InputError(f"{folder / 'run.json'}: {name} is {facts[name]!r}; put back the file of this run")
    preprocessing = facts.get("preprocessing")
    if preprocessing is None or not config.mode_parts.image:
        return
    preprocessing = {"backbone_dtype": "float32", **preprocessing}  # older runs do not name it
    for name in PREPROCESSING_SETTINGS:
        if preprocessing.get(name) != getattr(config, name):
            raise InputError(
                f"{folder / 'config.json'}: {name} is {getattr(config, name)!r}, but this run was trained with "
                f"{preprocessing.get(name)!r}; put it back"
            )


def open_run(load: "str | Path | OpenedRun") -> OpenedRun:
    """Open the run that `--load` names. It is opened once, and the opened run is passed on to all that need it.

    Args:
        load: What `locate` takes, or a run that is open already, which is returned as it is.
    Raises:
        InputError: There is no such checkpoint, or the folder is not the complete folder of a run.
    """
    if isinstance(load, OpenedRun):
        return load
    folder, prefix = locate(load)
    return OpenedRun(**vars(load_run(folder)), load=str(load), prefix=prefix)


def locate(load: str | Path) -> tuple[Path, Path]:
    """Find the checkpoint that `--load` names.

    Args:
        load: A run's folder or the folder `checkpoints` in it (both name the best checkpoint), a checkpoint (its
            prefix, or its .index or .data file), or TensorFlow's text file `checkpoint` (the latest checkpoint).
    Returns:
        The run's folder and the prefix of the checkpoint's files.
    Raises:
        InputError: There is no such checkpoint.
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


def folder_of_run(named: str | Path) -> Path | None:
    """The run's folder, if `named` is one or a checkpoint in it (what `locate` takes); None if it is anything else."""
    path = Path(named)
    in_checkpoints = next((parent.parent for parent in (path, path.parent) if parent.name == "checkpoints"), path)
    return next((folder for folder in (path, in_checkpoints) if (folder / "run.json").is_file()), None)


def backbone_source(named: str | Path) -> str:
    """What --backbone-weights names, as a weights file; a run's folder, or a checkpoint in it, is its backbone.npz."""
    folder = folder_of_run(named)
    return str(named if folder is None else folder / "backbone.npz")


def _named_checkpoint(folder: Path, kinds: tuple[str, ...] = ("best", "latest")) -> Path:
    """The checkpoint that best.json names, or the newest best-STEP if a kill came before best.json was written.

    Without a best checkpoint it is the latest one, found in the same way.
    """
    for kind in kinds:
        entry = named_entry(folder, kind) or _newest(folder, kind)
        if entry is not None:
            return entry.prefix
        if (folder / f"{kind}.json").is_file():
            raise InputError(f"{folder / f'{kind}.json'}: names no checkpoint; give one of {folder / 'checkpoints'}")
    raise InputError(f"{folder}: the run has no checkpoint yet; train it further with --resume")


def _newest(folder: Path, kind: str) -> Entry | None:
    return next((entry for entry in complete_entries(folder) if entry.name.startswith(f"{kind}-")), None)


def read_thresholds(folder: Path, prefix: Path) -> np.ndarray | None:
    """float32 [K], the thresholds that were chosen on the validation split when the checkpoint was written.

    None if the checkpoint was not evaluated.
    """
    found = next((entry.thresholds for entry in _entries_of(folder, prefix) if entry.thresholds), None)
    return None if found is None else np.array(found, np.float32)


def _entries_of(folder: Path, prefix: Path) -> list[Entry]:
    """What is stored about a checkpoint, in its own entry or in best.json and latest.json."""
    found = (read_entry(prefix), named_entry(folder, "best"), named_entry(folder, "latest"))
    return [entry for entry in found if entry is not None and entry.name == prefix.name]


def _are_fingerprints(studies: object) -> bool:
    """Whether a value from studies.json is the list of a split."""
    return isinstance(studies, list) and all(
        isinstance(values, list) and [type(value) for value in values] == [str] * len(Fingerprint._fields)
        for values in studies
    )
