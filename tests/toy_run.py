"""A run without a network: every value of a checkpoint is the step at which it was written."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tienet import files
from tienet.checkpoint import restore
from tienet.checkpoint.entries import TrainingState, read_entry
from tienet.checkpoint.resume import find_resume_point
from tienet.checkpoint.save import save
from tienet.checkpoint.tensorflow_path import readable_prefix
from tienet.checkpoint.validation_record import ValidationRecord, path_of
from tienet.data.leaks import Fingerprint
from tienet.labels import K

tf1 = tf.compat.v1

STEPS = 10
"""The number of steps of an epoch."""


def score_of(epoch: int) -> float:
    """The score of an epoch: .3, .6, .2, .9, .5, .1 at first, then every third is the best so far."""
    return [0.3, 0.6, 0.2, 0.9, 0.5, 0.1][epoch - 1] if epoch <= 6 else 1 + (epoch if epoch % 3 == 0 else 0)


def best_epoch_of(epochs: int) -> int:
    """The number of the best one of the first `epochs` epochs."""
    return max(range(1, epochs + 1), key=lambda epoch: (score_of(epoch), -epoch))


class ToyRun:
    """A run of three variables of `size` values each, and the step, which starts from the checkpoint in the folder."""

    def __init__(self, folder: Path, size: int = 50):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "run.json").write_text("{}")
        with tf.Graph().as_default() as graph:
            variables = [tf1.get_variable(name, [size]) for name in "abc"]
            variables.append(tf1.get_variable("global_step", [], tf.int64, trainable=False))
            self._value = tf1.placeholder(tf.float32, [])
            filled = [tf.fill(v.shape, tf.cast(self._value, v.dtype)) for v in variables]
            self._fill = tf.group(*(v.assign(value) for v, value in zip(variables, filled, strict=True)))
            self.saver = tf1.train.Saver(variables, max_to_keep=0, save_relative_paths=True)
            self.session = tf1.Session(graph=graph)
            self._variables = variables
        self.resume()

    def resume(self) -> None:
        """Go on from the checkpoint that `find_resume_point` returns."""
        point = find_resume_point(self.folder)
        self.state = point.state if point else TrainingState()
        if point:
            self._restore(point.prefix)

    def _restore(self, prefix: Path) -> None:
        """`restore.restore` with the saver of this run: a new one for each call would make the graph grow."""
        with self.session.graph.as_default():
            found, missing = restore._check_contents(prefix, self._variables)
            assert (found, missing) == (self._variables, [])
            restore._load(self.session, self.saver, prefix)

    def fill(self, step: int) -> None:
        """Set every value to `step`."""
        self.session.run(self._fill, {self._value: step})

    def epoch(self, thresholds: tuple[float, ...] = (0.25, 0.5)) -> None:
        """Train and evaluate one epoch, and save."""
        epoch = self.state.epoch + 1
        self.fill(epoch * STEPS)
        better = self.state.record_epoch(epoch * STEPS, epoch, score_of(epoch))
        self.save(list(thresholds), better)

    def save(self, thresholds: list[float] | None, best: bool) -> None:
        """Save a checkpoint as a training does; one that was evaluated has a record."""
        record = None if thresholds is None else toy_record(self.state.step)
        save(self.folder, self.session, self.saver, self.state, thresholds, best, record=record)


def toy_record(step: int) -> ValidationRecord:
    """The record of two studies whose logits are all `step`."""
    studies = [Fingerprint("a" * 16, "b" * 16, ""), Fingerprint("c" * 16, "", "d" * 16)]
    return ValidationRecord(np.full((2, K), step, np.float32), np.eye(2, K, dtype=np.float32), studies)


def toy_run(folder: Path, epochs: int, size: int = 50) -> ToyRun:
    """A toy run that has been trained for some epochs."""
    run = ToyRun(folder, size)
    for _ in range(epochs):
        run.epoch()
    return run


def value_in(prefix: Path) -> int:
    """The one value that a checkpoint consists of."""
    with readable_prefix(prefix) as readable:
        reader = tf1.train.NewCheckpointReader(readable)
        names = reader.get_variable_to_shape_map()
        assert len(names) == 4
        values = [reader.get_tensor(name) for name in names]
    first = values[0].flat[0]
    assert all((value == first).all() for value in values), [np.unique(value) for value in values]
    return int(first)


def named(folder: Path, kind: str) -> dict:
    """The content of latest.json or best.json."""
    return json.loads((folder / f"{kind}.json").read_text())


def names_in(folder: Path) -> set[str]:
    """The relative paths of all files and folders of a run."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def forget_record(prefix: Path) -> None:
    """Leave a checkpoint without its record, as one that is older than the records."""
    entry, path = read_entry(prefix), path_of(prefix)
    for of_files in (entry.files, entry.sizes):
        del of_files[path.name]
    files.write_json(entry.path, entry.to_json())
    path.unlink()


def spoil(prefix: Path, suffix: str = ".data-00000-of-00001") -> None:
    """Flip a bit of a checkpoint; a file that is a hard link to it stays as it is."""
    path = prefix.with_name(prefix.name + suffix)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)
