"""Which of the two ways the loops over the words are compiled in: the one place where the device decides.

A CPU takes groups of images whose locations stay in its cache, and compiles blocks of a few steps (`loop`, `groups`). A
GPU takes the whole batch, and all steps are one compiled call (`whole`): its time goes to calls and to kernels that
wait. XLA must know the number of turns when it compiles, or it copies the loop's condition to the host at each turn. So
reports are padded to one of a few lengths, and writing goes in blocks of `WORDS` words, with one test between two.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

import tensorflow as tf

from tienet import devices

LENGTHS = (32, 64, 96, 128)
"""The numbers of steps that loops over given reports have on a GPU; longer ones have a multiple of the last."""

STEP = 16
"""Every such number is a multiple of this."""

_lengths: ContextVar[tuple[int, ...]] = ContextVar("lengths", default=LENGTHS)

WORDS = 16
"""The number of words that are written on a GPU before the test whether all reports have ended."""


def whole() -> bool:
    """Whether a loop over the words is one compiled call: where a GPU computes."""
    return devices.gpu_computes()


@contextlib.contextmanager
def lengths(chosen: Sequence[int]) -> Iterator[None]:
    """Take these lengths instead of LENGTHS, rising multiples of STEP, in the graphs that are made in the block."""
    assert list(chosen) == sorted(set(chosen)) and chosen and not any(length % STEP for length in chosen), chosen
    before = _lengths.set(tuple(chosen))
    try:
        yield
    finally:
        _lengths.reset(before)


def padded_length(T: tf.Tensor) -> tf.Tensor:
    """The number of steps, int32 [], of a loop over T given words, int32 [], on a GPU."""
    *shorter, last = _lengths.get()
    steps = -(-T // last) * last
    for length in reversed(shorter):
        steps = tf.where(length >= T, length, steps)
    return steps


def padded(array: tf.Tensor, axis: int) -> tf.Tensor:
    """The array, filled up with 0 along the axis of the words to `padded_length`."""
    T = tf.shape(array)[axis]
    rest = [[0, 0] for _ in array.shape]
    rest[axis][1] = padded_length(T) - T
    return tf.pad(array, rest)
