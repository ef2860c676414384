"""A block of steps of the attention LSTM, forward and backward; XLA compiles each of the two as one call.

If each step were a call of its own, there would be some 90 small TensorFlow operations around each.
A block has S steps (`step_arrays.S`), of which the first n count. Its results for the other steps are 0.
"""

from typing import NamedTuple

import tensorflow as tf

from tienet.modeling.lstm import step
from tienet.modeling.lstm.attention import Locations
from tienet.modeling.lstm.step import Step, StepGradient, Weights
from tienet.modeling.lstm.step_arrays import S, stacked, stacks_of, write
from tienet.modeling.lstm.xla import compiled


class LSTMState(NamedTuple):
    """The LSTM's state between two steps, or the gradient of it."""

    h: tf.Tensor  # [B, H]
    c: tf.Tensor  # [B, H]


class SavedSteps(NamedTuple):
    """Steps, and the state that each started from: all that the backward pass needs.

    The arrays may have more axes before those of a step.
    """

    before: LSTMState
    done: Step


def widths_of(H: int, L: int, C: int, A: int) -> SavedSteps:
    """The last axis of each array of `SavedSteps`."""
    return SavedSteps(LSTMState(H, H), Step(h=H, c=H, a=L, z=C, gates=4 * H, query=A))


@compiled
def block(images: Locations, w_gates, state: LSTMState, weights: Weights, n) -> tuple[SavedSteps, LSTMState]:
    """Run the first n steps of a block.

    Args:
        w_gates: [B, S, 4H], W_w w_t + b of each step.
        state: The state before the block.
        n: int32 [], how many of the S steps count.
    Returns:
        The steps, [S, B, ...], and the state after the n-th one.
    """

    def body(t, state, stacks):
        done = step.step(images, w_gates[:, t], *state, weights)
        return t + 1, LSTMState(done.h, done.c), write(stacks, t, SavedSteps(state, done))

    stacks = stacks_of(S, widths_of(state.h.shape[-1], *images.x.shape[1:], images.E.shape[-1]))
    _, state, stacks = tf.while_loop(lambda t, *_: t < n, body, (0, state, stacks))
    return stacked(stacks), state


@compiled
def block_gradient(
    images: Locations, weights: Weights, transposed: Weights, steps: SavedSteps, dstate: LSTMState, dh, da, n
) -> tuple[StepGradient, LSTMState]:
    """Run the first n steps of a block backward.

    Args:
        transposed: The weights with the axes of W_rh and W_z swapped.
        steps: The steps that `block` gave.
        dstate: The gradient of the state after the block.
        dh, da: [B, S, ...], the gradients of each step's h and a.
        n: int32 [], how many of the S steps count.
    Returns:
        The steps' gradients, [S, B, ...], and the gradient of the state before the block.
    """

    def body(t, dstate, stacks):
        before, done = tf.nest.map_structure(lambda array: array[t], steps)
        gradient, *dstate = step.step_gradient(
            images, weights, transposed, *before, done, dstate.h + dh[:, t], dstate.c, da[:, t]
        )
        return t - 1, LSTMState(*dstate), write(stacks, t, gradient)

    done = steps.done
    widths = StepGradient(weights.W_rh.shape[-1], dz=done.z.shape[-1], dgate=1, de=done.a.shape[-1])
    _, dstate, stacks = tf.while_loop(lambda t, *_: t >= 0, body, (n - 1, dstate, stacks_of(S, widths)))
    return stacked(stacks), dstate
