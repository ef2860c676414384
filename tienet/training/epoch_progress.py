"""How far a training is: a bar for each epoch on a terminal, lines in a log, both with the time left in all epochs."""

import sys

import tensorflow as tf
from tensorpack.callbacks import Callback

from tienet.progress import Progress, readable_duration

tf1 = tf.compat.v1

LEFT = "left in all"
LEFT_BEFORE_VALIDATION = f"{LEFT} without validation"  # in the first epoch, when nobody knows how long that takes


class EpochProgress(Callback):
    """Shows the loss of each step and the time that is left, which is less if the training stops early.

    Args:
        epochs: The number of epochs of the whole training.
        steps_per_epoch: The number of steps of each.
        done: The number of steps that an earlier process has done.
    """

    def __init__(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        self._epochs, self._steps, self._done = epochs, steps_per_epoch, done
        self._bar: Progress | None = None

    def _setup_graph(self) -> None:
        self._fetches = tf1.train.SessionRunArgs(self.get_tensors_maybe_in_tower(["loss"]))

    def _before_train(self) -> None:
        is_terminal = sys.stderr.isatty()
        self._whole = Progress(
            self._epochs * self._steps, "training", "steps", show=not is_terminal, left=LEFT_BEFORE_VALIDATION
        )
        self._whole.skip(self._done)
        self._shows_bar, self._is_first = is_terminal, True

    def _before_epoch(self) -> None:
        self._epoch = f"epoch {self.epoch_num}/{self._epochs}"
        self._bar = Progress(self.trainer.loop.steps_per_epoch, self._epoch, "steps", show=self._shows_bar)

    def _before_run(self, _: object) -> tf1.train.SessionRunArgs:
        return self._fetches

    def _after_run(self, _: object, values: tf1.train.SessionRunValues) -> None:
        (loss,) = values.results
        self._whole.note(f"{self._epoch}, loss {loss:.4g}")
        left = self._whole.time_left()
        self._bar.note(f"loss {loss:.4g}" + (f", {readable_duration(left)} {self._whole.left}" if left else ""))

    def _trigger_step(self) -> None:
        self._bar.update()
        if self._is_first:  # in which XLA compiles
            self._is_first = False
            self._whole.skip(1)
            self._whole.restart_clock()
        else:
            self._whole.update()

    def _after_epoch(self) -> None:
        self._bar.close()

    def _trigger_epoch(self) -> None:
        self._whole.left = LEFT

    def _after_train(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._whole.close()
