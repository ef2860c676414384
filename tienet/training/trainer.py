"""Tensorpack's trainer with synchronous towers, in which one step is one update of the weights."""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache

import numpy as np
import tensorflow as tf
from tensorpack import input_source
from tensorpack.callbacks import Callback
from tensorpack.dataflow import DataFlow
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
from tienet.training import memory, placement
from tienet.training.callbacks import SyncWeights
from tienet.training.optimizers import AccumulatingOptimizer, AllReducingOptimizer, MonitoringOptimizer
from tienet.training.placement import TowerBuilder

tf1 = tf.compat.v1

MAX_NAMED_STUDIES, MAX_NAMED_GRADIENTS = 32, 3
"""How many studies and gradients the message of a diverged training names at most."""


class DivergedError(InputError):
    """The training has diverged: the loss or a gradient is not finite."""


class QueueInput(input_source.QueueInput):
    """A queue from which the towers take the parts of a batch in order.

    Without the order the towers race for the parts, and the rounding of their summed gradients differs between runs.
    Where a GPU computes, images or features come to it during the step before (`placement.stages_inputs`).

    Attributes:
        put: The operation that takes the next part for each tower; it runs with each step, and once before the first.
            None where each step takes its own part.
    """

    _taken: tuple[tf.Operation, ...] = ()

    def __init__(self, batches: TrainingBatches, queue: tf1.QueueBase) -> None:
        super().__init__(_BatchFlow(batches), queue)
        self.put: tf.Operation | None = None

    def _get_input_tensors(self) -> list[tf.Tensor]:
        with tf.control_dependencies(self._taken):
            tensors = super()._get_input_tensors()
        self._taken = (tensors[0].op,)
        if not placement.stages_inputs():
            return tensors
        put, staged = placement.staged(tensors, self._taken[0].name)
        self.put = put if self.put is None else tf.group(self.put, put)
        return staged


class _BatchFlow(DataFlow):
    """The training batches in the form that Tensorpack takes."""

    def __init__(self, batches: TrainingBatches) -> None:
        super().__init__()
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        return iter(self._batches)


class Trainer(SyncMultiGPUTrainerParameterServer):
    """A trainer whose step is one update: its gradients come from all towers, accumulation steps and workers.

    Args:
        batch_split: How a batch is divided among workers, towers and accumulation steps.
        batches: Where the batches come from; names the studies of a batch.
        interruption: What stops the training, after the update that is running.
        workers: The processes that train together; None: one process trains alone.

    Attributes:
        is_chief: Whether this process validates, logs and saves.
        failure: The error that stopped the training; None if none did.
        between_updates: False during an update, when a checkpoint would hold half of it.
    """

    def __init__(
        self,
        batch_split: BatchSplit,
        batches: TrainingBatches,
        interruption: Interruption,
        workers: Workers | None = None,
    ):
        super().__init__(list(range(batch_split.towers)))
        self._builder = TowerBuilder(placement.placement(batch_split.towers))
        self.is_chief = workers is None or workers.cluster.is_chief
        self.failure: Exception | None = None
        self.between_updates = True
        self._batch_split, self._batches = batch_split, batches
        self._interruption, self._workers = interruption, workers
        self._losses: list[tf.Tensor] = []
        self._put: tf.Operation | None = None
        self._first_was_put = False
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
            self._monitoring = wrapped = MonitoringOptimizer(get_opt_fn())
            if self._workers:
                self._all_reducing = wrapped = AllReducingOptimizer(wrapped, self._workers)
            steps = self._batch_split.accumulate
            return AccumulatingOptimizer(wrapped, steps) if steps > 1 else wrapped

        callbacks = super()._setup_graph(input, loss_of_tower, optimizer)
        summaries = tf.group([op.op for op in tf1.get_collection(MOVING_SUMMARY_OPS_KEY)])
        self._put = input.put if isinstance(input, QueueInput) else None
        self._fetches = [self.train_op, self._losses, summaries, *([self._put] if self._put else [])]
        if self._workers:
            self._wait_for_chief = WaitForChief(self._workers, self._interruption)
            callbacks += [SyncWeights(self._workers), self._wait_for_chief]
        return callbacks

    @property
    def gradients(self) -> list[tf.Operation]:
        """The operations that compute the gradients of all towers, for one part each."""
        return self._builder.gradients

    def main_loop(self, steps_per_epoch: int, starting_epoch: int, max_epoch: int) -> None:
        """Tensorpack's loop; if a signal stops it and the checkpoint cannot be saved, that error is raised instead."""
        try:
            super().main_loop(steps_per_epoch, starting_epoch, max_epoch)
        except KeyboardInterrupt:
            if self.failure:
                raise self.failure from None
            raise

    def run_step(self) -> None:
        """Run one update with all parts of a batch.

        The hooks, and with them the global step, run with the last part only.
        """
        with self._interruption.deferred(), self._workers.exit_if_worker_lost() if self._workers else nullcontext():
            self.between_updates = False
            if self._workers and self._interruption.wanted:
                self._all_reducing.wants_to_stop.load(1.0, self.sess)
            if self._put and not self._first_was_put:
                self._first_was_put = True
                self.sess.run(self._put)
            sessions = [self.sess] * (self._batch_split.accumulate - 1) + [self.hooked_sess]
            with memory.told(f"at step {self.global_step + 1}", self._batches.part_size, memory.FOR_TRAINING):
                losses = [session.run(self._fetches, options=self._options)[1] for session in sessions]
                magnitudes = self.sess.run(self._monitoring.magnitudes)
            self.between_updates = True
        self._check_finite(np.array(losses).ravel(), magnitudes)
        if self._must_stop():
            raise StopTraining("interrupted")

    def exchange_status(self, busy: bool) -> None:
        """Tell the other workers, which wait, whether the chief is still busy.

        The chief calls it again and again while it does something alone, and with `busy=False` at the end.

        Raises:
            StopTraining: A worker was asked to stop.
        """
        if self._workers:
            self._wait_for_chief.exchange_status(busy)

    def _must_stop(self) -> bool:
        """Whether to stop after this update: a process that trains alone at a signal, workers once all know of it."""
        if self._workers and self.sess.run(self._all_reducing.someone_stops) > 0:
            self._interruption.wanted = self._interruption.wanted or signal.SIGTERM
            return True
        return not self._workers and self._interruption.wanted is not None

    def _check_finite(self, losses: np.ndarray, magnitudes: np.ndarray) -> None:
        """Stop the training if a loss or a gradient is not finite; the last checkpoint was saved before that."""
        if np.isfinite(losses).all() and np.isfinite(magnitudes).all():
            return
        step = self.loop.global_step
        parts = self._batches.parts_of(step - 1)
        bad = [part for part, loss in zip(parts, losses, strict=True) if not math.isfinite(loss)]
        studies = self._batches.study_ids(np.concatenate(bad or parts))
        more = f" and {len(studies) - MAX_NAMED_STUDIES} more" if len(studies) > MAX_NAMED_STUDIES else ""
        largest = np.argsort(np.where(np.isfinite(magnitudes), -magnitudes, -np.inf))[:MAX_NAMED_GRADIENTS]
        gradients = ", ".join(f"{self._monitoring.names[n]} {magnitudes[n]:.3g}" for n in largest)
        what = "the loss" if bad else "a gradient"
        self.failure = DivergedError(
            f"{what} is not finite at step {step}, epoch {self.epoch_num} "
            f"(loss {', '.join(f'{loss:.4g}' for loss in losses)}); "
            f"studies: {', '.join(studies[:MAX_NAMED_STUDIES])}{more}; "
            f"largest gradients: {gradients}; the last checkpoint is good: look at these studies, or lower --lr"
        )
        raise StopTraining("not finite")
