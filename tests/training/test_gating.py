"""No weight changes before all gradients of the update are there."""

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.op_selector import get_backward_walk_ops

from tienet.training.optimizers import Watched

tf1 = tf.compat.v1


def test_every_update_waits_for_every_gradient():
    """Backprop waits by itself; a loop that reads a weight without a gradient, to write a report, does not."""
    with tf.Graph().as_default():
        variables = [tf1.get_variable(f"v{n}", [2], use_resource=True) for n in range(3)]
        gradients = [tf.ones([2]) * tf1.placeholder(tf.float32, [2], f"slow{n}") for n in range(3)]
        Watched(tf1.train.AdamOptimizer(0.1)).apply_gradients(list(zip(gradients, variables, strict=True)))
        updates = [op for op in tf1.get_default_graph().get_operations() if op.type == "ResourceApplyAdam"]
        assert len(updates) == 3
        for update in updates:
            before = set(get_backward_walk_ops(update, control_inputs=True))
            assert {gradient.op for gradient in gradients} <= before


def test_a_late_reader_of_another_weight_sees_its_old_value():
    """The gradient of v waits for a slow loop that reads w; w's own gradient is there at once."""

    def slow(w):
        def body(n, total):
            return n + 1, total + tf.reduce_sum(w.read_value()) + 0 * tf.reduce_sum(tf.random.normal([200, 200]))

        return tf.while_loop(lambda n, _: n < 50, body, [tf.constant(0), tf.constant(0.0)])[1]

    with tf.Graph().as_default():
        v, w = (tf1.get_variable(name, [1], initializer=tf1.ones_initializer()) for name in "vw")
        gradients = [tf.stop_gradient(slow(w))[None], tf.ones([1])]
        train = Watched(tf1.train.GradientDescentOptimizer(1.0)).apply_gradients(zip(gradients, [v, w], strict=True))
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            for step in range(5):
                session.run(train)
                assert session.run(w)[0] == -step
            np.testing.assert_allclose(session.run(v)[0], 1 - 50 * sum([1, 0, -1, -2, -3]))
