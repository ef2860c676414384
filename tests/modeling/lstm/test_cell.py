"""The LSTM cell: its gradient against automatic differentiation, and the plain LSTM against its steps unrolled."""

import numpy as np
import tensorflow as tf

from tienet.modeling.lstm.cell import cell_gradient, lstm, lstm_cell

tf1 = tf.compat.v1
B, T, H = 3, 5, 7


def test_the_gradient_of_a_step_equals_automatic_differentiation(evaluate, random):
    shapes = ((B, 4 * H), (B, H), (B, H), (B, H))
    gates, c_before, dh, dc = (tf.constant(random.standard_normal(shape), tf.float32) for shape in shapes)
    h, c = lstm_cell(gates, c_before)
    *dgates, dc_before = cell_gradient(gates, c, c_before, dh, dc)
    automatic = tf1.gradients([h, c], [gates, c_before], [dh, dc])
    for ours, expected in zip(*evaluate([[tf.concat(dgates, 1), dc_before], automatic]), strict=True):
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_the_plain_lstm_and_its_gradient(evaluate, random):
    def variable(*shape):
        return tf.constant(random.standard_normal(shape).astype(np.float32))

    gates, W_r, weight_of_h = variable(B, T, 4 * H), variable(H, 4 * H), variable(B, T, H)
    h = c = tf.zeros([B, H])
    states = []
    for t in range(T):
        i, f, o, g = tf.split(gates[:, t] + h @ W_r, 4, axis=-1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        states.append(h)
    looped, unrolled = lstm(gates, W_r), tf.stack(states, 1)
    of = [tf1.gradients(tf.reduce_sum(h * weight_of_h), [gates, W_r]) for h in (looped, unrolled)]
    ours, automatic = evaluate([[looped, *of[0]], [unrolled, *of[1]]])
    for one, other in zip(ours, automatic, strict=True):
        assert np.abs(other).max() > 1e-2
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
