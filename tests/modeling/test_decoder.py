"""The decoder with and without an image against NumPy loops, its word softmax, and padding."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from tienet.config import Config
from tienet.modeling.decoder import Decoder, standardise_locations
from tienet.modeling.lstm.attention import locations

tf1 = tf.compat.v1
B, T, E, D, C, H, A = 3, 5, 4, 3, 6, 7, 2


V = 9
SIZES = {"backbone_end": "res4f", "image_px": 256, "transition_channels": C, "attention_units": A, "lstm_units": H}


def make(mode="annotate", x=None, **settings):
    return Decoder(Config().replace(mode=mode, **SIZES, **settings), V, E, x)


@pytest.fixture
def inputs(random):
    word_ids = random.integers(1, V, (B, T)).astype(np.int32)
    x = np.maximum(random.standard_normal((B, D, D, C)), 0).astype(np.float32)
    return word_ids, x


def weights_of(evaluate, scope="lstm/"):
    variables = [v for v in tf1.trainable_variables() if v.op.name.startswith(scope)]
    return dict(zip([v.op.name.removeprefix(scope) for v in variables], evaluate(variables), strict=True))


@pytest.mark.parametrize("settings", [{}, {"attention_norm": True}, {"attention_gate": True}], ids=str)
def test_reading_with_an_image_is_section_3_1(evaluate, inputs, settings):
    word_ids, x = inputs
    decoder = make(x=tf.constant(x), **settings)
    words = decoder.embed(tf.constant(word_ids))
    (h, a), words = evaluate([decoder.read(tf.constant(word_ids)), words])
    weights = weights_of(evaluate)
    for n in range(B):
        expected_h, expected_a = oracles.attention_lstm(x[n].reshape(-1, C), words[n], weights, **settings)
        np.testing.assert_allclose(h[n], expected_h, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(a[n].reshape(T, -1), expected_a, rtol=1e-4, atol=1e-6)


def test_spatial_attention_sums_to_one(evaluate, inputs):
    word_ids, x = inputs
    _, a = evaluate(make(x=tf.constant(x)).read(tf.constant(word_ids)))
    np.testing.assert_allclose(a.sum((2, 3)), 1, rtol=1e-6)


def test_standardised_scores_ignore_what_all_locations_share(evaluate, random):
    u = random.standard_normal((B, D * D, A)).astype(np.float32)
    plain, shifted = evaluate([standardise_locations(tf.constant(array)) for array in (u, 5 * u + 3)])
    np.testing.assert_allclose(plain, shifted, atol=1e-3)
    np.testing.assert_allclose(plain.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(plain.std(1), 1, rtol=1e-3)


def test_reading_text_alone(evaluate, inputs):
    decoder = make("annotate-text")
    read, words = decoder.read(tf.constant(inputs[0])), decoder.embed(tf.constant(inputs[0]))
    assert read.a is None
    h, words = evaluate([read.h, words])
    weights = weights_of(evaluate)
    np.testing.assert_allclose(h, [oracles.lstm(row, weights) for row in words], rtol=1e-4, atol=1e-6)


def test_a_batch_equals_its_rows_one_by_one_and_padding_changes_nothing(evaluate, inputs):
    x = tf1.placeholder_with_default(inputs[1], [None, D, D, C])
    word_ids = tf1.placeholder_with_default(inputs[0], [None, None])
    read = make(x=x).read(word_ids)
    whole_h, whole_a = evaluate(read)
    long_h, _ = evaluate(read, {word_ids: np.pad(inputs[0], ((0, 0), (0, 2)))})
    np.testing.assert_allclose(long_h[:, :T], whole_h, atol=1e-6)
    for n in range(B):
        one_h, one_a = evaluate(read, {word_ids: inputs[0][n : n + 1], x: inputs[1][n : n + 1]})
        np.testing.assert_allclose(one_h[0], whole_h[n], atol=1e-6)
        np.testing.assert_allclose(one_a[0], whole_a[n], atol=1e-6)


@pytest.mark.parametrize("gate", [False, True])
def test_the_deep_output_looks_at_the_contexts_of_the_loop(evaluate, inputs, gate):
    """`contexts` computes z again after the loop; it must be the z of each step."""
    word_ids, x = map(tf.constant, inputs)
    decoder = make("caption", x, deep_output=True, attention_gate=gate)
    read = decoder.read(word_ids)
    x, u, h, c = decoder.image_context
    images, z = locations(x, u), []
    for t in range(T):
        step = decoder.step(images, word_ids[:, t], h, c)
        h, c = step.h, step.c
        z.append(step.z)
    ours, expected = evaluate([decoder.contexts(read.a, read.h), tf.stack(z, 1)])
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gate", [False, True])
def test_a_step_of_beams_equals_that_of_rows_with_an_image_each(evaluate, inputs, random, gate):
    W = 3
    decoder = make("caption", tf.constant(inputs[1]), attention_gate=gate)
    x, u = decoder.image_context[:2]
    word_ids = random.integers(1, V, B * W).astype(np.int32)
    h, c = random.standard_normal((2, B * W, H)).astype(np.float32)
    beams = decoder.step(locations(x, u), word_ids, h, c, W)
    rows = decoder.step(locations(tf.repeat(x, W, axis=0), tf.repeat(u, W, axis=0)), word_ids, h, c)
    ours, expected = evaluate([beams, rows])
    for name, one, other in zip(ours._fields, ours, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("deep", [False, True])
def test_the_word_softmax(evaluate, random, deep):
    decoder = make("caption", tf.zeros([1, D, D, C]), deep_output=deep)
    h, z, ids = random.random((4, H), np.float32), random.random((4, C), np.float32), random.integers(0, V, 4)
    logits, words = evaluate([decoder.word_logits(h, ids, z), decoder.embed(ids)])
    weights = weights_of(evaluate, "word_softmax/")
    inner = words + h @ weights["L_h"] + z @ weights["L_z"] if deep else h
    np.testing.assert_allclose(logits, inner @ weights["W_o"] + weights["b"], rtol=1e-4, atol=1e-5)


def test_forget_gates_start_open(evaluate, inputs):
    make("annotate-text").read(tf.constant(inputs[0]))
    np.testing.assert_array_equal(weights_of(evaluate)["b"], [0] * H + [1] * H + [0] * 2 * H)
