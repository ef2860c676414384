"""A small network of any mode, and a batch of studies for it."""

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.tower import PredictTowerContext, TowerContext

from tienet.config import Config
from tienet.data.text import START
from tienet.labels import K
from tienet.modeling.model import TieNet
from tienet.modes import MODES

tf1 = tf.compat.v1
V, E = 20, 6
SMALL = {
    "backbone_end": "res4f", "image_px": 256, "transition_channels": 8, "attention_units": 5, "lstm_units": 7,
    "attention_rows": 3, "attention_hidden": 11,
}  # fmt: skip


def config_of(mode, **settings):
    return Config().replace(mode=mode, **SMALL, **settings)


def build(config, training=False, report_weights=None):
    """The placeholders, all but `draw`, and in training the loss."""
    model = TieNet(config, V, E, report_weights=report_weights)
    specs = model.inputs()[:-1] if training else model.study_inputs()
    placeholders = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in specs]
    with TowerContext("", is_training=True) if training else PredictTowerContext(""):
        return placeholders, model.build_graph(*placeholders, *[tf.constant([0, 0])] * training)


def batch_of(random, lengths=(6, 1, 4), mode="annotate", padding=0):
    """Arrays in the order of the placeholders."""
    T = max(lengths) + padding
    word_ids = random.integers(4, V, (len(lengths), T)).astype(np.int32)
    word_ids[:, 0] = START
    for row, length in zip(word_ids, lengths, strict=True):
        row[length:] = 0
    arrays = [word_ids, np.array(lengths, np.int32), random.integers(0, 2, (len(lengths), K)).astype(np.float32)]
    if MODES[mode].image:
        arrays.insert(0, random.random((len(lengths), 16, 16, 1024)).astype(np.float16))
    return arrays if MODES[mode].reads else [arrays[0], arrays[-1]]
