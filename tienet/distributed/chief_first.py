"""What the chief does alone while the other workers wait; a worker that is asked to stop meanwhile stops all of them.

The workers wait in many short collective operations instead of one long one, because Python handles a signal only
between two of them.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import tensorflow as tf
from tensorpack.callbacks import Callback
from tensorpack.train.base import StopTraining

from tienet.distributed.workers import Workers
from tienet.errors import InputError
from tienet.interruption import Interrupted, Interruption

tf1 = tf.compat.v1

SECONDS_BETWEEN_EXCHANGES = 0.5


class WorkerStatus(NamedTuple):
    """The status of one worker, or of all of them: then a field is True if it is True for any worker.

    Attributes:
        busy: The chief is still busy with what it does alone.
        stops: A worker was asked to stop.
        failed: The chief has failed.
    """

    busy: bool = False
    stops: bool = False
    failed: bool = False


class StatusExchange:
    """A collective operation in the default graph, by which each worker learns the status of all workers."""

    def __init__(self, workers: Workers, interruption: Interruption):
        self._workers, self._interruption = workers, interruption
        self._own = tf1.placeholder(tf.float32, [len(WorkerStatus._fields)])
        self._of_all = workers.max_over_workers(self._own)

    def run(self, session: tf1.Session, busy: bool = False, failed: bool = False) -> WorkerStatus:
        """Exchange the status; returns that of all workers.

        All workers must call it. If one of them was asked to stop, `Interruption.wanted` is set in all of them after
        the call.
        """
        own = WorkerStatus(busy, self._interruption.wanted is not None, failed)
        with self._workers.exit_if_worker_lost():
            of_all = session.run(self._of_all, {self._own: own}, options=self._workers.options)
        status = WorkerStatus(*of_all.astype(bool).tolist())
        if status.stops:
            self._interruption.wanted = self._interruption.wanted or signal.SIGTERM
        if status.stops or status.failed:
            self._workers.stop_monitoring()
        return status


class WaitForChief(Callback):
    """A callback by which the other workers wait after each epoch while the chief validates."""

    _chief_only = False

    def __init__(self, workers: Workers, interruption: Interruption):
        self._workers, self._interruption = workers, interruption

    def _setup_graph(self) -> None:
        self._exchange = StatusExchange(self._workers, self._interruption)

    def _trigger_epoch(self) -> None:
        while not self._workers.cluster.is_chief and self.exchange_status(False):
            pass

    def exchange_status(self, busy: bool) -> bool:
        """Exchange the status with all workers; returns whether the chief is still busy.

        Args:
            busy: Whether this worker is the chief and still busy; False in the other workers.
        Raises:
            StopTraining: A worker was asked to stop. It is raised in all workers.
        """
        status = self._exchange.run(self.trainer.sess, busy)
        if status.stops:
            raise StopTraining("interrupted")
        return status.busy


@contextmanager
def chief_first(workers: Workers | None, interruption: Interruption) -> Iterator[None]:
    """A context whose block the chief runs first, and the other workers after it. Without workers it is just run.

    Raises:
        Interrupted: A worker was asked to stop before the others began. It is raised in all workers.
        InputError: In the other workers, if the chief failed.
    """
    if not workers:
        yield
        return
    with tf.Graph().as_default():
        exchange, session = StatusExchange(workers, interruption), workers.session()
    with closing(session):
        if workers.cluster.is_chief:
            with _exchange_in_background(exchange, session, interruption), interruption.heeded():
                yield
            return
        status = WorkerStatus(busy=True)
        while status == WorkerStatus(busy=True):
            status = exchange.run(session)
    if status.failed:
        raise InputError(f"{workers.cluster.name(0)} could not go on; its own output says why")
    if status.stops:
        raise interruption.error()
    yield


@contextmanager
def _exchange_in_background(
    exchange: StatusExchange, session: tf1.Session, interruption: Interruption
) -> Iterator[None]:
    """Exchange the chief's status in a thread while the block runs, and once more when it has ended."""
    over, status, failed = threading.Event(), WorkerStatus(), True

    def keep_exchanging() -> None:
        nonlocal status
        while not status.stops and not over.wait(SECONDS_BETWEEN_EXCHANGES):
            status = exchange.run(session, busy=True)
        if status.stops:
            os.kill(os.getpid(), signal.SIGTERM)  # interrupts the main thread, which runs the block

    thread = threading.Thread(target=keep_exchanging, name="status exchange", daemon=True)
    thread.start()
    try:
        yield
        failed = False
    except Interrupted:
        failed = False
        raise
    finally:
        over.set()
        thread.join()
        if not status.stops:
            status = exchange.run(session, failed=failed)
    if status.stops:  # a worker was asked to stop after the block had ended
        raise interruption.error()
