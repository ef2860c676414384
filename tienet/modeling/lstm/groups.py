"""A batch in groups of rows, each of which goes through all the words by itself, some of them at the same time.

The locations of a small group stay in the processor's cache from one word to the next; those of a whole batch would be
read from memory at every word. Also, no core has to wait for another one before each word.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tienet import cpu
from tienet.modeling.lstm import way


def number_of_groups(B: tf.Tensor, max_rows: int | None = None) -> tf.Tensor | None:
    """How many groups a batch is divided into, int32 []; None where a GPU takes it as a whole.

    It is one group for each core, or a multiple of that. No group is empty.

    Args:
        B: int32 [], the rows of the batch.
        max_rows: The largest number of rows of a group; None: any number.
    """
    if way.whole():
        return None
    cores = cpu.cores()
    rounds = 1 if max_rows is None else (B + cores * max_rows - 1) // (cores * max_rows)
    return tf.clip_by_value(rounds * cores, 1, tf.maximum(B, 1))


def in_groups(function: Callable, arrays: Any, results: Any, n: tf.Tensor | None) -> Any:
    """The results of `function` for n groups of rows, joined along the first axis. No gradient flows through it.

    Args:
        function: It is called with a group's rows of each of `arrays`. All axes of its results except the first must
            have the same lengths in every group.
        arrays: A sequence of tensors [B, ...], or of tuples of such tensors.
        results: The `tf.TensorSpec` of each result, nested as `function` nests its results.
        n: int32 [], the number of groups; their sizes differ by one row at most. None: the batch is not divided.
    """
    if n is None:
        return function(*arrays)
    B = tf.shape(tf.nest.flatten(arrays)[0])[0]
    specs = tf.nest.flatten(results)
    found = [tf.TensorArray(spec.dtype, n, element_shape=spec.shape, infer_shape=False) for spec in specs]

    def body(k, found):
        rows = slice(B * k // n, B * (k + 1) // n)
        given = tf.nest.flatten(function(*tf.nest.map_structure(lambda array: array[rows], arrays)))
        return k + 1, [array.write(k, part) for array, part in zip(found, given, strict=True)]

    _, found = tf.while_loop(lambda k, _: k < n, body, (0, found), parallel_iterations=cpu.cores())
    return tf.nest.pack_sequence_as(results, [array.concat() for array in found])
