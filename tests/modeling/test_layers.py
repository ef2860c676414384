"""The layers: which weights decay, and channels that tell a location."""

import numpy as np
import tensorflow as tf
from small_network import build, config_of

from tienet.modeling.layers import DECAYED, bias, fully_connected, l2_loss, weight, with_position

tf1 = tf.compat.v1


def test_l2_covers_weights_but_not_biases_or_word_vectors(graph):
    build(config_of("annotate"), training=True)
    decayed = {variable.op.name for variable in tf1.get_collection(DECAYED)}
    others = {variable.op.name for variable in tf1.trainable_variables()} - decayed
    assert {name.split("/")[-1] for name in others} == {"b", "word_vectors"}
    assert {"transition/W", "lstm/W_z", "text_attention/W_s1/W", "classifier/output/W"} <= decayed


def test_l2_counts_each_weight_once_and_no_bias(evaluate):
    w = weight("w", [2], tf1.constant_initializer([3.0, 4.0]))
    tf1.add_to_collection(DECAYED, w)  # as a second tower does
    bias("b", 1, tf1.constant_initializer([100.0]))
    np.testing.assert_allclose(evaluate(l2_loss(0.1)), 0.1 * (9 + 16) / 2)


def test_fully_connected_acts_on_the_last_axis(evaluate, random):
    x = random.random((2, 3, 4), np.float32)
    y = evaluate(fully_connected("layer", tf.constant(x), 5))
    W, b = evaluate(tf1.trainable_variables())
    np.testing.assert_allclose(y, x @ W + b, rtol=1e-5)


def test_grid_position_tells_where_a_location_is(evaluate, random):
    x = random.random((2, 3, 3, 4), np.float32)
    placed = evaluate(with_position(tf.constant(x)))
    np.testing.assert_array_equal(placed[..., :4], x)
    np.testing.assert_array_equal(placed[1, :, :, 4], [[-1, -1, -1], [0, 0, 0], [1, 1, 1]])  # y
    np.testing.assert_array_equal(placed[1, :, :, 5], [[-1, 0, 1]] * 3)  # x
