"""Accumulated gradients change the weights as one big batch does, not early and not late; bad ones are noticed.

No weight changes before all gradients of the update are there.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops.op_selector import get_backward_walk_ops

from tienet.checkpoint.restore import ACCUMULATION
from tienet.training.optimizers import AccumulatingOptimizer, AllReducingOptimizer, MonitoringOptimizer, with_gradient

tf1 = tf.compat.v1

ROWS, COLUMNS = 12, 3
UPDATES = 3
OPTIMIZERS = {"sgd": lambda: tf1.train.GradientDescentOptimizer(0.5), "adam": lambda: tf1.train.AdamOptimizer(0.1)}


class Problem:
    """A table of which each study reads two rows, a dense layer behind it, and an optimizer; in a graph of its own."""

    def __init__(self, optimizer: tf1.train.Optimizer, steps: int = 1):
        with tf.Graph().as_default() as graph:
            rng = np.random.default_rng(0)
            table = tf1.get_variable("table", initializer=rng.normal(size=(ROWS, COLUMNS)).astype(np.float32))
            dense = tf1.get_variable("dense", initializer=rng.normal(size=(COLUMNS, 1)).astype(np.float32))
            tf1.get_variable("unused", [2])
            self.variables = [table, dense]
            self.step = tf1.train.get_or_create_global_step()
            self._rows = tf1.placeholder(tf.int32, [None, 2])
            self._target = tf1.placeholder(tf.float32, [None])
            read = tf.reduce_sum(tf.nn.embedding_lookup(table, self._rows), 1) @ dense
            loss = tf.reduce_mean((tf.tanh(read[:, 0]) - self._target) ** 2)
            self.optimizer = optimizer if steps == 1 else AccumulatingOptimizer(optimizer, steps)
            gradients = self.optimizer.compute_gradients(loss)
            assert [isinstance(g, tf.IndexedSlices) for g, _ in gradients] == [True, False, False]
            assert gradients[2][0] is None
            self.train = self.optimizer.apply_gradients(gradients, self.step)
            self.kept = {v.op.name: v for v in tf1.get_collection(ACCUMULATION)}
            self.session = tf1.Session(graph=graph)
            self.session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])

    def run(self, rows: np.ndarray, target: np.ndarray) -> None:
        self.session.run(self.train, {self._rows: rows, self._target: target})

    def values(self, variables=None) -> list[np.ndarray]:
        return self.session.run(self.variables if variables is None else variables)


def batches(count: int, studies: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that come twice in a study, twice in a part and in several parts are among them."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, ROWS - 1, (count, studies, 2))
    rows[:, ::3, 1] = rows[:, ::3, 0]
    return list(zip(rows, rng.normal(size=(count, studies)).astype(np.float32), strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_parts_equal_the_whole_batch_and_nothing_changes_between(name, steps):
    whole, parts = Problem(OPTIMIZERS[name]()), Problem(OPTIMIZERS[name](), steps)
    for rows, target in batches(UPDATES, 4 * steps):
        before = parts.values()
        for n, (part, aim) in enumerate(zip(np.split(rows, steps), np.split(target, steps), strict=True), 1):
            parts.run(part, aim)
            if n < steps:
                assert all(map(np.array_equal, parts.values(), before)), f"changed after part {n} of {steps}"
        whole.run(rows, target)
        for ours, theirs, old in zip(parts.values(), whole.values(), before, strict=True):
            assert not np.array_equal(ours, old), "no update after the last part"
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
        assert parts.values(parts.step) == whole.values(whole.step)
    assert parts.values(parts.step) == UPDATES


@pytest.mark.parametrize("steps", [2, 3])
def test_an_update_never_comes_early_or_with_half_a_sum(steps):
    """400 runs, of which each could be the one in which the threads take another order."""
    problem = Problem(tf1.train.GradientDescentOptimizer(1e-3), steps)
    rows, target = batches(1, 64)[0]
    updates = 0
    for n in range(1, 401):
        before, expected = problem.values(), problem.values([v for v in problem.kept.values() if v.shape.rank])
        problem.run(rows, target)
        updated = not all(map(np.array_equal, problem.values(), before))
        updates += updated
        assert updated == (n % steps == 0), f"run {n}"
        sums = problem.values([v for v in problem.kept.values() if v.shape.rank])
        for earlier, later in zip(expected, sums, strict=True):
            assert (later == 0).all() if updated else not np.array_equal(earlier, later), f"run {n}"
    assert problem.values(problem.step) == updates == 400 // steps


def test_the_mean_is_that_of_the_parts_to_the_last_bit():
    """Powers of two: what comes out is exact, so a part that is missing or counted twice is seen."""
    with tf.Graph().as_default(), tf1.Session() as session:
        variable, gradient = tf1.get_variable("v", initializer=[0.0, 0.0]), tf1.placeholder(tf.float32, [2])
        optimizer = AccumulatingOptimizer(tf1.train.GradientDescentOptimizer(1.0), 4)
        train = optimizer.apply_gradients([(gradient, variable)])
        session.run(tf1.global_variables_initializer())
        for n in range(4):
            session.run(train, {gradient: [2.0**n, -(2.0**n)]})
        assert session.run(variable).tolist() == [-15 / 4, 15 / 4]


def test_counter_and_sums_are_in_checkpoints_and_go_on_in_another_session(tmp_path):
    steps, (rows, target) = 3, batches(1, 12)[0]
    parts = list(zip(np.split(rows, steps), np.split(target, steps), strict=True))
    straight, first, second = (Problem(OPTIMIZERS["adam"](), steps) for _ in range(3))
    assert set(first.kept) == {"accumulation/counter", "accumulation/table", "accumulation/dense"}
    with first.session.graph.as_default():
        names = [v.op.name for v in tf1.global_variables()]
        assert set(first.kept) < set(names)
        assert not set(first.kept) & {v.op.name for v in tf1.trainable_variables()}
        for part in parts[:2]:
            first.run(*part)
        tf1.train.Saver().save(first.session, str(tmp_path / "half"))
    with second.session.graph.as_default():
        tf1.train.Saver().restore(second.session, str(tmp_path / "half"))
    second.run(*parts[2])
    for part in parts:
        straight.run(*part)
    assert all(map(np.array_equal, second.values(), straight.values()))
    assert second.values(second.kept["accumulation/counter"]) == 3


def watched(gradients: list) -> tuple[MonitoringOptimizer, np.ndarray]:
    """Apply gradients to variables v0, v1 ... of their shapes (None: [2])."""
    with tf.Graph().as_default(), tf1.Session() as session:
        pairs = []
        for n, gradient in enumerate(gradients):
            value = None if gradient is None else tf.constant(gradient, tf.float32)
            pairs.append((value, tf1.get_variable(f"part/v{n}", [2] if value is None else value.shape)))
        optimizer = MonitoringOptimizer(tf1.train.GradientDescentOptimizer(1.0))
        train = optimizer.apply_gradients(pairs)
        assert optimizer.magnitudes not in tf1.global_variables()  # not in checkpoints
        session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
        session.run(train)
        return optimizer, session.run(optimizer.magnitudes)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_gradient_that_is_not_finite_is_nan_and_the_others_are_their_largest(bad, place):
    gradient = [1.0, 2.0, 3.0]
    gradient[place] = bad
    optimizer, magnitudes = watched([[0.5, -4.0], gradient, None, [[0.0, 0.0]]])
    assert optimizer.names == ["part/v0", "part/v1", "part/v3"]
    np.testing.assert_array_equal(magnitudes, [4.0, np.nan, 0.0])


def test_sparse_gradients_are_watched_by_their_values():
    problem = Problem(MonitoringOptimizer(OPTIMIZERS["adam"]()))
    rows, target = batches(1, 4)[0]
    problem.run(rows, target)
    table, dense = problem.values(problem.optimizer.magnitudes)
    assert problem.optimizer.names == ["table", "dense"] and table > 0 and dense > 0
    problem.run(rows, np.array([0.0, np.inf, 0.0, 0.0], np.float32))
    assert np.isnan(problem.values(problem.optimizer.magnitudes)).all()


def test_accumulated_gradients_are_watched_when_they_are_applied():
    problem = Problem(MonitoringOptimizer(tf1.train.GradientDescentOptimizer(1.0)), 2)
    watch = problem.optimizer._opt
    rows, target = batches(1, 4)[0]
    problem.run(rows, np.array([0.0, np.nan, 0.0, 0.0], np.float32))
    assert problem.values(watch.magnitudes).tolist() == [0.0, 0.0]
    problem.run(rows, target)
    assert np.isnan(problem.values(watch.magnitudes)).all() and watch.names == ["table", "dense"]


def test_what_has_no_gradient_is_left_out():
    with tf.Graph().as_default():
        a, b = tf1.get_variable("a", []), tf1.get_variable("b", [])
        gradient = tf.constant(1.0)
        assert with_gradient([(None, a), (gradient, b)]) == [(gradient, b)]


class TwoWorkers:
    """The mean with another worker, whose part of the message is `theirs`."""

    def __init__(self, theirs: list[float]):
        self._theirs = theirs

    def mean_over_workers(self, message: tf.Tensor) -> tf.Tensor:
        return (message + tf.constant(self._theirs)) / 2


def test_the_mean_over_workers_is_applied_and_a_wish_to_stop_travels_with_it():
    with tf.Graph().as_default(), tf1.Session() as session:
        table, dense = tf1.get_variable("a", initializer=[[1.0], [1.0]]), tf1.get_variable("b", initializer=[0.0])
        sparse = tf.IndexedSlices(tf.constant([[2.0], [4.0]]), tf.constant([1, 1]), tf.constant([2, 1]))
        optimizer = AllReducingOptimizer(tf1.train.GradientDescentOptimizer(1.0), TwoWorkers([2.0, 0.0, 1.0, 0.0]))
        unused = (None, tf1.get_variable("unused", []))
        train = optimizer.apply_gradients([(sparse, table), unused, (tf.constant([3.0]), dense)])
        session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
        session.run(train)
        assert session.run(table).tolist() == [[0.0], [-2.0]]  # means 1 and 3
        assert session.run(dense).tolist() == [-2.0]
        assert session.run(optimizer.someone_stops) == 0
        optimizer.wants_to_stop.load(1.0, session)
        session.run(train)
        assert session.run(optimizer.someone_stops) > 0


def test_every_update_waits_for_every_gradient():
    """Backprop waits by itself; a loop that reads a weight without a gradient, to write a report, does not."""
    with tf.Graph().as_default():
        variables = [tf1.get_variable(f"v{n}", [2], use_resource=True) for n in range(3)]
        gradients = [tf.ones([2]) * tf1.placeholder(tf.float32, [2], f"slow{n}") for n in range(3)]
        MonitoringOptimizer(tf1.train.AdamOptimizer(0.1)).apply_gradients(list(zip(gradients, variables, strict=True)))
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
        train = MonitoringOptimizer(tf1.train.GradientDescentOptimizer(1.0)).apply_gradients(
            zip(gradients, [v, w], strict=True)
        )
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            for step in range(5):
                session.run(train)
                assert session.run(w)[0] == -step
            np.testing.assert_allclose(session.run(v)[0], 1 - 50 * sum([1, 0, -1, -2, -3]))
