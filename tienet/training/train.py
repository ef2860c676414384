"""Training: from a manifest to a run's folder with its best checkpoint."""

import hashlib
import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.callbacks import JSONWriter, MergeAllSummaries, ProgressBar, TFEventWriter
from tensorpack.tfutils.sesscreate import NewSessionCreator
from tensorpack.tfutils.sessinit import JustCurrentSession, SessionInit
from tensorpack.utils import logger

from tienet import devices
from tienet.checkpoint import run_folder
from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.restore import StrictRestore, WordVectors
from tienet.checkpoint.resume import ResumePoint, resume_point, truncate_log
from tienet.config import Config
from tienet.data import leaks, vocabulary
from tienet.data import manifest as manifests
from tienet.data.batch_split import BatchSplit
from tienet.data.dataflow import Studies, TrainingBatches
from tienet.data.features import statistics as feature_statistics
from tienet.data.manifest import Manifest
from tienet.data.text import Vocab
from tienet.distributed.chief_first import chief_first
from tienet.distributed.cluster import ONE_PROCESS, Cluster
from tienet.distributed.workers import Workers
from tienet.errors import InputError
from tienet.inference.predictor import cached_features
from tienet.interruption import Interruption
from tienet.labels import FINDINGS
from tienet.modeling import backbone
from tienet.modeling.losses import LabelWeights
from tienet.modeling.model import TieNet
from tienet.training.callbacks import EpochLength, LearningRateDrop, StopEarly
from tienet.training.profiling import Profile
from tienet.training.trainer import QueueInput, Trainer
from tienet.training.validation import Validation

tf1 = tf.compat.v1


@dataclass(frozen=True)
class Places:
    """Where things lie.

    Attributes:
        data_root: folder of the data sets. vocab: folder with vocab.txt and embeddings.npy; None: the data set's.
        logdir: the run's folder; all workers see it. backbone_weights: an .npz, or "random".
        profile: folder for a trace of some steps; None: none is made.
    """

    data_root: Path
    logdir: Path
    vocab: Path | None = None
    backbone_weights: str = "pretrained/resnet50.npz"
    profile: Path | None = None


@dataclass(frozen=True)
class Parallelism:
    """Who shares a batch, beside the GPUs of this process.

    Attributes:
        tower_batch: studies on a GPU at a time; None: its whole share, without accumulation.
        cluster: the processes. peer_timeout: seconds after which a silent one is lost.
    """

    tower_batch: int | None = None
    cluster: Cluster = ONE_PROCESS
    peer_timeout: float = 60.0


SINGLE_PROCESS = Parallelism()


def train(
    config: Config,
    places: Places,
    gpus: list[int],
    resume: bool = False,
    load: str | None = None,
    parallelism: Parallelism = SINGLE_PROCESS,
    interruption: Interruption | None = None,
) -> None:
    """Train until the epochs are over or validation stops improving; Ctrl-C and SIGTERM leave a checkpoint.

    Args:
        config: the settings. places: the files.
        gpus: GPUs to use, one tower each; empty: the CPU.
        resume: go on with the run in `places.logdir`, or start it if it has no checkpoint yet.
        load: start from the weights of this run or checkpoint.
        sharing: accumulation, and other processes. interruption: takes the signals; None: a new one does.
    Raises:
        InputError: something of the above does not fit, or training went wrong, in one line.
        Interrupted: by a signal, after the checkpoint was written.
    """
    cluster = parallelism.cluster
    batch_split = BatchSplit.from_batch(
        config.batch, parallelism.tower_batch, cluster.size, cluster.rank, max(len(gpus), 1)
    )
    point = _starting_point(places.logdir, resume, cluster.is_chief)
    with ExitStack() as stack:
        interruption = interruption or stack.enter_context(Interruption())
        workers = None
        if cluster.size > 1:
            workers = Workers(cluster, bool(gpus) and devices.count() > 0, parallelism.peer_timeout)
            stack.enter_context(interruption.deferred())  # they stop together
        _Run(config, places, batch_split, interruption, workers, point, load).go()
        if workers:
            workers.close()
        if interruption.wanted:
            raise interruption.error()


class _Run:
    """One training: what it is made of, and how it goes."""

    def __init__(
        self,
        config: Config,
        places: Places,
        batch_split: BatchSplit,
        interruption: Interruption,
        workers: Workers | None,
        point: ResumePoint | None,
        load: str | None,
    ):
        self._config, self._places, self._interruption, self._workers = config, places, interruption, workers
        self._is_chief = workers is None or workers.cluster.is_chief
        self._point, self._load = point, load
        self._state = point.state if point else TrainingState()
        self._manifest = manifests.load(config.data, places.data_root)
        if point:
            self._vocab, self._vectors = _resumed_vocab(self._manifest, places.logdir)
        else:
            self._vocab, self._vectors = vocabulary.read_vocab(self._manifest, config, places.vocab)
        self._train, self._val = self._splits()
        self._batches = TrainingBatches(self._train, config.batch, config.seed, batch_split, self._state.step)
        self._batch_split = batch_split

    def go(self) -> None:
        """Train. Raises InputError where it cannot."""
        self._agree()
        if self._is_chief:
            _start_folder(self._config, self._places, self._manifest, self._vocab, self._vectors.shape[1], self._point)
        json_log = JSONWriter() if self._is_chief else None
        validation = Validation(
            self._places.logdir, self._config, self._val, self._vocab, self._state, self._interruption, json_log
        )
        if validation.enough():
            print("this run has stopped early; it is done", file=sys.stderr)
            return
        model = self._model()
        with tf.Graph().as_default():
            tf1.set_random_seed(self._config.seed)
            trainer = Trainer(self._batch_split, self._batches, self._interruption, self._workers)
            queue = tf1.FIFOQueue(4, [spec.dtype for spec in model.inputs()], name="batches")  # few: batches are large
            signature = model.get_input_signature()
            trainer.setup_graph(signature, QueueInput(self._batches, queue), model.build_graph, model.optimizer)
            steps = self._batches.steps_per_epoch
            trainer.train_with_defaults(
                callbacks=[
                    EpochLength(steps, (self._state.epoch + 1) * steps - self._state.step),
                    LearningRateDrop(self._config),
                    *([Profile(self._places.profile)] if self._places.profile and self._is_chief else []),
                    *[validation] * self._is_chief,
                    StopEarly(validation.enough, self._workers),
                ],
                extra_callbacks=[ProgressBar(names=["loss"]), MergeAllSummaries()] if self._is_chief else [],
                monitors=[TFEventWriter(), json_log] if self._is_chief else [],
                session_creator=self._workers.session_creator() if self._workers else NewSessionCreator(),
                session_init=self._session_init(),
                steps_per_epoch=steps,
                starting_epoch=self._state.epoch + 1,
                max_epoch=self._config.epochs,
            )
        if error := trainer.failure or self._batches.error:
            raise error

    def _splits(self) -> tuple[Studies, Studies]:
        """The training and the validation split; the chief computes features that are missing."""
        with chief_first(self._workers, self._interruption):
            split = {name: self._studies(self._manifest.split(name)) for name in ("train", "val")}
        if self._is_chief:
            _say(self._manifest, split)
        if self._config.mode_parts.classifies and not (split["train"].labels[:, : len(FINDINGS)] == 1).any():
            what = f"which mode {self._config.mode} learns; use mode caption"
            raise InputError(f"{self._manifest.path}: no training study has a finding, {what}")
        return split["train"], split["val"]

    def _studies(self, manifest: Manifest) -> Studies:
        features, config = None, self._config
        if config.mode_parts.image and config.features == "cache":
            features = cached_features(manifest, config, self._places.backbone_weights)
        return Studies.from_manifest(config, manifest, self._vocab, features)

    def _agree(self) -> None:
        """Raises InputError where the workers were not started alike."""
        if not self._workers:
            return
        facts = {
            "settings": json.dumps(self._config.to_json()),
            "data": self._manifest.fingerprint(),
            "vocabulary": self._vocab.fingerprint(),
            "--tower-batch": str(self._batch_split.accumulate),
            "number of GPUs": str(self._batch_split.towers),
            "checkpoint to go on from (--logdir must be one folder for all)": str(self._state),
        }
        digests = [int.from_bytes(hashlib.sha256(fact.encode()).digest()[:7], "big") for fact in facts.values()]
        if differing := [list(facts)[n] for n in self._workers.differing(digests)]:
            raise InputError(f"the workers differ in their {'; '.join(differing)}: start all of them alike")

    def _model(self) -> TieNet:
        config, weights = self._config, None
        if config.mode_parts.image and config.features == "off":
            weights = _backbone_weights(config, self._places)
        label_weights = LabelWeights.from_labels(self._train.labels) if config.weighted_loss else LabelWeights.equal()
        statistics = self._feature_statistics()
        model = TieNet(config, len(self._vocab), self._vectors.shape[1], label_weights, weights, statistics)
        model.summary_decay **= 1 / self._batch_split.accumulate
        return model

    def _feature_statistics(self) -> np.ndarray | None:
        """For `feature_norm`: measured by the chief and kept in the run's folder, or read from there."""
        config, logdir = self._config, self._places.logdir
        if not (config.mode_parts.image and config.feature_norm):
            return None

        def features_of(indices: np.ndarray) -> np.ndarray:
            pictures = self._train.pictures(indices)
            return pictures if self._train.features is not None else extract(pictures)

        with chief_first(self._workers, self._interruption):
            if self._is_chief and not self._point:
                if self._train.features is None:
                    weights = _backbone_weights(config, self._places)
                    extract = backbone.FeatureExtractor(weights, config.backbone_end, config.image_px)
                statistics = feature_statistics.channel_statistics(len(self._train), features_of)
                feature_statistics.save(logdir / "feature_norm.npy", statistics)
            return run_folder.load_run(logdir).feature_statistics()

    def _session_init(self) -> SessionInit:
        if not self._is_chief:
            return JustCurrentSession()  # the chief's values come at the start
        if self._point:
            return StrictRestore(self._point.prefix)
        if self._load:
            return StrictRestore(run_folder.locate(self._load)[1], trainable_only=True)
        return WordVectors(self._vectors) if self._config.mode_parts.reads else JustCurrentSession()


def _starting_point(logdir: Path, resume: bool, is_chief: bool) -> ResumePoint | None:
    """The checkpoint to go on from; None: start anew."""
    if resume:
        point = resume_point(logdir, mend=is_chief)
        if point is None and any((logdir / "checkpoints").glob("latest-*")):
            raise InputError(f"{logdir}: all its checkpoints are damaged; start a run in another --logdir")
        if point is None and is_chief:
            print(f"{logdir}: no checkpoint yet; starting from the beginning", file=sys.stderr)
        return point
    if is_chief and ((logdir / "latest.json").is_file() or any((logdir / "checkpoints").glob("latest-*.json"))):
        raise InputError(f"{logdir}: holds a run already; go on with --resume, or give another --logdir")
    return None


def _resumed_vocab(manifest: Manifest, logdir: Path) -> tuple[Vocab, np.ndarray]:
    """The run's own words, and vectors that the checkpoint will replace.

    Raises InputError if the data set is not the one that the run was started with.
    """
    run = run_folder.load_run(logdir)
    if run.facts.get("data_fingerprint") != manifest.fingerprint():
        raise InputError(f"{manifest.path}: has changed since {logdir} was started; start a new run")
    return run.vocab, np.zeros((len(run.vocab), run.word_dim), np.float32)


def _backbone_weights(config: Config, places: Places) -> dict[str, np.ndarray]:
    return backbone.weights_for(places.backbone_weights, config.backbone_end, config.seed)


def _start_folder(
    config: Config, places: Places, manifest: Manifest, vocab: Vocab, word_dim: int, point: ResumePoint | None
) -> None:
    logdir = places.logdir
    logdir.mkdir(parents=True, exist_ok=True)
    if point:
        truncate_log(logdir, point.state.epoch)
    else:
        facts = {"word_dim": word_dim, "data_fingerprint": manifest.fingerprint(), "data": manifest.name}
        if config.mode_parts.image:
            weights = _backbone_weights(config, places)
            facts["backbone_fingerprint"] = backbone.fingerprint(weights)
            backbone.save_weights(logdir / "backbone.npz", weights, config.backbone_end)
        studies = {name: leaks.fingerprints(manifest.split(name)) for name in ("train", "val")}
        run_folder.create_run(logdir, config, vocab, facts, studies)
    logger.set_logger_dir(str(logdir), action="k")


def _say(manifest: Manifest, split: dict[str, Studies]) -> None:
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    for name, studies in split.items():
        print(f"{name}: {len(studies)} studies", file=sys.stderr)
        for note in studies.notes:
            print(f"note: {name}: {note}", file=sys.stderr)
