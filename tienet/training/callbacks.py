"""Callbacks between the steps of training; what is measured after an epoch is in `tienet.training.validation`."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorpack.callbacks import Callback
from tensorpack.train.base import StopTraining

from tienet.config import Config
from tienet.distributed.workers import Workers
from tienet.errors import InputError

tf1 = tf.compat.v1


class EpochLength(Callback):
    """Shortens the first epoch of a resumed run to the steps that are left of it.

    There are 0 of them where the run was stopped between an epoch's last step and its validation.
    """

    _chief_only = False

    def __init__(self, steps_per_epoch: int, steps_left: int):
        self._steps, self._left = steps_per_epoch, steps_left

    def _before_epoch(self) -> None:
        self.trainer.loop.steps_per_epoch = self._left
        self._left = self._steps


class LearningRateDrop(Callback):
    """Divides the learning rate by ten once the share `lr_drop_at` of the epochs is over."""

    _chief_only = False

    def __init__(self, config: Config):
        self._first_low_epoch = round(config.lr_drop_at * config.epochs) + 1
        self._rates = (config.learning_rate, config.learning_rate / 10)

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.global_variables() if v.op.name == "adam/learning_rate")

    def _before_epoch(self) -> None:
        self._variable.load(self._rates[self.epoch_num >= self._first_low_epoch], tf1.get_default_session())


class StopEarly(Callback):
    """Ends the training of all workers at the end of an epoch once `should_stop` returns True in the chief."""

    _chief_only = False

    def __init__(self, should_stop: Callable[[], bool], workers: Workers | None):
        self._should_stop, self._workers = should_stop, workers

    def _setup_graph(self) -> None:
        if self._workers:
            self._own = tf1.placeholder(tf.float32, [])
            self._of_any = self._workers.max_over_workers(self._own)

    def _trigger_epoch(self) -> None:
        stop = float(self.trainer.is_chief and self._should_stop())
        if self._workers:
            with self._workers.exit_if_worker_lost():
                stop = self.trainer.sess.run(self._of_any, {self._own: stop}, options=self._workers.options)
        if stop:
            raise StopTraining("early stopping")


class SyncWeights(Callback):
    """Broadcasts the chief's variables before the first step, and checks after each epoch that all workers agree.

    Raises:
        InputError: After an epoch, if a variable is not the same in all workers; the message names it.
    """

    _chief_only = False

    def __init__(self, workers: Workers):
        self._workers = workers

    def _setup_graph(self) -> None:
        variables = sorted(tf1.global_variables(), key=lambda variable: variable.op.name)
        self._names = [variable.op.name for variable in variables]
        self._broadcast = tf.group([self._workers.broadcast_from_chief(variable) for variable in variables])
        checksums = tf.stack([_checksum(variable) for variable in variables])
        self._differs = self._workers.differs_between_workers(checksums)

    def _before_train(self) -> None:
        with self._workers.exit_if_worker_lost():
            self._run(self._broadcast)

    def _trigger_epoch(self) -> None:
        with self._workers.exit_if_worker_lost():
            differs = self._run(self._differs)
        if differs.any():
            names = ", ".join(name for name, is_different in zip(self._names, differs, strict=True) if is_different)
            raise InputError(f"the workers' weights are no longer equal after epoch {self.epoch_num}: {names}")

    def _run(self, fetches: object) -> np.ndarray:
        return self.trainer.sess.run(fetches, options=self._workers.options)


def _checksum(variable: tf.Variable) -> tf.Tensor:
    """An int64 checksum, which any changed bit changes, and nearly any exchange of two values."""
    value = tf.reshape(variable.read_value(), [-1])
    bits = tf.bitcast(value, tf.int32) if value.dtype == tf.float32 else value
    weights = tf.range(tf.size(bits, tf.int64)) % 65521 + 1
    return tf.reduce_sum(tf.cast(bits, tf.int64) * weights)
