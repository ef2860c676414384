"""Tensorpack's trainer with synchronous towers; a step of it is one update of the weights."""

import math
import signal
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

import numpy as np
import tensorflow as tf
from tensorpack import input_source
from tensorpack.callbacks import Callback
from tensorpack.input_source import FeedfreeInput
from tensorpack.train.base import StopTraining
from tensorpack.train.trainers import SyncMultiGPUTrainerParameterServer
from tensorpack.utils.naming import MOVING_SUMMARY_OPS_KEY

from tienet.data.batch_split import BatchSplit
from tienet.data.dataflow import TrainingBatches
from tienet.distributed.chief_first import WaitForChief
from tienet.distributed.workers import Workers
from tienet.errors import InputError
from tienet.interruption import Interruption
from tienet.training.callbacks import KeepTogether
from tienet.training.optimizers import Accumulated, AllReduced, Watched

tf1 = tf.compat.v1

NAMED_STUDIES, NAMED_GRADIENTS = 32, 3


class DivergedError(InputError):
    """The loss or a gradient is not finite."""


class QueueInput(input_source.QueueInput):
    """The towers take the parts of a batch in their order; without it they race, and a sum of four may differ."""

    _taken: tuple[tf.Operation, ...] = ()

    def _get_input_tensors(self) -> list[tf.Tensor]:
        with tf.control_dependencies(self._taken):
            tensors = super()._get_input_tensors()
        self._taken = (tensors[0].op,)
        return tensors


class Trainer(SyncMultiGPUTrainerParameterServer):
    """Towers share each part of a batch, parts are accumulated, workers averaged; then the weights change once.

    Args:
        division: how a batch is divided. batches: tells which studies were in it.
        interruption: stops the training after the update that runs.
        workers: the other processes, if there are some.

    Attributes:
        failure: why the training stopped, if it is an error.
        between_updates: False within one, when what a checkpoint holds would be half of it.
    """

    def __init__(
        self,
        batch_split: BatchSplit,
        batches: TrainingBatches,
        interruption: Interruption,
        workers: Workers | None = None,
    ):
        super().__init__(list(range(batch_split.towers)), ps_device="cpu")
        self.is_chief = workers is None or workers.cluster.is_chief
        self.failure: Exception | None = None
        self.between_updates = True
        self._batch_split, self._batches, self._interruption, self._workers = (
            batch_split,
            batches,
            interruption,
            workers,
        )
        self._losses: list[tf.Tensor] = []
        self._options = workers.options if workers else None

    def _setup_graph(
        self,
        input: FeedfreeInput,
        get_cost_fn: Callable[..., tf.Tensor],
        get_opt_fn: Callable[[], tf1.train.Optimizer],
    ) -> list[Callback]:
        def loss_of_tower(*inputs: tf.Tensor) -> tf.Tensor:
            self._losses.append(get_cost_fn(*inputs))
            return self._losses[-1]

        @cache
        def optimizer() -> tf1.train.Optimizer:
            self._watched = wrapped = Watched(get_opt_fn())
            if self._workers:
                self._all_reduced = wrapped = AllReduced(wrapped, self._workers)
            return Accumulated(wrapped, self._batch_split.accumulate) if self._batch_split.accumulate > 1 else wrapped

        callbacks = super()._setup_graph(input, loss_of_tower, optimizer)
        summaries = tf.group([op.op for op in tf1.get_collection(MOVING_SUMMARY_OPS_KEY)])
        self._fetches = [self.train_op, self._losses, summaries]
        if self._workers:
            self._waiting = WaitForChief(self._workers, self._interruption)
            callbacks += [KeepTogether(self._workers), self._waiting]
        return callbacks

    def main_loop(self, steps_per_epoch: int, starting_epoch: int, max_epoch: int) -> None:
        """As in Tensorpack, but a signal does not hide that what it stopped could not be saved."""
        try:
            super().main_loop(steps_per_epoch, starting_epoch, max_epoch)
        except KeyboardInterrupt:
            if self.failure:
                raise self.failure from None
            raise

    def run_step(self) -> None:
        """One update: all parts of a batch. The hooks, and with them the global step, run with the last one."""
        with self._interruption.deferred(), self._workers.together() if self._workers else nullcontext():
            self.between_updates = False
            if self._workers and self._interruption.wanted:
                self._all_reduced.wants_to_stop.load(1.0, self.sess)
            sessions = [self.sess] * (self._batch_split.accumulate - 1) + [self.hooked_sess]
            losses = [session.run(self._fetches, options=self._options)[1] for session in sessions]
            magnitudes = self.sess.run(self._watched.magnitudes)
            self.between_updates = True
        self._check(np.array(losses).ravel(), magnitudes)
        if self._must_stop():
            raise StopTraining("interrupted")

    def meet(self, busy: bool) -> None:
        """The chief calls it while it is `busy` with something of its own, for which the others wait, and at its end.

        Raises:
            StopTraining: a worker was asked to stop.
        """
        if self._workers:
            self._waiting.meet(busy)

    def _must_stop(self) -> bool:
        """A signal stops one process at once, workers together: all know of it after the next update."""
        if self._workers and self.sess.run(self._all_reduced.someone_stops) > 0:
            self._interruption.wanted = self._interruption.wanted or signal.SIGTERM
            return True
        return not self._workers and self._interruption.wanted is not None

    def _check(self, losses: np.ndarray, magnitudes: np.ndarray) -> None:
        """Stop where something is not finite; nothing has been saved since."""
        if np.isfinite(losses).all() and np.isfinite(magnitudes).all():
            return
        step = self.loop.global_step
        parts = self._batches.parts_of(step - 1)
        bad = [part for part, loss in zip(parts, losses, strict=True) if not math.isfinite(loss)]
        studies = self._batches.study_ids(np.concatenate(bad or parts))
        more = f" and {len(studies) - NAMED_STUDIES} more" if len(studies) > NAMED_STUDIES else ""
        largest = np.argsort(np.where(np.isfinite(magnitudes), -magnitudes, -np.inf))[:NAMED_GRADIENTS]
        gradients = ", ".join(f"{self._watched.names[n]} {magnitudes[n]:.3g}" for n in largest)
        what = "the loss" if bad else "a gradient"
        self.failure = DivergedError(
            f"{what} is not finite at step {step}, epoch {self.epoch_num} "
            f"(loss {', '.join(f'{loss:.4g}' for loss in losses)}); "
            f"studies: {', '.join(studies[:NAMED_STUDIES])}{more}; "
            f"largest gradients: {gradients}; the last checkpoint is good: look at these studies, or lower --lr"
        )
        raise StopTraining("not finite")
