"""One step of the attention LSTM, and its gradient.

Xu et al. (2015), soft attention. At step t, with x [B, L, C] the L = D*D locations and u = W_x x + b_x:

    a_t = softmax(v . tanh(u + W_h h_{t-1})) over the locations, [B, L] (`attention.py`)
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
    """The recurrent weights; the gates are ordered i, f, o, g along 4H."""

    W_rh: tf.Tensor  # [H, 4H + A]: W_r beside W_h, both of which take h_{t-1}
    v: tf.Tensor  # [A]
    W_z: tf.Tensor  # [C, 4H]
    w_beta: tf.Tensor | None = None  # [H], the weights of Xu's gate beta; None: there is no gate
    b_beta: tf.Tensor | None = None  # [], the bias of that gate


class Step(NamedTuple):
    """The results of one step, which are all that the backward pass needs."""

    h: tf.Tensor  # [B, H]
    c: tf.Tensor  # [B, H]
    a: tf.Tensor  # [B, L]
    z: tf.Tensor  # [B, C], after beta
    gates: tf.Tensor  # [B, 4H], before the nonlinearities
    query: tf.Tensor  # [B, A], W_h h_{t-1}


@compiled
def step(images: Locations, w_gates, h, c, weights: Weights, beams: int = 1) -> Step:
    """Step t: `w_gates` [B, 4H] is W_w w_t + b, and `h` and `c` [B, H] are those of step t - 1.

    With W `beams` for each image w_gates, h and c have B * W rows; the rows of an image stand beside each other.
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
    """The gradients inside of one step, from which the weights' gradients are summed over all steps."""

    dproduct: tf.Tensor  # [B, 4H + A], the gradient of h @ W_rh: of the gates, then of the query
    dz: tf.Tensor  # [B, C], the gradient of the context before beta
    dgate: tf.Tensor  # [B, 1], the gradient of beta's argument; 0 without beta
    de: tf.Tensor  # [B, L], the gradient of the scores


def step_gradient(
    images: Locations, weights: Weights, transposed: Weights, h, c, done: Step, dh, dc, da
) -> tuple[StepGradient, tf.Tensor, tf.Tensor]:
    """Step t backward.

    Args:
        transposed: The weights with the axes of W_rh and W_z swapped.
        h, c: [B, H], the state after step t - 1.
        done: The results of step t.
        dh, dc, da: The gradients of the step's h, c and a.
    Returns:
        The step's gradients, and the gradients of h and c of step t - 1.
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
    """Xu's gate, [B, 1]: how much the step looks at the image at all."""
    return tf.sigmoid(tf.linalg.matvec(h, weights.w_beta) + weights.b_beta)[:, None]
