"""A run's folder that was never trained: all that is read of it without TensorFlow, and a few bytes as its weights."""

import json
from pathlib import Path

import numpy as np

from tienet import files
from tienet.checkpoint import validation_record
from tienet.checkpoint.entries import Entry, TrainingState, sha256
from tienet.checkpoint.run_folder import create_run
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.checkpoint.writing import Writing
from tienet.config import Config
from tienet.data import leaks
from tienet.data.features import statistics
from tienet.data.manifest import Manifest
from tienet.data.text import Vocab
from tienet.labels import K

NAME = "best-10"
"""The name of its one checkpoint, if no other is given."""


def light_run(folder: Path, manifest: Manifest, mode: str, name: str = NAME, record: bool = False, **settings) -> Path:
    """Make a run of a mode, as if it had been trained on the training split of a data set.

    Its logits on the validation split, if its checkpoint has a record of them, are drawn by the run's seed.
    """
    config = Config().replace(mode=mode, backbone_end="res4f", image_px=256, **settings)
    vocab = Vocab.from_reports(manifest.reports, 1) if config.mode_parts.reads else Vocab.empty()
    studies = {split: leaks.fingerprints(manifest.split(split)) for split in ("train", "val")}
    facts = {"word_dim": 4, "data_fingerprint": manifest.fingerprint(), "data": manifest.name}
    if config.mode_parts.image:
        facts["backbone_fingerprint"] = "the same in all"
    create_run(folder, config, vocab, facts, studies)
    if config.mode_parts.image:
        (folder / "backbone.npz").write_bytes(b"weights")
    if config.feature_norm:
        statistics.save(folder / "feature_norm.npy", np.ones((2, 1024), np.float32))
    prefix = folder / "checkpoints" / name
    prefix.parent.mkdir()
    paths = [prefix.with_name(f"{name}{ending}") for ending in (".data-00000-of-00001", ".index")]
    for path in paths:
        path.write_bytes(f"the weights of {folder.name}, {name}".encode())
    if record:
        paths.append(validation_record.path_of(prefix))
        labels = manifest.split("val").labels
        logits = np.random.default_rng(config.seed).normal(0, 2, labels.shape)
        validation_record.write(paths[-1], ValidationRecord(logits, labels, studies["val"]))
    sums, sizes = {path.name: sha256(path) for path in paths}, {path.name: path.stat().st_size for path in paths}
    entry = Entry(prefix, TrainingState(10, 1, 0.5, 1), [0.5] * K, best=True, files=sums, sizes=sizes)
    files.write_json(entry.path, entry.to_json())
    for kind in ("latest", "best"):
        files.write_json(folder / f"{kind}.json", entry.summary())
    return folder


def say_writing(run: Path, writing: Writing) -> None:
    """Let the checkpoints of a run say that their reports were like this in validation."""
    for path in (run / "checkpoints").glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"writing": writing.to_json()}))
