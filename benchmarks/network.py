"""The network's training step and its decoder on random batches, as functions to be timed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.tower import PredictTowerContext, TowerContext

from tienet import devices
from tienet.config import Config
from tienet.data.text import END, SPECIALS, START
from tienet.labels import K
from tienet.modeling import outputs
from tienet.modeling.decoding import Decoding
from tienet.modeling.model import TieNet

tf1 = tf.compat.v1

NEVER = -1e4  # the bias of a word that must not be written


class Head(TieNet):
    """The network after the transition: its first input is x, float32 [B, side, side, C], which needs no gradient."""

    side = 16

    def _image_spec(self) -> tf.TensorSpec:
        return tf.TensorSpec([None, self.side, self.side, self.config.transition_channels], tf.float32, "x")

    def _transition(self, features: tf.Tensor) -> tf.Tensor:
        return features


@contextmanager
def training_step(
    config: Config, B: int, T: int, V: int, E: int, side: int | None = None
) -> Iterator[Callable[[], None]]:
    """Yields a function that makes one update by Adam on B studies with T words each.

    Args:
        side: The side of the grid, for the head alone on `side` x `side` locations; None: the whole network, from
            features.
    """
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        model = (TieNet if side is None else Head)(config, V, E)
        model.side = side
        inputs, fill = _hold(_batch(model.inputs(), B, T, V), model.inputs())
        with TowerContext("", is_training=True):
            loss = model.build_graph(*inputs)
        update = model.optimizer().minimize(loss)
        with tf1.Session(config=devices.session_config()) as session:
            session.run(tf1.global_variables_initializer())
            fill(session)
            yield session.make_callable(update)


@contextmanager
def writer(
    config: Config, B: int, words: int, V: int, E: int, decoding: Decoding
) -> Iterator[Callable[[], np.ndarray]]:
    """Yields a function that writes reports of B images and returns the number of states of each, int32 [B].

    No report ends before `words` words. The word ids and the attention are computed, as for the classifier.
    """
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        model = TieNet(config, V, E, decoding=decoding)
        inputs, fill = _hold(_batch(model.study_inputs(), B, 1, V), model.study_inputs())
        with PredictTowerContext(""):
            model.build_graph(*inputs)
        graph = tf1.get_default_graph()
        fetches = [graph.get_tensor_by_name(f"{outputs.WORD_LEN}:0"), graph.get_tensor_by_name(f"{outputs.A}:0").op]
        bias = next(variable for variable in tf1.global_variables() if variable.op.name == "word_softmax/b")
        with tf1.Session(config=devices.session_config()) as session:
            session.run(tf1.global_variables_initializer())
            fill(session)
            bias.load(np.where(np.arange(V) == END, NEVER, 0.0).astype(np.float32), session)
            call = session.make_callable(fetches)
            yield lambda: call()[0]


def _batch(specs: list[tf.TensorSpec], B: int, T: int, V: int) -> list[np.ndarray]:
    """Random arrays for the network's inputs, in the order of `specs`."""
    rng = np.random.default_rng(0)
    word_ids = rng.integers(len(SPECIALS), V, (B, T)).astype(np.int32)
    word_ids[:, 0] = START
    arrays = {
        "word_ids": word_ids,
        "word_len": np.full(B, T, np.int32),
        "labels": rng.integers(0, 2, (B, K)).astype(np.float32),
        "word_weights": np.ones((B, T), np.float32),
        "draw": np.zeros(2, np.int32),
    }
    for spec in specs:
        if spec.name in ("features", "x"):
            arrays[spec.name] = rng.random((B, *spec.shape[1:]), np.float32).astype(spec.dtype.as_numpy_dtype)
    return [arrays[spec.name] for spec in specs]


def _hold(
    arrays: list[np.ndarray], specs: list[tf.TensorSpec]
) -> tuple[list[tf.Tensor], Callable[[tf1.Session], None]]:
    """Tensors that hold the arrays, so that a call copies nothing, and a function that fills them in a session.

    Like the tensors of training's queue, they have the shapes of `specs`, where the batch and the words are unknown.
    """
    feeds = [tf1.placeholder(array.dtype, array.shape) for array in arrays]
    kept = [tf1.Variable(feed, trainable=False, collections=[tf1.GraphKeys.LOCAL_VARIABLES]) for feed in feeds]
    pairs = zip(kept, specs, strict=True)
    tensors = [tf1.placeholder_with_default(variable.read_value(), spec.shape) for variable, spec in pairs]

    def fill(session: tf1.Session) -> None:
        session.run([variable.initializer for variable in kept], dict(zip(feeds, arrays, strict=True)))

    return tensors, fill
