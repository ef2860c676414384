"""Training: from a manifest to a run's folder with its best checkpoint."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack import QueueInput, SimpleTrainer, SyncMultiGPUTrainer
from tensorpack.callbacks import (
    JSONWriter,
    MergeAllSummaries,
    MovingAverageSummary,
    ProgressBar,
    RunUpdateOps,
    TFEventWriter,
)
from tensorpack.tfutils.sessinit import JustCurrentSession, SessionInit
from tensorpack.utils import logger

from tienet import checkpoint
from tienet.callbacks import EpochLength, LearningRateDrop
from tienet.config import Config
from tienet.data import feature_statistics, leaks
from tienet.data import manifest as manifests
from tienet.data.dataflow import Studies, TrainingBatches
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS, Vocab
from tienet.division import Division
from tienet.errors import InputError
from tienet.labels import FINDINGS
from tienet.modeling import backbone
from tienet.modeling.losses import LabelWeights
from tienet.modeling.model import TieNet
from tienet.predict import cached_features
from tienet.validation import Validation

tf1 = tf.compat.v1


@dataclass(frozen=True)
class Places:
    """Where things lie.

    Attributes:
        data_root: folder of the data sets. vocab: folder with vocab.txt and embeddings.npy; None: the data set's.
        logdir: the run's folder. backbone_weights: an .npz, or "random".
    """

    data_root: Path
    logdir: Path
    vocab: Path | None = None
    backbone_weights: str = "pretrained/resnet50.npz"


def train(config: Config, places: Places, gpus: list[int], resume: bool = False, load: str | None = None) -> None:
    """Train until the epochs are over or validation stops improving; Ctrl-C leaves a checkpoint.

    Args:
        config: the settings. places: the files.
        gpus: GPUs to use, one tower each; empty: the CPU.
        resume: go on with the run in `places.logdir`.
        load: start from the weights of this run or checkpoint.
    Raises:
        InputError: something of the above does not fit, in one line.
        KeyboardInterrupt: after the checkpoint was written.
    """
    towers = max(len(gpus), 1)
    if config.batch % towers:
        near = [n for n in (config.batch // towers * towers, (config.batch // towers + 1) * towers) if n]
        raise InputError(f"batch={config.batch} does not divide by {towers} GPUs; use {' or '.join(map(str, near))}")
    _check_logdir(places.logdir, resume)
    manifest = manifests.load(config.data, places.data_root)
    vocab, vectors = (_resumed_vocab if resume else _read_vocab)(places, manifest, config)
    split = {name: _studies(config, places, manifest.split(name), vocab) for name in ("train", "val")}
    _say(manifest, split)
    if config.mode_parts.classifies and not (split["train"].labels[:, : len(FINDINGS)] == 1).any():
        raise InputError(f"{manifest.path}: no training study has a finding, which mode {config.mode} learns; use caption")
    _start_folder(config, places, manifest, vocab, vectors.shape[1], resume)

    weights = _backbone_weights(config, places) if config.features == "off" else None
    label_weights = LabelWeights.of(split["train"].labels) if config.weighted_loss else LabelWeights.equal()
    statistics = _feature_statistics(config, places, split["train"], resume)
    model = TieNet(config, len(vocab), vectors.shape[1], label_weights, weights, statistics)
    state = checkpoint.TrainingState.load(places.logdir) if resume else checkpoint.TrainingState()
    batches = TrainingBatches(
        split["train"], config.batch, config.seed, Division.of(config.batch, None, towers=towers), first_step=state.step
    )
    json_log = JSONWriter()
    validation = Validation(places.logdir, config, split["val"], vocab, state, json_log)
    monitors = [TFEventWriter(), json_log]
    _run(
        model,
        batches,
        validation,
        config,
        _session_init(places, config, vectors, resume, load),
        towers,
        state,
        monitors,
    )
    if batches.error:
        raise batches.error


def _run(model, batches, validation, config, session_init, towers, state, monitors) -> None:
    with tf.Graph().as_default():
        tf1.set_random_seed(config.seed)
        trainer = SimpleTrainer() if towers == 1 else SyncMultiGPUTrainer(list(range(towers)))
        queue = tf1.FIFOQueue(4, [spec.dtype for spec in model.inputs()], name="batches")  # few: batches are large
        trainer.setup_graph(model.get_input_signature(), QueueInput(batches, queue), model.build_graph, model.optimizer)
        first_epoch = state.step // batches.steps_per_epoch + 1
        trainer.train_with_defaults(
            callbacks=[
                EpochLength(batches.steps_per_epoch, state.step),
                LearningRateDrop(config),
                validation,
            ],
            extra_callbacks=[
                MovingAverageSummary(),
                ProgressBar(names=["loss"]),
                MergeAllSummaries(),
                RunUpdateOps(),
            ],
            monitors=monitors,
            session_init=session_init,
            steps_per_epoch=batches.steps_per_epoch,
            starting_epoch=first_epoch,
            max_epoch=config.epochs,
        )


def _session_init(places: Places, config: Config, vectors: np.ndarray, resume: bool, load: str | None) -> SessionInit:
    if resume:
        return checkpoint.StrictRestore(checkpoint.latest(places.logdir))
    if load:
        return checkpoint.StrictRestore(checkpoint.locate(load)[1], trainable_only=True)
    return checkpoint.WordVectors(vectors) if config.mode_parts.reads else JustCurrentSession()


def _check_logdir(logdir: Path, resume: bool) -> None:
    there = (logdir / "latest.json").is_file()  # a run that was stopped before its first checkpoint starts anew
    if resume and not there:
        raise InputError(f"{logdir}: no run to resume; leave --resume out to start one")
    if there and not resume:
        raise InputError(f"{logdir}: holds a run already; go on with --resume, or give another --logdir")


def _read_vocab(places: Places, manifest: Manifest, config: Config) -> tuple[Vocab, np.ndarray]:
    """The vocabulary and the first word vectors, float32 [V, E]; a mode that reads no report needs none."""
    if not config.mode_parts.reads:
        return Vocab.none(), np.zeros((len(SPECIALS), 1), np.float32)
    folder = places.vocab or manifest.path.parent / "vocab"
    build = f"bash data_prep/build_vocab.sh --data {manifest.name}"
    for name in ("vocab.txt", "embeddings.npy"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no vocabulary there; make it with '{build}'")
    vocab = Vocab.load(folder / "vocab.txt")
    _check_origin(places, manifest, folder / "stats.json", build)
    try:
        vectors = np.load(folder / "embeddings.npy", allow_pickle=False)
    except ValueError as error:
        raise InputError(f"{folder / 'embeddings.npy'}: not a NumPy array ({error}); make it with '{build}'") from error
    if vectors.ndim != 2 or len(vectors) != len(vocab):
        raise InputError(
            f"{folder}: embeddings.npy has shape {vectors.shape}, but vocab.txt has {len(vocab)} words; "
            f"they are of two runs; make both anew with '{build}'"
        )
    return vocab, _scaled(vectors.astype(np.float32), config.word_vector_std)


def _check_origin(places: Places, manifest: Manifest, stats: Path, build: str) -> None:
    """A vocabulary must come from the training reports: words and vectors of others know what is tested.

    One that was named with --vocab may be another data set's, and is only told of.
    """
    known = json.loads(stats.read_text(encoding="utf-8")).get("training_reports") if stats.is_file() else None
    if known == leaks.reports_fingerprint(manifest.split("train").reports):
        return
    what = "was built from other reports than this training split's" if known else "does not say what it was built from"
    if known and places.vocab is None:
        raise InputError(f"{stats.parent}: {what}; make it anew with '{build}'")
    print(f"note: {stats.parent}: {what}; it must not have seen the test reports", file=sys.stderr)


def _resumed_vocab(places: Places, manifest: Manifest, config: Config) -> tuple[Vocab, np.ndarray]:
    run = checkpoint.load_run(places.logdir)
    if run.facts.get("data_fingerprint") != manifest.fingerprint():
        raise InputError(f"{manifest.path}: has changed since {places.logdir} was started; start a new run")
    return run.vocab, np.zeros((len(run.vocab), run.word_dim), np.float32)  # the checkpoint has them


def _scaled(vectors: np.ndarray, std: float | None) -> np.ndarray:
    words = vectors[len(SPECIALS) :]
    return vectors if std is None or not words.std() else vectors * (std / words.std())


def _studies(config: Config, places: Places, manifest: Manifest, vocab: Vocab) -> Studies:
    features = None
    if config.mode_parts.image and config.features == "cache":
        features = cached_features(manifest, config, places.backbone_weights)
    return Studies.of(config, manifest, vocab, features)


def _backbone_weights(config: Config, places: Places) -> dict[str, np.ndarray] | None:
    if not config.mode_parts.image:
        return None
    return backbone.weights_for(places.backbone_weights, config.backbone_end, config.seed)


def _feature_statistics(config: Config, places: Places, studies: Studies, resume: bool) -> np.ndarray | None:
    """For `feature_norm`: measured and kept in the run's folder, or read from there."""
    if not (config.mode_parts.image and config.feature_norm):
        return None
    if resume:
        return checkpoint.load_run(places.logdir).feature_statistics()

    def extractor() -> backbone.FeatureExtractor:
        weights = backbone.weights_for(places.backbone_weights, config.backbone_end, config.seed)
        return backbone.FeatureExtractor(weights, config.backbone_end, config.image_px)

    statistics = feature_statistics.channel_statistics(studies, extractor)
    feature_statistics.save(places.logdir / "feature_norm.npy", statistics)
    return statistics


def _start_folder(config: Config, places: Places, manifest: Manifest, vocab: Vocab, word_dim: int, resume: bool):
    logdir = places.logdir
    logdir.mkdir(parents=True, exist_ok=True)
    if not resume:
        facts = {"word_dim": word_dim, "data_fingerprint": manifest.fingerprint(), "data": manifest.name}
        if config.mode_parts.image:
            weights = backbone.weights_for(places.backbone_weights, config.backbone_end, config.seed)
            facts["backbone_fingerprint"] = backbone.fingerprint(weights)
            backbone.save_weights(logdir / "backbone.npz", weights, config.backbone_end)
        studies = {name: leaks.fingerprints(manifest.split(name)) for name in ("train", "val")}
        checkpoint.create_run(logdir, config, vocab, facts, studies)
    logger.set_logger_dir(str(logdir), action="k")


def _say(manifest: Manifest, split: dict[str, Studies]) -> None:
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    for name, studies in split.items():
        print(f"{name}: {len(studies)} studies", file=sys.stderr)
        for note in studies.notes:
            print(f"note: {name}: {note}", file=sys.stderr)


def choose_devices(text: str) -> list[int]:
    """`--gpu`: "cpu", or GPU numbers such as "0,1"; they are made the only ones that TensorFlow sees.

    Raises:
        InputError: not such a list, or a number that is not there while other GPUs are.
    """
    if text == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        return []
    try:
        gpus = [int(part) for part in text.split(",")]
    except ValueError:
        gpus = [-1]
    if min(gpus) < 0 or len(set(gpus)) < len(gpus):
        raise InputError(f"--gpu {text}: expected cpu, or GPU numbers such as 0 or 0,1,2,3")
    there = _gpus_there()
    if not there:
        print(f"note: no GPU here; --gpu {text} runs on the CPU", file=sys.stderr)
        return gpus
    if missing := sorted(set(gpus) - set(range(there))):
        raise InputError(f"--gpu {text}: there is no GPU {missing[0]}; there are {','.join(map(str, range(there)))}")
    os.environ["CUDA_VISIBLE_DEVICES"] = text
    return gpus


def _gpus_there() -> int:
    """How many GPUs the driver shows; asked without TensorFlow, which would take all of them."""
    if not shutil.which("nvidia-smi"):
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
