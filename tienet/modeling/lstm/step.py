"""One step of the attention LSTM, and its gradient.

Xu et al. (2015), soft attention. At step t, with x [B, L, C] the L = D*D locations and u = W_x x + b_x:

    a_t = softmax(v . tanh(u + W_h h_{t-1})) over the locations, [B, L] (`spatial_attention`)
    z_t = beta_t sum_l a_t[l] x[l]           context, [B, C]; beta_t = sigm(w_beta . h_{t-1} + b_beta), or 1 (no gate)
    i, f, o, g = split(W_w w_t + W_z z_t + W_r h_{t-1} + b)
    c_t = sigm(f) c_{t-1} + sigm(i) tanh(g);   h_t = sigm(o) tanh(c_t)
"""

from typing import NamedTuple

import tensorflow as tf

from tienet.modeling.lstm import attention
from tienet.modeling.lstm.attention import Locations
from tienet.modeling.lstm.cell import cell_gradient, lstm_cell
from tienet.modeling.lstm.xla import compiled


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
    query: tf.Tensor  # [B, A], W_h h_{t-1}


@compiled
def step(images: Locations, w_gates, h, c, weights: Weights, beams: int = 1) -> Step:
    """One step; `w_gates` [B, 4H] = W_w w_t + b, `h` and `c` [B, H] of step t - 1.

    With W `beams` for each image w_gates, h and c have B * W rows, an image's beside each other.
    """
    H4 = w_gates.shape[-1]
    from_h = h @ weights.W_rh
    query = from_h[:, H4:]
    a, z = attention.attend(images, query, weights.v, beams)
    if weights.w_beta is not None:
        z *= _beta(h, weights)
    gates = w_gates + z @ weights.W_z + from_h[:, :H4]
    h, c = lstm_cell(gates, c)
    return Step(h, c, a, z, gates, query)


class StepGradient(NamedTuple):
    """What one step adds to the gradients that come from all steps."""

    dproduct: tf.Tensor  # [B, 4H + A], of h @ W_rh: of the gates, and of the query
    dz: tf.Tensor  # [B, C], of the context before beta
    dgate: tf.Tensor  # [B, 1], of beta's argument; 0 without it
    de: tf.Tensor  # [B, L], of the scores


def step_gradient(
    images: Locations, weights: Weights, transposed: Weights, h, c, done: Step, dh, dc, da
) -> tuple[StepGradient, tf.Tensor, tf.Tensor]:
    """One step backward, from the gradients of its h, c and a: its own, and those of the h and c before it.

    Args:
        transposed: has W_rh and W_z with their axes swapped. h, c: of step t - 1. done: the step.
    """
    *dgates, dc = cell_gradient(done.gates, done.c, c, dh, dc)
    dgates = tf.concat(dgates, 1)
    dz = dgates @ transposed.W_z
    dgate = tf.zeros_like(dz[:, :1])
    if weights.w_beta is not None:
        beta = _beta(h, weights)
        dgate = tf.reduce_sum(dz * done.z, 1, keepdims=True) * (1 - beta)  # z is gated: no beta (1 - beta)
        dz *= beta
    de, dquery = attention.attend_gradient(images, done.query, weights.v, done.a, dz, da)
    dproduct = tf.concat([dgates, dquery], 1)
    dh = dproduct @ transposed.W_rh
    if weights.w_beta is not None:
        dh += dgate * weights.w_beta
    return StepGradient(dproduct, dz, dgate, de), dh, dc


def _beta(h: tf.Tensor, weights: Weights) -> tf.Tensor:
    """Xu's gate: how much the step looks at the image at all, [B, 1]."""
    return tf.sigmoid(tf.linalg.matvec(h, weights.w_beta) + weights.b_beta)[:, None]
