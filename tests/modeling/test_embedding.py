"""Equations 3, 4 and 5 against their NumPy loops, and what padding must not do."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from tienet.modeling import embedding

tf1 = tf.compat.v1
B, T, H, r, s, D, C = 3, 6, 4, 2, 5, 3, 7
LENGTHS = (6, 1, 4)
MASK = np.arange(T) < np.array(LENGTHS)[:, None]


@pytest.fixture
def h(random):
    return random.standard_normal((B, T, H)).astype(np.float32)


def attention_of(evaluate, h, mask):
    G = embedding.text_attention(tf.constant(h), tf.constant(mask), r, s)
    W_s1, W_s2 = tf1.trainable_variables()
    return evaluate([G, W_s1, W_s2])


def test_text_attention_is_eq_3(evaluate, h):
    G, W_s1, W_s2 = attention_of(evaluate, h, MASK)
    for row, length in enumerate(LENGTHS):
        expected = oracles.text_attention(h[row, :length], W_s1.T, W_s2.T)
        np.testing.assert_allclose(G[row, :, :length], expected, rtol=1e-5)
        assert (G[row, :, length:] == 0).all()


def test_text_attention_has_no_biases(evaluate, h):
    attention_of(evaluate, h, MASK)
    assert sorted(variable.shape.as_list() for variable in tf1.trainable_variables()) == [[H, s], [s, r]]


def test_rows_sum_to_one_over_the_real_words(evaluate, h):
    G, *_ = attention_of(evaluate, h, MASK)
    np.testing.assert_allclose(G.sum(-1), 1, rtol=1e-6)


def test_padding_gets_no_gradient(evaluate, h):
    placeholder = tf.constant(h)
    G = embedding.text_attention(placeholder, tf.constant(MASK), r, s)
    (gradient,) = evaluate(tf1.gradients(tf.reduce_sum(G**2), [placeholder]))
    assert np.isfinite(gradient).all()
    assert (gradient[~MASK] == 0).all()
    assert (gradient[0] != 0).any()


def test_aete_is_max_over_the_rows_of_M(evaluate, random, h):
    G = random.random((B, r, T)).astype(np.float32)
    x_aete = evaluate(embedding.aete(tf.constant(G), tf.constant(h)))
    np.testing.assert_allclose(x_aete, [oracles.aete(G[n], h[n]) for n in range(B)], rtol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_saliency_attention_is_eq_4_and_sw_gap_is_eq_5(evaluate, random, share):
    """A share of a_ws may be spread over the image: with all of it x_swgap is the mean of x, times sum_t g_t."""
    G = random.random((B, r, T)).astype(np.float32)
    a = random.random((B, T, D, D)).astype(np.float32)
    a /= a.sum((2, 3), keepdims=True)
    x = random.standard_normal((B, D, D, C)).astype(np.float32)
    a_ws = embedding.spread(embedding.saliency_attention(tf.constant(G), tf.constant(a)), share)
    x_swgap = embedding.sw_gap(a_ws, tf.constant(x))
    a_ws, x_swgap = evaluate([a_ws, x_swgap])
    for n in range(B):
        expected = oracles.saliency_attention(G[n], a[n], share)
        np.testing.assert_allclose(a_ws[n], expected, rtol=1e-5)
        np.testing.assert_allclose(x_swgap[n], oracles.sw_gap(expected, x[n]), rtol=1e-4)


@pytest.mark.parametrize("one_hot", [False, True])
def test_a_ws_sums_to_between_1_and_r(evaluate, one_hot):
    """Equal rows give 1; rows on r different words give r."""
    G = np.full((1, r, T), 1 / T, np.float32)
    if one_hot:
        G = np.eye(r, T, dtype=np.float32)[None]
    a = np.full((1, T, D, D), 1 / D**2, np.float32)
    a_ws = evaluate(embedding.saliency_attention(tf.constant(G), tf.constant(a)))
    assert a_ws.sum() == pytest.approx(r if one_hot else 1, rel=1e-5)


@pytest.mark.parametrize("how", ["lse", "mean", "max"])
def test_pooling_of_mode_classify(evaluate, random, how):
    x = np.maximum(random.standard_normal((2, 3, 3, 4)), 0).astype(np.float32) * 20
    r = 10.0
    expected = {
        "mean": x.mean((1, 2)),
        "max": x.max((1, 2)),
        "lse": [
            [np.log(sum(np.exp(np.float64(r * v)) for v in x[n, ..., c].ravel()) / 9) / r for c in range(4)]
            for n in range(2)
        ],
    }[how]
    np.testing.assert_allclose(evaluate(embedding.pool(tf.constant(x), how, r)), expected, rtol=1e-4, atol=1e-5)


def test_lse_pooling_lies_between_mean_and_maximum(evaluate, random):
    x = tf.constant(random.random((1, 4, 4, 5), np.float32))
    mean, low, high, largest = evaluate(
        [embedding.pool(x, h, r) for h, r in (("mean", 1), ("lse", 1e-3), ("lse", 1e4), ("max", 1))]
    )
    np.testing.assert_allclose(low, mean, rtol=1e-3)
    np.testing.assert_allclose(high, largest, rtol=1e-3)
