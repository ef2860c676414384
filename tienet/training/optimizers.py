"""Optimizers around Adam: gradients of several parts of a batch become one update, and what they were is noted."""

import tensorflow as tf
from tensorpack.tfutils.optimizer import ProxyOptimizer

from tienet.checkpoint.restore import ACCUMULATION
from tienet.distributed.workers import Workers

tf1 = tf.compat.v1

GradientsAndVariables = list[tuple[tf.Tensor | tf.IndexedSlices | None, tf.Variable]]


def present(grads_and_vars: GradientsAndVariables) -> GradientsAndVariables:
    """Those of the variables that the loss depends on."""
    return [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]


class Accumulated(ProxyOptimizer):
    """Applies the mean of the gradients of every `steps` calls; the calls between change no weight.

    The sums and the counter are variables of the collection ACCUMULATION, so that checkpoints have them. The sums are
    zero after each update.
    """

    def __init__(self, optimizer: tf1.train.Optimizer, steps: int):
        super().__init__(optimizer, "Accumulated")
        self._steps = steps

    def apply_gradients(self, grads_and_vars: GradientsAndVariables, global_step=None, name: str | None = None):
        """Add g / steps to the sums, and at each `steps`-th call apply them and set them to zero."""
        pairs = present(grads_and_vars)
        sums = [_kept(f"accumulation/{v.op.name}", v.shape) for _, v in pairs]
        counter = _kept("accumulation/counter", [], tf.int64)
        added = [s.assign_add(tf.convert_to_tensor(g) / self._steps) for s, (g, _) in zip(sums, pairs, strict=True)]
        with tf.control_dependencies([*added, counter.assign_add(1)]):
            count = counter.read_value()  # after the sums are complete: without this order an update may come early

        def update() -> tf.Operation:
            means = [(s.read_value(), v) for s, (_, v) in zip(sums, pairs, strict=True)]
            with tf.control_dependencies([self._opt.apply_gradients(means, global_step)]):
                return tf.group([s.assign(tf.zeros_like(s)) for s in sums])

        return tf.group(tf.cond(tf.equal(count % self._steps, 0), update, tf.no_op), name=name)


class Watched(ProxyOptimizer):
    """Notes the largest magnitude of each gradient, NaN where one is not finite, and applies them once all are there.

    Attributes:
        names: the variables'. magnitudes: float32 [variables], a local variable; both exist after `apply_gradients`.
    """

    def __init__(self, optimizer: tf1.train.Optimizer):
        super().__init__(optimizer, "Watched")

    def apply_gradients(self, grads_and_vars: GradientsAndVariables, global_step=None, name: str | None = None):
        """Note, then apply."""
        pairs = present(grads_and_vars)
        self.names = [variable.op.name for _, variable in pairs]
        self.magnitudes = local_variable("gradient_magnitudes", [len(pairs)])
        noted = self.magnitudes.assign(tf.stack([_largest(gradient) for gradient, _ in pairs]))
        with tf.control_dependencies([noted]):  # else a weight may change while a loop still reads it to write reports
            return tf.group(self._opt.apply_gradients(pairs, global_step), name=name)


class AllReduced(ProxyOptimizer):
    """Applies the mean over the workers of what each was given; one message for all variables.

    Whether somebody wants to stop travels with it, so that all stop after the same update.

    Attributes:
        wants_to_stop: local variable, 1 where this worker does. someone_stops: local variable, above 0 if any does.
            Both exist after `apply_gradients`.
    """

    def __init__(self, optimizer: tf1.train.Optimizer, workers: Workers):
        super().__init__(optimizer, "AllReduced")
        self._workers = workers

    def apply_gradients(self, grads_and_vars: GradientsAndVariables, global_step=None, name: str | None = None):
        """Average, then apply."""
        self.wants_to_stop = local_variable("wants_to_stop", [])
        self.someone_stops = local_variable("someone_stops", [])
        pairs = present(grads_and_vars)
        flat = [tf.reshape(tf.convert_to_tensor(gradient), [-1]) for gradient, _ in pairs]
        message = self._workers.mean(tf.concat([*flat, self.wants_to_stop.read_value()[None]], 0))
        *means, stops = tf.split(message, [*(v.shape.num_elements() for _, v in pairs), 1])
        pairs = [(tf.reshape(mean, v.shape), v) for mean, (_, v) in zip(means, pairs, strict=True)]
        noted = self.someone_stops.assign(stops[0])
        return tf.group(noted, self._opt.apply_gradients(pairs, global_step), name=name)


def local_variable(name: str, shape: list[int]) -> tf.Variable:
    """float32 zeros, not in checkpoints; made outside of any branch of the graph."""
    with tf.init_scope():
        return tf1.get_variable(
            name,
            shape,
            initializer=tf1.zeros_initializer(),
            trainable=False,
            collections=[tf1.GraphKeys.LOCAL_VARIABLES],
        )


def _kept(name: str, shape, dtype: tf.DType = tf.float32) -> tf.Variable:
    collections = [tf1.GraphKeys.GLOBAL_VARIABLES, ACCUMULATION]
    return tf1.get_variable(name, shape, dtype, tf1.zeros_initializer(), trainable=False, collections=collections)


def _largest(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
    largest = tf.reduce_max(tf.abs(values))  # which passes over NaN
    return tf.where(tf.reduce_all(tf.math.is_finite(values)), largest, float("nan"))
