"""The three ways to write the loop are one function with one gradient."""

import numpy as np
import tensorflow as tf

from benchmarks import step
from tienet.config import Config
from tienet.modeling.decoder import Decoder
from tienet.modeling.lstm import loop

tf1 = tf.compat.v1
B, T, V, E = 2, 3, 11, 4
WRITTEN = loop.attention_lstm


def outcome(monkeypatch, way) -> list[np.ndarray]:
    """h, a, and the gradients of all weights of a loss that takes both."""
    ways = {
        "written": WRITTEN,
        "automatic": step.automatic,
        "unrolled": lambda *arguments: step.unrolled(*arguments, words=T),
    }
    monkeypatch.setattr(loop, "attention_lstm", ways[way])
    config = Config().replace(transition_channels=5, attention_units=3, lstm_units=6, mode="annotate")
    rng = np.random.default_rng(0)
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        x = tf.constant(rng.random((B, 2, 2, 5)), tf.float32)
        read = Decoder(config, V, E, x).read(tf.constant(rng.integers(0, V, (B, T)), tf.int32))
        loss = tf.reduce_sum(read.h**3) + tf.reduce_sum(read.a**2)
        gradients = [tf.convert_to_tensor(g) for g in tf1.gradients(loss, tf1.trainable_variables())]
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            return session.run([read.h, read.a, *gradients])


def test_the_loop_written_otherwise_gives_the_same(monkeypatch):
    expected = outcome(monkeypatch, "written")
    assert len(expected) > 5
    for way in ("automatic", "unrolled"):
        for one, other in zip(expected, outcome(monkeypatch, way), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=way)
