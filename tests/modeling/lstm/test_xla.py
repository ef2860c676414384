"""A compiled function takes what the LSTM gives it: tensors, tuples of them, and None."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tienet.modeling.lstm.xla import compiled


class Pair(NamedTuple):
    w: tf.Tensor
    b: tf.Tensor | None = None


def test_a_compiled_function_equals_the_plain_one(evaluate, random):
    def function(x, pair, n):
        y = x @ pair.w
        return {"y": y if pair.b is None else y + pair.b, "n": tf.range(3) < n}

    x, w, b = (tf.constant(random.random(shape, np.float32)) for shape in ((4, 3), (3, 2), (2,)))
    for pair in (Pair(w), Pair(w, b)):
        plain, ours = evaluate([function(x, pair, 2), compiled(function)(x, pair, 2)])
        np.testing.assert_allclose(ours["y"], plain["y"], rtol=1e-6)
        np.testing.assert_array_equal(ours["n"], plain["n"])
