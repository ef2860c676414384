"""The LSTM cell, its gradient, and the plain LSTM of mode `annotate-text`.

    i, f, o, g = split(gates_t);   c_t = sigm(f) c_{t-1} + sigm(i) tanh(g);   h_t = sigm(o) tanh(c_t)

with gates_t = W_w w_t + W_r h_{t-1} + b. The gradient of the loop is written out because automatic differentiation,
at each step, adds an array of all steps to the gradient of the gates and a matrix to the gradient of W_r.
"""

import tensorflow as tf

from tienet.modeling.lstm.step_arrays import over_steps, stacked, stacks_of, swap_axes, write
from tienet.modeling.lstm.xla import compiled


def lstm_cell(gates: tf.Tensor, c: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One step: the gates [B, 4H], before the nonlinearities, and c_{t-1} [B, H] give h_t and c_t [B, H]."""
    i, f, o, g = tf.split(gates, 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def cell_gradient(gates, c, c_before, dh, dc) -> tuple[tf.Tensor, ...]:
    """The gradients of `lstm_cell`'s arguments, (di, df, do, dg, dc_{t-1}), each [B, H], from those of h_t and c_t."""
    i, f, o, g = tf.split(gates, 4, axis=-1)
    i, f, o, g = tf.sigmoid(i), tf.sigmoid(f), tf.sigmoid(o), tf.tanh(g)
    tanh_c = tf.tanh(c)
    dc += dh * o * (1 - tanh_c * tanh_c)
    di, df, do, dg = dc * g * i * (1 - i), dc * c_before * f * (1 - f), dh * tanh_c * o * (1 - o), dc * i * (1 - g * g)
    return di, df, do, dg, dc * f


_compiled_cell, _compiled_cell_gradient = compiled(lstm_cell), compiled(cell_gradient)


def lstm(w_gates: tf.Tensor, W_r: tf.Tensor) -> tf.Tensor:
    """Run the plain LSTM over given reports, from h_0 = c_0 = 0.

    Args:
        w_gates: float32 [B, T, 4H], W_w w_t + b of every step.
        W_r: float32 [H, 4H].
    Returns:
        h float32 [B, T, H].
    """

    @tf.custom_gradient
    def run(w_gates, W_r):
        h, c, gates = forward(w_gates, W_r)
        return h, lambda dh: backward(W_r, h, c, gates, dh)

    return swap_axes(run(swap_axes(w_gates), W_r))


def forward(w_gates: tf.Tensor, W_r: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """From `w_gates` [T, B, 4H], h and c [T, B, H] and the gates [T, B, 4H] of all steps."""
    T, H = tf.shape(w_gates)[0], W_r.shape[0]
    zero = tf.zeros([tf.shape(w_gates)[1], H])

    def body(t, h, c, stacks):
        gates = w_gates[t] + h @ W_r
        h, c = _compiled_cell(gates, c)
        return t + 1, h, c, write(stacks, t, (h, c, gates))

    state = (0, zero, zero, stacks_of(T, (H, H, 4 * H)))
    *_, stacks = tf.while_loop(lambda t, *_: t < T, body, state)
    return stacked(stacks)


def backward(W_r, h, c, gates, dh_all) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients of w_gates and W_r, from those of all h [T, B, H]."""
    T = tf.shape(h)[0]
    W_r_transposed = tf.transpose(W_r)  # once, not at every step
    zero = tf.zeros_like(h[:1])
    h_before, c_before = (tf.concat([zero, states[:-1]], 0) for states in (h, c))

    def body(t, dh, dc, dgates_of):
        *parts, dc = _compiled_cell_gradient(gates[t], c[t], c_before[t], dh + dh_all[t], dc)
        dgates = tf.concat(parts, 1)  # not compiled: XLA would choose among the four for each single number
        return t - 1, dgates @ W_r_transposed, dc, dgates_of.write(t, dgates)

    state = (T - 1, zero[0], zero[0], stacks_of(T, gates.shape[-1]))
    *_, dgates_of = tf.while_loop(lambda t, *_: t >= 0, body, state)
    dgates = dgates_of.stack()
    return dgates, over_steps(h_before, dgates)
