"""The LSTM with and without spatial attention against NumPy loops, its written-out gradient, and padding."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from tienet.modeling import attention_lstm, decoder

tf1 = tf.compat.v1
B, T, E, D, C, H, A = 3, 5, 4, 3, 6, 7, 2


@pytest.fixture
def inputs(random):
    words = random.standard_normal((B, T, E)).astype(np.float32)
    x = np.maximum(random.standard_normal((B, D, D, C)), 0).astype(np.float32)
    return words, x


def weights_of(evaluate, scope="lstm/"):
    variables = [v for v in tf1.trainable_variables() if v.op.name.startswith(scope)]
    return dict(zip([v.op.name.removeprefix(scope) for v in variables], evaluate(variables), strict=True))


def test_reading_with_an_image_is_section_3_1(evaluate, inputs):
    words, x = inputs
    h, a = evaluate(decoder.read_with_image(tf.constant(words), tf.constant(x), H, A))
    weights = weights_of(evaluate)
    for n in range(B):
        expected_h, expected_a = oracles.attention_lstm(x[n].reshape(-1, C), words[n], weights)
        np.testing.assert_allclose(h[n], expected_h, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(a[n].reshape(T, -1), expected_a, rtol=1e-4, atol=1e-6)


def test_spatial_attention_sums_to_one(evaluate, inputs):
    _, a = evaluate(decoder.read_with_image(*map(tf.constant, inputs), H, A))
    np.testing.assert_allclose(a.sum((2, 3)), 1, rtol=1e-6)


def test_reading_text_alone(evaluate, inputs):
    words, _ = inputs
    h = evaluate(decoder.read_text(tf.constant(words), H))
    weights = weights_of(evaluate)
    np.testing.assert_allclose(h, [oracles.lstm(row, weights) for row in words], rtol=1e-4, atol=1e-6)


def test_a_batch_equals_its_rows_one_by_one_and_padding_changes_nothing(evaluate, inputs):
    words, x = (tf1.placeholder_with_default(array, [None, *array.shape[1:]]) for array in inputs)
    words = tf1.placeholder_with_default(inputs[0], [None, None, E])
    h, a = decoder.read_with_image(words, x, H, A)
    whole_h, whole_a = evaluate([h, a])
    longer = np.concatenate([inputs[0], np.ones((B, 2, E), np.float32)], 1)
    long_h, _ = evaluate([h, a], {words: longer})
    np.testing.assert_allclose(long_h[:, :T], whole_h, atol=1e-6)
    for n in range(B):
        one_h, one_a = evaluate([h, a], {words: inputs[0][n : n + 1], x: inputs[1][n : n + 1]})
        np.testing.assert_allclose(one_h[0], whole_h[n], atol=1e-6)
        np.testing.assert_allclose(one_a[0], whole_a[n], atol=1e-6)


def test_the_written_gradient_equals_automatic_differentiation(evaluate, random):
    """`attention_lstm` against the same steps unrolled, for every argument, through h and through a."""
    L = D * D

    def variable(*shape):
        return tf.constant(random.standard_normal(shape).astype(np.float32))

    x, u, gates, h_0, c_0 = variable(B, L, C), variable(B, L, A), variable(T, B, 4 * H), variable(B, H), variable(B, H)
    weights = attention_lstm.Weights(variable(H, A), variable(A), variable(C, 4 * H), variable(H, 4 * H))
    looped = attention_lstm.attention_lstm(x, u, gates, h_0, c_0, weights)

    h, c, steps = h_0, c_0, []
    for t in range(T):
        steps.append(attention_lstm.step(x, u, gates[t], h, c, weights))
        h, c = steps[-1].h, steps[-1].c
    unrolled = tf.stack([step.h for step in steps]), tf.stack([step.a for step in steps])

    weight_of_h, weight_of_a = variable(T, B, H), variable(T, B, L)
    arguments = [x, u, gates, h_0, c_0, *weights]
    gradients = [
        tf1.gradients(tf.reduce_sum(h * weight_of_h) + tf.reduce_sum(a * weight_of_a), arguments)
        for h, a in (looped, unrolled)
    ]
    for ours, automatic in zip(*evaluate(gradients), strict=True):
        assert np.abs(automatic).max() > 1e-2
        np.testing.assert_allclose(ours, automatic, rtol=1e-3, atol=1e-5)


def test_forget_gates_start_open(evaluate, inputs):
    decoder.read_text(tf.constant(inputs[0]), H)
    np.testing.assert_array_equal(weights_of(evaluate)["b"], [0] * H + [1] * H + [0] * 2 * H)
