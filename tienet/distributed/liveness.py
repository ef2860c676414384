"""A monitor, in threads beside the training, of whether the other workers of a cluster are alive.

A worker that vanishes leaves the others inside a collective operation for ever; the monitor finds out that it is lost.
How a worker is asked is in `tienet.distributed.probe`.
"""

import contextlib
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from tienet.distributed.cluster import Cluster
from tienet.distributed.probe import Prober, ProbeResult

SECONDS_BETWEEN_PROBES = 2.0  # or a fifth of the time-out where that is shorter
MAX_PROBE_SECONDS = 30.0  # or a third of the time-out where that is shorter; long, as a busy machine answers slowly
MIN_REFUSALS = 3  # refused connections after which a worker is lost
SECONDS_BETWEEN_REFUSALS = 1.0
MIN_FAILURES = 2  # a single failure may be due to this process, e.g. if it was stopped meanwhile
SECONDS_BETWEEN_LOOKS = 0.05  # while waiting for the workers to start
SECONDS_BETWEEN_LINES = 1.0
MAX_NAMED_WORKERS = 8


class WorkerLostError(Exception):
    """A worker stopped answering while the cluster trained.

    Attributes:
        rank: The rank of the worker.
    """

    def __init__(self, rank: int, name: str, seconds: float) -> None:
        """`name` is as `Cluster.name` gives it; `seconds` is the time since the worker's last answer."""
        self.rank = rank
        super().__init__(
            f"{name} has not answered for {max(seconds, 1):.0f} s; the last checkpoint is good: start again with "
            f"--resume, also with other workers"
        )


class WorkersMissingError(Exception):
    """Some workers did not start in time.

    Attributes:
        ranks: The ranks of these workers.
    """

    def __init__(self, ranks: Sequence[int], cluster: Cluster, seconds: float) -> None:
        """`seconds` is how long this process has waited for them."""
        self.ranks = tuple(ranks)
        super().__init__(
            f"{_names(cluster, ranks)} did not start within {seconds:.0f} s; start every worker with the same list of "
            f"addresses, each with its own task, and see that the ports are open"
        )


class LivenessMonitor:
    """Probes every other worker every few seconds, each in a thread of its own.

    `with monitor:` starts and stops it. The threads are daemons: they do not keep the process from ending, and no
    exception in them, nor one in `on_lost`, is raised anywhere else.
    """

    def __init__(
        self,
        cluster: Cluster,
        timeout: float,
        on_lost: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
        probe: Callable[[str, float], ProbeResult] | None = None,
    ) -> None:
        """Make a monitor that has not started yet.

        Args:
            cluster: The workers, and which of them this process is.
            timeout: Seconds without an answer after which a worker is lost.
            on_lost: Called once for each lost worker with its rank, from a thread, one call at a time. The main
                thread may be inside a collective operation then and never come back.
            clock: Gives the time in seconds, as time.monotonic does.
            probe: Takes (address, seconds) and probes the worker there; None: a new `Prober` does.
        """
        self._cluster, self._timeout, self._on_lost = cluster, timeout, on_lost
        self._clock, self._probe = clock, probe or Prober()
        self._other_ranks = [rank for rank in range(cluster.size) if rank != cluster.rank]
        self._interval = min(SECONDS_BETWEEN_PROBES, timeout / 5)
        self._max_probe = min(MAX_PROBE_SECONDS, timeout / 3)
        self._answered_at = dict.fromkeys(self._other_ranks, clock())
        self._over: threading.Event | None = None
        self._calling = threading.RLock()  # so that on_lost may call stop

    def wait_for_all(self, limit: float) -> None:
        """Block until all other workers answer.

        A line on standard error names the workers that are missing, and another one whenever that changes.

        Raises:
            WorkersMissingError: Some workers did not answer within `limit` seconds.
        """
        began, started, over = self._clock(), dict.fromkeys(self._other_ranks, False), threading.Event()

        def keep_probing(rank: int) -> None:
            while not over.is_set():
                started[rank] = self._is_alive(rank, self._max_probe)
                over.wait(self._interval)

        named, next_line = [], began + SECONDS_BETWEEN_LINES
        try:
            self._in_threads(keep_probing)
            while missing := [rank for rank, is_started in started.items() if not is_started]:
                now = self._clock()
                if now - began >= limit:
                    raise WorkersMissingError(missing, self._cluster, limit)
                if missing != named and now >= next_line:
                    print(f"waiting for {_names(self._cluster, missing)}", file=sys.stderr, flush=True)
                    named, next_line = missing, now + SECONDS_BETWEEN_LINES
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            over.set()

    def start(self) -> None:
        """Start monitoring, as if all workers had just answered; does nothing if it has started already."""
        if self._over is not None:
            return
        self._over = over = threading.Event()
        self._answered_at = dict.fromkeys(self._other_ranks, self._clock())
        self._in_threads(lambda rank: self._monitor(rank, over))

    def stop(self) -> None:
        """Stop monitoring: once this has returned, `on_lost` is not called any more.

        It may be called again, and from within `on_lost`.
        """
        if self._over is not None:
            self._over.set()
            self._over = None
        with self._calling:  # waits for a call of on_lost that has begun
            pass

    def __enter__(self) -> "LivenessMonitor":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def silent(self, within: float) -> list[int]:
        """Probe all other workers now; returns the ranks that did not answer `within` seconds, in order.

        It works whether or not the monitor has started: after a collective operation failed, it tells who is lost.
        """
        alive: dict[int, bool] = {}

        def probe_once(rank: int) -> None:
            alive[rank] = self._is_alive(rank, within)

        until = time.monotonic() + within
        for thread in self._in_threads(probe_once):
            thread.join(max(until - time.monotonic(), 0))
        return [rank for rank in self._other_ranks if not alive.get(rank)]

    def error(self, rank: int) -> WorkerLostError:
        """The error that tells the user about a lost worker."""
        return WorkerLostError(rank, self._cluster.name(rank), self._clock() - self._answered_at[rank])

    def _in_threads(self, work: Callable[[int], None]) -> list[threading.Thread]:
        """Start a thread for every other worker, which calls `work` with its rank."""
        threads = [
            threading.Thread(target=work, args=(rank,), name=f"worker {rank}", daemon=True)
            for rank in self._other_ranks
        ]
        for thread in threads:
            thread.start()
        return threads

    def _is_alive(self, rank: int, seconds: float) -> bool:
        return self._probe_worker(rank, seconds) is ProbeResult.ALIVE

    def _probe_worker(self, rank: int, seconds: float) -> ProbeResult:
        try:
            result = self._probe(self._cluster.addresses[rank], seconds)
        except Exception:  # e.g. no thread can be started for the look-up; it is treated as no answer
            return ProbeResult.SILENT
        if result is ProbeResult.ALIVE:
            self._answered_at[rank] = self._clock()
        return result

    def _monitor(self, rank: int, over: threading.Event) -> None:
        """Probe a worker until it is lost or `over` is set."""
        failures, refusals, refused_at = 0, 0, -math.inf
        while not over.is_set():
            began = time.monotonic()
            left = self._answered_at[rank] + self._timeout - self._clock()
            result = self._probe_worker(rank, max(min(left, self._max_probe), self._interval))
            now = self._clock()
            failures = 0 if result is ProbeResult.ALIVE else failures + 1
            if result is not ProbeResult.REFUSED:
                refusals = 0
            elif now - refused_at >= SECONDS_BETWEEN_REFUSALS:
                refusals, refused_at = refusals + 1, now
            timed_out = now - self._answered_at[rank] >= self._timeout and failures >= MIN_FAILURES
            if timed_out or refusals >= MIN_REFUSALS:
                self._report_lost(rank, over)
                return
            over.wait(max(began + self._interval - time.monotonic(), 0))

    def _report_lost(self, rank: int, over: threading.Event) -> None:
        with self._calling:
            if over.is_set():
                return
            try:
                self._on_lost(rank)
            except BaseException:
                # Not print: the main thread may hold the lock of sys.stderr while it ends, and print would wait for it.
                with contextlib.suppress(OSError):
                    os.write(2, traceback.format_exc().encode(errors="replace"))


def _names(cluster: Cluster, ranks: Sequence[int]) -> str:
    names = [cluster.name(rank) for rank in ranks[:MAX_NAMED_WORKERS]]
    more = f" and {len(ranks) - MAX_NAMED_WORKERS} more" if len(ranks) > MAX_NAMED_WORKERS else ""
    return ", ".join(names) + more
