"""Loading the weights of a checkpoint into a session: either all variables are loaded, or an error is raised.

Tensorpack's own restore only logs a missing variable, so that a network with random weights could be evaluated.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorpack.tfutils.sessinit import SessionInit

from tienet.checkpoint.entries import damaged, find_damage, read_entry, short_reason
from tienet.checkpoint.tensorflow_path import readable_prefix
from tienet.config import Config
from tienet.errors import InputError
from tienet.modeling.model import CLASSIFIER_SCOPES

tf1 = tf.compat.v1

ACCUMULATION = "tienet_accumulation"
"""The collection of the counter and the sums of gradient accumulation; the sums are zero in every checkpoint."""


WORD_VECTORS = "word_vectors"
_SCOPES = {
    "reads": (WORD_VECTORS, "lstm/"),
    "classifies": CLASSIFIER_SCOPES,
    "predicts_words": ("word_softmax/",),
}
"""The scopes of the variables that only networks with a part have: an LSTM, a classifier, a softmax over words."""


def new_scopes(config: Config, loaded: Config) -> tuple[str, ...]:
    """The scopes of the variables that a network has and the one that it starts from has not.

    Args:
        config: The settings of the network.
        loaded: The settings of the run whose weights it starts from.
    """

    def scopes(settings: Config) -> set[str]:
        mode = settings.mode_parts
        has = {"reads": mode.reads, "classifies": mode.classifies, "predicts_words": settings.predicts_words}
        return {scope for part, of_part in _SCOPES.items() if has[part] for scope in of_part}

    return tuple(sorted(scopes(config) - scopes(loaded)))


def restore(session: tf1.Session, prefix: Path, variables: list[tf.Variable]) -> None:
    """Load `variables` from a checkpoint; those in the collection ACCUMULATION are set to zero if they are missing.

    Raises:
        InputError: The checkpoint is damaged, or variables are missing there or have another shape; all are named.
    """
    with session.graph.as_default():
        found, missing = _check_contents(prefix, variables)
        session.run(tf1.variables_initializer(missing))
        _load(session, tf1.train.Saver(found), prefix)


def read_variable(prefix: Path, name: str) -> np.ndarray:
    """The value of one variable of a checkpoint.

    Raises:
        InputError: The checkpoint is damaged, or has no such variable.
    """
    _check_files(prefix)
    try:
        with readable_prefix(prefix) as readable:
            reader = tf1.train.NewCheckpointReader(readable)
            value = reader.get_tensor(name) if reader.has_tensor(name) else None
    except (tf.errors.OpError, ValueError) as error:
        raise damaged(prefix, short_reason(error)) from error
    if value is None:
        raise InputError(f"{prefix}: has no variable {name}")
    return value


def _load(session: tf1.Session, saver: tf1.train.Saver, prefix: Path) -> None:
    try:
        with readable_prefix(prefix) as readable:
            saver.restore(session, readable)
    except (tf.errors.OpError, ValueError) as error:
        raise damaged(prefix, short_reason(error)) from error


def _check_contents(
    prefix: Path, variables: list[tf.Variable], new: tuple[str, ...] = ()
) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """The variables that are loaded, and those that start anew: of the scopes `new`, or missing, in ACCUMULATION."""
    _check_files(prefix)
    try:
        with readable_prefix(prefix) as readable:
            shapes = tf1.train.NewCheckpointReader(readable).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise damaged(prefix, short_reason(error)) from error
    optional = {variable.op.name for variable in tf1.get_collection(ACCUMULATION)}
    problems, missing = [], []
    for variable in variables:
        name, expected = variable.op.name, variable.shape.as_list()
        if name.startswith(new) or (name not in shapes and name in optional):
            missing.append(variable)
        elif name not in shapes:
            problems.append(f"{name} is missing")
        elif shapes[name] != expected:
            problems.append(f"{name} has shape {shapes[name]}, expected {expected}")
    if problems:
        raise InputError(f"{prefix}: does not fit this network: {'; '.join(problems)}")
    lacking = {variable.op.name for variable in missing}
    return [variable for variable in variables if variable.op.name not in lacking], missing


def _check_files(prefix: Path) -> None:
    """Raise InputError if a checkpoint's files are not as they were written."""
    entry = read_entry(prefix)
    flaw = find_damage(entry) if entry is not None and entry.files is not None else None
    if flaw is not None:
        raise damaged(prefix, flaw)


class StrictRestore(SessionInit):
    """`restore` for Tensorpack's trainers.

    Args:
        prefix: The prefix of the checkpoint's files.
        trainable_only: Whether only the trainable variables are loaded, so that the optimizer starts anew.
        new: Scopes whose variables start from their initializers.
    """

    def __init__(self, prefix: Path, trainable_only: bool = False, new: tuple[str, ...] = ()):
        self._prefix, self._trainable_only, self._new = prefix, trainable_only, new

    def _setup_graph(self) -> None:  # Tensorpack calls it before it finalizes the graph
        variables = tf1.trainable_variables() if self._trainable_only else tf1.global_variables()
        found, missing = _check_contents(self._prefix, variables, self._new)
        self._init_missing = tf1.variables_initializer(missing)
        self._saver = tf1.train.Saver(found, name="strict_restore")

    def _run_init(self, session: tf1.Session) -> None:
        session.run(self._init_missing)
        _load(session, self._saver, self._prefix)


class WordVectors(SessionInit):
    """Sets the word vectors to their first values, float32 [V, E]; other variables keep their initializers' values."""

    def __init__(self, vectors: np.ndarray):
        self._vectors = vectors

    def _setup_graph(self) -> None:
        self._variable = next(v for v in tf1.trainable_variables() if v.op.name == WORD_VECTORS)

    def _run_init(self, session: tf1.Session) -> None:
        self._variable.load(self._vectors, session)
