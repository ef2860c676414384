"""A probe of whether the process behind an address is alive.

TensorFlow's server speaks gRPC, so a live worker answers the start of an HTTP/2 connection with a SETTINGS frame (RFC
9113, section 3.4). That its port accepts a connection is not enough: the kernel accepts it also for a process that was
stopped.
"""

import contextlib
import enum
import socket
import threading
import time

from tienet.distributed.cluster import host_and_port

SETTINGS, GOAWAY = 4, 7  # types of HTTP/2 frames
HEADER_BYTES = 9


def _frame(kind: int, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame without flags on stream 0."""
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + bytes(4) + payload


CLIENT_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS)
GOAWAY_FRAME = _frame(GOAWAY, bytes(8))  # last stream 0 (none was opened), error code 0 (no error)
MAX_CLOSE_SECONDS = 0.5


class ProbeResult(enum.Enum):
    """The result of probing a worker."""

    ALIVE = "its process answers"
    REFUSED = "its machine refuses the connection: no process listens there"
    UNREACHABLE = "its machine cannot be reached"
    SILENT = "no answer came in time, or the answer is not HTTP/2"


def is_alive(address: str, timeout: float) -> bool:
    """Whether the process behind "host:port" is alive: its gRPC server answers within `timeout` seconds.

    A failure of the network, such as a name that does not resolve, is no error: the result is then False.
    """
    return Prober()(address, timeout) is ProbeResult.ALIVE


class Prober:
    """Probes the workers at their addresses, and remembers the IP address that a host name resolved to.

    A host name is resolved again only once its machine is silent, so that training outlives a name server that fails.
    """

    def __init__(self) -> None:
        self._resolved: dict[str, list[tuple[int, tuple]]] = {}

    def __call__(self, address: str, seconds: float) -> ProbeResult:
        """Probe "host:port"; takes at most `seconds`, and up to MAX_CLOSE_SECONDS more to close the connection."""
        until = time.monotonic() + seconds
        endpoints = self._resolved.pop(address, None) or _resolve(address, seconds)
        results = set()
        for n, (family, endpoint) in enumerate(endpoints):
            share = (until - time.monotonic()) / (len(endpoints) - n)
            result = _probe_socket(family, endpoint, max(share, 1e-3))
            if result is ProbeResult.ALIVE:
                self._resolved[address] = [(family, endpoint)]
                return result
            results.add(result)
        refused = results - {ProbeResult.UNREACHABLE} == {ProbeResult.REFUSED}
        return ProbeResult.REFUSED if refused else ProbeResult.SILENT


def _resolve(address: str, seconds: float) -> list[tuple[int, tuple]]:
    """The (address family, socket address) pairs of "host:port"; empty if they are not known within `seconds`."""
    endpoints: list[tuple[int, tuple]] = []

    def look_up() -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: no port number, or a name that IDNA forbids
            host, port = host_and_port(address)
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            endpoints.extend([(family, endpoint) for family, _, _, _, endpoint in found])

    thread = threading.Thread(target=look_up, daemon=True)  # a name server may take longer than `seconds`
    thread.start()
    thread.join(seconds)
    return list(endpoints)


def _probe_socket(family: int, endpoint: tuple, seconds: float) -> ProbeResult:
    """Probe one socket address."""
    until = time.monotonic() + seconds
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            try:
                connection.connect(endpoint)
            except ConnectionRefusedError:
                return ProbeResult.REFUSED
            except TimeoutError:
                return ProbeResult.SILENT
            except OSError:
                return ProbeResult.UNREACHABLE
            connection.sendall(CLIENT_PREFACE)
            header = _receive(connection, HEADER_BYTES, until)
            # The header is: length (3 bytes), type (1), flags (1), stream (4).
            if len(header) < HEADER_BYTES or header[3:] != bytes([SETTINGS]) + bytes(5):
                return ProbeResult.SILENT
            _close_cleanly(connection)
            return ProbeResult.ALIVE
    except (OSError, OverflowError):  # OverflowError: a port above 65535
        return ProbeResult.SILENT


def _receive(connection: socket.socket, count: int, until: float) -> bytes:
    """The next `count` bytes, or fewer if the other side ends; TimeoutError if they do not come in time."""
    received = b""
    while len(received) < count:
        connection.settimeout(max(until - time.monotonic(), 1e-3))
        more = connection.recv(count - len(received))
        if not more:
            break
        received += more
    return received


def _close_cleanly(connection: socket.socket) -> None:
    """Send GOAWAY and read what the server still sends, so that closing does not reset the connection there."""
    with contextlib.suppress(OSError):
        connection.sendall(GOAWAY_FRAME)
        connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + MAX_CLOSE_SECONDS
        while time.monotonic() < until and _receive(connection, 4096, until):
            pass
