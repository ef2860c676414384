"""The optimizer with two rates, each variable's step by its own one, and the one that gives no sparse gradients."""

import numpy as np
import tensorflow as tf
from small_network import E, V, config_of

from tienet.modeling.model import TieNet
from tienet.modeling.optimizers import DenseOptimizer, TwoRatesOptimizer

tf1 = tf.compat.v1


def steps_of(optimizer_of, steps: int = 3) -> dict[str, list[float]]:
    """The values of two variables after some updates of a loss that both share, and the global step."""
    with tf.Graph().as_default(), tf1.Session() as session:
        fast, slow = (tf1.get_variable(name, initializer=tf.constant([1.0, -2.0])) for name in ("a/fast", "b/slow"))
        step = tf1.train.get_or_create_global_step()
        loss = tf.reduce_sum((fast * slow) ** 2)
        optimizer = optimizer_of()
        update = optimizer.apply_gradients(optimizer.compute_gradients(loss), step)
        session.run(tf1.global_variables_initializer())
        for _ in range(steps):
            session.run(update)
        return dict(zip(("fast", "slow", "step"), session.run([fast, slow, step]), strict=True))


def adam_by_hand(rates: dict[str, float], steps: int = 3) -> dict[str, np.ndarray]:
    """Adam (Kingma and Ba 2015, algorithm 1, in the form of section 2 that is the last line of it) in NumPy."""
    values = {name: np.array([1.0, -2.0]) for name in rates}
    m, v = ({name: np.zeros(2) for name in rates} for _ in range(2))
    for t in range(1, steps + 1):
        f, s = values["fast"], values["slow"]
        gradients = {"fast": 2 * f * s**2, "slow": 2 * s * f**2}
        for name, g in gradients.items():
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.999 * v[name] + 0.001 * g**2
            rate = rates[name] * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            values[name] = values[name] - rate * m[name] / (np.sqrt(v[name]) + 1e-8)
    return values


def test_each_variable_learns_with_its_own_rate():
    def two_rates():
        adam, slow = tf1.train.AdamOptimizer(0.1), tf1.train.AdamOptimizer(0.01, name="Slow")
        return TwoRatesOptimizer(adam, slow, lambda variable: variable.op.name.startswith("b/"))

    found, expected = steps_of(two_rates), adam_by_hand({"fast": 0.1, "slow": 0.01})
    np.testing.assert_allclose(found["fast"], expected["fast"], rtol=1e-4)
    np.testing.assert_allclose(found["slow"], expected["slow"], rtol=1e-4)
    assert found["step"] == 3


def test_with_equal_rates_it_is_adam():
    def two_rates():
        adam, slow = tf1.train.AdamOptimizer(0.1), tf1.train.AdamOptimizer(0.1, name="Slow")
        return TwoRatesOptimizer(adam, slow, lambda variable: variable.op.name.startswith("b/"))

    ours, plain = steps_of(two_rates), steps_of(lambda: tf1.train.AdamOptimizer(0.1))
    for name, value in plain.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-6)


def test_mode_report_writes_at_its_own_rate_and_classifies_at_the_whole_one():
    with tf.Graph().as_default():
        optimizer = TieNet(config_of("report", writer_rate=0.1), V, E).optimizer()
        names = ("classifier/output/W", "text_attention/W_s1/W", "lstm/W_w", "word_softmax/W_o", "transition/W")
        slow = [optimizer._is_slow(tf1.get_variable(name, [1])) for name in names]
        assert slow == [False, False, True, True, True]
        rates = [rate._lr if hasattr(rate, "_lr") else None for rate in (optimizer._opt, optimizer._slow)]
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            np.testing.assert_allclose(session.run(list(map(tf.convert_to_tensor, rates))), [1e-3, 1e-4], rtol=1e-6)
    for config in (config_of("report"), config_of("caption", writer_rate=0.1)):
        with tf.Graph().as_default():
            assert isinstance(TieNet(config, V, E).optimizer(), tf1.train.AdamOptimizer)


def test_dense_gradients_of_word_vectors_give_the_same_steps():
    """Adam changes the words that are not in a batch too, by what it has kept of earlier ones."""
    found = []
    for optimizer_of in (lambda adam: adam, DenseOptimizer):
        with tf.Graph().as_default(), tf1.Session() as session:
            vectors = tf1.get_variable("vectors", initializer=tf.reshape(tf.range(1.0, 9.0), [4, 2]), use_resource=True)
            words = tf1.placeholder(tf.int32, [None])
            optimizer = optimizer_of(tf1.train.AdamOptimizer(0.1))
            pairs = optimizer.compute_gradients(tf.reduce_sum(tf.gather(vectors, words) ** 2))
            update = optimizer.apply_gradients(pairs)
            assert isinstance(pairs[0][0], tf.IndexedSlices if optimizer_of is not DenseOptimizer else tf.Tensor)
            session.run(tf1.global_variables_initializer())
            for batch in ([1, 1, 3], [0], [3, 3]):
                session.run(update, {words: batch})
            found.append(session.run(vectors))
    assert np.abs(found[0] - np.arange(1, 9).reshape(4, 2))[[0, 1, 3]].min() > 0.05
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
