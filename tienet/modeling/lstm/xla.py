"""Compilation with XLA, which makes one pass over an array where TensorFlow's single operations make three or more.

XLA compiles a function once for each batch size.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from tienet import devices


def compiled(function: Callable) -> Callable:
    """The function as XLA compiles it. Its arguments may be tensors, tuples of tensors, or None."""
    by_xla = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args, **kwargs):
        devices.prepare_eager_context()  # which the first call starts
        return by_xla(*args, **kwargs)

    return call
