"""What workers do together, without other processes: which errors mean that one is lost, and how the start ends.

Whole trainings with two workers: tests/distributed/parallelism.
"""

import itertools
import os
import threading
import time
from types import SimpleNamespace

import pytest
import tensorflow as tf

from tests.distributed.parallelism.runs import addresses
from tienet.distributed import workers as workers_module
from tienet.distributed.cluster import Cluster
from tienet.distributed.workers import STATUS_WORKER_LOST, Workers
from tienet.errors import InputError

tf1 = tf.compat.v1


class Ended(BaseException):
    """Stands for the end of the process."""


def workers(monkeypatch, silent: list[int]) -> Workers:
    """Workers without a server, whose liveness monitor finds these ranks silent."""

    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(os, "_exit", end)
    ours = object.__new__(Workers)
    ours._timeout = 5.0
    ours._monitor = SimpleNamespace(silent=lambda within: silent, error=lambda rank: f"worker {rank} is gone")
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
    with pytest.raises(Ended) as ended, workers(monkeypatch, silent).exit_if_worker_lost():
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
    with pytest.raises(type(error)), workers(monkeypatch, [2]).exit_if_worker_lost():
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
        differing = ours.find_differing([7, rank])
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


@pytest.mark.parametrize("gpus", [False, True])
def test_control_messages_never_go_over_nccl(gpus):
    """With GPUs the gradients and the variables do; the status of the workers and their checksums do not."""
    ours = object.__new__(Workers)
    ours.cluster, ours._instance_keys = Cluster(("a:1", "b:1"), 0), itertools.count(1)
    ours._channel = workers_module._NCCL if gpus else workers_module._CONTROL
    with tf.Graph().as_default() as graph:
        variable = tf1.get_variable("v", [3])
        ours.mean_over_workers(tf.zeros([5]))
        ours.broadcast_from_chief(variable)
        ours.differs_between_workers(tf.zeros([2], tf.int64))
        found = [
            (op.type, op.device, op.get_attr("communication_hint").decode(), op.get_attr("group_key"))
            for op in graph.get_operations()
            if op.type.startswith("Collective")
        ]
    of_gradients = ("/device:GPU:0", "nccl", 2) if gpus else ("/device:CPU:0", "ring", 1)
    assert found[:2] == [("CollectiveReduce", *of_gradients), ("CollectiveBcastSend", *of_gradients)]
    assert found[2:] == [("CollectiveReduce", "/device:CPU:0", "ring", 1)] * 2
