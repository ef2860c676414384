"""A batch in groups of rows that go through all the words by themselves, some of them side by side.

The locations of a small group stay in the processor's cache from one word to the next; those of a whole batch would be
read from memory at each. And no core waits for another one before each word.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tienet import devices


def number_of_groups(B: tf.Tensor, most: int | None = None) -> tf.Tensor:
    """int32 []: one for each core, or a multiple of it; one where a GPU computes.

    Args:
        B: int32 [], rows of the batch; no group is empty. most: rows of a group; None: any number.
    """
    if devices.gpu_computes():
        return tf.constant(1)
    cores = devices.cores()
    rounds = 1 if most is None else (B + cores * most - 1) // (cores * most)
    return tf.clip_by_value(rounds * cores, 1, tf.maximum(B, 1))


def in_groups(function: Callable, arrays: Any, results: Any, n: tf.Tensor) -> Any:
    """What `function` gives for n groups of rows, one after the other along the first axis.

    It is not differentiated: there is no gradient through it.

    Args:
        function: called with a group's rows of each of `arrays`. Of its results all axes but the first must have the
            same lengths in every group.
        arrays: a sequence of tensors [B, ...] or of tuples of them. results: the same of `tf.TensorSpec`.
        n: int32 []; the groups' sizes differ by one row at most.
    """
    B = tf.shape(tf.nest.flatten(arrays)[0])[0]
    specs = tf.nest.flatten(results)
    found = [tf.TensorArray(spec.dtype, n, element_shape=spec.shape, infer_shape=False) for spec in specs]

    def body(k, found):
        rows = slice(B * k // n, B * (k + 1) // n)
        given = tf.nest.flatten(function(*tf.nest.map_structure(lambda array: array[rows], arrays)))
        return k + 1, [array.write(k, part) for array, part in zip(found, given, strict=True)]

    _, found = tf.while_loop(lambda k, _: k < n, body, (0, found), parallel_iterations=devices.cores())
    return tf.nest.pack_sequence_as(results, [array.concat() for array in found])
