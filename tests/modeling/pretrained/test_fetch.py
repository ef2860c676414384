"""Downloads from a server on this machine: a good one, and each way in which one goes wrong."""

import hashlib
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.file_server import File, Server, serving
from tienet.data import download
from tienet.modeling import backbone_weights
from tienet.modeling.pretrained import fetch

FILE = fetch.KERAS_FILE


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    yield from serving(monkeypatch)


@pytest.fixture
def published(tiny, write_keras, server, tmp_path_factory) -> tuple[bytes, str]:
    """A small file in Keras's layout, which the server has, and its md5."""
    path = tmp_path_factory.mktemp("server") / FILE
    write_keras(path, tiny, "new")
    content = path.read_bytes()
    endless = [1000] + [0] * 10
    server.files |= {
        FILE: File(content),
        "unsized": File(content, sized=False),
        "cut": File(content, cuts=endless[:], name=""),
        "reset": File(content, cuts=endless[:], name="", how="reset"),
        "stalled": File(content, cuts=endless[:], name="", how="stall"),
        "goes-on": File(content, cuts=endless[:]),
    }
    return content, hashlib.md5(content).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", [FILE, "unsized"])
def test_a_good_download_is_converted(kind, server, published, tiny, run, tmp_path):
    content, md5 = published
    out, keep = tmp_path / "resnet50.npz", tmp_path / "kept.h5"
    arguments = ("--url", f"{server.url}/{kind}", "--md5", md5.upper(), "--out", out, "--keep", keep)
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
        ("cut", None, "the download ended after 0 of [0-9,]+ bytes"),
        ("reset", None, "no download|ended after"),
        ("stalled", None, "no answer in 0.1 s"),
    ],
)
def test_a_bad_download_gives_one_line_and_leaves_nothing(
    path, md5, message, server, published, run, monkeypatch, tmp_path
):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.1)
    out = tmp_path / "resnet50.npz"
    out.write_text("old")
    arguments = (
        "--url",
        f"{server.url}/{path}",
        "--md5",
        md5 or published[1],
        "--out",
        out,
        "--keep",
        tmp_path / "kept.h5",
    )
    status, output, errors = run("fetch", *arguments)
    assert (status, output) == (2, "")
    assert errors.startswith(f"tienet weights fetch: {server.url}/{path}: ")
    assert re.search(message, errors)
    assert files_in(tmp_path) == ["resnet50.npz"] and out.read_text() == "old"


def test_a_download_that_was_cut_off_goes_on(server, published, tiny, run, tmp_path):
    content, md5 = published
    arguments = ("--url", f"{server.url}/goes-on", "--md5", md5, "--out", tmp_path / "resnet50.npz")
    status, _, errors = run("fetch", *arguments)
    assert status == 2 and "the same command goes on after 1,000 bytes" in errors
    server.files["goes-on"].cuts.clear()
    status, output, errors = run("fetch", *arguments)
    assert status == 0 and "variables up to res5c" in output, errors
    assert server.asked[-1] == ("GET", "goes-on", "bytes=1000-") and files_in(tmp_path) == ["resnet50.npz"]


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
    server.files[FILE] = File(content)
    arguments = (
        "--url",
        f"{server.url}/{FILE}",
        "--md5",
        hashlib.md5(content).hexdigest(),
        "--out",
        tmp_path / "r.npz",
    )
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
    server.files[FILE] = File(content)
    out = tmp_path / "resnet50.npz"
    url, md5 = f"{server.url}/{FILE}", hashlib.md5(content).hexdigest()
    monkeypatch.setattr(fetch, "published", lambda: (url, md5))
    status, output, errors = run("fetch", "--out", out)
    assert status == 0, errors
    assert "266 variables up to res5c from a Keras .h5, 94.3 MB" in output
    assert len(backbone_weights.load_weights(out, "res5c")) == 266
