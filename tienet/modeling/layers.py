"""The layers that the network is made of, and the L2 term over their weights."""

import tensorflow as tf

tf1 = tf.compat.v1

DECAYED = "tienet_decayed_weights"
"""The graph's collection of the weights that the L2 term covers: matrices and kernels, not biases or word vectors."""


def weight(name: str, shape: list[int], initializer=None) -> tf.Variable:
    """A float32 variable of this shape, with weight decay; it starts Glorot-uniform unless `initializer` is given."""
    variable = tf1.get_variable(name, shape, tf.float32, initializer or tf1.glorot_uniform_initializer())
    tf1.add_to_collection(DECAYED, variable)
    return variable


def bias(name: str, size: int, initializer=None) -> tf.Variable:
    """A float32 variable [size], without weight decay; it starts at 0 unless `initializer` is given."""
    return tf1.get_variable(name, [size], tf.float32, initializer or tf1.zeros_initializer())


def fully_connected(name: str, x: tf.Tensor, units: int, use_bias: bool = True) -> tf.Tensor:
    """x W + b: x [..., N] -> [..., units]."""
    with tf1.variable_scope(name):
        y = tf.tensordot(x, weight("W", [x.shape[-1], units]), axes=1)
        return y + bias("b", units) if use_bias else y


def transition(x: tf.Tensor, channels: int, kernel: int, stride: int) -> tf.Tensor:
    """The transition layer: convolution (SAME) and ReLU, [B, side, side, N] -> [B, D, D, C]."""
    with tf1.variable_scope("transition"):
        filters = weight("W", [kernel, kernel, x.shape[-1], channels], tf1.variance_scaling_initializer(2.0))
        return tf.nn.relu(tf.nn.conv2d(x, filters, strides=stride, padding="SAME") + bias("b", channels))


def with_position(x: tf.Tensor) -> tf.Tensor:
    """Add each location's y and x, from -1 (upper, left) to 1, as two channels: [B, side, side, N] -> [..., N + 2].

    A context z = sum a x says what the attention sees, but not where. With these channels it says both.
    """
    side = tf.linspace(-1.0, 1.0, x.shape[1])
    position = tf.stack(tf.meshgrid(side, side, indexing="ij"), -1)
    return tf.concat([x, tf.broadcast_to(position, [tf.shape(x)[0], x.shape[1], x.shape[2], 2])], -1)


def l2_loss(coefficient: float) -> tf.Tensor:
    """coefficient * sum of w^2 / 2 over the decayed weights, a scalar."""
    weights = dict.fromkeys(variable.ref() for variable in tf1.get_collection(DECAYED))  # each weight once
    return coefficient * tf.add_n([tf.nn.l2_loss(reference.deref()) for reference in weights])
