"""Optimizers that wrap Adam: they accumulate gradients, average them over the workers, and record their magnitudes."""

import tensorflow as tf
from tensorpack.tfutils.optimizer import ProxyOptimizer

from tienet.checkpoint.restore import ACCUMULATION
from tienet.distributed.workers import Workers
from tienet.modeling.lstm import way
from tienet.modeling.lstm.xla import compiled

tf1 = tf.compat.v1

GradientsAndVariables = list[tuple[tf.Tensor | tf.IndexedSlices | None, tf.Variable]]


def with_gradient(grads_and_vars: GradientsAndVariables) -> GradientsAndVariables:
    """The pairs of those variables that the loss depends on: their gradient is not None."""
    return [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]


class AccumulatingOptimizer(ProxyOptimizer):
    """Applies the mean of the gradients of every `steps` calls; the calls in between change no weight.

    The sums of the gradients and the counter of the calls are variables of the collection ACCUMULATION, and part of
    checkpoints. The sums are zero after each update.
    """

    def __init__(self, optimizer: tf1.train.Optimizer, steps: int):
        super().__init__(optimizer, "AccumulatingOptimizer")
        self._steps = steps

    def apply_gradients(self, grads_and_vars: GradientsAndVariables, global_step=None, name: str | None = None):
        """Add gradient / steps to each sum; at every `steps`-th call apply the sums and set them to zero."""
        pairs = with_gradient(grads_and_vars)
        sums = [_accumulation_variable(f"accumulation/{v.op.name}", v.shape) for _, v in pairs]
        counter = _accumulation_variable("accumulation/counter", [], tf.int64)
        added = [s.assign_add(tf.convert_to_tensor(g) / self._steps) for s, (g, _) in zip(sums, pairs, strict=True)]
        with tf.control_dependencies([*added, counter.assign_add(1)]):
            count = counter.read_value()  # read after the sums are complete; otherwise an update could come too early

        def update() -> tf.Operation:
            means = [(s.read_value(), v) for s, (_, v) in zip(sums, pairs, strict=True)]
            with tf.control_dependencies([self._opt.apply_gradients(means, global_step)]):
                return tf.group([s.assign(tf.zeros_like(s)) for s in sums])

        return tf.group(tf.cond(tf.equal(count % self._steps, 0), update, tf.no_op), name=name)


class MonitoringOptimizer(ProxyOptimizer):
    """Records the largest magnitude in each gradient, then applies the gradients.

    Attributes:
        names: The names of the variables that have a gradient.
        magnitudes: A local variable, float32 [variables]: the largest absolute value in each gradient, NaN where a
            value is not finite. Both attributes exist after `apply_gradients`.
    """

    def __init__(self, optimizer: tf1.train.Optimizer):
        super().__init__(optimizer, "MonitoringOptimizer")

    def apply_gradients(self, grads_and_vars: GradientsAndVariables, global_step=None, name: str | None = None):
        """Record the magnitudes, then apply the gradients."""
        pairs = with_gradient(grads_and_vars)
        self.names = [variable.op.name for _, variable in pairs]
        self.magnitudes = local_variable("gradient_magnitudes", [len(pairs)])
        recorded = self.magnitudes.assign(_magnitudes([gradient for gradient, _ in pairs]))
        # All gradients are computed before a weight changes: a loop that writes reports may still be reading weights.
        with tf.control_dependencies([recorded]):
            return tf.group(self._opt.apply_gradients(pairs, global_step), name=name)


class AllReducingOptimizer(ProxyOptimizer):
    """Applies the mean of the workers' gradients, which are all sent in one message.

    The message also holds whether a worker wants to stop, so that all workers stop after the same update.

    Attributes:
        wants_to_stop: A local variable, to be set to 1 where this worker wants to stop.
        someone_stops: A local variable, above 0 if any worker wanted to stop before the last update.
            Both attributes exist after `apply_gradients`.
    """

    def __init__(self, optimizer: tf1.train.Optimizer, workers: Workers):
        super().__init__(optimizer, "AllReducingOptimizer")
        self._workers = workers

    def apply_gradients(self, grads_and_vars: GradientsAndVariables, global_step=None, name: str | None = None):
        """Average the gradients over the workers, then apply them."""
        self.wants_to_stop = local_variable("wants_to_stop", [])
        self.someone_stops = local_variable("someone_stops", [])
        pairs = with_gradient(grads_and_vars)
        flat = [tf.reshape(tf.convert_to_tensor(gradient), [-1]) for gradient, _ in pairs]
        message = self._workers.mean_over_workers(tf.concat([*flat, self.wants_to_stop.read_value()[None]], 0))
        *means, stops = tf.split(message, [*(v.shape.num_elements() for _, v in pairs), 1])
        pairs = [(tf.reshape(mean, v.shape), v) for mean, (_, v) in zip(means, pairs, strict=True)]
        stopping = self.someone_stops.assign(stops[0])
        return tf.group(stopping, self._opt.apply_gradients(pairs, global_step), name=name)


def local_variable(name: str, shape: list[int]) -> tf.Variable:
    """A float32 variable of zeros that is not part of checkpoints, created outside of any branch of the graph."""
    with tf.init_scope():
        return tf1.get_variable(
            name,
            shape,
            initializer=tf1.zeros_initializer(),
            trainable=False,
            collections=[tf1.GraphKeys.LOCAL_VARIABLES],
        )


def _accumulation_variable(name: str, shape, dtype: tf.DType = tf.float32) -> tf.Variable:
    collections = [tf1.GraphKeys.GLOBAL_VARIABLES, ACCUMULATION]
    return tf1.get_variable(name, shape, dtype, tf1.zeros_initializer(), trainable=False, collections=collections)


def _magnitudes(gradients: list[tf.Tensor | tf.IndexedSlices]) -> tf.Tensor:
    """The largest absolute value in each gradient; NaN if a value is not finite. One compiled call on a GPU."""
    values = [gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in gradients]
    return compiled(_largest)(values) if way.whole() else _largest(values)


def _largest(arrays: list[tf.Tensor]) -> tf.Tensor:
    largest = [tf.reduce_max(tf.abs(values)) for values in arrays]  # reduce_max ignores NaN
    finite = [tf.reduce_all(tf.math.is_finite(values)) for values in arrays]
    return tf.where(finite, largest, float("nan"))
