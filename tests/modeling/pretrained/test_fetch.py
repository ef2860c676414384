"""Downloads from a server on this machine: a good one, and each way in which one goes wrong."""

import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tienet.modeling import backbone_weights
from tienet.modeling.pretrained import fetch

FILE = fetch.KERAS_FILE


class Handler(BaseHTTPRequestHandler):
    """Serves `content` as /FILE; /cut, /reset and /stalled promise it and do not deliver."""

    content = b""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind not in (FILE, "cut", "reset", "stalled", "unsized"):
            self.send_error(404)
            return
        self.send_response(200)
        if kind != "unsized":
            self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content if kind in (FILE, "unsized") else self.content[:1000])
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
        if kind == "stalled":
            self.server.released.wait(10)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[str]:
    """The server's address."""
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def published(tiny, write_keras, monkeypatch, tmp_path_factory) -> tuple[bytes, str]:
    """A small file in Keras's layout, which the server has, and its md5."""
    path = tmp_path_factory.mktemp("server") / FILE
    write_keras(path, tiny, "new")
    monkeypatch.setattr(Handler, "content", path.read_bytes())
    return path.read_bytes(), hashlib.md5(path.read_bytes()).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", [FILE, "unsized"])
def test_a_good_download_is_converted(kind, server, published, tiny, run, tmp_path):
    content, md5 = published
    out, keep = tmp_path / "resnet50.npz", tmp_path / "kept.h5"
    arguments = ("--url", f"{server}/{kind}", "--md5", md5.upper(), "--out", out, "--keep", keep)
    status, output, errors = run("fetch", *arguments)
    assert status == 0, errors
    assert f"{out}: {len(tiny)} variables up to res5c from a Keras .h5" in output
    assert keep.read_bytes() == content
    loaded = backbone_weights.load_weights(out, "res5c")
    assert all(np.array_equal(loaded[name], tiny[name]) for name in tiny)
    assert files_in(tmp_path) == ["kept.h5", "resnet50.npz"]


@pytest.mark.parametrize(
    ("path", "md5", "message"),
    [
        (FILE, "0" * 32, "the file has md5 [0-9a-f]{32}, expected 0{32}"),
        ("none.h5", None, "the server answers 404 Not Found"),
        ("cut", None, "the download ended after 1000 of [0-9]+ bytes"),
        ("reset", None, "no download|ended after"),
        ("stalled", None, "no answer in 0.3 s"),
    ],
)
def test_a_bad_download_gives_one_line_and_leaves_nothing(
    path, md5, message, server, published, run, monkeypatch, tmp_path
):
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.3)
    out = tmp_path / "resnet50.npz"
    out.write_text("old")
    arguments = (
        "--url",
        f"{server}/{path}",
        "--md5",
        md5 or published[1],
        "--out",
        out,
        "--keep",
        tmp_path / "kept.h5",
    )
    status, output, errors = run("fetch", *arguments)
    assert (status, output) == (2, "")
    assert errors.startswith(f"tienet weights fetch: {server}/{path}: ")
    assert re.search(message, errors)
    assert files_in(tmp_path) == ["resnet50.npz"] and out.read_text() == "old"


def test_no_network(run, monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # a port on which nobody listens
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x.h5"
        status, _, errors = run("fetch", "--url", url, "--out", tmp_path / "resnet50.npz")
    assert status == 2 and f"{url}: no download" in errors and "refused" in errors
    assert files_in(tmp_path) == []


def test_another_net_with_the_right_md5(server, published, tiny, write_keras, run, monkeypatch, tmp_path):
    write_keras(tmp_path / "net.h5", tiny | {"res2c_branch2a/kernel": np.zeros(1)}, "new")
    content = (tmp_path / "net.h5").read_bytes()
    monkeypatch.setattr(Handler, "content", content)
    arguments = ("--url", f"{server}/{FILE}", "--md5", hashlib.md5(content).hexdigest(), "--out", tmp_path / "r.npz")
    status, _, errors = run("fetch", *arguments)
    assert status == 2 and "not the ResNet-50" in errors
    assert files_in(tmp_path) == ["net.h5"]


@pytest.mark.parametrize("arguments", [("--md5", "123"), ("--url", "file:///etc/passwd"), ("--url", "resnet50.h5")])
def test_bad_flags(arguments, run):
    status, _, errors = run("fetch", *arguments)
    assert status == 2 and repr(arguments[1]) in errors


def test_address_and_md5_are_those_of_keras(monkeypatch):
    assert fetch.published() == (fetch.KERAS_BASE_URL + fetch.KERAS_FILE, fetch.KERAS_MD5)
    monkeypatch.setattr("keras.src.applications.resnet.WEIGHTS_HASHES", {"resnet50": ("top", "no top")})
    assert fetch.published()[1] == "no top"
    monkeypatch.delattr("keras.src.applications.resnet.WEIGHTS_HASHES")
    assert fetch.published()[1] == fetch.KERAS_MD5


def test_address_and_md5_without_tensorflow_or_keras(monkeypatch):
    monkeypatch.setattr("keras.src.applications.resnet.WEIGHTS_HASHES", {"resnet50": ("top", "no top")})
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert fetch.published()[1] == "no top"
    monkeypatch.setitem(sys.modules, "keras.src.applications.resnet", None)
    assert fetch.published() == (fetch.KERAS_BASE_URL + fetch.KERAS_FILE, fetch.KERAS_MD5)


def test_full_size(server, write_keras, run, monkeypatch, tmp_path):
    weights = {name: np.zeros(shape, np.float32) for name, shape in backbone_weights.variable_shapes("res5c").items()}
    write_keras(tmp_path / "zeros.h5", weights, "old")
    content = (tmp_path / "zeros.h5").read_bytes()
    monkeypatch.setattr(Handler, "content", content)
    out = tmp_path / "resnet50.npz"
    url, md5 = f"{server}/{FILE}", hashlib.md5(content).hexdigest()
    monkeypatch.setattr(fetch, "published", lambda: (url, md5))
    status, output, errors = run("fetch", "--out", out)
    assert status == 0, errors
    assert "266 variables up to res5c from a Keras .h5, 94.3 MB" in output
    assert len(backbone_weights.load_weights(out, "res5c")) == 266
