"""Compilation with XLA, which makes one pass over an array where TensorFlow's single operations make three or more.

XLA compiles a function once for each batch size.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from tienet import devices


def compiled(function: Callable) -> Callable:
    """The function as XLA compiles it. Its arguments may be tensors, tuples of tensors, or None."""

    @functools.cache
    def by_xla(for_gpu: bool) -> Callable:
        """The compiled function for a GPU or for a CPU, whose graphs of it may differ (`way`)."""
        return tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args, **kwargs):
        devices.prepare_eager_context()  # which the first call starts
        return by_xla(devices.gpu_computes())(*args, **kwargs)

    return call
