"""Attention: beams that share their image's locations, and sums over the locations, against loops."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from tienet.modeling.lstm import attention
from tienet.modeling.lstm.attention import locations
from tienet.modeling.lstm.xla import compiled

L, A, C = 9, 4, 6


@pytest.fixture(params=["compiled", "as written"])
def attend(request):
    """The attention as XLA compiles it, and as TensorFlow runs it without XLA."""
    if request.param == "as written":
        return attention.attend
    return compiled(attention.attend)


def arrays_of(random, B, W):
    return [random.standard_normal(shape).astype(np.float32) for shape in ((B, L, A), (B, L, C), (B * W, A), (A,))]


@pytest.mark.parametrize("B", [1, 2, 5])
@pytest.mark.parametrize("W", [1, 2, 3, 7])
def test_beams_attend_to_their_own_image(attend, evaluate, random, B, W):
    u, x, query, v = arrays_of(random, B, W)
    a, z = evaluate(attend(locations(*map(tf.constant, (x, u))), tf.constant(query), v, W))
    assert a.shape == (B * W, L) and z.shape == (B * W, C)
    for n in range(B * W):
        expected = oracles.softmax([float(np.tanh(location + query[n]) @ v) for location in u[n // W]])
        np.testing.assert_allclose(a[n], expected, rtol=1e-5)
        np.testing.assert_allclose(z[n], expected @ x[n // W], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("W", [2, 3])
def test_beams_that_share_an_image_equal_beams_with_an_image_each(attend, evaluate, random, W):
    u, x, query, v = map(tf.constant, arrays_of(random, 5, W))
    shared = attend(locations(x, u), query, v, W)
    tiled = attend(locations(tf.repeat(x, W, axis=0), tf.repeat(u, W, axis=0)), query, v)
    for ours, expected in zip(*evaluate([shared, tiled]), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("L", "parts"), [(9, 1), (64, 1), (130, 2), (256, 4), (1024, 8), (127, 1)])
def test_parts_of_one_size(L, parts):
    assert attention._parts(L) == parts


@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("L", [9, 130, 256])
def test_sums_in_parts_are_those_over_all_locations(evaluate, random, L, B):
    a, x, E, query = (random.random(shape, np.float32) for shape in ((B, L), (B, L, C), (B, L, A), (B, A)))
    sums = [compiled(attention._context)(a, x), compiled(attention._slopes)(E, query, a)]
    context, slopes = evaluate(sums)
    for n in range(B):
        r = [1 / (1 + location * np.exp(2 * query[n])) for location in E[n].astype(np.float64)]
        np.testing.assert_allclose(context[n], sum(a[n, k] * x[n, k].astype(np.float64) for k in range(L)), rtol=1e-5)
        np.testing.assert_allclose(slopes[n], sum(a[n, k] * (r[k] - r[k] ** 2) for k in range(L)), rtol=1e-5)
