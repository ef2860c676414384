"""Arrays over steps: in blocks of one shape and back, and sums over all steps."""

import numpy as np
import pytest
import tensorflow as tf

from tienet.modeling.lstm.step_arrays import (
    S,
    block_of,
    block_stacks_of,
    joined,
    over_steps,
    stacked,
    stacks_of,
    swap_axes,
    write,
)

B, N, M = 3, 4, 5


@pytest.mark.parametrize("T", [1, S - 1, S, 2 * S + 3])
def test_blocks_have_one_shape_and_give_all_steps_back(evaluate, random, T):
    array = random.random((B, T, N), np.float32)
    blocks = -(-T // S)
    stack = block_stacks_of(tf.constant(T), N)
    for k in range(blocks):
        block = block_of(tf.constant(array), k)
        stack = write(stack, k, swap_axes(block))
    block, found = evaluate([block, joined(stack)])
    assert block.shape == (B, S, N)
    assert found.shape == (blocks * S, B, N)
    np.testing.assert_array_equal(found[:T], array.transpose(1, 0, 2))
    assert not found[T:].any()


def test_steps_that_were_not_written_are_zero(evaluate):
    stacks = stacks_of(3, {"one": N, "two": [M]})
    stacks = write(stacks, 1, {"one": tf.ones([B, N]), "two": [tf.ones([B, M])]})
    found = evaluate(stacked(stacks))
    expected = np.array([0, 1, 0])[:, None, None]
    np.testing.assert_array_equal(found["one"], np.broadcast_to(expected, (3, B, N)))
    np.testing.assert_array_equal(found["two"][0], np.broadcast_to(expected, (3, B, M)))


def test_a_weight_matrix_receives_from_all_steps(evaluate, random):
    inputs, gradients = random.random((2, B, N)), random.random((2, B, M))
    expected = sum(np.outer(inputs[t, b], gradients[t, b]) for t in range(2) for b in range(B))
    np.testing.assert_allclose(evaluate(over_steps(tf.constant(inputs), tf.constant(gradients))), expected)
