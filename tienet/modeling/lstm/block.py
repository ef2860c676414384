"""A block of steps of the attention LSTM, forward and backward; XLA compiles each of the two as one call.

Step by step each call would have some 90 small operations of TensorFlow around it.
A block has S steps (`steps`), of which the first n count; what it gives for the others is 0.
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
    """Steps, and where each started from: all that the backward pass needs. Parts may have more axes before these."""

    before: LSTMState
    done: Step


def widths_of(H: int, L: int, C: int, A: int) -> SavedSteps:
    """The last axis of each part."""
    return SavedSteps(LSTMState(H, H), Step(h=H, c=H, a=L, z=C, gates=4 * H, query=A))


@compiled
def block(images: Locations, w_gates, state: LSTMState, weights: Weights, n) -> tuple[SavedSteps, LSTMState]:
    """Forward: `w_gates` [B, S, 4H] -> the steps [S, B, ...] and the state after them; n is int32 []."""

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
    """Backward: the steps' gradients [S, B, ...], and that of the state before them.

    Args:
        transposed: has W_rh and W_z with their axes swapped. steps: of `block`. dstate: of the state after the block.
        dh, da: [B, S, ...], what comes from each step's h and a.
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
