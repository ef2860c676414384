"""What is said where a training has too little memory: one line, with what to give instead."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from tienet.errors import InputError
from tienet.pages.plain_text import counted

FOR_TRAINING = "run again with --resume and a smaller --tower-batch, or anew with a smaller --batch"
FOR_VALIDATION = "train anew with a smaller --batch, or free memory and run again with --resume"
"""What to do: --batch is a setting, which a run that is resumed keeps, and --tower-batch is none."""


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
        raise InputError(f"out of memory {where}, with {counted(studies, 'study')} at a time; {instead}") from None
