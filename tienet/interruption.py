"""Ctrl-C and SIGTERM: a run stops between two updates and saves, so that it can be resumed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop.

    Attributes:
        status: The exit status: 0 for SIGTERM, by which clusters evict a job, 130 for Ctrl-C.
    """

    def __init__(self, signum: int):
        super().__init__("interrupted" if signum == signal.SIGINT else f"stopped by {signal.Signals(signum).name}")
        self.status = 0 if signum == signal.SIGTERM else 128 + signum


class Interruption:
    """A context in which Ctrl-C and SIGTERM are handled here.

    Within `deferred` a signal only sets `wanted`. Elsewhere, and within `heeded`, it raises `Interrupted`; so does a
    second Ctrl-C anywhere.

    Attributes:
        wanted: The signal that asked the run to stop; None if there was none.
    """

    def __init__(self) -> None:
        self.wanted: int | None = None
        self._deferred = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # only it may set handlers
            self._before = {which: signal.signal(which, self._take) for which in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for which, handler in self._before.items():
            signal.signal(which, handler)
        self._before = {}

    def _take(self, signum: int, _frame: object) -> None:
        again, self.wanted = self.wanted is not None, signum
        if not self._deferred or (again and signum == signal.SIGINT):
            raise Interrupted(signum)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """A context in which a signal does not raise: it only sets `wanted`, which the caller checks."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """A context within `deferred`, for work that may be interrupted anywhere: a signal raises `Interrupted` here.

        A signal that has been deferred raises it at the start of the block.
        """
        deferred, self._deferred = self._deferred, 0
        try:
            if self.wanted is not None:
                raise self.error()
            yield
        finally:
            self._deferred = deferred

    def error(self) -> Interrupted:
        """The exception to raise once the run has stopped because of `wanted`."""
        return Interrupted(self.wanted or signal.SIGTERM)
