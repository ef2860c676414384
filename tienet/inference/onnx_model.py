"""A checkpoint of `classify` or `annotate-text` as an ONNX model, with its weights, its backbone and its temperatures.

tf2onnx converts the graph. It has no way to convert a loop that XLA compiles, so the loop of the plain LSTM is cut out
of the graph, and ONNX's own operator LSTM stands in its place, with the run's weights. The attention LSTM of the other
modes has no such operator.

Before a model is kept, onnxruntime must give the probabilities of the network on drawn studies.
"""

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet.checkpoint.run_folder import OpenedRun
from tienet.config import Config
from tienet.errors import InputError
from tienet.inference.model_folder import FACTS, VOCAB, facts_of, new_folder
from tienet.inference.predictor import Predictor
from tienet.labels import K
from tienet.modeling import outputs

if TYPE_CHECKING:
    import onnx
    import tensorflow as tf

FILE_NAME = "model.onnx"
MODES = ("classify", "annotate-text")
"""The modes whose network ONNX has the operators for."""

PACKAGES = ("onnx", "onnxruntime", "tf2onnx")
OPSET = 17
TOLERANCE = 1e-5
"""How far a probability of the ONNX model may be from the network's."""

PROBABILITIES = "probabilities"
_H = "lstm_h"  # the states of the LSTM, float32 [T, B, H], where the loop was cut out
_CHECKED_LENGTHS = (1, 2, 9, 40)


def check_mode(config: Config) -> None:
    """Raise InputError unless ONNX has the operators for the network of this mode."""
    if config.mode not in MODES:
        raise InputError(
            f"--format onnx: a run of mode {config.mode} cannot be exported to ONNX, which has no operator for its "
            f"LSTM with attention over the image; {' and '.join(MODES)} can, and --format saved-model takes every mode"
        )


def check_installed() -> None:
    """Raise InputError, with what to install, if a package that makes or checks the model is missing."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise InputError(f"--format onnx needs {' and '.join(missing)}; pip install -e '.[onnx]'")


def export(load: str | Path | OpenedRun, out: Path) -> list[str]:
    """Write a checkpoint's ONNX model to the folder `out`, as a whole or not at all, with FACTS and the vocabulary.

    The network is taken as a CPU has it: the process must not compute on a GPU.

    Returns:
        The inputs and outputs of the model, described in a line each.
    Raises:
        InputError: The mode or the checkpoint does not fit, `out` is there already, another process makes it, or
            onnxruntime gives other probabilities than the network.
    """
    with new_folder(out) as folder, Predictor(load, features="off") as network:
        check_mode(network.config)
        model = convert(network)
        (folder / FILE_NAME).write_bytes(model.SerializeToString())
        check_probabilities(folder / FILE_NAME, network)
        (folder / FACTS).write_text(json.dumps(facts_of(network), indent=2) + "\n", encoding="utf-8")
        if network.config.mode_parts.reads:
            network.run.vocab.save(folder / VOCAB)
    return [
        *(f"takes  {_describe(value)}" for value in model.graph.input),
        f"gives  {_describe(model.graph.output[0])}",
    ]


def convert(network: Predictor) -> "onnx.ModelProto":
    """The ONNX model: image uint8 [B, px, px], or word_ids int32 [B, T] and word_len int32 [B], to PROBABILITIES
    float32 [B, K].
    """
    import onnx
    import tf2onnx

    reads = network.config.mode_parts.reads
    frozen = network.freeze([outputs.LOGITS])
    names = ["word_ids", "word_len"] if reads else ["image"]
    if reads:
        weights = _lstm_weights(frozen)
        _cut_loop(frozen, weights["R"].shape[-1])
    level = logging.getLogger("tf2onnx").level
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            frozen,
            input_names=[f"{name}:0" for name in names + [_H] * reads],
            output_names=[f"{outputs.LOGITS}:0"],
            opset=OPSET,
        )
    finally:
        logging.getLogger("tf2onnx").setLevel(level)
    for name in (*names, outputs.LOGITS, *[_H] * reads):
        _rename(model.graph, f"{name}:0", name)
    if reads:
        _insert_lstm(model.graph, weights)
    _calibrate(model.graph, network)
    _name_axes(model.graph)
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in facts_of(network).items()})
    onnx.checker.check_model(model)
    return model


# ---- the LSTM ----


def _lstm_weights(frozen: "tf.compat.v1.GraphDef") -> dict[str, np.ndarray]:
    """The word vectors, and the LSTM's weights as ONNX has them: the gates i, o, f, g in the place of i, f, o, g."""
    import tensorflow as tf

    constants = {node.name: node.attr["value"].tensor for node in frozen.node if node.op == "Const"}

    def gates(name: str) -> np.ndarray:
        i, f, o, g = np.split(tf.make_ndarray(constants[name]), 4, axis=-1)
        return np.ascontiguousarray(np.concatenate([i, o, f, g], axis=-1).T)[None]

    b = gates("lstm/b")
    return {
        "word_vectors": tf.make_ndarray(constants["word_vectors"]),  # [V, E]
        "W": gates("lstm/W_w"),  # [1, 4H, E]
        "R": gates("lstm/W_r"),  # [1, 4H, H]
        "B": np.concatenate([b, np.zeros_like(b)], axis=-1),  # [1, 8H]
    }


def _cut_loop(frozen: "tf.compat.v1.GraphDef", units: int) -> None:
    """Replace the result of the loop over the words by a placeholder, so that the loop is no part of the graph."""
    import tensorflow as tf

    (result,) = [node for node in frozen.node if node.op == "TensorListStack"]
    placeholder = tf.compat.v1.NodeDef(name=_H, op="Placeholder")
    placeholder.attr["dtype"].type = tf.float32.as_datatype_enum
    placeholder.attr["shape"].shape.CopyFrom(tf.TensorShape([None, None, units]).as_proto())
    nodes = [node for node in frozen.node if node is not result]
    for node in nodes:
        for n, name in enumerate(node.input):
            if name == result.name:
                node.input[n] = _H
    kept = tf.compat.v1.GraphDef(versions=frozen.versions)
    kept.node.extend([placeholder, *nodes])
    frozen.CopyFrom(_without_gradients(tf.compat.v1.graph_util.extract_sub_graph(kept, [outputs.LOGITS])))


def _without_gradients(graph: "tf.compat.v1.GraphDef") -> "tf.compat.v1.GraphDef":
    """The graph, where an operation that has a gradient of its own passes on only the tensor that it gives."""
    for node in graph.node:
        if node.op == "IdentityN":
            node.op = "Identity"
            del node.input[1:]
            node.attr["T"].type = node.attr["T"].list.type[0]
    return graph


def _insert_lstm(graph: "onnx.GraphProto", weights: dict[str, np.ndarray]) -> None:
    """Put ONNX's LSTM over the words' vectors before all else, and let it give what was an input of the graph."""
    from onnx import helper, numpy_helper

    graph.initializer.extend(numpy_helper.from_array(array, f"lstm/{name}") for name, array in weights.items())
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "lstm/directions"))
    nodes = [
        helper.make_node("Transpose", ["word_ids"], ["lstm/ids"], perm=[1, 0]),  # [T, B]
        helper.make_node("Gather", ["lstm/word_vectors", "lstm/ids"], ["lstm/words"]),  # [T, B, E]
        helper.make_node(
            "LSTM",
            ["lstm/words", "lstm/W", "lstm/R", "lstm/B"],
            ["lstm/states"],  # [T, 1, B, H]
            hidden_size=weights["R"].shape[-1],
        ),
        helper.make_node("Squeeze", ["lstm/states", "lstm/directions"], [_H]),
        *graph.node,
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input.remove(next(value for value in graph.input if value.name == _H))


# ---- inputs and outputs ----


def _calibrate(graph: "onnx.GraphProto", network: Predictor) -> None:
    """Let the graph give calibrated probabilities in the place of the logits."""
    from onnx import TensorProto, helper, numpy_helper

    temperatures = np.ones(K, np.float32) if network.calibration is None else network.calibration.temperatures
    graph.initializer.append(numpy_helper.from_array(temperatures.astype(np.float32), "temperatures"))
    graph.node.extend(
        [
            helper.make_node("Div", [outputs.LOGITS, "temperatures"], ["calibrated_logits"]),
            helper.make_node("Sigmoid", ["calibrated_logits"], [PROBABILITIES]),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["B", K]))


def _rename(graph: "onnx.GraphProto", old: str, new: str) -> None:
    for value in (*graph.input, *graph.output):
        if value.name == old:
            value.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for n, name in enumerate(names):
                if name == old:
                    names[n] = new


def _name_axes(graph: "onnx.GraphProto") -> None:
    """Call the axes of unknown size B and T; tf2onnx counts them."""
    for value in graph.input:
        for letter, axis in zip("BT", value.type.tensor_type.shape.dim, strict=False):
            if not axis.dim_value:
                axis.dim_param = letter


def _describe(value: "onnx.ValueInfoProto") -> str:
    from onnx import helper

    kind = value.type.tensor_type
    shape = ", ".join("?" if axis.dim_param else str(axis.dim_value) for axis in kind.shape.dim)
    return f"{value.name}: {helper.tensor_dtype_to_np_dtype(kind.elem_type).name} [{shape}]"


# ---- the check ----


def check_probabilities(path: Path, network: Predictor) -> None:
    """Raise InputError unless onnxruntime gives the network's probabilities for drawn studies, up to TOLERANCE."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = _drawn(network)
    (found,) = session.run([PROBABILITIES], given)
    labels = np.zeros((len(found), K), np.float32)
    expected = network.run_batch([outputs.PROBABILITIES], [*given.values(), labels])[outputs.PROBABILITIES]
    if not (difference := np.abs(found - expected).max()) <= TOLERANCE:  # also where it is NaN
        raise InputError(
            f"{network.run.load}: not exported: the ONNX model gives probabilities that differ by {difference:.1e} "
            f"from the network's, more than {TOLERANCE:g}; other versions of {' and '.join(PACKAGES)} may convert it"
        )


def _drawn(network: Predictor) -> dict[str, np.ndarray]:
    """Two images of noise, or a few reports of different lengths, as inputs by name."""
    random, px = np.random.default_rng(0), network.config.image_px
    if not network.config.mode_parts.reads:
        return {"image": random.integers(0, 256, (2, px, px), np.uint8)}
    word_len = np.array(_CHECKED_LENGTHS, np.int32)
    word_ids = random.integers(0, len(network.run.vocab), (len(word_len), word_len.max()), np.int32)
    word_ids[np.arange(word_ids.shape[1]) >= word_len[:, None]] = 0
    return {"word_ids": word_ids, "word_len": word_len}
