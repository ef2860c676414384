"""Whether the other processes of a cluster are alive, asked beside the training.

A worker that vanishes leaves the others inside a collective operation, for ever. TensorFlow's server speaks gRPC, so
whoever is alive answers the start of an HTTP/2 connection with a SETTINGS frame (RFC 9113, section 3.4). A port that
is open is not enough: the kernel of a machine opens it also for a process that was stopped.
"""

import contextlib
import enum
import math
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from tienet.distributed.cluster import Cluster, host_and_port

SETTINGS, GOAWAY = 4, 7  # types of HTTP/2 frames
HEADER_BYTES = 9


def _frame(kind: int, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame without flags on stream 0."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS)
GOODBYE = _frame(GOAWAY, bytes(8))  # no stream was opened, no error
MAX_LEAVE_SECONDS = 0.5

ASK_EVERY = 2.0  # seconds, or a fifth of the time-out
MAX_ASK_SECONDS = 30.0  # seconds, or a third of the time-out: a busy machine may be slow to answer
REFUSALS = 3
SECONDS_BETWEEN_REFUSALS = 1.0
MIN_FAILURES = 2  # one may be due to this process, e.g. when it was stopped meanwhile
LOOK_EVERY = 0.05  # seconds, while waiting for the start
SECONDS_BETWEEN_LINES = 1.0
MAX_NAMED = 8


class WorkerLostError(Exception):
    """A worker stopped answering while the cluster trained.

    Attributes:
        rank: which.
    """

    def __init__(self, rank: int, name: str, seconds: float) -> None:
        """`name` as `Cluster.name` gives it; `seconds` since its last answer."""
        self.rank = rank
        super().__init__(
            f"{name} has not answered for {max(seconds, 1):.0f} s; the last checkpoint is good: start again with "
            f"--resume, also with other workers"
        )


class WorkersMissingError(Exception):
    """Workers that did not start in time.

    Attributes:
        ranks: which.
    """

    def __init__(self, ranks: Sequence[int], cluster: Cluster, seconds: float) -> None:
        """`seconds` is how long was waited."""
        self.ranks = tuple(ranks)
        super().__init__(
            f"{_names(cluster, ranks)} did not start within {seconds:.0f} s; start every worker with the same list of "
            f"addresses, each with its own task, and see that the ports are open"
        )


class Answer(enum.Enum):
    """What came of asking a peer."""

    ALIVE = "its process answers"
    REFUSED = "its machine says that no process listens"
    UNREACHABLE = "there is no way to its machine"
    SILENT = "nothing came in time, or something else than HTTP/2"


def answers(address: str, timeout: float) -> bool:
    """Whether the process behind "host:port" is alive: its gRPC server answers within `timeout` seconds.

    Never raises for what the network does. A name that does not resolve does not answer.
    """
    return Asker()(address, timeout) is Answer.ALIVE


class Asker:
    """Asks addresses, and remembers where a name was found.

    Training then outlives a name server that fails: a name is looked up again only once its machine is silent.
    """

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[int, tuple]]] = {}

    def __call__(self, address: str, seconds: float) -> Answer:
        """What came of asking "host:port", at most `seconds` later and a little for leaving."""
        until = time.monotonic() + seconds
        places = self._found.pop(address, None) or _look_up(address, seconds)
        got = set()
        for n, (family, place) in enumerate(places):
            share = (until - time.monotonic()) / (len(places) - n)
            answer = _knock(family, place, max(share, 1e-3))
            if answer is Answer.ALIVE:
                self._found[address] = [(family, place)]
                return answer
            got.add(answer)
        return Answer.REFUSED if got - {Answer.UNREACHABLE} == {Answer.REFUSED} else Answer.SILENT


class LivenessMonitor:
    """Asks every other worker every few seconds, each in a thread of its own, whether it is alive.

    `with watcher:` starts and stops it. The threads are daemons: they never keep the process from ending, and
    nothing that happens in them, `on_lost` included, raises anywhere else.
    """

    def __init__(
        self,
        cluster: Cluster,
        timeout: float,
        on_lost: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
        ask: Callable[[str, float], Answer] | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            timeout: seconds without an answer after which a worker is lost.
            on_lost: called once for each lost worker with its rank, from a thread, one call at a time. The main
                thread may be inside a collective operation then and never come back.
            clock: seconds, as time.monotonic.
            ask: (address, seconds) to what came of it.
        """
        self._cluster, self._timeout, self._on_lost = cluster, timeout, on_lost
        self._clock, self._ask = clock, ask or Asker()
        self._peers = [rank for rank in range(cluster.size) if rank != cluster.rank]
        self._every = min(ASK_EVERY, timeout / 5)
        self._longest = min(MAX_ASK_SECONDS, timeout / 3)
        self._answered_at = dict.fromkeys(self._peers, clock())
        self._over: threading.Event | None = None
        self._calling = threading.RLock()  # so that on_lost may call stop

    def wait_for_all(self, limit: float) -> None:
        """Block until all peers answer; a line on standard error names those waited for, again when they change.

        Raises:
            PeersMissingError: some did not answer within `limit` seconds.
        """
        began, there, over = self._clock(), dict.fromkeys(self._peers, False), threading.Event()

        def keep_asking(rank: int) -> None:
            while not over.is_set():
                there[rank] = self._is_alive(rank, self._longest)
                over.wait(self._every)

        named, next_line = [], began + SECONDS_BETWEEN_LINES
        try:
            self._in_threads(keep_asking)
            while missing := [rank for rank, is_there in there.items() if not is_there]:
                now = self._clock()
                if now - began >= limit:
                    raise WorkersMissingError(missing, self._cluster, limit)
                if missing != named and now >= next_line:
                    print(f"waiting for {_names(self._cluster, missing)}", file=sys.stderr, flush=True)
                    named, next_line = missing, now + SECONDS_BETWEEN_LINES
                time.sleep(LOOK_EVERY)
        finally:
            over.set()

    def start(self) -> None:
        """Start to watch, as if all peers had just answered; nothing happens if it watches already."""
        if self._over is not None:
            return
        self._over = over = threading.Event()
        self._answered_at = dict.fromkeys(self._peers, self._clock())
        self._in_threads(lambda rank: self._watch(rank, over))

    def stop(self) -> None:
        """Stop watching; once this has returned `on_lost` is not called. May be called again, and from `on_lost`."""
        if self._over is not None:
            self._over.set()
            self._over = None
        with self._calling:  # a call that has begun may end
            pass

    def __enter__(self) -> "LivenessMonitor":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def silent(self, within: float) -> list[int]:
        """Ask all peers now; the ranks that did not answer within that many seconds, in order.

        Works whether or not it watches: after a collective operation failed, this is who is lost.
        """
        alive: dict[int, bool] = {}

        def ask_once(rank: int) -> None:
            alive[rank] = self._is_alive(rank, within)

        until = time.monotonic() + within
        for thread in self._in_threads(ask_once):
            thread.join(max(until - time.monotonic(), 0))
        return [rank for rank in self._peers if not alive.get(rank)]

    def error(self, rank: int) -> WorkerLostError:
        """What to tell the user about a lost worker."""
        return WorkerLostError(rank, self._cluster.name(rank), self._clock() - self._answered_at[rank])

    def _in_threads(self, work: Callable[[int], None]) -> list[threading.Thread]:
        """Start `work` for every peer."""
        threads = [
            threading.Thread(target=work, args=(rank,), name=f"peer {rank}", daemon=True) for rank in self._peers
        ]
        for thread in threads:
            thread.start()
        return threads

    def _is_alive(self, rank: int, seconds: float) -> bool:
        return self._ask_peer(rank, seconds) is Answer.ALIVE

    def _ask_peer(self, rank: int, seconds: float) -> Answer:
        try:
            answer = self._ask(self._cluster.addresses[rank], seconds)
        except Exception:  # such as no more threads: as good as no answer
            return Answer.SILENT
        if answer is Answer.ALIVE:
            self._answered_at[rank] = self._clock()
        return answer

    def _watch(self, rank: int, over: threading.Event) -> None:
        """Ask a peer until it is lost or watching is over."""
        failures, refusals, refused_at = 0, 0, -math.inf
        while not over.is_set():
            began = time.monotonic()
            left = self._answered_at[rank] + self._timeout - self._clock()
            answer = self._ask_peer(rank, max(min(left, self._longest), self._every))
            now = self._clock()
            failures = 0 if answer is Answer.ALIVE else failures + 1
            if answer is not Answer.REFUSED:
                refusals = 0
            elif now - refused_at >= SECONDS_BETWEEN_REFUSALS:
                refusals, refused_at = refusals + 1, now
            too_long = now - self._answered_at[rank] >= self._timeout and failures >= MIN_FAILURES
            if too_long or refusals >= REFUSALS:
                self._lose(rank, over)
                return
            over.wait(max(began + self._every - time.monotonic(), 0))

    def _lose(self, rank: int, over: threading.Event) -> None:
        with self._calling:
            if over.is_set():
                return
            try:
                self._on_lost(rank)
            except BaseException:
                # sys.stderr's lock may be held by a main thread that ends; a write past it cannot hang.
                with contextlib.suppress(OSError):
                    os.write(2, traceback.format_exc().encode(errors="replace"))


def _names(cluster: Cluster, ranks: Sequence[int]) -> str:
    named = [cluster.name(rank) for rank in ranks[:MAX_NAMED]]
    more = f" and {len(ranks) - MAX_NAMED} more" if len(ranks) > MAX_NAMED else ""
    return ", ".join(named) + more


def _look_up(address: str, seconds: float) -> list[tuple[int, tuple]]:
    """Where "host:port" is, as (address family, socket address); empty if that is not known in time."""
    places: list[tuple[int, tuple]] = []

    def look() -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: no number, or a name that IDNA does not allow
            host, port = host_and_port(address)
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            places.extend([(family, place) for family, _, _, _, place in found])

    thread = threading.Thread(target=look, daemon=True)  # a name server may take longer than we want to wait
    thread.start()
    thread.join(seconds)
    return list(places)


def _knock(family: int, place: tuple, seconds: float) -> Answer:
    """Ask at one socket address."""
    until = time.monotonic() + seconds
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            try:
                connection.connect(place)
            except ConnectionRefusedError:
                return Answer.REFUSED
            except TimeoutError:
                return Answer.SILENT
            except OSError:
                return Answer.UNREACHABLE
            connection.sendall(HELLO)
            header = _receive(connection, HEADER_BYTES, until)
            # length (3 bytes), type, flags, stream (4)
            if len(header) < HEADER_BYTES or header[3:] != bytes([SETTINGS]) + bytes(5):
                return Answer.SILENT
            _leave(connection)
            return Answer.ALIVE
    except (OSError, OverflowError):  # OverflowError: a port above 65535
        return Answer.SILENT


def _receive(connection: socket.socket, count: int, until: float) -> bytes:
    """The next `count` bytes, fewer if the other side ends; TimeoutError if they do not come in time."""
    got = b""
    while len(got) < count:
        connection.settimeout(max(until - time.monotonic(), 1e-3))
        more = connection.recv(count - len(got))
        if not more:
            break
        got += more
    return got


def _leave(connection: socket.socket) -> None:
    """Say goodbye and read what is still coming, so that closing resets nothing on the other side."""
    with contextlib.suppress(OSError):
        connection.sendall(GOODBYE)
        connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + MAX_LEAVE_SECONDS
        while time.monotonic() < until and _receive(connection, 4096, until):
            pass
