"""While the chief works alone the other workers wait; whoever is asked to stop meanwhile stops all.

They wait in many short operations instead of one: Python heeds a signal only between two of them.
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

SECONDS_BETWEEN_MEETINGS = 0.5


class WaitStatus(NamedTuple):
    """How the workers are: the chief is busy still; one was asked to stop; the chief has failed."""

    busy: bool = False
    stops: bool = False
    failed: bool = False


class Meeting:
    """An operation of all workers in the default graph, by which they tell each other how they are."""

    def __init__(self, workers: Workers, interruption: Interruption):
        self._workers, self._interruption = workers, interruption
        self._here = tf1.placeholder(tf.float32, [len(WaitStatus._fields)])
        self._anywhere = workers.largest(self._here)

    def hold(self, session: tf1.Session, busy: bool = False, failed: bool = False) -> WaitStatus:
        """All workers, each with its own state. If one was asked to stop, `wanted` is set in all after it."""
        here = WaitStatus(busy, self._interruption.wanted is not None, failed)
        with self._workers.together():
            state = session.run(self._anywhere, {self._here: here}, options=self._workers.options)
        state = WaitStatus(*state.astype(bool).tolist())
        if state.stops:
            self._interruption.wanted = self._interruption.wanted or signal.SIGTERM
        if state.stops or state.failed:
            self._workers.part()
        return state


class WaitForChief(Callback):
    """After each epoch the others wait while the chief validates."""

    _chief_only = False

    def __init__(self, workers: Workers, interruption: Interruption):
        self._workers, self._interruption = workers, interruption

    def _setup_graph(self) -> None:
        self._meeting = Meeting(self._workers, self._interruption)

    def _trigger_epoch(self) -> None:
        while not self._workers.cluster.is_chief and self.meet(False):
            pass

    def meet(self, busy: bool) -> bool:
        """All workers: whether the chief is `busy` still; the others are not.

        Raises:
            StopTraining: in all of them, as one is asked to stop.
        """
        state = self._meeting.hold(self.trainer.sess, busy)
        if state.stops:
            raise StopTraining("interrupted")
        return state.busy


@contextmanager
def chief_first(workers: Workers | None, interruption: Interruption) -> Iterator[None]:
    """What is within is done by the chief, and then by the others. Without workers: done.

    Raises:
        Interrupted: in all workers, as one was asked to stop before the others began.
        InputError: in the others, as the chief failed.
    """
    if not workers:
        yield
        return
    with tf.Graph().as_default():
        meeting, session = Meeting(workers, interruption), workers.session()
    with closing(session):
        if workers.cluster.is_chief:
            with _meetings_beside(meeting, session, interruption), interruption.heeded():
                yield
            return
        state = WaitStatus(busy=True)
        while state == WaitStatus(busy=True):
            state = meeting.hold(session)
    if state.failed:
        raise InputError(f"{workers.cluster.name(0)} could not go on; its own output says why")
    if state.stops:
        raise interruption.error()
    yield


@contextmanager
def _meetings_beside(meeting: Meeting, session: tf1.Session, interruption: Interruption) -> Iterator[None]:
    """The chief's meetings, in a thread while it works and once more at the end."""
    over, state, failed = threading.Event(), WaitStatus(), True

    def hold() -> None:
        nonlocal state
        while not state.stops and not over.wait(SECONDS_BETWEEN_MEETINGS):
            state = meeting.hold(session, busy=True)
        if state.stops:
            os.kill(os.getpid(), signal.SIGTERM)  # heeded by the main thread, which works

    thread = threading.Thread(target=hold, name="meetings", daemon=True)
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
        if not state.stops:
            state = meeting.hold(session, failed=failed)
    if state.stops:  # since the work ended
        raise interruption.error()
