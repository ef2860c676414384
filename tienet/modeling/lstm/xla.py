"""What XLA compiles: it makes one pass over an array of what would be three or more. It does so for each batch size."""

from collections.abc import Callable

import tensorflow as tf


def compiled(function: Callable) -> Callable:
    """A function of tensors (tuples of them, or None) that XLA compiles."""
    return tf.function(function, jit_compile=True, autograph=False)
