"""Ctrl-C and SIGTERM: a run stops between two updates, saves, and can go on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop.

    Attributes:
        status: for the shell: 0 for SIGTERM, by which clusters evict, 130 for Ctrl-C.
    """

    def __init__(self, signum: int):
        super().__init__("interrupted" if signum == signal.SIGINT else f"stopped by {signal.Signals(signum).name}")
        self.status = 0 if signum == signal.SIGTERM else 128 + signum


class Interruption:
    """Takes Ctrl-C and SIGTERM while it is entered.

    Within `deferred` a signal only sets `wanted`; elsewhere, within `heeded`, and at the second Ctrl-C, it raises
    `Interrupted`.

    Attributes:
        wanted: the signal that asked to stop; None so far.
    """

    def __init__(self) -> None:
        self.wanted: int | None = None
        self._deferred = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # others may not
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
        """Not now: a signal waits until the caller asks for `wanted`."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Within `deferred`, for work that may end anywhere: a signal raises here, also one that came before."""
        deferred, self._deferred = self._deferred, 0
        try:
            if self.wanted is not None:
                raise self.error()
            yield
        finally:
            self._deferred = deferred

    def error(self) -> Interrupted:
        """What to raise once the run has stopped because of `wanted`."""
        return Interrupted(self.wanted or signal.SIGTERM)
