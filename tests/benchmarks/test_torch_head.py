"""The head in PyTorch gives the loss of ours, and learns as ours does."""

import numpy as np
import pytest
import tensorflow as tf
from tensorpack.tfutils.tower import TowerContext

from benchmarks import network
from benchmarks.case import measure
from tests.benchmarks.small import SMALL
from tienet.config import Config

torch = pytest.importorskip("torch")
torch_head = pytest.importorskip("benchmarks.torch_head")

tf1 = tf.compat.v1

B, T, V, E, SIDE, UPDATES = 3, 5, 20, 6, 4, 3


@pytest.fixture(scope="module")
def ours():
    """The weights of our graph, its losses before each of a few updates, the settings and the batch."""
    config = Config().replace(
        mode="report", backbone_end="res4f", image_px=256, dropout=0.0, l2=1e-2, doubly_stochastic=0.1, **SMALL
    )
    x, word_ids, word_len, labels = torch_head.random_batch(config, B, T, SIDE, V)
    word_len = np.array([T, 2, 4])
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        model = network.Head(config, V, E)
        model.side = SIDE
        arrays = (x.reshape(B, SIDE, SIDE, -1), word_ids, word_len, labels, np.zeros(2))
        pairs = zip(model.inputs(), arrays, strict=True)
        inputs = [tf.constant(array.astype(spec.dtype.as_numpy_dtype)) for spec, array in pairs]
        with TowerContext("", is_training=True):
            loss = model.build_graph(*inputs)
        update = model.optimizer().minimize(loss)
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            weights = {variable.op.name: session.run(variable) for variable in tf1.trainable_variables()}
            losses = []
            for _ in range(UPDATES):
                losses.append(session.run(loss))
                session.run(update)
    return config, weights, losses, (x, word_ids, word_len, labels)


def test_the_loss_is_ours_before_each_update(ours):
    config, weights, losses, batch = ours
    head = torch_head.Head(config, V, E)
    head.take_weights(weights)
    update = torch_head.updates(head, [torch.from_numpy(array) for array in batch], config.learning_rate)
    found = [update().item() for _ in range(UPDATES)]
    assert found[0] == pytest.approx(losses[0], rel=1e-5)
    assert found == pytest.approx(losses, rel=1e-4)
    assert len(set(found)) == UPDATES


def test_updates_are_timed_as_ours_are():
    sizes = {"batch": 2, "words": 4, "side": 3, "vocabulary": 20, "word_dim": 6, "settings": SMALL}
    found = measure("torch_head:step", {**sizes, "steps": 2, "least_seconds": 0.0})
    assert found["seconds"] > 0
    assert found["operations"] > 0
    assert len(found["more"]["all_seconds"]) == 2
