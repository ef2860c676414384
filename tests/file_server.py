"""A server of files on this machine, for tests of downloads: a good one, and each way in which one goes wrong."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class File:
    """A file of the server, and how it is served.

    Attributes:
        content: Its bytes.
        name: Its ETag; empty: the server names no version.
        cuts: After how many bytes each of the next answers ends, though it promised more.
        how: What happens at a cut: "end" of the connection, "reset" of it, or "stall", nothing more comes.
        moved_to: The address to which it has moved; empty: it is here.
        status: Those of the next answers, such as 503.
        sized: Whether the server says how long it is.
        ranges: Whether the server gives parts.
        believes: Another ETag of which it gives parts as if it were its own.
        pause_s: The pause after each 16 kB.
    """

    content: bytes
    name: str = '"1"'
    cuts: list[int] = field(default_factory=list)
    how: str = "end"
    moved_to: str = ""
    status: list[int] = field(default_factory=list)
    sized: bool = True
    ranges: bool = True
    believes: str = ""
    pause_s: float = 0.0


class Server(ThreadingHTTPServer):
    """Serves `files` by their paths.

    Attributes:
        files: Path without the first slash -> file.
        asked: (method, path, Range or None) of each request so far.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.files: dict[str, File] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.server.asked.append((self.command, path, self.headers["Range"]))
        file = self.server.files.get(path)
        if file is None:
            return self.send_error(404)
        if file.status and self.command == "GET":
            return self.send_error(file.status.pop(0))
        if file.moved_to:
            self.send_response(301)
            self.send_header("Location", file.moved_to)
            return self.end_headers()
        start = self._start_of_answer(file)
        if start is not None and self.command == "GET":
            self._send(file, file.content[start:])
        return None

    def _start_of_answer(self, file: File) -> int | None:
        """Send the headers; returns the first byte that is to be sent."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        start = 0
        if wanted and file.ranges and self.headers["If-Range"] in (None, file.name, file.believes):
            start = int(wanted[1])
            if start >= len(file.content):
                self.send_error(416)
                return None
        self.send_response(206 if start else 200)
        if file.name:
            self.send_header("ETag", file.name)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(file.content) - 1}/{len(file.content)}")
        if file.sized:
            self.send_header("Content-Length", str(len(file.content) - start))
        self.end_headers()
        return start

    def _send(self, file: File, content: bytes) -> None:
        cut = file.cuts.pop(0) if file.cuts else None
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(content[:cut]), 1 << 14):
                self.wfile.write(content[:cut][at : at + (1 << 14)])
                time.sleep(file.pause_s)
            if cut is not None and file.how == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                self.connection.close()
            if cut is not None and file.how == "stall":
                self.server.released.wait(10)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running(port: int = 0) -> Iterator[Server]:
    """A server that runs while the block does."""
    with Server(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """What a fixture yields from: a server, and downloads that do not wait before they try again."""
    from tienet.data import download

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "WAIT_S", 0.0)
    monkeypatch.setattr(download, "TIMEOUT_S", 0.3)
    with running() as server:
        yield server
