"""What is said where a training has too little memory: one line, with what to give instead."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from tienet.errors import InputError
from tienet.training.counted import counted

FOR_TRAINING = "run again with --resume and a smaller --tower-batch, or anew with a smaller --batch"
FOR_VALIDATION = "train anew with a smaller --batch, or free memory and run again with --resume"
"""What to do: --batch is a setting, which a run that is resumed keeps, and --tower-batch is none."""

LARGEST_PADDED = 256
"""Up to this many studies a batch of validation has the size of a training's, also where the split has fewer."""


def validation_batch(batch: int, studies: int) -> int:
    """How many studies a batch of validation has.

    A larger batch than LARGEST_PADDED is not filled up beyond the split, as this would cost memory for nothing. A
    smaller one is: another number of rows may change the last bits of what a matrix product gives.

    Args:
        batch: The number of studies per update.
        studies: The number of studies of the validation split.
    """
    return min(batch, max(studies, LARGEST_PADDED))


@contextmanager
def told(where: str, studies: int, instead: str) -> Iterator[None]:
    """A context in which a lack of memory, of the GPU or of the computer, becomes an InputError.

    Args:
        where: What was done, such as "in validation".
        studies: How many studies it took at a time.
        instead: What the user can do.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError):
        raise InputError(f"out of memory {where}, with {counted(studies)} at a time; {instead}") from None
