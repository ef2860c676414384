"""How the tests run a whole network, and compare weights."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet.modeling import backbone, backbone_weights

tf1 = tf.compat.v1


def assert_same(path: Path, end: str, weights: dict, rtol: float = 0) -> None:
    loaded = backbone_weights.load_weights(path, end)
    for name, value in loaded.items():
        np.testing.assert_allclose(value, weights[name], rtol=rtol, err_msg=name)


def run_network(weights: dict[str, np.ndarray], bgr: np.ndarray, end: str) -> np.ndarray:
    with tf.Graph().as_default(), tf1.Session(config=tf1.ConfigProto(intra_op_parallelism_threads=2)) as session:
        return session.run(backbone.resnet50(tf.constant(bgr), weights, end))
