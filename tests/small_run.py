"""Small runs on phantom images: how they are made, and what is in their folders."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet.checkpoint.tensorflow_path import readable_prefix
from tienet.config import Config
from tienet.training import train as training

SMALL = {
    "data": "phantom", "backbone_end": "res4f", "image_px": 256, "transition_channels": 16, "attention_units": 8,
    "lstm_units": 16, "attention_hidden": 20, "batch": 16, "epochs": 2, "penalty": 0.03, "written_words": 20,
}  # fmt: skip


def config_of(mode: str, **settings) -> Config:
    return Config().replace(mode=mode, **{**SMALL, **settings})


def train(data_root: Path, logdir: Path, config: Config, gpus=(), vocab: Path | None = None, **options) -> Path:
    places = training.Places(data_root, logdir, vocab, backbone_weights="random")
    training.train(config, places, list(gpus), **options)
    return logdir


def weights_of(run: Path, kind: str = "latest") -> dict[str, np.ndarray]:
    with readable_prefix(run / "checkpoints" / state_of(run, kind)["checkpoint"]) as prefix:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def state_of(run: Path, kind: str = "latest") -> dict:
    return json.loads((run / f"{kind}.json").read_text())
