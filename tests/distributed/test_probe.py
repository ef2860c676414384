"""Whether a process answers a probe: asked of sockets that misbehave, and of names that are not found."""

import contextlib
import socket
import threading
import time

import pytest

from tienet.distributed.probe import Prober, ProbeResult, is_alive

SETTINGS_FRAME = b"\0\0\0\x04\0\0\0\0\0"


@contextlib.contextmanager
def listening(behave=None, host="127.0.0.1"):
    """The address of a port that calls behave(connection) for each connection; without it, nobody accepts."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    threading.Thread(target=quietly, args=(connection,), daemon=True).start()

        def quietly(connection):
            with contextlib.suppress(OSError), connection:
                behave(connection)

        if behave:
            threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def refusing():
    """The address of a port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def took(seconds_before: float) -> float:
    return time.monotonic() - seconds_before


def speak(connection):
    """Answer as an HTTP/2 server does, and end when the other side does."""
    connection.recv(100)
    connection.sendall(SETTINGS_FRAME)
    while connection.recv(100):
        pass


def drip(connection):
    while True:
        connection.sendall(b"\0")
        time.sleep(0.25)


@pytest.mark.parametrize(
    "behave",
    [
        None,
        lambda connection: time.sleep(5),
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda connection: connection.sendall(SETTINGS_FRAME[:4]),
        lambda connection: connection.sendall(bytes(9)),
        lambda connection: connection.close(),
        drip,
    ],
    ids=["no accept", "mute", "HTTP/1", "half a frame", "other frame", "closes", "drips"],
)
def test_what_does_not_begin_as_http2_does_not_answer_and_costs_no_more_than_the_time(behave):
    before = time.monotonic()
    with listening(behave) as address:
        assert not is_alive(address, 0.3)
    assert took(before) < 2


def test_a_closed_port_an_unknown_name_and_a_bad_address_do_not_answer():
    with refusing() as address:
        assert Prober()(address, 5) is ProbeResult.REFUSED
        assert not is_alive(address, 5)
    for address in ("a..b:4000", "nothing", "127.0.0.1:99999", "127.0.0.1:x", "no-such-host.invalid:4000"):
        before = time.monotonic()
        assert not is_alive(address, 0.5)
        assert took(before) < 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_http2_answers(host):
    try:
        with listening(speak, host) as address:
            assert is_alive(address, 5)
    except OSError:
        pytest.skip(f"no {host} here")


def test_a_name_server_that_hangs_costs_no_more_than_the_time(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(5) or [])
    before = time.monotonic()
    assert not is_alive("worker-1:4000", 0.2)
    assert took(before) < 2


def test_a_name_is_looked_up_again_only_when_its_machine_is_silent(monkeypatch):
    look_ups = []

    def look_up(host, port, **_):
        look_ups.append(host)
        unreachable, here = ("255.255.255.255", port), ("127.0.0.1", port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", place) for place in (unreachable, here)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    ask = Prober()
    with listening(speak) as address:
        named = address.replace("127.0.0.1", "worker-1")
        assert [ask(named, 5), ask(named, 5)] == [ProbeResult.ALIVE] * 2
        assert look_ups == ["worker-1"]
    assert [ask(named, 5), ask(named, 5)] == [ProbeResult.REFUSED] * 2
    assert look_ups == ["worker-1"] * 2
