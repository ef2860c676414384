"""The attention LSTM over whole reports: its written-out gradient, and a batch without images."""

import numpy as np
import pytest
import tensorflow as tf

from tienet.modeling.lstm import loop
from tienet.modeling.lstm.attention import locations
from tienet.modeling.lstm.step import Weights, step
from tienet.modeling.lstm.step_arrays import S

tf1 = tf.compat.v1
B, L, C, H, A = 3, 9, 6, 7, 2


@pytest.mark.parametrize(("gate", "T"), [(False, 1), (True, S), (True, 2 * S + 5)])
def test_the_written_gradient_equals_automatic_differentiation(evaluate, random, gate, T):
    """`attention_lstm` against the same steps unrolled, for every argument, through h and through a."""

    def variable(*shape):
        return tf.constant(random.standard_normal(shape).astype(np.float32))

    x, u, gates, h_0, c_0 = variable(B, L, C), variable(B, L, A), variable(B, T, 4 * H), variable(B, H), variable(B, H)
    weights = Weights(variable(H, 4 * H + A), variable(A), variable(C, 4 * H))
    if gate:
        weights = weights._replace(w_beta=variable(H), b_beta=variable())
    looped = loop.attention_lstm(x, u, gates, h_0, c_0, weights)

    h, c, steps = h_0, c_0, []
    for t in range(T):
        steps.append(step(locations(x, u), gates[:, t], h, c, weights))
        h, c = steps[-1].h, steps[-1].c
    unrolled = tf.stack([done.h for done in steps], 1), tf.stack([done.a for done in steps], 1)

    weight_of_h, weight_of_a = variable(B, T, H), variable(B, T, L)
    arguments = [x, u, gates, h_0, c_0, *(weight for weight in weights if weight is not None)]
    gradients = [
        tf1.gradients(tf.reduce_sum(h * weight_of_h) + tf.reduce_sum(a * weight_of_a), arguments)
        for h, a in (looped, unrolled)
    ]
    for ours, automatic in zip(*evaluate(gradients), strict=True):
        assert np.abs(automatic).max() > 1e-2
        np.testing.assert_allclose(ours, automatic, rtol=1e-3, atol=1e-5)


def test_no_images_give_no_rows_and_move_no_weight(evaluate, random):
    rows = [tf.zeros([0, *shape]) for shape in ((L, C), (L, A), (S + 1, 4 * H), (H,), (H,))]
    weights = Weights(*(tf.ones(shape) for shape in ((H, 4 * H + A), (A,), (C, 4 * H))))
    h, a = loop.attention_lstm(*rows, weights)
    gradients = tf1.gradients(tf.reduce_sum(h) + tf.reduce_sum(a), [*rows, *weights[:3]])
    *of_rows, dW_rh, dv, dW_z = evaluate([h, a, *gradients])
    assert [array.shape[0] for array in of_rows] == [0] * 7
    assert not dW_rh.any() and not dv.any() and not dW_z.any()
