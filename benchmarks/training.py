"""Trainings on made-up studies, by the trainer and the queue of train.py."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.callbacks import Callback
from tensorpack.tfutils.sesscreate import NewSessionCreator
from tensorpack.tfutils.sessinit import JustCurrentSession

from benchmarks import synthetic
from tienet import devices
from tienet.config import Config
from tienet.data.batch_split import WHOLE_BATCH, BatchSplit
from tienet.data.dataflow import Studies, TrainingBatches
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS, START
from tienet.grid import ENDS
from tienet.interruption import Interruption
from tienet.labels import K
from tienet.modeling.backbone_weights import RANDOM, weights_for
from tienet.modeling.lstm import way
from tienet.modeling.model import TieNet
from tienet.training.callbacks import EpochLength
from tienet.training.compiling import compile_ahead
from tienet.training.padded_lengths import lengths_for
from tienet.training.trainer import QueueInput, Trainer

tf1 = tf.compat.v1

V, E = 1457, 200
QUEUED_PARTS = 4  # as in `tienet.training.train`
MEDIAN_WORDS, SPREAD, MOST_WORDS = 38, 0.4, 120
"""Reports are about as long as OpenI's: the logarithm of their number of words is normal, with this spread."""

FULL_STOP, SENTENCE = len(SPECIALS), 8


class Clock(Callback):
    """Measures the seconds of each epoch, from its first step to its last; the first begins with what is compiled."""

    def __init__(self):
        self.seconds: list[float] = []
        self._start: float | None = None

    def _before_train(self) -> None:
        self._start = time.perf_counter()

    def _before_epoch(self) -> None:
        if self.seconds:
            self._start = time.perf_counter()

    def _after_epoch(self) -> None:
        self.seconds.append(time.perf_counter() - self._start)


class Trace(Callback):
    """Traces one step.

    Attributes:
        metadata: TensorFlow's record of that step, with the graph of each device; None before it.
    """

    def __init__(self, step: int):
        self._step, self._n, self.metadata = step, 0, None

    def _before_run(self, _: object) -> tf1.train.SessionRunArgs | None:
        self._n += 1
        if self._n != self._step:
            return None
        options = tf1.RunOptions(trace_level=tf1.RunOptions.FULL_TRACE, output_partition_graphs=True)
        return tf1.train.SessionRunArgs(None, options=options)

    def _after_run(self, _: object, values: tf1.train.SessionRunValues) -> None:
        if self._n == self._step:
            self.metadata = values.run_metadata


def studies_with_features(folder: Path, config: Config, count: int) -> Studies:
    """Studies whose features are zeros that take no space on the disk, with random reports of several lengths."""
    cache = synthetic.store(folder / "cache", config)
    synthetic.fill_with_holes(cache, count)
    studies = synthetic.studies(cache, config, 1, V)
    return dataclasses.replace(studies, word_ids=_reports(count), full_stop=FULL_STOP)


def _reports(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(np.log(MEDIAN_WORDS), SPREAD, count)).astype(int), 2, MOST_WORDS)
    reports = [rng.integers(FULL_STOP + 1, V, length + 1).astype(np.int32) for length in lengths]
    for report in reports:
        report[SENTENCE::SENTENCE] = FULL_STOP
        report[0] = START
    return reports


def studies_with_images(config: Config, images: Sequence[Path]) -> Studies:
    """A study without a report for each image file, for `features=off`."""
    labels = np.random.default_rng(0).integers(0, 2, (len(images), K)).astype(np.float32)
    word_ids = [np.array([START], np.int32)] * len(images)
    return Studies(config, word_ids, labels, manifest_of(images, labels), features=None, notes=[])


def manifest_of(images: Sequence[Path], labels: np.ndarray | None = None) -> Manifest:
    """A manifest in the images' folder, of a study for each of them; no file is written."""
    count, names = len(images), [path.stem for path in images]
    labels = np.zeros((count, K), np.float32) if labels is None else labels
    return Manifest(
        "made-up", images[0].parent / "manifest.csv", names, names, list(images), [""] * count,
        np.full(count, "train"), labels,
    )  # fmt: skip


def model_of(config: Config) -> TieNet:
    """The network, with random backbone weights and feature statistics where the settings need them."""
    channels = ENDS[config.backbone_end][1]
    statistics = np.random.default_rng(0).random((2, channels), np.float32) + 0.5 if config.feature_norm else None
    weights = weights_for(RANDOM, config.backbone_end, 0) if config.features == "off" else None
    return TieNet(config, V, E, feature_statistics=statistics, backbone_weights=weights)


def padded_steps(studies: Studies, lengths: Sequence[int] | None = None) -> tuple[tuple[int, ...], float]:
    """The lengths to which a training on a GPU pads these reports, and the mean number of steps of its updates.

    Args:
        lengths: Those to count with; None: those that the training chooses.
    """
    batches = TrainingBatches(studies, studies.config.batch, seed=0)
    longest = batches.longest_reports(400)
    chosen = tuple(lengths or lengths_for(studies, batches))
    steps = [next((length for length in chosen if length >= T), -(-T // chosen[-1]) * chosen[-1]) for T in longest]
    return chosen, float(np.mean(steps))


def train(studies: Studies, epochs: int, first_steps: int | None = None, trace: Trace | None = None) -> list[float]:
    """Train on one tower; returns the seconds of each epoch.

    Args:
        first_steps: The steps of the first epoch; None: as many as the others have.
        trace: Traces a step.
    """
    config = studies.config
    with Interruption() as interruption:
        batches = TrainingBatches(studies, config.batch, seed=0)
        steps, clock = batches.steps_per_epoch, Clock()
        with tf.Graph().as_default():
            trainer, ahead = _set_up(Trainer(WHOLE_BATCH, batches, interruption), batches, model_of(config), studies)
            trainer.train_with_defaults(
                callbacks=[EpochLength(steps, first_steps or steps), clock, *ahead, *([trace] if trace else [])],
                extra_callbacks=[],
                monitors=[],
                session_creator=NewSessionCreator(config=devices.session_config()),
                session_init=JustCurrentSession(),
                steps_per_epoch=steps,
                starting_epoch=1,
                max_epoch=epochs,
            )
        if error := trainer.failure or batches.error:
            raise error
        if interruption.wanted:
            raise interruption.error()
    return clock.seconds


def _set_up(
    trainer: Trainer, batches: TrainingBatches, model: TieNet, studies: Studies
) -> tuple[Trainer, list[Callback]]:
    """The trainer, with its graph, and what compiles ahead."""
    with tf.device("/cpu:0"):
        queue = tf1.FIFOQueue(QUEUED_PARTS, [spec.dtype for spec in model.inputs()], name="batches")
    with way.lengths(lengths := lengths_for(studies, batches)):
        trainer.setup_graph(model.get_input_signature(), QueueInput(batches, queue), model.build_graph, model.optimizer)
    return trainer, compile_ahead(model, lengths, batches.part_size)


@contextmanager
def updates(studies: Studies, towers: int) -> Iterator[Trainer]:
    """Yields a trainer with so many towers, whose `run_step` makes one update."""
    config = studies.config
    split = BatchSplit(towers=towers)
    batches = TrainingBatches(studies, config.batch, 0, split)
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        trainer, _ = _set_up(Trainer(split, batches, Interruption()), batches, model_of(config), studies)
        trainer.setup_callbacks([], [])
        trainer.initialize(NewSessionCreator(config=devices.session_config()), JustCurrentSession())
        with trainer.sess.as_default():
            trainer.loop.config(1, 1, 1)
            trainer._callbacks.before_train()
            yield trainer
            trainer._callbacks.after_train()
