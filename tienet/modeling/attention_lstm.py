"""The attention LSTM over given reports, forward and backward, as two `tf.while_loop`s for each group of reports.

Xu et al. (2015), soft attention. At step t, with x [B, L, C] the L = D*D locations and u = W_x x + b_x:

    a_t = softmax(v . tanh(u + W_h h_{t-1})) over the locations, [B, L] (`spatial_attention`)
    z_t = beta_t sum_l a_t[l] x[l]           context, [B, C]; beta_t = sigm(w_beta . h_{t-1} + b_beta), or 1 (no gate)
    i, f, o, g = split(W_w w_t + W_z z_t + W_r h_{t-1} + b)
    c_t = sigm(f) c_{t-1} + sigm(i) tanh(g);   h_t = sigm(o) tanh(c_t)

The gradient is written out because automatic differentiation of the loop keeps tanh(u + W_h h) of every step
(B*T*L*A floats) and adds B*L*C floats to dx at each of them. Here the tanh is computed again, and what the weights,
x and u receive from all steps is computed after the loop: dx = sum_t a_t dz_t is one matrix product.
"""

from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tienet.modeling import spatial_attention
from tienet.modeling.groups import in_groups, number_of_groups
from tienet.modeling.lstm import cell_gradient, lstm_cell, over_steps, stacks_of, swap_axes
from tienet.modeling.spatial_attention import Locations
from tienet.modeling.xla import compiled

GROUP_BYTES = 6_400_000
"""Of x and E in a group of images: with the weights, those of two groups stay in a cache of 16 MB."""


class Weights(NamedTuple):
    """The recurrent weights; gates are ordered i, f, o, g along 4H."""

    W_rh: tf.Tensor  # [H, 4H + A]: W_r beside W_h, both of which take h_{t-1}
    v: tf.Tensor  # [A]
    W_z: tf.Tensor  # [C, 4H]
    w_beta: tf.Tensor | None = None  # [H], of Xu's gate; None: no gate
    b_beta: tf.Tensor | None = None  # []


class Step(NamedTuple):
    """One step's results, all that the backward pass needs."""

    h: tf.Tensor  # [B, H]
    c: tf.Tensor  # [B, H]
    a: tf.Tensor  # [B, L]
    z: tf.Tensor  # [B, C], gated
    gates: tf.Tensor  # [B, 4H], before the nonlinearities


@compiled
def step(images: Locations, w_gates, h, c, weights: Weights, beams: int = 1) -> Step:
    """One step; `w_gates` [B, 4H] = W_w w_t + b, `h` and `c` [B, H] of step t - 1.

    With W `beams` for each image w_gates, h and c have B * W rows, an image's beside each other.
    """
    from_h, query = _split(h @ weights.W_rh, w_gates.shape[-1])
    a, z = spatial_attention.attend(images, query, weights.v, beams)
    if weights.w_beta is not None:
        z *= _beta(h, weights)
    gates = w_gates + z @ weights.W_z + from_h
    h, c = lstm_cell(gates, c)
    return Step(h, c, a, z, gates)


def _split(product: tf.Tensor, H4: int) -> tuple[tf.Tensor, tf.Tensor]:
    """What W_rh gives: for the gates and for the query."""
    return product[..., :H4], product[..., H4:]


def _beta(h: tf.Tensor, weights: Weights) -> tf.Tensor:
    """Xu's gate: how much the step looks at the image at all, [B, 1]."""
    return tf.sigmoid(tf.linalg.matvec(h, weights.w_beta) + weights.b_beta)[:, None]


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
        result = step(images, w_gates[t], h, c, weights)
        return (
            t + 1,
            result.h,
            result.c,
            [stack.write(t, part) for stack, part in zip(stacks, result, strict=True)],
        )

    stacks = stacks_of(T, H, H, L, C, 4 * H)
    *_, stacks = tf.while_loop(lambda t, *_: t < T, body, (0, h_0, c_0, stacks))
    return Step(*(swap_axes(stack.stack()) for stack in stacks))


# ---- backward ----


class _Gradients(NamedTuple):
    """What the loop backward gives; the rest are sums of products over all steps."""

    dproducts: tf.Tensor  # [B, T, 4H + A], of h @ W_rh: of the gates, and of the query
    dz: tf.Tensor  # [B, T, C], of the context before the gate
    dgate: tf.Tensor  # [B, T, 1], of beta's argument; 0 without it
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


class _StepBackward(NamedTuple):
    dproduct: tf.Tensor  # [B, 4H + A]
    dz: tf.Tensor  # [B, C]
    dgate: tf.Tensor  # [B, 1]
    de: tf.Tensor  # [B, L], of the scores


@compiled
def _step_backward(images, weights, transposed, before, query, done, dh, dc, da):
    """`before`: h and c of step t - 1. `done`: the step. Gives its gradients, and those of h and c before it."""
    h, c = before
    *dgates, dc = cell_gradient(done.gates, done.c, c, dh, dc)
    dgates = tf.concat(dgates, 1)
    dz = dgates @ transposed.W_z
    dgate = tf.zeros_like(dz[:, :1])
    if weights.w_beta is not None:
        beta = _beta(h, weights)
        dgate = tf.reduce_sum(dz * done.z, 1, keepdims=True) * (1 - beta)  # z is gated: no beta (1 - beta)
        dz *= beta
    de, dquery = spatial_attention.attend_gradient(images, query, weights.v, done.a, dz, da)
    dproduct = tf.concat([dgates, dquery], 1)
    dh = dproduct @ transposed.W_rh
    if weights.w_beta is not None:
        dh += dgate * weights.w_beta
    return _StepBackward(dproduct, dz, dgate, de), dh, dc


def _loop_backward(weights: Weights, transposed: Weights, images: Locations, *by_row) -> _Gradients:
    """`by_row`: h and c before each step, the steps, and the gradients of their h and a, each [B, T, ...]."""
    before, steps, dh_all, da_all = tf.nest.map_structure(swap_axes, by_row)
    T, H4 = tf.shape(dh_all)[0], steps.gates.shape[-1]
    queries = tf.tensordot(before[0], weights.W_rh[:, H4:], 1)

    def body(t, dh, dc, stacks):
        at_t = tf.nest.map_structure(lambda array: array[t], (before, queries, steps))
        parts, dh, dc = _step_backward(images, weights, transposed, *at_t, dh + dh_all[t], dc, da_all[t])
        return t - 1, dh, dc, [stack.write(t, part) for stack, part in zip(stacks, parts, strict=True)]

    stacks = stacks_of(T, weights.W_rh.shape[-1], steps.z.shape[-1], 1, steps.a.shape[-1])
    nothing = tf.zeros_like(dh_all[0])
    state = (T - 1, nothing, nothing, stacks)
    _, dh_0, dc_0, stacks = tf.while_loop(lambda t, *_: t >= 0, body, state)
    *parts, de = (stack.stack() for stack in stacks)
    du, dv = spatial_attention.scores_gradient(images.E, queries, de, weights.v)
    return _Gradients(*map(swap_axes, parts), dh_0, dc_0, du, dv[None])
