"""The names of the graph's outputs: which a mode has, that its graph has exactly these, and that a slip is caught."""

import numpy as np
import pytest
import tensorflow as tf
from small_network import E, V, config_of
from small_network import build as build_small
from tensorpack.tfutils.tower import PredictTowerContext

from tienet.labels import K
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding
from tienet.modeling.model import TieNet
from tienet.modes import MODES

tf1 = tf.compat.v1

LABELS = {"probabilities", "logits"}
WRITTEN = {"written/word_ids", "written/word_len", "written/log_probability"}
OF_IMAGE = {"pooled_features"}
OF_REPORT = LABELS | {"a", "a_entropy", "G", "G_entropy", "a_ws", "finding_maps"}
PROMISED = {
    "annotate": OF_REPORT | OF_IMAGE,
    "annotate-text": LABELS | {"G", "G_entropy"},
    "classify": LABELS | {"class_activation", "finding_maps"} | OF_IMAGE,
    "caption": {"a", "a_entropy", "read/a", "read/a_entropy", "read/L_R"} | WRITTEN | OF_IMAGE,
    "report": OF_REPORT | {f"read/{name}" for name in OF_REPORT} | {"read/L_R"} | WRITTEN | OF_IMAGE,
}
EVERYTHING = set.union(*PROMISED.values())


def build(mode, scope="", decoding=None):
    """The placeholders of the mode's graph."""
    model = TieNet(config_of(mode, written_words=4), V, E, decoding=decoding)
    placeholders = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in model.study_inputs()]
    with PredictTowerContext(scope):
        model.build_graph(*placeholders)
    return placeholders


def names_in(graph, scope=""):
    """The declared names that the graph has inside of the scope, and whatever else is beside them."""
    names = {op.name.removeprefix(scope) for op in graph.get_operations() if op.name.startswith(scope)}
    return {name for name in names if name in EVERYTHING or name.startswith(("read/", "written/"))}


@pytest.mark.parametrize("mode", MODES)
def test_every_graph_has_exactly_the_outputs_of_its_mode(graph, mode):
    build(mode)
    assert names_in(graph) == PROMISED[mode] == set(outputs.graph_outputs(MODES[mode]))
    assert len(outputs.graph_outputs(MODES[mode])) == len(PROMISED[mode])


@pytest.mark.parametrize("mode", [mode for mode in MODES if MODES[mode].writes])
def test_where_a_report_is_chosen_the_candidates_are_outputs_too(evaluate, random, mode):
    """What is fed as the chosen report is the written one; it is the greedy report where nothing is fed."""
    features, *rest = build(mode, decoding=Decoding("consistent", 4, candidates=3))
    graph = tf1.get_default_graph()
    promised = set(outputs.graph_outputs(MODES[mode], candidates=True))
    assert promised == PROMISED[mode] | set(outputs.CANDIDATES)
    assert all(graph.get_operation_by_name(name) for name in promised)
    assert not any(map(outputs.is_of_written_report, promised & {*outputs.CANDIDATES, "read/a", "read/L_R"}))
    assert all(map(outputs.is_of_written_report, promised & (OF_REPORT | WRITTEN)))
    arrays = [random.random((2, 16, 16, 1024)), [[1], [1]], [1, 1], np.zeros((2, K))]
    feed = dict(zip([features, *rest], arrays, strict=True))
    names = [f"{name}:0" for name in (*outputs.CANDIDATES, *outputs.WRITTEN)]
    word_ids, word_len, log_probability, *written = evaluate(names, feed)
    assert word_ids.shape[:2] == word_len.shape == log_probability.shape == (2, 3)
    chosen = {"chosen/word_ids:0": word_ids[:, 2], "chosen/word_len:0": word_len[:, 2]}
    for w, found in ((0, written), (2, evaluate(names[3:], feed | chosen))):
        np.testing.assert_array_equal(found[0], word_ids[:, w, : word_len[:, w].max()])
        np.testing.assert_array_equal(found[1], word_len[:, w])
        np.testing.assert_allclose(found[2], log_probability[:, w], rtol=1e-4)


def test_in_a_tower_the_names_are_inside_of_its_scope(graph):
    build("report", "tower-pred-0")
    assert names_in(graph, "tower-pred-0/") == PROMISED["report"] and not names_in(graph)


@pytest.mark.parametrize("mode", [mode for mode in MODES if MODES[mode].classifies])
def test_the_probabilities_are_those_of_the_logits(evaluate, random, mode):
    placeholders = build(mode)
    sizes = [[2 if side is None else side for side in placeholder.shape] for placeholder in placeholders]
    arrays = [
        random.integers(1, 3, size).astype(p.dtype.as_numpy_dtype) for p, size in zip(placeholders, sizes, strict=True)
    ]
    for prefix in ("", "read/") if MODES[mode].writes else ("",):
        names = [f"{prefix}{name}:0" for name in ("probabilities", "logits")]
        probabilities, logits = evaluate(names, dict(zip(placeholders, arrays, strict=True)))
        assert logits.shape == (2, K) and np.abs(logits).max() > 0
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), rtol=1e-5)


@pytest.mark.parametrize(("pooling", "hidden"), [("mean", 0), ("lse", 0), ("mean", 5)])
def test_the_class_activation_is_the_classifier_at_each_place(evaluate, random, pooling, hidden):
    config = config_of("classify", pooling=pooling, output_hidden=hidden)
    model = TieNet(config, V, E)
    placeholders = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in model.study_inputs()]
    with PredictTowerContext(""):
        model.build_graph(*placeholders)
    graph = tf1.get_default_graph()
    (x,) = [op.outputs[0] for op in graph.get_operations() if op.name == "transition/Relu"]
    weights = {variable.op.name: variable for variable in tf1.trainable_variables()}
    found = evaluate(
        [x, "class_activation:0", "logits:0", weights], {placeholders[0]: random.random((2, 16, 16, 1024))}
    )
    x, activation, logits, weights = found
    assert activation.shape == (2, *x.shape[1:3], K) and len(weights) == 4 + 2 * (hidden > 0)
    for n, row, column in [(0, 0, 0), (1, 3, 7), (0, 15, 15)]:
        of_place = x[n, row, column]
        if hidden:
            of_place = np.maximum(of_place @ weights["classifier/hidden/W"] + weights["classifier/hidden/b"], 0)
        expected = of_place @ weights["classifier/output/W"] + weights["classifier/output/b"]
        np.testing.assert_allclose(activation[n, row, column], expected, rtol=1e-4, atol=1e-5)
    with_mean = pooling == "mean" and not hidden
    assert np.allclose(activation.mean((1, 2)), logits, rtol=1e-4, atol=1e-5) == with_mean


def test_training_has_no_class_activation(graph):
    build_small(config_of("classify"), training=True)
    assert not [op.name for op in graph.get_operations() if "activation" in op.name.lower() or "finding" in op.name]


@pytest.mark.parametrize("mode", MODES)
def test_each_use_asks_for_what_the_mode_has(mode):
    mode = MODES[mode]
    for ask in (
        outputs.prediction_outputs,
        outputs.explanation_outputs,
        outputs.validation_outputs,
        outputs.saved_model_outputs,
        outputs.map_outputs,
        outputs.finding_map_outputs,
    ):
        names = ask(mode)
        assert len(names) == len(set(names)) and set(names) <= PROMISED[mode.name]
    maps = {name for name in ("G", "a", "a_ws") if name in PROMISED[mode.name]}
    of_findings = {"finding_maps"} & PROMISED[mode.name]
    written, label = WRITTEN & PROMISED[mode.name], {"probabilities"} & PROMISED[mode.name]
    assert set(outputs.map_outputs(mode)) == maps
    assert set(outputs.prediction_outputs(mode)) == label | written
    assert set(outputs.prediction_outputs(mode, maps=True)) == label | written | maps | of_findings
    assert set(outputs.saved_model_outputs(mode)) == ({"logits"} if label else set()) | written | maps


def test_what_validation_asks_for():
    asked = {mode: set(outputs.validation_outputs(MODES[mode])) for mode in MODES}
    written = {"written/word_ids", "written/word_len", "read/L_R"}
    assert asked == {
        "annotate": {"probabilities", "logits", "G_entropy", "a_entropy"},
        "annotate-text": {"probabilities", "logits", "G_entropy"},
        "classify": {"probabilities", "logits"},
        "caption": {"a_entropy"} | written,
        "report": {"probabilities", "logits", "G_entropy", "a_entropy", "read/probabilities"} | written,
    }


# ---- what only we can get wrong ----


def tensors_of(mode):
    return {name: tf.zeros([]) for name in outputs.graph_outputs(MODES[mode])}


@pytest.mark.parametrize("mode", MODES)
def test_an_output_that_is_missing_or_not_promised_is_named(graph, mode):
    tensors = tensors_of(mode)
    for name in tensors:
        rest = {other: tensor for other, tensor in tensors.items() if other != name}
        with pytest.raises(AssertionError, match=rf"mode {mode}: outputs missing \['{name}'\], unexpected \[\]"):
            outputs.name_outputs(MODES[mode], rest)
        with pytest.raises(AssertionError, match=rf"missing \['{name}'\], unexpected \['{name}2'\]"):
            outputs.name_outputs(MODES[mode], rest | {f"{name}2": tensors[name]})
    assert names_in(graph) == set()  # nothing is named before all is checked


def test_the_graph_is_checked_when_it_is_built(graph, monkeypatch):
    monkeypatch.setattr(outputs, "map_outputs", lambda mode: ["G", "a", "another"])
    with pytest.raises(AssertionError, match=r"outputs missing \['another'\], unexpected \['a_ws'\]"):
        build("annotate")


def test_a_name_that_is_taken_is_no_output(graph):
    tf.constant(0, name="logits")
    with pytest.raises(AssertionError, match="output logits is named logits_1; the name is taken"):
        build("classify")
