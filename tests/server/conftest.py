"""A server with networks that answer at once: in this process, and behind a real socket."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="needs fastapi")

import uvicorn
from fastapi.testclient import TestClient

from tests.server import fakes
from tienet.server.app import create_app

LOCAL = {"localhost", "127.0.0.1", "::1"}


@contextlib.contextmanager
def serving(app) -> Iterator[str]:
    """The application behind a socket; gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def engine():
    with fakes.engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def client(engine):
    with TestClient(create_app(engine, hosts=LOCAL), "http://localhost", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def address(engine):
    with serving(create_app(engine, hosts=LOCAL)) as address:
        yield address
