"""A block of steps of which only the first ones count."""

import numpy as np
import tensorflow as tf

from tienet.modeling.lstm import block
from tienet.modeling.lstm.attention import locations
from tienet.modeling.lstm.step import Weights
from tienet.modeling.lstm.step_arrays import S

B, L, C, H, A = 3, 9, 6, 7, 2


def test_a_block_stops_where_the_report_does(evaluate, random):
    """It ends in the state of its n-th step; what would follow is 0 and has no gradient."""
    n = 3
    shapes = ((B, L, C), (B, L, A), (B, S, 4 * H), (B, H), (B, H), (H, 4 * H + A), (A,), (C, 4 * H))
    x, u, gates, h, c, *weights = (tf.constant(random.standard_normal(shape), tf.float32) for shape in shapes)
    images, state = locations(x, u), block.LSTMState(h, c)
    weights = Weights(*weights)
    transposed = weights._replace(W_rh=tf.transpose(weights.W_rh), W_z=tf.transpose(weights.W_z))
    steps, last = block.block(images, gates, state, weights, n)
    dh, da = tf.ones([B, S, H]), tf.ones([B, S, L])
    gradient, _ = block.block_gradient(images, weights, transposed, steps, state, dh, da, n)
    steps, last, gradient = evaluate([steps, last, gradient])
    np.testing.assert_array_equal(last.h, steps.done.h[n - 1])
    np.testing.assert_array_equal(last.c, steps.done.c[n - 1])
    for part in (*steps.before, *steps.done, gradient.dproduct, gradient.dz, gradient.de):
        assert part[:n].any() and not part[n:].any()
