"""`tienet serve` as a process: what it refuses before it loads anything, when it prints its address, how it stops."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import ROOT
from tienet.commands import serving
from tienet.errors import InputError

# The command with networks that answer at once. Each time that it is stopped, it serves once more, `times` in all.
CODE = """
import sys
from tests.server import fakes
from tienet import cli
from tienet.commands import serve
from tienet.server import engine
engine.open_runs = list
engine.Engine.load = classmethod(lambda cls, runs: fakes.engine(max_batch=1))
times, *flags = sys.argv[1:]
sys.argv[:] = ["tienet", "--load", "runs/any", "--port", "0", *flags]
cli.run(lambda: max(serve.main() for _ in range(int(times))))
"""
BUSY = "while True: pass"


@contextlib.contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """A Python process in a group of its own, of which nothing is left in the end, whatever the test came to."""
    started = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def read_address(server: subprocess.Popen) -> tuple[str, int]:
    """(host, port), read from the line that the server prints as soon as it answers."""
    while True:
        line = server.stdout.readline()
        assert line, server.stderr.read()
        if line.startswith("http://"):
            url = httpx.URL(line.split()[0])
            return url.host, url.port


def test_ctrl_c_and_sigterm_stop_it_cleanly_within_seconds():
    begun = time.monotonic()
    with process(CODE, "2", "--token", "a-long-token") as server:
        address = read_address(server)
        limit = 8 + time.monotonic() - begun  # a busy machine, which starts it slowly, stops it slowly, too
        for number in (signal.SIGINT, signal.SIGTERM):
            with httpx.Client(base_url="http://{}:{}".format(*address), timeout=60) as client:
                assert client.get("/healthz").json() == {"status": "ok"}
                assert client.get("/api/model").status_code == 401
                begun = time.monotonic()
                server.send_signal(number)  # while the client keeps its connection open
                if number == signal.SIGINT:
                    address = read_address(server)
                else:
                    assert server.wait(120) == 0
                assert time.monotonic() - begun < limit
        out, errors = server.stdout.read(), server.stderr.read()
        assert "Traceback" not in errors and "a-long-token" not in out + errors


def test_who_reads_its_address_and_connects_at_once_is_answered():
    """Also where other processes keep every core busy between the line and the first request."""
    quiet, busy = 3, 4
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(process(CODE, str(quiet + busy)))
        for n in range(quiet + busy):
            if n == quiet:
                for _ in range(2 * (os.cpu_count() or 1)):
                    stack.enter_context(process(BUSY))
            with socket.create_connection(read_address(server), timeout=60) as connection:  # raises where it is refused
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert b"200 OK" in connection.recv(100)
            server.send_signal(signal.SIGTERM)
        assert server.wait(120) == 0


@pytest.fixture
def serve(monkeypatch):
    """The command in this process, with networks that answer at once."""
    import uvicorn

    from tests.server import fakes
    from tienet.commands import serve
    from tienet.server import engine

    # It closes the handlers that are there, and absl's would close the file in which pytest captures standard error.
    monkeypatch.setattr(uvicorn.Config, "configure_logging", lambda self: None)
    monkeypatch.setattr(engine, "open_runs", list)
    monkeypatch.setattr(engine.Engine, "load", lambda runs: fakes.engine(max_batch=1))
    monkeypatch.setattr(sys, "argv", ["tienet", "--load", "runs/any", "--port", "0"])
    return serve


def test_a_signal_that_comes_before_it_answers_stops_it_cleanly(serve, monkeypatch):
    import uvicorn

    def run_after_a_signal(self, sockets):
        os.kill(os.getpid(), signal.SIGTERM)
        run(self, sockets)

    run, addresses = uvicorn.Server.run, []
    monkeypatch.setattr(uvicorn.Server, "run", run_after_a_signal)
    monkeypatch.setattr(serving, "_log_address", lambda address, _: addresses.append(address))
    before = signal.getsignal(signal.SIGTERM)
    assert serve.main() == 0 and signal.getsignal(signal.SIGTERM) is before
    (address,) = addresses
    assert address.startswith("http://127.0.0.1:")


def test_it_stops_in_order_where_nobody_reads_its_address(serve, monkeypatch):
    import uvicorn

    def log_to_nobody(*_):
        raise BrokenPipeError

    async def counted_shutdown(self, sockets):
        stopped.append(self)
        await shutdown(self, sockets)

    shutdown, stopped = uvicorn.Server.shutdown, []
    monkeypatch.setattr(uvicorn.Server, "shutdown", counted_shutdown)
    monkeypatch.setattr(serving, "_log_address", log_to_nobody)
    with pytest.raises(BrokenPipeError):
        serve.main()
    assert len(stopped) == 1


def test_nothing_is_left_of_a_server_whose_test_fails():
    with pytest.raises(ZeroDivisionError), process(BUSY) as server:
        assert server.poll() is None
        1 / 0  # noqa: B018
    assert server.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other computers in; give them --token"),
        (["--token", "short"], "expected 8 or more"),
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--queue", "0"], "--queue 0: expected 1 or more"),
        (["--host", "no.such.host.invalid", "--token", "a-long-token"], "no such address"),
        (["--samples", "nowhere"], "no such folder"),
        (["--load", "a", "b", "c"], "a: no checkpoint there"),
    ],
)
def test_wrong_flags_are_one_line(flags, said):
    from tienet import cli
    from tienet.commands import serve

    parser = cli.Parser()
    serve.add_arguments(parser)
    with pytest.raises(InputError) as error:
        serve.run(parser.parse_args(["--load", "runs/any", "--port", "0", *flags]))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_taken_port_is_one_line():
    from tienet.commands.serving import bound_socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(InputError, match="choose another --port"), bound_socket(*other.getsockname()):
            pass


def test_a_port_that_another_server_takes_while_this_one_loads_is_one_line():
    from tienet.commands.serving import bound_socket, start_listening

    with bound_socket("127.0.0.1", 0) as first:
        address = first.getsockname()
        with pytest.raises(ConnectionRefusedError):  # not before the networks are loaded
            socket.create_connection(address, timeout=10)
        with bound_socket(*address) as second:
            start_listening(first, *address)
            with pytest.raises(InputError, match="choose another --port") as error:
                start_listening(second, *address)
        assert "\n" not in str(error.value)
        socket.create_connection(address, timeout=10).close()  # kept until the server takes it
