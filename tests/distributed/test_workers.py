"""What workers do together, without other processes: checksums, what is averaged, and which errors mean what.

Whole trainings with two workers: tests/distributed/parallelism.
"""

import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests.distributed.parallelism.runs import addresses
from tienet.distributed import workers as collective
from tienet.distributed.cluster import Cluster
from tienet.distributed.workers import STATUS_WORKER_LOST, Workers
from tienet.errors import InputError
from tienet.training.callbacks import KeepTogether
from tienet.training.optimizers import AllReduced

tf1 = tf.compat.v1


def checksums(*values: np.ndarray) -> list[int]:
    """Of variables of any shape and type."""
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.get_variable(f"v{n}", initializer=value) for n, value in enumerate(values)]
        session.run(tf1.global_variables_initializer())
        return [int(one) for one in session.run([collective._checksum(variable) for variable in variables])]


def test_the_checksum_is_of_all_bits():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(40, 3)).astype(np.float32)
    changed = [value.copy() for _ in range(32)]
    for bit, other in enumerate(changed):
        other.view(np.uint32)[bit, 1] ^= np.uint32(1 << bit)
    first, same, *others = checksums(value, value.copy(), *changed)
    assert first == same and first not in others


def test_the_checksum_sees_an_exchange_a_sign_of_zero_and_nan():
    value = np.arange(1, 9, dtype=np.float32)
    swapped, nan = value[[1, 0, 2, 3, 4, 5, 6, 7]], value.copy()
    nan[3] = np.nan
    assert len(set(checksums(value, swapped, nan, value[::-1].copy()))) == 4
    assert len(set(checksums(np.float32(0.0), np.float32(-0.0)))) == 2


def test_the_checksum_of_a_large_variable_wraps_around_and_still_sees_a_bit():
    """200,000 values of the largest int32: their weighted sum is above 2**63."""
    value = np.full(200_000, np.iinfo(np.int32).max, np.int32)
    other = value.copy()
    other[-1] -= 1
    whole, changed = checksums(value, other)
    assert whole % 2**64 == int((value.astype(object) * (np.arange(200_000) % 65521 + 1)).sum()) % 2**64
    assert whole != changed


class TwoWorkers:
    """The mean with another worker, whose part of the message is `theirs`."""

    def __init__(self, theirs: list[float]):
        self._theirs = theirs

    def mean(self, message: tf.Tensor) -> tf.Tensor:
        return (message + tf.constant(self._theirs)) / 2


def test_the_mean_over_workers_is_applied_and_a_wish_to_stop_travels_with_it():
    with tf.Graph().as_default(), tf1.Session() as session:
        table, dense = tf1.get_variable("a", initializer=[[1.0], [1.0]]), tf1.get_variable("b", initializer=[0.0])
        sparse = tf.IndexedSlices(tf.constant([[2.0], [4.0]]), tf.constant([1, 1]), tf.constant([2, 1]))
        optimizer = AllReduced(tf1.train.GradientDescentOptimizer(1.0), TwoWorkers([2.0, 0.0, 1.0, 0.0]))
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


class Ended(BaseException):
    """Stands for the end of the process."""


def workers(monkeypatch, silent: list[int]) -> Workers:
    """Without a server; its watcher finds these ranks silent."""

    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(os, "_exit", end)
    ours = object.__new__(Workers)
    ours._timeout = 5.0
    ours._watcher = SimpleNamespace(silent=lambda within: silent, error=lambda rank: f"worker {rank} is gone")
    return ours


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnavailableError(None, None, "Socket closed"),
        tf.errors.AbortedError(None, None, "aborted"),
        tf.errors.CancelledError(None, None, "cancelled"),
        RuntimeError("Attempted to use a closed Session."),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("silent", [[], [2]])
def test_an_error_among_workers_ends_the_process_with_status_3_and_names_who_is_silent(
    monkeypatch, capsys, silent, error
):
    with pytest.raises(Ended) as ended, workers(monkeypatch, silent).together():
        raise error
    assert ended.value.args == (STATUS_WORKER_LOST,)
    line = "worker 2 is gone" if silent else "the workers lost touch"
    assert capsys.readouterr().err.strip().startswith(line)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.OutOfRangeError(None, None, "end of data"),
        tf.errors.InvalidArgumentError(None, None, "shapes"),
        InputError("a user's"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_is_our_own_is_let_through(monkeypatch, error):
    with pytest.raises(type(error)), workers(monkeypatch, [2]).together():
        raise error


def in_threads(first, second, seconds_between: float = 0.0) -> list:
    """What two functions return, or raise; the second begins some seconds later."""
    came = [None, None]

    def call(n, function):
        try:
            came[n] = function()
        except Exception as error:
            came[n] = error

    threads = [threading.Thread(target=call, args=pair, daemon=True) for pair in enumerate((first, second))]
    threads[0].start()
    time.sleep(seconds_between)
    threads[1].start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return came


def test_a_worker_that_comes_later_than_the_peer_time_out_is_waited_for():
    at = tuple(addresses().split(","))

    def compare(rank: int) -> list[int]:
        ours = Workers(Cluster(at, rank), False, 2.0)
        differing = ours.differing([7, rank])
        ours.close()
        return differing

    assert in_threads(lambda: compare(0), lambda: compare(1), 3.0) == [[1], [1]]


def test_workers_that_both_take_themselves_for_the_chief_end_with_a_line():
    """Both answer, so neither is lost; without a limit they would wait for ever."""
    at = tuple(addresses().split(","))
    both = in_threads(*(lambda way=way: Workers(Cluster(at[::way], 0), False, 2.0) for way in (1, -1)))
    for error in both:
        assert isinstance(error, InputError), error
        assert str(error).startswith("the workers answer but do not find each other within 2 s; start all with the")


def test_weights_that_are_no_longer_equal_are_named():
    class Alike:
        options = None

        def together(self):
            return tf1.name_scope("together")

        def chiefs(self, variable):
            return variable.initializer

        def spread(self, values):
            return tf.constant([False, True, False])

    with tf.Graph().as_default(), tf1.Session() as session:
        for name in "cab":
            tf1.get_variable(name, [])
        callback = KeepTogether(Alike())
        callback.trainer = SimpleNamespace(sess=session, epoch_num=3, loop=SimpleNamespace(epoch_num=3))
        callback._setup_graph()
        with pytest.raises(InputError, match=r"no longer equal after epoch 3: b$"):
            callback._trigger_epoch()
