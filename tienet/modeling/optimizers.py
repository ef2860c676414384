"""Optimizers around Adam: one in which some variables learn more slowly, and one that takes no sparse gradients."""

from collections.abc import Callable

import tensorflow as tf
from tensorpack.tfutils.optimizer import ProxyOptimizer

from tienet.modeling import shape_math

tf1 = tf.compat.v1


class TwoRatesOptimizer(ProxyOptimizer):
    """Applies the gradients of some variables by one optimizer and those of all others by another one.

    Args:
        optimizer: The optimizer of most variables; the gradients are computed by it.
        slow: The optimizer of the others.
        is_slow: Whether a variable is one of the others.
    """

    def __init__(
        self, optimizer: tf1.train.Optimizer, slow: tf1.train.Optimizer, is_slow: Callable[[tf.Variable], bool]
    ):
        super().__init__(optimizer, "TwoRatesOptimizer")
        self._slow, self._is_slow = slow, is_slow

    def apply_gradients(self, grads_and_vars, global_step=None, name: str | None = None):
        """Apply each gradient by the optimizer of its variable; `global_step` is increased once."""
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        slow = [pair for pair in pairs if self._is_slow(pair[1])]
        fast = [pair for pair in pairs if not self._is_slow(pair[1])]
        # All gradients are there before a weight changes.
        with tf.control_dependencies([tf.convert_to_tensor(gradient) for gradient, _ in pairs]):
            return tf.group(self._slow.apply_gradients(slow), self._opt.apply_gradients(fast, global_step), name=name)


class DenseOptimizer(ProxyOptimizer):
    """Gives sparse gradients, which are those of word vectors, as arrays with a row for each word.

    Adam changes all rows in either case. A GPU would wait for the host, which must learn how many words there are, and
    XLA would compile what takes the gradients anew for each number of words in a batch.
    """

    def __init__(self, optimizer: tf1.train.Optimizer):
        super().__init__(optimizer, "DenseOptimizer")

    def compute_gradients(self, *args, **kwargs) -> list[tuple[tf.Tensor | None, tf.Variable]]:
        """The pairs of the wrapped optimizer, none of whose gradients is sparse."""
        pairs = self._opt.compute_gradients(*args, **kwargs)
        dense = [(gradient if gradient is None else tf.convert_to_tensor(gradient), v) for gradient, v in pairs]
        shape_math.move_to_host(tf1.get_default_graph())
        return dense
