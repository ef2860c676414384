"""The loss of a training step as a GPU takes it: one compiled call forward, and one backward.

A step has more than a thousand small operations around the loops over the words. A GPU is done with most of them sooner
than the host starts the next one. XLA makes one call of all of them, once for each length that reports are padded to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
from tensorpack.tfutils.varreplace import custom_getter_scope

from tienet.modeling.layers import DECAYED
from tienet.modeling.lstm.xla import compiled

tf1 = tf.compat.v1


@contextmanager
def variables_used() -> Iterator[dict[str, tf.Variable]]:
    """A context that yields the variables, by name, that the graph built in it makes or uses."""
    used = {}

    def keep(getter: Callable[..., tf.Variable], name: str, *args, **kwargs) -> tf.Variable:
        used[name] = getter(name, *args, **kwargs)
        return used[name]

    with custom_getter_scope(keep):
        yield used


def in_one_call(
    build: Callable[..., dict[str, tf.Tensor]], variables: dict[str, tf.Variable], **tensors: tf.Tensor | None
) -> dict[str, tf.Tensor]:
    """The scalars that `build(**tensors)` gives, computed by one compiled call; gradients flow to all variables.

    Args:
        build: Builds a part of the graph. It may use only these variables, whose values it gets in place of them.
        variables: Those of `variables_used`, of the same part of the graph as it was built before.
    """
    values = {name: tf.convert_to_tensor(variable) for name, variable in variables.items()}  # each is read once

    @compiled
    def call(values: dict[str, tf.Tensor], tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        tf1.get_default_graph().clear_collection(DECAYED)  # of this function: those outside of it are variables
        with custom_getter_scope(lambda getter, name, *args, **kwargs: values[name]):
            return build(**tensors)

    return call(values, tensors)
