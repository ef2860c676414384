"""The attention LSTM over given reports, forward and backward, as two `tf.while_loop`s for each group of reports.

The gradient is written out because automatic differentiation of the loop keeps tanh(u + W_h h) of every step
(B*T*L*A floats) and adds B*L*C floats to dx at each of them. Here the tanh is computed again, and what the weights,
x and u receive from all steps is computed after the loop: dx = sum_t a_t dz_t is one matrix product.
The step itself is in `attention_step`.
"""

from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tienet.modeling import attention_step, spatial_attention
from tienet.modeling.attention_step import Step, Weights
from tienet.modeling.groups import in_groups, number_of_groups
from tienet.modeling.lstm import over_steps, stacks_of, swap_axes
from tienet.modeling.spatial_attention import Locations

GROUP_BYTES = 6_400_000
"""Of x and E in a group of images: those of two groups, and the weights, stay in a cache of some 20 MB."""


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
    H, L, C = h_0.shape[-1], x.shape[1], x.shape[2]

    @tf.custom_gradient
    def run(x, u, w_gates, h_0, c_0, *tensors):
        weights, images = Weights(*tensors), spatial_attention.locations(x, u)
        row_bytes = sum(4 * part.shape[1] * part.shape[2] for part in images)
        n = number_of_groups(tf.shape(x)[0], max(1, GROUP_BYTES // row_bytes))
        widths = Step(h=H, c=H, a=L, z=C, gates=4 * H)
        every_step = Step(*(tf.TensorSpec([None, None, width]) for width in widths))
        steps = in_groups(partial(_forward, weights), (images, w_gates, h_0, c_0), every_step, n)

        def gradient(dh, da):
            return _backward(weights, images, h_0, c_0, steps, dh, da, n)

        return (steps.h, steps.a), gradient

    return run(x, u, w_gates, h_0, c_0, *(weight for weight in weights if weight is not None))


def _forward(weights: Weights, images: Locations, w_gates, h_0, c_0) -> Step:
    """All steps, each part [B, T, ...]."""
    w_gates = swap_axes(w_gates)
    T, H, L, C = tf.shape(w_gates)[0], h_0.shape[-1], images.x.shape[1], images.x.shape[2]

    def body(t, h, c, stacks):
        result = attention_step.step(images, w_gates[t], h, c, weights)
        stacks = [stack.write(t, part) for stack, part in zip(stacks, result, strict=True)]
        return t + 1, result.h, result.c, stacks

    stacks = stacks_of(T, H, H, L, C, 4 * H)
    *_, stacks = tf.while_loop(lambda t, *_: t < T, body, (0, h_0, c_0, stacks))
    return Step(*(swap_axes(stack.stack()) for stack in stacks))


# ---- backward ----


class _Gradients(NamedTuple):
    """What the loop backward gives; the rest are sums of products over all steps."""

    dproducts: tf.Tensor  # [B, T, 4H + A], as of `StepGradient`
    dz: tf.Tensor  # [B, T, C]
    dgate: tf.Tensor  # [B, T, 1]
    dh_0: tf.Tensor  # [B, H]
    dc_0: tf.Tensor  # [B, H]
    du: tf.Tensor  # [B, L, A]
    dv: tf.Tensor  # [groups, A]


def _backward(weights: Weights, images: Locations, h_0, c_0, steps: Step, dh, da, n) -> list[tf.Tensor]:
    """Gradients of `attention_lstm`'s arguments, given those of h [B, T, H] and a [B, T, L]."""
    (L, C), (H, HA) = images.x.shape[1:], weights.W_rh.shape
    before = [tf.concat([first[:, None], states[:, :-1]], 1) for first, states in ((h_0, steps.h), (c_0, steps.c))]
    shapes = _Gradients([None, HA], [None, C], [None, 1], [H], [H], [L, HA - 4 * H], [HA - 4 * H])
    specs = _Gradients(*(tf.TensorSpec([None, *shape]) for shape in shapes))
    transposed = weights._replace(W_z=tf.transpose(weights.W_z), W_rh=tf.transpose(weights.W_rh))
    loop = partial(_loop_backward, weights, transposed)
    dproducts, dz, dgate, dh_0, dc_0, du, dv = in_groups(loop, (images, before, steps, dh, da), specs, n)
    dgates = dproducts[..., : 4 * H]
    dx = tf.matmul(steps.a, dz, transpose_a=True)
    dW_rh, dW_z = over_steps(before[0], dproducts), over_steps(steps.z, dgates)
    gradients = [dx, du, dgates, dh_0, dc_0, dW_rh, tf.reduce_sum(dv, 0), dW_z]
    if weights.w_beta is not None:
        gradients += [over_steps(before[0], dgate)[:, 0], tf.reduce_sum(dgate)]
    return gradients


def _loop_backward(weights: Weights, transposed: Weights, images: Locations, *by_row) -> _Gradients:
    """`by_row`: h and c before each step, the steps, and the gradients of their h and a, each [B, T, ...]."""
    before, steps, dh_all, da_all = tf.nest.map_structure(swap_axes, by_row)
    T, H4 = tf.shape(dh_all)[0], steps.gates.shape[-1]
    queries = tf.tensordot(before[0], weights.W_rh[:, H4:], 1)

    def body(t, dh, dc, stacks):
        at_t = tf.nest.map_structure(lambda array: array[t], (*before, queries, steps))
        gradient, dh, dc = attention_step.step_gradient(
            images, weights, transposed, *at_t, dh + dh_all[t], dc, da_all[t]
        )
        return t - 1, dh, dc, [stack.write(t, part) for stack, part in zip(stacks, gradient, strict=True)]

    stacks = stacks_of(T, weights.W_rh.shape[-1], steps.z.shape[-1], 1, steps.a.shape[-1])
    nothing = tf.zeros_like(dh_all[0])
    state = (T - 1, nothing, nothing, stacks)
    _, dh_0, dc_0, stacks = tf.while_loop(lambda t, *_: t >= 0, body, state)
    *parts, de = (stack.stack() for stack in stacks)
    du, dv = spatial_attention.scores_gradient(images.E, queries, de, weights.v)
    return _Gradients(*map(swap_axes, parts), dh_0, dc_0, du, dv[None])
