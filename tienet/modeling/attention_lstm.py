"""The attention LSTM over a given report, forward and backward, as two `tf.while_loop`s.

Xu et al. (2015), soft attention. At step t, with x [B, L, C] the L = D*D locations and u = W_x x + b_x:

    a_t = softmax(v . tanh(u + W_h h_{t-1})) over the locations, [B, L] (`spatial_attention`)
    z_t = beta_t sum_l a_t[l] x[l]           context, [B, C]; beta_t = sigm(w_beta . h_{t-1} + b_beta), or 1 (no gate)
    i, f, o, g = split(W_w w_t + W_z z_t + W_r h_{t-1} + b)
    c_t = sigm(f) c_{t-1} + sigm(i) tanh(g);   h_t = sigm(o) tanh(c_t)

The gradient is written out because automatic differentiation of the loop keeps tanh(u + W_h h) of every step
(B*T*L*A floats) and adds B*L*C floats to dx at each of them. Here the tanh is computed again, and what the weights,
x and u receive from all steps is computed after the loop: dx = sum_t a_t dz_t is one matrix product.
"""

from typing import NamedTuple

import tensorflow as tf

from tienet.modeling import spatial_attention
from tienet.modeling.lstm import cell_gradient, lstm_cell, over_steps, stacks_of
from tienet.modeling.spatial_attention import Locations


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


def step(images: Locations, w_gates, h, c, weights: Weights, beams: int = 1) -> Step:
    """One step; `w_gates` [B, 4H] = W_w w_t + b, `h` and `c` [B, H] of step t - 1.

    With W `beams` for each image w_gates, h and c have B * W rows, an image's beside each other.
    """
    from_h, query = tf.split(h @ weights.W_rh, [w_gates.shape[-1], -1], axis=-1)
    a, z = spatial_attention.attend(images, query, weights.v, beams)
    if weights.w_beta is not None:
        z *= _beta(h, weights)
    gates = w_gates + z @ weights.W_z + from_h
    h, c = lstm_cell(gates, c)
    return Step(h, c, a, z, gates)


def _beta(h: tf.Tensor, weights: Weights) -> tf.Tensor:
    """Xu's gate: how much the step looks at the image at all, [B, 1]."""
    return tf.sigmoid(tf.linalg.matvec(h, weights.w_beta) + weights.b_beta)[:, None]


def attention_lstm(x, u, w_gates, h_0, c_0, weights: Weights) -> tuple[tf.Tensor, tf.Tensor]:
    """Run the LSTM over a given report.

    Args:
        x: float32 [B, L, C], the locations.
        u: float32 [B, L, A], W_x x + b_x, computed once per image.
        w_gates: float32 [T, B, 4H], W_w w_t + b of every step.
        h_0, c_0: float32 [B, H].
        weights: the recurrent weights.
    Returns:
        h float32 [T, B, H] and a float32 [T, B, L]; each a_t sums to 1 over L.
    """

    @tf.custom_gradient
    def run(x, u, w_gates, h_0, c_0, *tensors):
        images = spatial_attention.locations(x, u)
        steps = _forward(images, w_gates, h_0, c_0, Weights(*tensors))

        def gradient(dh, da):
            return _backward(images, h_0, c_0, Weights(*tensors), steps, dh, da)

        return (steps.h, steps.a), gradient

    return run(x, u, w_gates, h_0, c_0, *(weight for weight in weights if weight is not None))


def _forward(images: Locations, w_gates, h_0, c_0, weights: Weights) -> Step:
    """All steps, stacked along a first axis T."""
    T = tf.shape(w_gates)[0]
    H, L, C = h_0.shape[-1], images.x.shape[1], images.x.shape[2]

    def body(t, h, c, stacks):
        result = step(images, w_gates[t], h, c, weights)
        return (
            t + 1,
            result.h,
            result.c,
            [stack.write(t, part) for stack, part in zip(stacks, result, strict=True)],
        )

    stacks = stacks_of(T, H, H, L, C, 4 * H)
    *_, stacks = tf.while_loop(lambda t, *_: t < T, body, (0, h_0, c_0, stacks), maximum_iterations=T)
    return Step(*(stack.stack() for stack in stacks))


def _backward(images: Locations, h_0, c_0, weights: Weights, steps: Step, dh_all, da_all):
    """Gradients of `attention_lstm`'s arguments, given those of h [T, B, H] and a [T, B, L]."""
    T, H4, C = tf.shape(dh_all)[0], steps.gates.shape[-1], steps.z.shape[-1]
    W_z_transposed, W_rh_transposed = tf.transpose(weights.W_z), tf.transpose(weights.W_rh)  # once, not at every step
    h_before = tf.concat([h_0[None], steps.h[:-1]], 0)
    c_before = tf.concat([c_0[None], steps.c[:-1]], 0)
    queries = tf.tensordot(h_before, weights.W_rh[:, H4:], 1)

    def body(t, dh, dc, stacks):
        dgates, dc = cell_gradient(steps.gates[t], steps.c[t], c_before[t], dh + dh_all[t], dc)
        dz = dgates @ W_z_transposed
        dgate = tf.zeros_like(dz[:, :1])
        if weights.w_beta is not None:
            beta = _beta(h_before[t], weights)
            dgate = tf.reduce_sum(dz * steps.z[t], 1, keepdims=True) * (1 - beta)  # z is gated: no beta (1 - beta)
            dz *= beta
        de, dquery = spatial_attention.attend_gradient(images, queries[t], weights.v, steps.a[t], dz, da_all[t])
        dproduct = tf.concat([dgates, dquery], 1)
        dh = dproduct @ W_rh_transposed
        if weights.w_beta is not None:
            dh += dgate * weights.w_beta
        parts = (dproduct, dz, de, dgate)
        return t - 1, dh, dc, [stack.write(t, part) for stack, part in zip(stacks, parts, strict=True)]

    stacks = stacks_of(T, weights.W_rh.shape[-1], C, steps.a.shape[-1], 1)
    state = (T - 1, tf.zeros_like(h_0), tf.zeros_like(c_0), stacks)
    _, dh_0, dc_0, stacks = tf.while_loop(lambda t, *_: t >= 0, body, state, maximum_iterations=T)
    dproducts, dz, de, dgate = (stack.stack() for stack in stacks)
    dgates = dproducts[..., :H4]
    du, dv = spatial_attention.scores_gradient(images.E, queries, de, weights.v)
    dx = tf.matmul(tf.transpose(steps.a, [1, 2, 0]), tf.transpose(dz, [1, 0, 2]))
    dW_rh = over_steps(h_before, dproducts)
    dW_z = over_steps(steps.z, dgates)
    gradients = [dx, du, dgates, dh_0, dc_0, dW_rh, dv, dW_z]
    if weights.w_beta is not None:
        gradients += [over_steps(h_before, dgate)[:, 0], tf.reduce_sum(dgate)]
    return gradients
