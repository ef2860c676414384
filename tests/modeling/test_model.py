"""The whole graph: properties that hold whatever the weights are, and what Tensorpack gets wrong in silence."""

import numpy as np
import pytest
import tensorflow as tf
from small_network import E, V, batch_of, build, config_of
from tensorpack.tfutils.tower import TowerContext

from tienet.config import settings_without_effect
from tienet.labels import K
from tienet.modeling import generate
from tienet.modeling.decoder import Decoder
from tienet.modeling.decoding import Decoding
from tienet.modeling.losses import ReportWeights
from tienet.modeling.model import TieNet
from tienet.modes import MODES

tf1 = tf.compat.v1


READING = [mode for mode in MODES if MODES[mode].reads and MODES[mode].classifies]


def true_report(mode):
    """Where the probabilities for the true report are."""
    return "read/probabilities:0" if MODES[mode].writes else "probabilities:0"


@pytest.mark.parametrize("mode", READING)
def test_single_equals_batched_padded_and_permuted(evaluate, random, mode):
    placeholders, _ = build(config_of(mode))
    arrays = batch_of(random, mode=mode)

    def probabilities(arrays):
        return evaluate(true_report(mode), dict(zip(placeholders, arrays, strict=True)))

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
        "draw",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_all_weights_are_resource_variables_and_trained(graph, mode):
    """RefVariables train wrongly in silence under Tensorpack's ungated gradients."""
    _, loss = build(config_of(mode), training=True)
    variables = tf1.trainable_variables()
    assert all(type(v).__name__ == "ResourceVariable" or "Resource" in type(v).__mro__[1].__name__ for v in variables)
    assert all(gradient is not None for gradient in tf1.gradients(loss, variables))


TERMS = {"annotate": "L_C penalty l2", "annotate-text": "L_C penalty l2", "classify": "L_C l2",
         "caption": "L_R coverage l2", "report": "L_C L_R coverage penalty l2"}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_loss_is_the_sum_of_its_terms(evaluate, random, mode):
    config = config_of(mode, dropout=0.0, penalty=0.5, doubly_stochastic=0.3)
    placeholders, loss = build(config, training=True)
    feed = dict(zip(placeholders, batch_of(random, mode=mode), strict=True))
    total, *terms = evaluate([loss, *(f"{name}:0" for name in TERMS[mode].split())], feed)
    weights = {"L_C": config.loss_alpha, "L_R": 1 - config.loss_alpha, "coverage": 1 - config.loss_alpha}
    expected = sum(weights.get(name, 1.0) * term for name, term in zip(TERMS[mode].split(), terms, strict=True))
    assert total == pytest.approx(expected, rel=1e-6)
    assert all(term > 0 for term in terms)


@pytest.mark.parametrize("mode", ["annotate", "annotate-text"])
def test_the_next_word_is_a_second_task_of_the_modes_that_annotate(evaluate, random, mode):
    config = config_of(mode, dropout=0.0, alpha=0.7, l2=0.0, penalty=0.0)
    placeholders, loss = build(config, training=True)
    feed = dict(zip(placeholders, batch_of(random, mode=mode), strict=True))
    total, L_C, L_R = evaluate([loss, "L_C:0", "L_R:0"], feed)
    assert total == pytest.approx(0.7 * L_C + 0.3 * L_R, rel=1e-5) and L_R > 1
    assert {variable.op.name for variable in tf1.trainable_variables()} >= {"word_softmax/W_o", "word_softmax/b"}


def test_reports_count_in_L_R_by_whether_the_study_has_a_finding(evaluate, random):
    """With weights 3 and 0 only the reports of studies with a finding are learnt, each three times."""
    arrays = batch_of(random, mode="caption")
    arrays[-1] = np.zeros_like(arrays[-1])
    arrays[-1][0, 2] = 1
    losses_of = {}
    for name, weights in (("plain", ReportWeights()), ("weighted", ReportWeights(3.0, 0.0))):
        with tf.Graph().as_default(), tf1.Session() as session:
            tf1.set_random_seed(1)
            placeholders, _ = build(config_of("caption"), training=True, report_weights=weights)
            session.run(tf1.global_variables_initializer())
            feed = dict(zip(placeholders, arrays, strict=True))
            first = dict(zip(placeholders, [array[:1] for array in arrays], strict=True))
            losses_of[name] = session.run("L_R:0", feed), session.run("L_R:0", first)
    assert losses_of["weighted"][0] == pytest.approx(losses_of["plain"][1], rel=1e-5)  # 3 L_R / 3 studies
    assert losses_of["weighted"][0] != pytest.approx(losses_of["plain"][0], rel=1e-3)


@pytest.mark.parametrize("mode", ["caption", "report"])
def test_a_word_counts_in_L_R_by_its_weight(evaluate, random, mode):
    """The weight of the word that follows stands at the step before it; L_R is linear in the weights."""
    placeholders, _ = build(config_of(mode, sentence_power=0.5, classify_on="true"), training=True)
    arrays = batch_of(random, mode=mode, lengths=(6, 4))
    weights = np.ones((2, 6), np.float32)

    def L_R(weights: np.ndarray) -> float:
        return session.run("L_R:0", dict(zip(placeholders, [*arrays, weights], strict=True)))

    with tf1.Session() as session:
        session.run(tf1.global_variables_initializer())
        whole, parts = L_R(weights), []
        for row, length in enumerate((6, 4)):
            for step in range(length):  # each word that follows, <END> the last of them
                one = np.zeros_like(weights)
                one[row, step] = 1
                parts.append(L_R(one))
        behind = np.zeros_like(weights)
        behind[1, 4:] = 1  # padding
        assert L_R(behind) == 0 and L_R(2 * weights) == pytest.approx(2 * whole, rel=1e-5)
    assert min(parts) > 0 and sum(parts) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(("alpha", "silent"), [(1.0, ("word_softmax",)), (0.0, ("classifier", "text_attention"))])
def test_alpha_of_one_or_zero_leaves_one_loss(evaluate, random, alpha, silent):
    placeholders, loss = build(config_of("report", alpha=alpha, dropout=0.0, l2=0.0, penalty=0.0), training=True)
    variables = tf1.trainable_variables()
    feed = dict(zip(placeholders, batch_of(random, mode="report"), strict=True))
    gradients = evaluate([tf.convert_to_tensor(g) for g in tf1.gradients(loss, variables)], feed)
    for variable, gradient in zip(variables, gradients, strict=True):
        assert np.abs(gradient).max() > 0 if not variable.op.name.startswith(silent) else not gradient.any()


def report_mode(evaluate, random, lengths=(6, 1, 4), **settings):
    """The fetches of mode `report` by name, for its own reports."""
    placeholders, _ = build(config_of("report", written_words=7, **settings))
    evaluate([])
    evaluate([tf1.assign(v, 2 * v) for v in tf1.trainable_variables()])
    arrays = batch_of(random, lengths, mode="report")

    def fetch(*names, arrays=arrays):
        return evaluate([f"{name}:0" for name in names], dict(zip(placeholders, arrays, strict=True)))

    return arrays, fetch


def test_the_classifier_of_report_runs_on_the_words_that_were_written(evaluate, random):
    arrays, fetch = report_mode(evaluate, random)
    names = ["probabilities", "G", "a", "a_ws"]
    written, word_len, *own = fetch("written/word_ids", "written/word_len", *names)
    as_true = [arrays[0], written, word_len, arrays[3]]
    for ours, read in zip(own, fetch(*(f"read/{name}" for name in names), arrays=as_true), strict=True):
        np.testing.assert_allclose(ours, read, atol=1e-5)
    other = [arrays[0], np.ones_like(arrays[1]), np.ones_like(arrays[2]), arrays[3]]
    np.testing.assert_array_equal(fetch("probabilities", arrays=other)[0], own[0])  # only the image goes in
    assert np.abs(fetch("read/probabilities")[0] - own[0]).max() > 1e-4


def test_L_R_is_the_mean_over_the_words_of_a_report_and_an_empty_one_adds_nothing(evaluate, random):
    placeholders, _ = build(config_of("caption"))
    arrays = batch_of(random, (6, 1, 4), mode="caption", padding=2)
    feed = dict(zip(placeholders, arrays, strict=True))
    whole = evaluate("read/L_R:0", feed)
    assert whole[1] == 0 and (whole[[0, 2]] > 1).all()
    one = [array[2:] for array in arrays]
    np.testing.assert_allclose(evaluate("read/L_R:0", dict(zip(placeholders, one, strict=True))), whole[2:], rtol=1e-5)


@pytest.mark.parametrize("batch", [4, 5])
@pytest.mark.parametrize("classify_on", ["own", "half"])
def test_the_classifier_can_be_trained_on_the_models_own_reports(evaluate, random, classify_on, batch):
    config = config_of("report", classify_on=classify_on, dropout=0.0, written_words=5)
    arrays = batch_of(random, (6, 1, 4, 3, 2)[:batch], mode="report")
    features, ids, length, labels = map(tf.constant, arrays)
    model = TieNet(config, V, E)
    with TowerContext("", is_training=True):
        x = model._transition(features)
        decoder = Decoder(config, V, E, x)
        own_words = model._own_words(decoder)
        parts = model._classify_for_training(decoder, model._read(decoder, x, ids, length), labels, *own_words)
        written = generate.write(decoder, Decoding("greedy", 5))
        own = model._classify_report(model._read(decoder, x, written.word_ids, written.word_len))
        true = model._classify_report(model._read(decoder, x, ids, length))
    parts, own, true = evaluate([[(p.logits, y) for p, y in parts], own.logits, true.logits])
    logits, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    if classify_on == "own":
        np.testing.assert_allclose(logits, own, atol=1e-5)
        np.testing.assert_array_equal(y, arrays[3])
        assert np.abs(own - true).max() > 1e-4
    else:
        expected = np.concatenate([own[1::2], true[::2]])
        np.testing.assert_allclose(logits, expected, atol=1e-5)
        np.testing.assert_array_equal(y, np.concatenate([arrays[3][1::2], arrays[3][::2]]))


def test_classify_pools_the_image_and_reads_nothing(evaluate, random):
    placeholders, _ = build(config_of("classify", pooling="mean"))
    assert [p.op.name for p in placeholders] == ["features", "labels"]
    arrays = batch_of(random, mode="classify")
    probabilities = evaluate("probabilities:0", dict(zip(placeholders, arrays, strict=True)))
    weights = {v.op.name: evaluate(v) for v in tf1.trainable_variables()}
    x = np.maximum(arrays[0].astype(np.float32) @ weights["transition/W"][0, 0] + weights["transition/b"], 0)
    logits = x.mean((1, 2)) @ weights["classifier/output/W"] + weights["classifier/output/b"]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-4)


def test_dropout_of_the_image_side_is_its_own(graph):
    model = TieNet(config_of("annotate", dropout=0.2, dropout_image=0.6), V, E)
    text, image = tf.zeros([2, 7]), tf.zeros([2, 8])
    np.testing.assert_allclose(model._dropout_rates([text, image]), [0.2] * 7 + [0.6] * 8)
    model = TieNet(config_of("annotate", dropout=0.2), V, E)
    np.testing.assert_allclose(model._dropout_rates([text, image]), [0.2] * 15)
    model = TieNet(config_of("annotate-text", dropout=0.2, dropout_image=0.6), V, E)
    np.testing.assert_allclose(model._dropout_rates([text]), [0.2] * 7)


def test_dropout_draws_from_the_seed_the_step_and_the_part_of_the_batch(evaluate, random):
    arrays = batch_of(random, mode="annotate-text")
    losses = []
    for seed in (0, 1):
        with tf.Graph().as_default():
            tf1.set_random_seed(3)  # the same weights
            model = TieNet(config_of("annotate-text", seed=seed), V, E)
            placeholders = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in model.inputs()]
            with TowerContext("", is_training=True):
                loss = model.build_graph(*placeholders)
            with tf1.Session() as session:
                session.run(tf1.global_variables_initializer())
                for draw in ([0, 0], [0, 0], [5, 0], [0, 5], [5, 5]):
                    losses.append(session.run(loss, dict(zip(placeholders, [*arrays, draw], strict=True))))
    assert losses[0] == losses[1] and losses[5] == losses[6]
    assert len(set(losses)) == 8


def test_lin2017_has_a_hidden_output_layer(graph):
    build(config_of("annotate-text", output_hidden=13))
    shapes = {v.op.name: v.shape.as_list() for v in tf1.trainable_variables()}
    assert shapes["classifier/hidden/W"] == [7, 13]
    assert shapes["classifier/output/W"] == [13, K]


def test_grid_position_adds_two_channels(graph):
    build(config_of("classify", grid_position=True))
    (W,) = [v for v in tf1.trainable_variables() if v.op.name == "transition/W"]
    assert W.shape.as_list() == [1, 1, 1026, 8]


OTHER = {
    "attention_units": 4, "attention_norm": True, "attention_gate": True, "pooling": "max", "lse_r": 3.0,
    "lstm_units": 9, "max_words": 3, "report_drop": 0.5, "attention_rows": 2, "attention_hidden": 4, "penalty": 9.0,
    "output_hidden": 5, "dropout": 0.9, "dropout_image": 0.9, "deep_output": True, "written_words": 3,
    "scheduled_sampling": 0.5, "doubly_stochastic": 9.0, "classify_on": "half", "transition_channels": 5,
    "uniform_share": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("mode", ["annotate", "annotate-text", "classify", "caption"])
def test_settings_without_effect_leave_the_loss_as_it_is(random, mode):
    """All of them are changed at once: neither the variables nor the loss is another one."""
    unused = {name: value for name, value in OTHER.items() if name in settings_without_effect(mode)}
    arrays, found = batch_of(random, mode=mode), []
    for config in (config_of(mode), config_of(mode).replace(**unused)):
        with tf.Graph().as_default(), tf1.Session() as session:
            tf1.set_random_seed(0)
            placeholders, loss = build(config, training=True)
            session.run(tf1.global_variables_initializer())
            names = [(variable.op.name, variable.shape.as_list()) for variable in tf1.trainable_variables()]
            found.append((names, session.run(loss, dict(zip(placeholders, arrays, strict=True)))))
    assert found[0][0] == found[1][0] and unused
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-6)
