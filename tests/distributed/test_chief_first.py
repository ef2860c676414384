"""What the chief does alone, and that a wish to stop reaches all workers meanwhile."""

import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from tensorpack.train.base import StopTraining

from tienet.distributed import chief_first as waiting
from tienet.distributed.chief_first import WaitForChief, chief_first
from tienet.errors import InputError
from tienet.interruption import Interrupted, Interruption

tf1 = tf.compat.v1


class FakeWorkers:
    """The largest of what is given here and of what the other gives at each meeting."""

    options = None

    def __init__(self, is_chief: bool, others: list[list[float]]):
        self.cluster = SimpleNamespace(is_chief=is_chief, name=lambda rank: f"worker {rank}")
        self.watched, self._others = True, iter(others)

    def exit_if_worker_lost(self):
        return tf1.name_scope("guarded")

    def stop_monitoring(self):
        self.watched = False

    def session(self):
        return tf1.Session()

    def max_over_workers(self, here: tf.Tensor) -> tf.Tensor:
        return tf.maximum(here, tf.numpy_function(lambda: np.float32(next(self._others)), [], tf.float32))


@pytest.mark.parametrize(
    ("others", "wanted", "after", "left"),
    [
        ([[1, 0, 0], [1, 0, 0], [0, 0, 0], [9, 9, 9]], None, None, 1),
        ([[1, 0, 0], [1, 1, 0], [9, 9, 9]], None, signal.SIGTERM, 1),
        ([[1, 0, 0], [9, 9, 9]], signal.SIGINT, signal.SIGINT, 1),
    ],
    ids=["until the chief is done", "until another is asked to stop", "until this one is"],
)
def test_a_worker_waits_for_the_chief(others, wanted, after, left):
    interruption, workers = Interruption(), FakeWorkers(False, others)
    interruption.wanted = wanted
    callback = WaitForChief(workers, interruption)
    with tf.Graph().as_default(), tf1.Session() as session:
        callback.trainer = SimpleNamespace(sess=session)
        callback._setup_graph()
        with pytest.raises(StopTraining) if after else tf1.name_scope("done"):
            callback._trigger_epoch()
    assert interruption.wanted == after
    assert workers.watched == (after is None)  # who stops is not lost
    assert len(list(workers._others)) == left


def test_the_chief_waits_for_nobody_and_learns_who_wants_to_stop():
    interruption = Interruption()
    callback = WaitForChief(FakeWorkers(True, [[0, 0, 0], [0, 1, 0]]), interruption)
    with tf.Graph().as_default(), tf1.Session() as session:
        callback.trainer = SimpleNamespace(sess=session)
        callback._setup_graph()
        callback._trigger_epoch()
        assert callback.exchange_status(True)
        with pytest.raises(StopTraining):
            callback.exchange_status(True)
    assert interruption.wanted == signal.SIGTERM


def first(workers, interruption, work=lambda: None):
    """Do `work` as `chief_first` says, deferred as in a training."""
    with interruption.deferred(), chief_first(workers, interruption):
        work()


def test_one_process_has_nobody_to_wait_for():
    done = []
    first(None, Interruption(), lambda: done.append(1))
    assert done


def test_a_worker_works_after_the_chief():
    workers, done = FakeWorkers(False, [[1, 0, 0], [1, 0, 0], [0, 0, 0], [9, 9, 9]]), []
    first(workers, Interruption(), lambda: done.append(len(list(workers._others))))
    assert done == [1] and workers.watched


@pytest.mark.parametrize("others", [[[1, 0, 0], [1, 1, 0]], [[0, 1, 0]]], ids=["while it works", "as it ends"])
def test_a_worker_that_is_asked_to_stop_does_not_begin(others):
    interruption, workers = Interruption(), FakeWorkers(False, others)
    with pytest.raises(Interrupted):
        first(workers, interruption, lambda: pytest.fail("began"))
    assert interruption.wanted == signal.SIGTERM and not workers.watched


def test_a_worker_whose_chief_failed_says_so():
    workers = FakeWorkers(False, [[1, 0, 0], [0, 0, 1]])
    with pytest.raises(InputError, match="worker 0 could not go on; its own output says why"):
        first(workers, Interruption(), lambda: pytest.fail("began"))
    assert not workers.watched


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_EXCHANGES", 0.01)


def work_for_long() -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.01)
    pytest.fail("was not stopped")


def test_the_chief_meets_the_others_while_it_works_and_once_more(often):
    workers = FakeWorkers(True, [[0, 0, 0]] * 100)
    first(workers, Interruption(), lambda: time.sleep(0.2))
    assert len(list(workers._others)) < 98 and workers.watched


@pytest.mark.parametrize("by", ["another worker", "a signal here", "a signal before"])
def test_the_chief_is_stopped_at_its_work(often, by):
    told = []

    def work():
        if by == "a signal here":
            signal.raise_signal(signal.SIGTERM)
        work_for_long()

    class Heard(FakeWorkers):
        def max_over_workers(self, here):
            return super().max_over_workers(tf1.py_func(lambda x: (told.append(x.tolist()), x)[1], [here], tf.float32))

    stop = [[0, 0, 0], [0, 1, 0]] if by == "another worker" else [[0, 0, 0]] * 1000
    with Interruption() as interruption:
        if by == "a signal before":
            interruption.wanted = signal.SIGTERM
        workers = Heard(True, stop)
        with pytest.raises(Interrupted):
            first(workers, interruption, work)
    assert interruption.wanted == signal.SIGTERM and not workers.watched
    assert told[-1][:2] == ([1, 0] if by == "another worker" else [0, 1])  # the others are told


def test_a_wish_to_stop_that_comes_as_the_chief_ends_stops_it(often):
    """Whichever thread meets the others: the one in the background sends this process a signal."""
    with Interruption() as interruption, pytest.raises(Interrupted):
        first(FakeWorkers(True, [[0, 1, 0]]), interruption)
    assert interruption.wanted == signal.SIGTERM


def test_an_error_of_the_chief_is_its_own_and_the_others_are_told(often):
    told = []

    class Heard(FakeWorkers):
        def max_over_workers(self, here):
            return super().max_over_workers(tf1.py_func(lambda x: (told.append(x.tolist()), x)[1], [here], tf.float32))

    def fail():
        raise InputError("no image")

    with pytest.raises(InputError, match="no image"):
        first(Heard(True, [[0, 0, 0]] * 100), Interruption(), fail)
    assert told[-1] == [0, 0, 1]
