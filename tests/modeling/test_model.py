"""The whole graph: properties that hold whatever the weights are, and what Tensorpack gets wrong in silence."""

import numpy as np
import pytest
import tensorflow as tf
from tensorpack.tfutils.tower import PredictTowerContext, TowerContext

from tienet.config import Config
from tienet.data.text import OOV, START
from tienet.labels import K
from tienet.modeling.layers import DECAYED
from tienet.modeling.model import TieNet

tf1 = tf.compat.v1
V, E = 20, 6
SMALL = {
    "backbone_end": "res4f", "image_px": 256, "transition_channels": 8, "attention_units": 5, "lstm_units": 7,
    "attention_rows": 3, "attention_hidden": 11,
}  # fmt: skip


def config_of(mode, **settings):
    return Config().replace(mode=mode, **SMALL, **settings)


def build(config, training=False):
    """The placeholders and, in training, the loss."""
    model = TieNet(config, V, E)
    placeholders = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in model.inputs()]
    with TowerContext("", is_training=True) if training else PredictTowerContext(""):
        return placeholders, model.build_graph(*placeholders)


def batch_of(random, lengths=(6, 1, 4), mode="annotate", padding=0):
    """Arrays in the order of the placeholders."""
    T = max(lengths) + padding
    word_ids = random.integers(4, V, (len(lengths), T)).astype(np.int32)
    word_ids[:, 0] = START
    for row, length in zip(word_ids, lengths, strict=True):
        row[length:] = 0
    arrays = [word_ids, np.array(lengths, np.int32), random.integers(0, 2, (len(lengths), K)).astype(np.float32)]
    if mode == "annotate":
        arrays.insert(0, random.random((len(lengths), 16, 16, 1024)).astype(np.float16))
    return arrays


@pytest.mark.parametrize("mode", ["annotate", "annotate-text"])
def test_single_equals_batched_padded_and_permuted(evaluate, random, mode):
    placeholders, _ = build(config_of(mode))
    arrays = batch_of(random, mode=mode)

    def probabilities(arrays):
        return evaluate("probabilities:0", dict(zip(placeholders, arrays, strict=True)))

    whole = probabilities(arrays)
    assert whole.shape == (3, K)
    assert np.abs(whole[0] - whole[2]).max() > 1e-4  # reports matter
    for n in range(3):
        np.testing.assert_allclose(probabilities([a[n : n + 1] for a in arrays])[0], whole[n], atol=1e-6)
    order = [2, 0, 1]
    np.testing.assert_allclose(probabilities([a[order] for a in arrays]), whole[order], atol=1e-6)
    padded = list(arrays)
    padded[-3] = np.pad(arrays[-3], ((0, 0), (0, 3)))
    np.testing.assert_allclose(probabilities(padded), whole, atol=1e-6)


def test_padding_words_are_not_read(evaluate, random):
    placeholders, _ = build(config_of("annotate"))
    arrays = batch_of(random)
    garbage = list(arrays)
    garbage[1] = arrays[1].copy()
    garbage[1][1, 1:] = 9
    outputs = [
        evaluate(["probabilities:0", "G:0", "a:0"], dict(zip(placeholders, a, strict=True))) for a in (arrays, garbage)
    ]
    np.testing.assert_allclose(outputs[0][0], outputs[1][0], atol=1e-7)
    _, G, a = outputs[0]
    assert (G[1, :, 1:] == 0).all()
    assert (a[1, 1:] == 0).all()
    np.testing.assert_allclose(a[0].sum((1, 2)), 1, rtol=1e-5)


def test_the_image_matters_in_annotate_and_is_not_there_in_annotate_text(evaluate, random):
    placeholders, _ = build(config_of("annotate"))
    arrays = batch_of(random)
    other = [np.zeros_like(arrays[0]), *arrays[1:]]
    first, second = (evaluate("probabilities:0", dict(zip(placeholders, a, strict=True))) for a in (arrays, other))
    assert np.abs(first - second).max() > 1e-4
    assert [spec.name for spec in TieNet(config_of("annotate-text"), V, E).inputs()] == [
        "word_ids",
        "word_len",
        "labels",
    ]


def test_all_weights_are_resource_variables_and_trained(graph):
    """RefVariables train wrongly in silence under Tensorpack's ungated gradients."""
    _, loss = build(config_of("annotate"), training=True)
    variables = tf1.trainable_variables()
    assert all(type(v).__name__ == "ResourceVariable" or "Resource" in type(v).__mro__[1].__name__ for v in variables)
    assert all(gradient is not None for gradient in tf1.gradients(loss, variables))


def test_l2_covers_weights_but_not_biases_or_word_vectors(graph):
    build(config_of("annotate"), training=True)
    decayed = {variable.op.name for variable in tf1.get_collection(DECAYED)}
    others = {variable.op.name for variable in tf1.trainable_variables()} - decayed
    assert {name.split("/")[-1] for name in others} == {"b", "word_vectors"}
    assert {"transition/W", "lstm/W_z", "text_attention/W_s1/W", "classifier/output/W"} <= decayed


def test_loss_is_the_sum_of_its_terms(evaluate, random):
    placeholders, loss = build(config_of("annotate", dropout=0.0, penalty=0.5), training=True)
    feed = dict(zip(placeholders, batch_of(random), strict=True))
    total, *terms = evaluate([loss, "L_C:0", "penalty:0", "l2:0"], feed)
    assert total == pytest.approx(sum(terms), rel=1e-6)
    assert all(term > 0 for term in terms)


def test_dropout_draws_from_seed_and_step(evaluate, random):
    placeholders, loss = build(config_of("annotate-text"), training=True)
    feed = dict(zip(placeholders, batch_of(random, mode="annotate-text"), strict=True))
    first = evaluate(loss, feed)
    assert evaluate(loss, feed) == first
    evaluate(tf1.train.get_global_step().assign(5))
    assert evaluate(loss, feed) != first


@pytest.mark.parametrize(("unit", "share"), [("words", 1.0), ("reports", 1.0), ("words", 0.5)])
def test_report_drop_hides_words_or_reports(evaluate, random, unit, share):
    config = config_of("annotate-text", report_drop=share, report_drop_unit=unit, dropout=0.0)
    arrays = batch_of(random, lengths=(40, 40), mode="annotate-text")
    model = TieNet(config, V, E)
    with TowerContext("", is_training=True):
        ids, lengths = evaluate(list(model._drop_text(tf.constant(arrays[0]), tf.constant(arrays[1]))))
    assert (ids[:, 0] == START).all()
    if unit == "reports":
        assert (lengths == 1).all()
    else:
        hidden = (ids[:, 1:] == OOV).mean()
        assert hidden == 1 if share == 1 else 0.3 < hidden < 0.7
        assert (lengths == 40).all()


def test_lin2017_has_a_hidden_output_layer(graph):
    build(config_of("annotate-text", output_hidden=13))
    shapes = {v.op.name: v.shape.as_list() for v in tf1.trainable_variables()}
    assert shapes["classifier/hidden/W"] == [7, 13]
    assert shapes["classifier/output/W"] == [13, K]
