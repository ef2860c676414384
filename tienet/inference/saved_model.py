"""A checkpoint as a SavedModel, which has the weights as constants, is calibrated, and gives words as strings."""

import json
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet.checkpoint.run_folder import OpenedRun
from tienet.inference.model_folder import FACTS, VOCAB, facts_of, new_folder
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS, K
from tienet.modeling import outputs

tf1 = tf.compat.v1

SIGNATURE = "serving_default"


def export(load: str | Path | OpenedRun, out: Path) -> list[str]:
    """Write a checkpoint's SavedModel to the folder `out`, as a whole or not at all.

    Returns:
        The inputs and outputs of the model, described in a line each.
    Raises:
        InputError: The checkpoint does not fit, as in `Predictor`; `out` is there already, or another process makes it.
    """
    with (
        new_folder(out) as folder,
        Predictor(load, features="off") as network,
        tempfile.TemporaryDirectory() as assets,
    ):
        model = _Model(network, Path(assets))
        signature = model.signature()
        tf.saved_model.save(model, str(folder), signatures={SIGNATURE: signature})
    takes = [f"takes  {_describe(name, spec)}" for name, spec in signature.structured_input_signature[1].items()]
    return takes + [f"gives  {_describe(name, tensor)}" for name, tensor in signature.structured_outputs.items()]


class _Model(tf.Module):
    """What is saved: a function, and the files that belong to it."""

    def __init__(self, network: Predictor, folder: Path) -> None:
        super().__init__()
        self._mode, calibration = network.config.mode_parts, network.calibration
        self._words = list(network.run.vocab.words)
        self._thresholds = network.run.thresholds()
        self._temperatures = np.ones(K) if calibration is None else calibration.temperatures.astype(np.float64)
        self._outputs = outputs.saved_model_outputs(self._mode)
        self._frozen = network.freeze(self._outputs)
        _make_loadable(self._frozen)
        self._inputs = _inputs(network)
        network.run.vocab.save(folder / VOCAB)
        (folder / FACTS).write_text(json.dumps(facts_of(network), indent=2) + "\n", encoding="utf-8")
        self.facts = tf.saved_model.Asset(str(folder / FACTS))
        self.vocab = tf.saved_model.Asset(str(folder / VOCAB))

    def signature(self) -> tf.types.experimental.ConcreteFunction:
        """The function; its arguments have the names of the network's inputs."""
        predict = tf.function(lambda **inputs: self._predict(inputs), autograph=False)
        return predict.get_concrete_function(**{spec.name: spec for spec in self._inputs})

    def _predict(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The network's outputs under the names of the signature."""
        given = tf.graph_util.import_graph_def(
            self._frozen,
            input_map={f"{name}:0": tensor for name, tensor in inputs.items()},
            return_elements=[f"{name}:0" for name in self._outputs],
            name="network",
        )
        found = dict(zip(self._outputs, given, strict=True))
        results = {}
        if self._mode.classifies:
            logits = tf.cast(found[outputs.LOGITS], tf.float64)
            results["probabilities"] = tf.cast(tf.sigmoid(logits / self._temperatures), tf.float32)
            results["thresholds"] = tf.tile(tf.constant(self._thresholds)[None], [tf.shape(logits)[0], 1])
            results["labels"] = tf.constant(LABELS)
        if self._mode.writes:
            results |= self._written_report(found)
        if outputs.G in found:
            results["g"] = tf.reduce_max(found[outputs.G], axis=1)
        return results | {name: found[name] for name in (outputs.A, outputs.A_WS) if name in found}

    def _written_report(self, found: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The written reports, as ids and as strings; padding is the empty string."""
        ids, length = found[outputs.WORD_IDS], found[outputs.WORD_LEN]
        mask = tf.sequence_mask(length, tf.shape(ids)[1])
        words = tf.where(mask, tf.gather(tf.constant(self._words), ids), "")
        return {
            "word_ids": ids,
            "word_len": length,
            "log_probability": found[outputs.LOG_PROBABILITY],
            "words": words,
            "report": tf.strings.strip(tf.strings.reduce_join(words[:, 1:], axis=1, separator=" ")),
        }


def _inputs(network: Predictor) -> list[tf.TensorSpec]:
    """The inputs of the signature: the image, and the report in modes that read it at test time."""
    mode = network.config.mode_parts
    names = ["image"] * mode.image + ["word_ids", "word_len"] * (mode.reads and not mode.writes)
    return [tf.TensorSpec(network.inputs[name].shape, network.inputs[name].dtype, name) for name in names]


def _make_loadable(frozen: tf1.GraphDef) -> None:
    """Replace what freezing leaves in the graph that no other process could load."""
    for nodes in (frozen.node, *(function.node_def for function in frozen.library.function)):
        for node in nodes:
            node.attr.pop("_gradient_op_type", None)  # it names a custom gradient in the registry of this process
            if node.op == "ResourceGather":  # inside of a loop; elsewhere TensorFlow converts it itself
                node.op = "Gather"
                node.attr["Tparams"].CopyFrom(node.attr.pop("dtype"))
                node.attr.pop("batch_dims", None)


def _describe(name: str, tensor: tf.TensorSpec) -> str:
    shape = ", ".join("?" if side is None else str(side) for side in tensor.shape)
    return f"{name}: {tensor.dtype.name} [{shape}]"
