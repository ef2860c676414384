"""Keras's files in each of their styles, and the whole network against Keras's own model."""

import json

import keras
import numpy as np
import pytest

from tests.modeling.pretrained.networks import assert_same, run_network
from tienet.modeling.pretrained.convert import read, select


@pytest.mark.parametrize("style", ["keras1", "old", "new"])
def test_keras(style, tiny, write_keras, convert, tmp_path):
    write_keras(tmp_path / "resnet50.h5", tiny, style)
    status, _, errors, out = convert(tmp_path / "resnet50.h5")
    assert (status, errors) == (0, "")
    assert_same(out, "res5c", tiny)
    with np.load(out) as arrays:
        meta = json.loads(str(arrays["meta"]))
    assert (meta["source"], meta["kind"], meta["end"]) == ("resnet50.h5", "Keras .h5", "res5c")


def test_a_bias_before_batch_normalisation_moves_the_mean(tiny, write_keras, convert, tmp_path):
    bias = np.float32([3, -2])
    write_keras(tmp_path / "resnet50.h5", tiny | {"res2a_branch2a/bias": bias}, "new")
    out = convert(tmp_path / "resnet50.h5")[-1]
    assert_same(out, "res5c", tiny | {"bn2a_branch2a/moving_mean": tiny["bn2a_branch2a/moving_mean"] - bias})


def keras_model() -> keras.Model:
    """Keras's ResNet-50, with random weights and Caffe's max-pool (for an even side)."""
    model = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(None, None, 3))
    random = np.random.default_rng(0)
    for layer in model.layers:
        weights = [w * random.uniform(0.7, 1.3, w.shape) for w in layer.get_weights()]
        if layer.name.endswith("_conv"):
            weights[1] += random.normal(0, 1, weights[1].shape)
        if layer.name.endswith("_bn"):
            gamma, beta, mean, variance = weights
            shift = random.normal(0, 0.1, beta.shape)
            gamma *= 0.3 if layer.name.endswith("_3_bn") else 1
            variance *= 3600 if layer.name == "conv1_bn" else 1
            weights = [gamma, beta + shift, mean - shift, variance]
        layer.set_weights(weights)
    model.get_layer("pool1_pad").padding = ((0, 1), (0, 1))
    return model


def test_whole_network_equals_keras(tmp_path):
    model = keras_model()
    model.save(tmp_path / "keras.h5")
    weights = select(read(tmp_path / "keras.h5")[1], "res5c", "")
    bgr = np.random.default_rng(0).normal(0, 60, (1, 64, 64, 3)).astype(np.float32)
    expected = model(bgr, training=False).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(run_network(weights, bgr, "res5c"), expected, rtol=1e-3, atol=1e-3 * expected.max())
