"""The LSTM with and without spatial attention against NumPy loops, its written-out gradient, and padding."""

import numpy as np
import oracles
import pytest
import tensorflow as tf

from tienet.config import Config
from tienet.modeling.decoder import Decoder, standardise_locations
from tienet.modeling.lstm import block, loop
from tienet.modeling.lstm import step as attention_step
from tienet.modeling.lstm.attention import locations
from tienet.modeling.lstm.cell import lstm
from tienet.modeling.lstm.step_arrays import S

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
    x, u, h, c = decoder.picture
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
    x, u = decoder.picture[:2]
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


@pytest.mark.parametrize(("gate", "T"), [(False, 1), (True, S), (True, 2 * S + 5)])
def test_the_written_gradient_equals_automatic_differentiation(evaluate, random, gate, T):
    """`attention_lstm` against the same steps unrolled, for every argument, through h and through a."""
    L = D * D

    def variable(*shape):
        return tf.constant(random.standard_normal(shape).astype(np.float32))

    x, u, gates, h_0, c_0 = variable(B, L, C), variable(B, L, A), variable(B, T, 4 * H), variable(B, H), variable(B, H)
    weights = attention_step.Weights(variable(H, 4 * H + A), variable(A), variable(C, 4 * H))
    if gate:
        weights = weights._replace(w_beta=variable(H), b_beta=variable())
    looped = loop.attention_lstm(x, u, gates, h_0, c_0, weights)

    h, c, steps = h_0, c_0, []
    for t in range(T):
        steps.append(attention_step.step(locations(x, u), gates[:, t], h, c, weights))
        h, c = steps[-1].h, steps[-1].c
    unrolled = tf.stack([step.h for step in steps], 1), tf.stack([step.a for step in steps], 1)

    weight_of_h, weight_of_a = variable(B, T, H), variable(B, T, L)
    arguments = [x, u, gates, h_0, c_0, *(weight for weight in weights if weight is not None)]
    gradients = [
        tf1.gradients(tf.reduce_sum(h * weight_of_h) + tf.reduce_sum(a * weight_of_a), arguments)
        for h, a in (looped, unrolled)
    ]
    for ours, automatic in zip(*evaluate(gradients), strict=True):
        assert np.abs(automatic).max() > 1e-2
        np.testing.assert_allclose(ours, automatic, rtol=1e-3, atol=1e-5)


def test_a_block_stops_where_the_report_does(evaluate, random):
    """It ends in the state of its n-th step; what would follow is 0 and has no gradient."""
    n, L = 3, D * D
    shapes = ((B, L, C), (B, L, A), (B, S, 4 * H), (B, H), (B, H), (H, 4 * H + A), (A,), (C, 4 * H))
    x, u, gates, h, c, *weights = (tf.constant(random.standard_normal(shape), tf.float32) for shape in shapes)
    images, state = locations(x, u), block.LSTMState(h, c)
    weights = attention_step.Weights(*weights)
    transposed = weights._replace(W_rh=tf.transpose(weights.W_rh), W_z=tf.transpose(weights.W_z))
    steps, last = block.block(images, gates, state, weights, n)
    dh, da = tf.ones([B, S, H]), tf.ones([B, S, L])
    gradient, _ = block.block_gradient(images, weights, transposed, steps, state, dh, da, n)
    steps, last, gradient = evaluate([steps, last, gradient])
    np.testing.assert_array_equal(last.h, steps.done.h[n - 1])
    np.testing.assert_array_equal(last.c, steps.done.c[n - 1])
    for part in (*steps.before, *steps.done, gradient.dproduct, gradient.dz, gradient.de):
        assert part[:n].any() and not part[n:].any()


def test_no_images_give_no_rows_and_move_no_weight(evaluate, random):
    L = D * D
    rows = [tf.zeros([0, *shape]) for shape in ((L, C), (L, A), (S + 1, 4 * H), (H,), (H,))]
    weights = attention_step.Weights(*(tf.ones(shape) for shape in ((H, 4 * H + A), (A,), (C, 4 * H))))
    h, a = loop.attention_lstm(*rows, weights)
    gradients = tf1.gradients(tf.reduce_sum(h) + tf.reduce_sum(a), [*rows, *weights[:3]])
    *of_rows, dW_rh, dv, dW_z = evaluate([h, a, *gradients])
    assert [array.shape[0] for array in of_rows] == [0] * 7
    assert not dW_rh.any() and not dv.any() and not dW_z.any()


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


@pytest.mark.parametrize("scale", [1e-3, 1, 10])
def test_scores_of_any_size_are_those_of_the_tanh(evaluate, random, scale):
    """The exponentials in its place neither overflow nor lose small differences."""
    L = D * D
    u, query, v = (scale * random.standard_normal(shape).astype(np.float32) for shape in ((L, A), (1, A), (A,)))
    v /= np.abs(v).max()
    weights = attention_step.Weights(tf.pad(query, [[0, 0], [4, 0]]), tf.constant(v), tf.zeros([C, 4]))
    one = tf.ones([1, 1])
    step = attention_step.step(locations(tf.zeros([1, L, C]), u[None]), tf.zeros([1, 4]), one, one, weights)
    e = np.tanh(np.float64(u) + query) @ v
    expected = np.exp(e - e.max()) / np.exp(e - e.max()).sum()
    np.testing.assert_allclose(evaluate(step.a)[0], expected, rtol=1e-5)


def test_enormous_scores_are_finite(evaluate, random):
    u = 1e6 * random.standard_normal((1, D * D, A)).astype(np.float32)
    weights = attention_step.Weights(tf.constant([[0.0] * 4 + [-1e6, 1e6]]), tf.ones([A]), tf.zeros([C, 4]))
    one = tf.ones([1, 1])
    a = evaluate(attention_step.step(locations(tf.zeros([1, D * D, C]), u), tf.zeros([1, 4]), one, one, weights).a)
    np.testing.assert_allclose(a.sum(), 1, rtol=1e-6)


def test_forget_gates_start_open(evaluate, inputs):
    make("annotate-text").read(tf.constant(inputs[0]))
    np.testing.assert_array_equal(weights_of(evaluate)["b"], [0] * H + [1] * H + [0] * 2 * H)
