"""The attention LSTM over given reports, forward and backward, as two `tf.while_loop`s for each group of reports.

The gradient is written out because automatic differentiation of the loop keeps tanh(u + W_h h) of every step
(B*T*L*A floats) and adds B*L*C floats to dx at each of them. Here the tanh is computed again, and the gradients that
x and the weights receive from all steps are computed after the loop: dx = sum_t a_t dz_t is one matrix product.
A turn of a loop is a block of steps, which is in `block.py`. The step itself is in `step.py`.
"""

from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tienet.modeling.lstm import attention, block
from tienet.modeling.lstm.attention import Locations
from tienet.modeling.lstm.block import LSTMState, SavedSteps, widths_of
from tienet.modeling.lstm.groups import in_groups, number_of_groups
from tienet.modeling.lstm.step import Weights
from tienet.modeling.lstm.step_arrays import S, block_of, block_stacks_of, joined, over_steps, swap_axes, write

GROUP_BYTES = 6_400_000
"""The size of x and E of a group of images. Those of two groups and the weights then stay in a cache of some 20 MB."""


def attention_lstm(x, u, w_gates, h_0, c_0, weights: Weights) -> tuple[tf.Tensor, tf.Tensor]:
    """Run the LSTM over given reports.

    Args:
        x: float32 [B, L, C], the locations.
        u: float32 [B, L, A], W_x x + b_x, computed once per image.
        w_gates: float32 [B, T, 4H], W_w w_t + b of every step.
        h_0, c_0: float32 [B, H].
        weights: the recurrent weights.
    Returns:
        h float32 [B, T, H] and a float32 [B, T, L]; each a_t sums to 1 over L.
    """
    H, L, C, A = h_0.shape[-1], x.shape[1], x.shape[2], u.shape[2]

    @tf.custom_gradient
    def run(x, u, w_gates, h_0, c_0, *tensors):
        weights, images = Weights(*tensors), attention.locations(x, u)
        row_bytes = sum(4 * part.shape[1] * part.shape[2] for part in images)
        n = number_of_groups(tf.shape(x)[0], max(1, GROUP_BYTES // row_bytes))
        specs = tf.nest.map_structure(_spec, (H, L, widths_of(H, L, C, A)))
        h, a, kept = in_groups(partial(_forward, weights), (images, w_gates, LSTMState(h_0, c_0)), specs, n)

        def gradient(dh, da):
            return _backward(weights, images, a, kept, dh, da, n)

        return (h, a), gradient

    return run(x, u, w_gates, h_0, c_0, *(weight for weight in weights if weight is not None))


def _forward(weights: Weights, images: Locations, w_gates, state: LSTMState) -> tuple[tf.Tensor, tf.Tensor, SavedSteps]:
    """Run a group forward: h and a, [B, T, ...], and all its steps in the layout of `_kept`."""
    T = tf.shape(w_gates)[1]

    def body(k, state, stacks):
        steps, state = block.block(images, block_of(w_gates, k), state, weights, tf.minimum(S, T - k * S))
        return k + 1, state, write(stacks, k, steps)

    stacks = block_stacks_of(T, widths_of(state.h.shape[-1], *images.x.shape[1:], images.E.shape[-1]))
    *_, stacks = tf.while_loop(lambda k, *_: k * S < T, body, (0, state, stacks))
    steps = joined(stacks)
    return swap_axes(steps.done.h[:T]), swap_axes(steps.done.a[:T]), tf.nest.map_structure(_kept, steps)


def _spec(width: int) -> tf.TensorSpec:
    return tf.TensorSpec([None, None, width])


def _kept(steps: tf.Tensor) -> tf.Tensor:
    """A group's array [T, B, N] with the lengths of T and B swapped but no number moved: groups are joined along B.

    Only `_blocks` of the same group, and sums over all steps and rows, may read it.
    """
    return tf.reshape(steps, [tf.shape(steps)[1], tf.shape(steps)[0], steps.shape[2]])


def _blocks(kept: tf.Tensor) -> tf.Tensor:
    """The array that `_kept` kept, as [blocks, S, B, N]."""
    return tf.reshape(kept, [tf.shape(kept)[1] // S, S, tf.shape(kept)[0], kept.shape[2]])


# ---- backward ----


class _Gradients(NamedTuple):
    """What the backward loop of a group gives; the other gradients are sums of products over all steps."""

    dgates: tf.Tensor  # [B, T, 4H]
    dz: tf.Tensor  # [B, T, C]
    dproducts: tf.Tensor  # `StepGradient.dproduct`, 4H + A wide, in the layout of `_kept`
    dgate: tf.Tensor  # `StepGradient.dgate`, 1 wide, in the layout of `_kept`
    dstate: LSTMState  # the gradients of h_0 and c_0, [B, H]
    du: tf.Tensor  # [B, L, A]
    dv: tf.Tensor  # [groups, A]


def _backward(weights: Weights, images: Locations, a, kept: SavedSteps, dh, da, n) -> list[tf.Tensor]:
    """The gradients of `attention_lstm`'s arguments, from those of h [B, T, H] and a [B, T, L]."""
    (L, C), (H, HA) = images.x.shape[1:], weights.W_rh.shape
    A, state = HA - 4 * H, tf.TensorSpec([None, H])
    specs = _Gradients(
        *map(_spec, (4 * H, C, HA, 1)), LSTMState(state, state), tf.TensorSpec([None, L, A]), tf.TensorSpec([None, A])
    )
    transposed = weights._replace(W_z=tf.transpose(weights.W_z), W_rh=tf.transpose(weights.W_rh))
    loop = partial(_loop_backward, weights, transposed)
    dgates, dz, dproducts, dgate, dstate, du, dv = in_groups(loop, (images, kept, dh, da), specs, n)
    h, z = kept.before.h, kept.done.z
    dx = tf.matmul(a, dz, transpose_a=True)
    dW_rh, dW_z = over_steps(h, dproducts), over_steps(z, dproducts[..., : 4 * H])
    gradients = [dx, du, dgates, *dstate, dW_rh, tf.reduce_sum(dv, 0), dW_z]
    if weights.w_beta is not None:
        gradients += [over_steps(h, dgate)[:, 0], tf.reduce_sum(dgate)]
    return gradients


def _loop_backward(weights: Weights, transposed: Weights, images: Locations, kept: SavedSteps, dh, da) -> _Gradients:
    """Run a group backward, from the steps that `_forward` kept and the gradients of the group's h and a."""
    T, H4 = tf.shape(dh)[1], kept.done.gates.shape[-1]
    blocks = tf.nest.map_structure(_blocks, kept)

    def body(k, dstate, sums, stacks):
        steps = tf.nest.map_structure(lambda array: array[k], blocks)
        gradient, dstate = block.block_gradient(
            images, weights, transposed, steps, dstate, block_of(dh, k), block_of(da, k), tf.minimum(S, T - k * S)
        )
        sums = attention.add_scores_gradient(sums, images.E, steps.done.query, gradient.de)
        return k - 1, dstate, sums, write(stacks, k, gradient[:3])

    stacks = block_stacks_of(T, (weights.W_rh.shape[-1], kept.done.z.shape[-1], 1))
    nothing, no_sum = tf.zeros_like(dh[:, 0]), tf.zeros_like(images.E)
    state = ((T - 1) // S, LSTMState(nothing, nothing), attention.ScoresGradient(no_sum, no_sum), stacks)
    _, dstate, sums, stacks = tf.while_loop(lambda k, *_: k >= 0, body, state)
    dproducts, dz, dgate = joined(stacks)
    du, dv = attention.scores_gradient(sums, weights.v)
    dgates, dz = swap_axes(dproducts[:T, :, :H4]), swap_axes(dz[:T])
    return _Gradients(dgates, dz, _kept(dproducts), _kept(dgate), dstate, du, dv[None])
