"""A server with networks that answer at once: in this process, and behind a real socket."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def tab(browser, address):
    """A tab that fails the test where a script fails or a request goes to another address; 4xx answers are noted."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    tab, errors, requests = context.new_page(), [], []
    tab.set_default_timeout(10_000)
    tab.refusals = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: message.type in ("error", "warning") and errors.append(message.text))
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("response", lambda response: response.status >= 400 and tab.refusals.append(response.status))
    tab.goto(address)
    tab.wait_for_selector(".samples li")
    yield tab
    context.close()
    # Chromium writes each refused request into the console.
    assert [error for error in errors if not (tab.refusals and "status of 4" in error)] == []
    assert [url[:80] for url in requests if not url.startswith((address, "data:", "blob:", "file:"))] == []


@pytest.fixture(scope="module")
def xray() -> tuple[str, bytes]:
    """A real one where there is one."""
    folder = Path(__file__).resolve().parents[3] / "shared/data/openi/images"
    found = next(iter(sorted(folder.glob("*.jpg"))), None) if folder.is_dir() else None
    return (found.name, found.read_bytes()) if found else ("drawn.png", fakes.png(fakes.xray(300, 280)))
