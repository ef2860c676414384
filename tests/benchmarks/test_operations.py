"""The formulas, against a count of the matrix products in graphs that are written here, step by step."""

from math import prod

import numpy as np
import pytest
import tensorflow as tf
from tensorpack.tfutils.tower import TowerContext

from benchmarks import operations
from benchmarks.operations import Sizes
from tienet.config import Config
from tienet.modeling.model import TieNet
from tienet.modes import MODES

tf1 = tf.compat.v1
SMALL = {
    "backbone_end": "res4f", "image_px": 256, "transition_channels": 8, "attention_units": 5, "lstm_units": 7,
    "attention_rows": 3, "attention_hidden": 11,
}  # fmt: skip
Z = Sizes(B=2, T=4, V=19, E=6, L=9, N=13, C=8, A=5, H=7, r=3, s=11)


class Network:
    """TieNet once more: the steps one after the other, plain matrix products, no option, any loss."""

    def __init__(self, mode: str, head_only: bool):
        self.mode, self.head_only, self.weights = MODES[mode], head_only, []

    def loss(self) -> tf.Tensor:
        z, mode = Z, self.mode
        outputs, features = [], []
        x = self._x() if mode.image else None
        if mode.reads:
            h, a = self._read(x)
            if mode.writes:
                outputs.append(tf.reshape(h, [-1, z.H]) @ self._weight(z.H, z.V))
        if mode.classifies and mode.reads:
            hidden = tf.tanh(tf.reshape(h, [-1, z.H]) @ self._weight(z.H, z.s))
            scores = tf.reshape(hidden @ self._weight(z.s, z.r), [z.B, z.T, z.r])
            G = tf.nn.softmax(tf.transpose(scores, [0, 2, 1]))
            outputs.append(tf.matmul(G, tf.identity(G), transpose_b=True))
            features.append(tf.reduce_max(tf.matmul(G, h), 1))
            if mode.image:
                a_ws = tf.matmul(tf.reduce_max(G, 1)[:, None], a)
                features.append(tf.matmul(a_ws, x)[:, 0])
        elif mode.classifies:
            features.append(tf.reduce_max(x, 1))
        if mode.classifies:
            features = tf.concat(features, 1)
            outputs.append(features @ self._weight(features.shape[1], z.K))
        return tf.add_n([tf.reduce_sum(tf.tanh(output)) for output in outputs])

    def _weight(self, *shape: int) -> tf.Tensor:
        self.weights.append(tf1.placeholder(tf.float32, shape))
        return self.weights[-1]

    def _x(self) -> tf.Tensor:
        z = Z
        if self.head_only:
            return tf1.placeholder(tf.float32, [z.B, z.L, z.C])
        features = tf1.placeholder(tf.float32, [z.B * z.L, z.N])
        return tf.reshape(tf.nn.relu(features @ self._weight(z.N, z.C)), [z.B, z.L, z.C])

    def _read(self, x: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """h [B, T, H], a [B, T, L]."""
        z = Z
        words = tf.reshape(self._weight(z.T * z.B, z.E) @ self._weight(z.E, 4 * z.H), [z.T, z.B, 4 * z.H])
        W_r, h = self._weight(z.H, 4 * z.H), None
        if x is not None:
            mean = tf.reduce_mean(x, 1)
            h, c = (tf.tanh(mean @ self._weight(z.C, z.H)) for _ in range(2))
            u = tf.reshape(tf.reshape(x, [-1, z.C]) @ self._weight(z.C, z.A), [z.B, z.L, z.A])
            W_h, v, W_z = self._weight(z.H, z.A), self._weight(z.A, 1), self._weight(z.C, 4 * z.H)
        states, attention = [], []
        for t in range(z.T):
            gates = words[t] if h is None else words[t] + h @ W_r
            if x is not None:
                s = tf.tanh(u + (h @ W_h)[:, None])
                a = tf.nn.softmax(tf.reshape(tf.reshape(s, [-1, z.A]) @ v, [z.B, z.L]))
                gates += tf.matmul(a[:, None], x)[:, 0] @ W_z
                attention.append(a)
            i, f, o, g = tf.split(gates, 4, -1)
            c = tf.sigmoid(i) * tf.tanh(g) + (0.0 if h is None and x is None else tf.sigmoid(f) * c)
            h = tf.sigmoid(o) * tf.tanh(c)
            states.append(h)
        return tf.stack(states, 1), tf.stack(attention, 1) if attention else None


def products_before(tensors: list[tf.Tensor]) -> int:
    """2 m k n of each matrix product that the tensors need."""
    seen, waiting, count = set(), [tensor.op for tensor in tensors], 0
    while waiting:
        op = waiting.pop()
        if op in seen:
            continue
        seen.add(op)
        waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
        if op.type in ("MatMul", "BatchMatMulV2"):
            transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
            k = op.inputs[0].shape[-2 if transposed else -1]
            count += 2 * k * prod(op.outputs[0].shape)
        assert op.type not in ("Einsum", "Conv2D", "While", "StatelessWhile"), f"{op.type} is not counted here"
    return count


CASES = [(mode, False) for mode in MODES] + [("report", True)]


@pytest.mark.parametrize(("mode", "head_only"), CASES)
def test_matrix_products_forward_and_of_the_gradient_are_those_of_an_unrolled_graph(mode, head_only):
    with tf.Graph().as_default():
        network = Network(mode, head_only)
        loss = network.loss()
        forward = products_before([loss])
        both = products_before([loss, *tf1.gradients(loss, network.weights)])
    parts = operations.training_step(Config().replace(mode=mode), Z, head_only).values()
    assert sum(part.products for part in parts) == forward
    assert sum(part.gradient_products for part in parts) == both - forward


def test_tensorflows_own_count_of_the_real_graph_agrees_for_classify():
    config = Config().replace(mode="classify", **SMALL)
    B = 2
    with tf.Graph().as_default() as graph:
        model = TieNet(config, 20, 6)
        with TowerContext("", is_training=True):
            shapes = [[B, *spec.shape[1:]] if spec.name != "draw" else spec.shape for spec in model.inputs()]
            model.build_graph(
                *(tf1.placeholder(s.dtype, shape) for s, shape in zip(model.inputs(), shapes, strict=True))
            )
        options = tf1.profiler.ProfileOptionBuilder(tf1.profiler.ProfileOptionBuilder.float_operation())
        options = options.with_empty_output().with_node_names(show_name_regexes=[".*(Conv2D|MatMul).*"]).build()
        profile = tf1.profiler.profile(graph, options=options)
    parts = operations.training_step(config, Sizes.from_config(config, B, 1, 20, 6)).values()
    assert sum(part.products for part in parts) == profile.total_float_ops


@pytest.mark.parametrize("mode", MODES)
def test_weights_are_those_that_the_real_graph_trains(mode):
    config = Config().replace(mode=mode, **SMALL)
    with tf.Graph().as_default():
        model = TieNet(config, 20, 6)
        with TowerContext("", is_training=True):
            model.build_graph(*(tf1.placeholder(spec.dtype, spec.shape) for spec in model.inputs()))
        weights = tf1.trainable_variables()
    plain = [v for v in weights if len(v.shape) > 1 and v.op.name != "word_vectors"]
    expected = sum(prod(v.shape) for v in weights), sum(prod(v.shape) for v in plain)
    assert operations.weights_of(config, Sizes.from_config(config, 3, 5, 20, 6)) == expected


def test_writing_counts_a_state_more_than_words_and_each_beam():
    z = Z
    greedy, beam = operations.decoding(z, words=3), operations.decoding(z, words=3, width=2)
    assert greedy["vocabulary softmax"].products == 3 * 2 * z.B * z.H * z.V
    assert greedy["recurrence"].products == 4 * 2 * z.B * (z.C + z.H) * 4 * z.H
    assert beam["recurrence"].products == 2 * greedy["recurrence"].products
    assert beam["transition"] == greedy["transition"]
    assert all(work.total == work.forward for work in beam.values())


def test_bootstrap_and_skip_gram_equal_loops():
    positives, negatives, patients, studies = [2, 3], [8, 7], 4, 10
    count = 0
    for _ in range(5):
        count += patients + studies
        for p, n in zip(positives, negatives, strict=True):
            count += sum(4 for _ in range(p)) + sum(1 for _ in range(n))
    assert operations.bootstrap(5, patients, studies, negatives, positives) == count

    rng, pairs, words = np.random.default_rng(0), 0, 20_000
    for side in rng.integers(1, 6, words):
        pairs += 2 * side
    dim = 4
    of_a_pair = sum(2 * dim + 2 * dim + 2 * dim for _ in range(1 + 5)) + dim
    assert operations.skip_gram(words, dim) == pytest.approx(pairs * of_a_pair, rel=0.02)
