"""Arrays over the steps of a loop: kept step by step, kept in blocks of steps, and summed over all steps.

Axes: B batch, T steps, N and M the width of a step's array. Several arrays may be nested in any way.
"""

from typing import Any

import tensorflow as tf

S = 8
"""The number of steps of a block. The last block is filled up, so that XLA compiles one shape and only once."""


def swap_axes(array: tf.Tensor) -> tf.Tensor:
    """Swap the first two axes: [B, T, N] -> [T, B, N], and back."""
    return tf.transpose(array, [1, 0, 2])


def over_steps(inputs: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """sum_tb inputs[t, b]^T gradients[t, b]: what a weight matrix receives from all steps, [N, M]."""
    flat = [tf.reshape(array, [-1, array.shape[-1]]) for array in (inputs, gradients)]
    return tf.matmul(*flat, transpose_a=True)


# ---- kept step by step ----


def stacks_of(length: tf.Tensor | int, widths: Any) -> Any:
    """Make an empty array of `length` steps, [B, N] each, for each width N."""
    return _stacks(length, widths, [])


def write(stacks: Any, t: tf.Tensor, parts: Any) -> Any:
    """The arrays after `parts` was written at step (or block) t."""
    return tf.nest.map_structure(lambda stack, part: stack.write(t, part), stacks, parts)


def stacked(stacks: Any) -> Any:
    """Each array as one tensor [T, B, N], which is 0 where nothing was written."""
    return tf.nest.map_structure(lambda stack: stack.stack(), stacks)


# ---- in blocks ----


def block_stacks_of(T: tf.Tensor, widths: Any) -> Any:
    """Make an empty array of the blocks of T steps, [S, B, N] each, for each width N."""
    return _stacks(-(-T // S), widths, [S])


def joined(stacks: Any) -> Any:
    """The steps of all blocks one after the other, each array as one tensor [blocks * S, B, N]."""
    return tf.nest.map_structure(lambda stack: stack.concat(), stacks)


def block_of(array: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    """Block k of an array [B, T, N], as [B, S, N]; it is 0 after the last step."""
    steps = array[:, k * S : (k + 1) * S]
    return tf.pad(steps, [[0, 0], [0, S - tf.shape(steps)[1]], [0, 0]])


def _stacks(length, widths, outer):
    return tf.nest.map_structure(
        lambda width: tf.TensorArray(tf.float32, length, element_shape=[*outer, None, width]), widths
    )
