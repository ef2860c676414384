"""Small runs on phantom images: how they are made, and what is in their folders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet import files
from tienet.checkpoint import validation_record
from tienet.checkpoint.entries import read_entry, sha256
from tienet.checkpoint.run_folder import locate
from tienet.checkpoint.tensorflow_path import readable_prefix
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.config import Config
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.predict import Predictor
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


def another_seed(run: Path, data_root: Path, folder: Path, **settings) -> Path:
    """A copy of a run, as if it had been trained with another seed: each weight of its best checkpoint is changed.

    Args:
        settings: Further settings that differ, which change no variable.
    """
    shutil.copytree(run, folder)
    config = Config.load(folder / "config.json").replace(**settings)
    config.save(folder / "config.json")
    entry, random = read_entry(locate(folder)[1]), np.random.default_rng(1)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [
            tf.compat.v1.get_variable(
                name, initializer=value + 0.1 * random.normal(size=value.shape).astype(value.dtype)
            )
            for name, value in weights_of(folder, "best").items()
            if value.dtype == np.float32
        ]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(entry.prefix), write_meta_graph=False, write_state=False)
    sums = {name: sha256(entry.prefix.with_name(name)) for name in entry.files}
    sizes = {name: entry.prefix.with_name(name).stat().st_size for name in entry.files}
    files.write_json(entry.path, replace(entry, files=sums, sizes=sizes).to_json())
    val = manifests.load(config.data, data_root).split("val")
    with Predictor(folder) as network:
        logits = network.predict(network.studies(val)).logits
    validation_record.add(entry.prefix, ValidationRecord(logits, val.labels, leaks.fingerprints(val)))
    return folder


def weights_of(run: Path, kind: str = "latest") -> dict[str, np.ndarray]:
    with readable_prefix(run / "checkpoints" / state_of(run, kind)["checkpoint"]) as prefix:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def state_of(run: Path, kind: str = "latest") -> dict:
    return json.loads((run / f"{kind}.json").read_text())
