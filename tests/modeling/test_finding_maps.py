"""The map of each finding: what each place adds to its logit, against NumPy, and that nothing is missing in the sum."""

import numpy as np
import oracles
import pytest
import tensorflow as tf
from small_network import E, V, config_of
from tensorpack.tfutils.tower import PredictTowerContext

from tienet.labels import K
from tienet.modeling import embedding
from tienet.modeling.finding_maps import finding_maps
from tienet.modeling.layers import fully_connected
from tienet.modeling.model import TieNet

tf1 = tf.compat.v1


def outputs_of(evaluate, random, mode, **settings):
    """x, the named outputs and the weights of a small network for two studies."""
    model = TieNet(config_of(mode, **settings), V, E)
    placeholders = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in model.study_inputs()]
    with PredictTowerContext(""):
        model.build_graph(*placeholders)
    names = ["logits", "finding_maps"] + ["a_ws", "G"] * (mode != "classify")
    words = [np.array([[1, 4, 5, 0], [1, 6, 4, 4]]), np.array([3, 4])] * (mode != "classify")
    feed = dict(zip(placeholders, [random.random((2, 16, 16, 1024)), *words, np.full((2, K), np.nan)], strict=True))
    weights = {variable.op.name: variable for variable in tf1.trainable_variables()}
    x, *found = evaluate(["transition/Relu:0", *(f"{name}:0" for name in names), weights], feed)
    return x, dict(zip(names, found, strict=False)), found[-1]


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_map_is_the_attention_times_what_the_classifier_sees_there(evaluate, random, share):
    """a_ws(l) (w_k x(l)), with the part of a_ws that is spread evenly."""
    x, found, weights = outputs_of(evaluate, random, "annotate", uniform_share=share)
    W = weights["classifier/output/W"][-x.shape[-1] :]  # behind those of x_aete
    assert found["finding_maps"].shape == (2, *x.shape[1:3], K)
    for n in range(2):
        a = (1 - share) * found["a_ws"][n] + share * found["a_ws"][n].mean()
        for row, column in [(0, 0), (3, 7), (15, 15)]:
            expected = a[row, column] * (x[n, row, column] @ W)
            np.testing.assert_allclose(found["finding_maps"][n, row, column], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("pooling", ["mean", "max", "lse"])
def test_in_mode_classify_the_map_is_the_share_of_each_place_in_the_pooling(evaluate, random, pooling):
    x, found, weights = outputs_of(evaluate, random, "classify", pooling=pooling)
    W, b = weights["classifier/output/W"], weights["classifier/output/b"]
    of_places = x.reshape(2, -1, x.shape[-1])
    if pooling == "mean":
        share = np.full_like(of_places, 1 / of_places.shape[1])
    elif pooling == "lse":
        raised = np.exp(10.0 * (of_places - of_places.max(1, keepdims=True)))  # lse_r is 10
        share = raised / raised.sum(1, keepdims=True)
    else:
        share = (of_places == of_places.max(1, keepdims=True)).astype(np.float32)
        share /= share.sum(1, keepdims=True)
    expected = ((share * of_places) @ W).reshape(found["finding_maps"].shape)
    np.testing.assert_allclose(found["finding_maps"], expected, rtol=1e-3, atol=1e-6)
    if pooling != "lse":
        np.testing.assert_allclose(found["finding_maps"].sum((1, 2)) + b, found["logits"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hidden", [0, 6])
def test_the_places_the_text_and_the_biases_make_up_the_logits(evaluate, random, hidden):
    """A report and an image, a hidden layer of ReLU or none: nothing is left over, and the attention is held fixed."""
    B, D, C, H = 2, 3, 4, 5
    aete, x, a = (random.standard_normal(size).astype(np.float32) for size in ((B, H), (B, D, D, C), (B, D, D)))
    x_in = tf.constant(x)
    pooled = embedding.sw_gap(tf.constant(a), x_in)
    features = logits = tf.concat([tf.constant(aete), pooled], -1)
    with tf1.variable_scope("classifier"):
        if hidden:
            logits = tf.nn.relu(fully_connected("hidden", logits, hidden))
        logits = fully_connected("output", logits, K)
    maps = finding_maps(x_in, pooled, features, hidden)
    variables = {variable.op.name.removeprefix("classifier/"): variable for variable in tf1.trainable_variables()}
    logits, maps, weights = evaluate([logits, maps, variables])
    for n in range(B):
        taken = np.concatenate([aete[n], oracles.sw_gap(a[n], x[n])])
        slope, rest = weights["output/W"], weights["output/b"]
        if hidden:
            on = taken @ weights["hidden/W"] + weights["hidden/b"] > 0
            rest = rest + (on * weights["hidden/b"]) @ slope
            slope = weights["hidden/W"] @ (on[:, None] * slope)
        np.testing.assert_allclose(maps[n], a[n][..., None] * (x[n] @ slope[H:]), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(maps[n].sum((0, 1)) + aete[n] @ slope[:H] + rest, logits[n], atol=1e-4)
