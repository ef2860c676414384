"""What happens between the steps of training; what is measured after an epoch is in `validation`."""

import tensorflow as tf
from tensorpack.callbacks import Callback

from tienet.config import Config

tf1 = tf.compat.v1


class EpochLength(Callback):
    """The first epoch of a resumed run is as long as what is left of it."""

    def __init__(self, steps_per_epoch: int, first_step: int):
        self._steps, self._left = steps_per_epoch, steps_per_epoch - first_step % steps_per_epoch

    def _before_epoch(self) -> None:
        self.trainer.loop._steps_per_epoch = self._left
        self._left = self._steps


class LearningRateDrop(Callback):
    """The rate is divided by ten once `lr_drop_at` of the epochs are over."""

    def __init__(self, config: Config):
        self._first_low_epoch = round(config.lr_drop_at * config.epochs) + 1
        self._rates = (config.learning_rate, config.learning_rate / 10)

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.global_variables() if v.op.name == "adam/learning_rate")

    def _before_epoch(self) -> None:
        self._variable.load(self._rates[self.epoch_num >= self._first_low_epoch], tf1.get_default_session())
