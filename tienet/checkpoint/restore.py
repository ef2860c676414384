"""Weights from a checkpoint into a session: all variables or an error, never some of them.

Tensorpack's own restore only logs a missing or extra variable, so that random weights could be evaluated in silence.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.sessinit import SessionInit

from tienet.checkpoint.entries import damage, entry_of, newest_sound, reason
from tienet.errors import InputError

tf1 = tf.compat.v1

ACCUMULATION = "tienet_accumulation"
"""The collection of gradient accumulation's counters and sums: zero whenever a checkpoint is written."""


def restore(session: tf1.Session, prefix: Path, variables: list[tf.Variable]) -> None:
    """Load exactly `variables` from a checkpoint; those in `ACCUMULATION` start at zero where it has none.

    Raises:
        InputError: the file is damaged, or a variable is missing there or has another shape: all are named.
    """
    with session.graph.as_default():
        there, missing = _check_contents(prefix, variables)
        session.run(tf1.variables_initializer(missing))
        _load(session, tf1.train.Saver(there), prefix)


def _load(session: tf1.Session, saver: tf1.train.Saver, prefix: Path) -> None:
    try:
        saver.restore(session, str(prefix))
    except (tf.errors.OpError, ValueError) as error:
        raise _damaged(prefix, reason(error)) from error


def _check_contents(prefix: Path, variables: list[tf.Variable]) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """The variables that the checkpoint has, and those of `ACCUMULATION` that it need not have and lacks."""
    entry = entry_of(prefix)
    flaw = damage(entry) if entry is not None and entry.files is not None else None
    if flaw is not None:
        raise _damaged(prefix, flaw)
    try:
        shapes = tf1.train.NewCheckpointReader(str(prefix)).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise _damaged(prefix, reason(error)) from error
    may_lack = {variable.op.name for variable in tf1.get_collection(ACCUMULATION)}
    problems, missing = [], []
    for variable in variables:
        name, expected = variable.op.name, variable.shape.as_list()
        if name not in shapes and name in may_lack:
            missing.append(variable)
        elif name not in shapes:
            problems.append(f"{name} is missing")
        elif shapes[name] != expected:
            problems.append(f"{name} has shape {shapes[name]}, expected {expected}")
    if problems:
        raise InputError(f"{prefix}: does not fit this network: {'; '.join(problems)}")
    return [variable for variable in variables if variable.op.name in shapes], missing


def _damaged(prefix: Path, flaw: str) -> InputError:
    """The error for a checkpoint that cannot be used; names one that can."""
    other = newest_sound(prefix.parent.parent, other_than=prefix.name) if prefix.parent.name == "checkpoints" else None
    instead = f"use {other.prefix}" if other is not None else "there is no sound one beside it"
    return InputError(f"{prefix}: the checkpoint is damaged ({flaw}); {instead}")


class StrictRestore(SessionInit):
    """`restore` as Tensorpack's trainers want it: all variables, or those that are trained (Adam starts anew)."""

    def __init__(self, prefix: Path, trainable_only: bool = False):
        self._prefix, self._trainable_only = prefix, trainable_only

    def _setup_graph(self) -> None:  # before the graph is finalized
        variables = tf1.trainable_variables() if self._trainable_only else tf1.global_variables()
        there, missing = _check_contents(self._prefix, variables)
        self._start = tf1.variables_initializer(missing)
        self._saver = tf1.train.Saver(there, name="strict_restore")

    def _run_init(self, session: tf1.Session) -> None:
        session.run(self._start)
        _load(session, self._saver, self._prefix)


class WordVectors(SessionInit):
    """The first values of the word vectors, float32 [V, E]."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.trainable_variables() if v.op.name == "word_vectors")

    def _run_init(self, session: tf1.Session) -> None:
        self._variable.load(self._vectors, session)
