"""What happens between the steps of training; what is measured after an epoch is in `validation`."""

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
    """The first epoch of a resumed run is as long as what is left of it: 0 where only its judgement is missing."""

    _chief_only = False

    def __init__(self, steps_per_epoch: int, steps_left: int):
        self._steps, self._left = steps_per_epoch, steps_left

    def _before_epoch(self) -> None:
        self.trainer.loop.steps_per_epoch = self._left
        self._left = self._steps


class LearningRateDrop(Callback):
    """The rate is divided by ten once `lr_drop_at` of the epochs are over."""

    _chief_only = False

    def __init__(self, config: Config):
        self._first_low_epoch = round(config.lr_drop_at * config.epochs) + 1
        self._rates = (config.learning_rate, config.learning_rate / 10)

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.global_variables() if v.op.name == "adam/learning_rate")

    def _before_epoch(self) -> None:
        self._variable.load(self._rates[self.epoch_num >= self._first_low_epoch], tf1.get_default_session())


class StopEarly(Callback):
    """Ends the training after an epoch, in all workers, once the chief says that it is enough."""

    _chief_only = False

    def __init__(self, enough: Callable[[], bool], workers: Workers | None):
        self._enough, self._workers = enough, workers

    def _setup_graph(self) -> None:
        if self._workers:
            self._here = tf1.placeholder(tf.float32, [])
            self._anywhere = self._workers.largest(self._here)

    def _trigger_epoch(self) -> None:
        enough = float(self.trainer.is_chief and self._enough())
        if self._workers:
            with self._workers.together():
                enough = self.trainer.sess.run(self._anywhere, {self._here: enough}, options=self._workers.options)
        if enough:
            raise StopTraining("early stopping")


class KeepTogether(Callback):
    """Variables are the chief's at the start, and must be equal in all workers after each epoch."""

    _chief_only = False

    def __init__(self, workers: Workers):
        self._workers = workers

    def _setup_graph(self) -> None:
        variables = sorted(tf1.global_variables(), key=lambda variable: variable.op.name)
        self._names = [variable.op.name for variable in variables]
        self._start = tf.group([self._workers.chiefs(variable) for variable in variables])
        self._spread = self._workers.spread(tf.stack([_checksum(variable) for variable in variables]))

    def _before_train(self) -> None:
        with self._workers.together():
            self._run(self._start)

    def _trigger_epoch(self) -> None:
        with self._workers.together():
            differs = self._run(self._spread)
        if differs.any():
            names = ", ".join(name for name, is_other in zip(self._names, differs, strict=True) if is_other)
            raise InputError(f"the workers' weights are no longer equal after epoch {self.epoch_num}: {names}")

    def _run(self, fetches: object) -> np.ndarray:
        return self.trainer.sess.run(fetches, options=self._workers.options)


def _checksum(variable: tf.Variable) -> tf.Tensor:
    """int64 that any changed bit, and nearly any exchange, changes."""
    value = tf.reshape(variable.read_value(), [-1])
    bits = tf.bitcast(value, tf.int32) if value.dtype == tf.float32 else value
    weights = tf.range(tf.size(bits, tf.int64)) % 65521 + 1
    return tf.reduce_sum(tf.cast(bits, tf.int64) * weights)
