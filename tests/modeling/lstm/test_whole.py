"""The loops of a GPU, each one compiled call, against those of a CPU: results, and the gradient of every argument."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from tienet import devices
from tienet.modeling.lstm import cell, loop, way, whole
from tienet.modeling.lstm.step import Weights

tf1 = tf.compat.v1
B, L, C, H, A = 3, 9, 6, 7, 2


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """as_on_a_gpu(function): the function's graph as it is built where a GPU computes; XLA runs it on the CPU here."""

    def build(function):
        with monkeypatch.context() as patch:
            patch.setattr(devices, "gpu_computes", lambda: True)
            return function()

    return build


def variables(random, *shapes):
    return [tf.constant(random.standard_normal(shape).astype(np.float32)) for shape in shapes]


def assert_equal(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(theirs).max() > 1e-2
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("gate", "T"), [(False, 1), (True, 33)])
def test_the_attention_lstm(evaluate, random, as_on_a_gpu, gate, T):
    x, u, gates, h_0, c_0 = variables(random, (B, L, C), (B, L, A), (B, T, 4 * H), (B, H), (B, H))
    weights = Weights(*variables(random, (H, 4 * H + A), (A,), (C, 4 * H)))
    if gate:
        w_beta, b_beta = variables(random, (H,), ())
        weights = weights._replace(w_beta=w_beta, b_beta=b_beta)
    of_h, of_a = variables(random, (B, T, H), (B, T, L))
    arguments = [x, u, gates, h_0, c_0, *(weight for weight in weights if weight is not None)]

    def results(room):
        h, a = room.attention_lstm(x, u, gates, h_0, c_0, weights)
        return [h, a, *tf1.gradients(tf.reduce_sum(h * of_h) + tf.reduce_sum(a * of_a), arguments)]

    on_cpu, on_gpu = evaluate([results(loop), as_on_a_gpu(lambda: results(whole))])
    assert_equal(on_gpu, on_cpu)


@pytest.mark.parametrize("T", [2, 33])
def test_the_plain_lstm(evaluate, random, as_on_a_gpu, T):
    gates, W_r, of_h = variables(random, (B, T, 4 * H), (H, 4 * H), (B, T, H))

    def results(room):
        h = room.lstm(gates, W_r)
        return [h, *tf1.gradients(tf.reduce_sum(h * of_h), [gates, W_r])]

    on_cpu, on_gpu = evaluate([results(cell), as_on_a_gpu(lambda: results(whole))])
    assert_equal(on_gpu, on_cpu)


def test_xla_knows_the_number_of_turns(random, monkeypatch):
    """Otherwise a GPU's loop waits for the host at each turn."""
    monkeypatch.setattr(devices, "gpu_computes", lambda: True)
    N = 32
    with context.eager_mode():  # the HLO can be asked for there only
        gates, W_r, c, dh = variables(random, (N, B, 4 * H), (H, 4 * H), (N, B, H), (N, B, H))
        for loop_of, arguments in (
            (whole._plain_forward, (gates, W_r)),
            (whole._plain_backward, (W_r, c, c, gates, dh)),
        ):
            function = tf.function(loop_of.__wrapped__, jit_compile=True, autograph=False)
            hlo = function.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
            assert f'"known_trip_count":{{"n":"{N}"}}' in hlo


@pytest.mark.parametrize(
    ("T", "expected"), [(1, 32), (32, 32), (33, 64), (65, 96), (97, 128), (128, 128), (129, 256), (257, 384)]
)
def test_the_length_that_reports_are_padded_to(evaluate, T, expected):
    array, length = evaluate([way.padded(tf.ones([T, 2]), 0), way.padded_length(tf.constant(T))])
    assert length == expected
    np.testing.assert_array_equal(array[:, 0], np.arange(expected) < T)


@pytest.mark.parametrize(("T", "expected"), [(1, 48), (48, 48), (49, 80), (80, 80), (81, 160)])
def test_a_training_has_lengths_of_its_own(evaluate, T, expected):
    with way.lengths((48, 80)):
        inside = way.padded_length(tf.constant(T))
    assert evaluate([inside, way.padded_length(tf.constant(33))]) == [expected, 64]
