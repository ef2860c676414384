"""Seeds for everything that is drawn at random in training.

Every draw depends on the run's seed, on its purpose and on the update alone, so a resumed run draws the same numbers.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

PURPOSES = {"words": 1, "reports": 2, "dropout": 3, "writing": 4, "sampling": 5, "drawn": 6}
"""What random numbers are drawn for, and the number that keeps each apart from the others."""

_MAX_BATCH_PARTS = 2**20


class Draws(NamedTuple):
    """The draws of one update, in one tower."""

    seed: int  # `Config.seed`
    update: tf.Tensor | np.ndarray  # int32 [2]: which update it is, and which part of its batch

    def seed_for(self, purpose: str) -> tf.Tensor:
        """int64 [2], for TensorFlow's stateless random operations; `purpose` is a key of `PURPOSES`."""
        step, part_of_batch = tf.unstack(tf.cast(self.update, tf.int64))
        return tf.stack([self.seed * len(PURPOSES) + PURPOSES[purpose], step * _MAX_BATCH_PARTS + part_of_batch])
