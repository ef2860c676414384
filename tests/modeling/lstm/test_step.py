"""One step of the attention LSTM: its attention for scores of any size."""

import numpy as np
import pytest
import tensorflow as tf

from tienet.modeling.lstm.attention import locations
from tienet.modeling.lstm.step import Weights, step

L, C, A = 9, 6, 2


@pytest.mark.parametrize("scale", [1e-3, 1, 10])
def test_scores_of_any_size_are_those_of_the_tanh(evaluate, random, scale):
    """The exponentials in its place neither overflow nor lose small differences."""
    u, query, v = (scale * random.standard_normal(shape).astype(np.float32) for shape in ((L, A), (1, A), (A,)))
    v /= np.abs(v).max()
    weights = Weights(tf.pad(query, [[0, 0], [4, 0]]), tf.constant(v), tf.zeros([C, 4]))
    one = tf.ones([1, 1])
    done = step(locations(tf.zeros([1, L, C]), u[None]), tf.zeros([1, 4]), one, one, weights)
    e = np.tanh(np.float64(u) + query) @ v
    expected = np.exp(e - e.max()) / np.exp(e - e.max()).sum()
    np.testing.assert_allclose(evaluate(done.a)[0], expected, rtol=1e-5)


def test_enormous_scores_are_finite(evaluate, random):
    u = 1e6 * random.standard_normal((1, L, A)).astype(np.float32)
    weights = Weights(tf.constant([[0.0] * 4 + [-1e6, 1e6]]), tf.ones([A]), tf.zeros([C, 4]))
    one = tf.ones([1, 1])
    a = evaluate(step(locations(tf.zeros([1, L, C]), u), tf.zeros([1, 4]), one, one, weights).a)
    np.testing.assert_allclose(a.sum(), 1, rtol=1e-6)
