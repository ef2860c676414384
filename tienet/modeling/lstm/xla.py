"""Compilation with XLA, which makes one pass over an array where TensorFlow's single operations make three or more.

XLA compiles a function once for each batch size.
"""

from collections.abc import Callable

import tensorflow as tf


def compiled(function: Callable) -> Callable:
    """The function as XLA compiles it. Its arguments may be tensors, tuples of tensors, or None."""
    return tf.function(function, jit_compile=True, autograph=False)
