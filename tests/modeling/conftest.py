"""A TensorFlow graph and session for each test, and a tiny backbone."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from resnet_oracles import TINY, busy_weights

from tienet import grid
from tienet.modeling import backbone_weights

tf1 = tf.compat.v1


@pytest.fixture
def graph():
    """A fresh default graph."""
    with tf.Graph().as_default() as graph:
        tf1.set_random_seed(0)
        yield graph


@pytest.fixture
def evaluate(graph) -> Callable:
    """evaluate(tensors, feed=None): their values, with all variables initialised once, the first time."""
    config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with tf1.Session(graph=graph, config=config) as session:
        started = []

        def run(tensors, feed=None):
            if not started:
                session.run(tf1.global_variables_initializer())
                started.append(True)
            return session.run(tensors, feed)

        yield run


@pytest.fixture
def random() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(0)


@pytest.fixture
def tiny(monkeypatch) -> dict[str, np.ndarray]:
    """The end res4f is that of a tiny network, with these weights."""
    monkeypatch.setitem(backbone_weights.LAYOUTS, "res4f", TINY)
    monkeypatch.setitem(grid.ENDS, "res4f", (8, 8))
    return busy_weights(TINY)
