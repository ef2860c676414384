"""`tienet serve` as a process: what it refuses before it loads anything, and how it stops."""

import os
import signal
import socket
import subprocess
import sys
import time

import cv2
import httpx
import pytest

from tests.conftest import ROOT
from tests.server import fakes
from tienet.errors import InputError
from tienet.server import samples

# The command with networks that answer at once.
CODE = """
import sys
from tests.server import fakes
from tienet import cli
from tienet.server import command, engine
engine.Engine.load = classmethod(lambda cls, runs: fakes.engine())
sys.argv[:] = ["tienet", "--load", "runs/any", "--port", "0", *sys.argv[1:]]
cli.run(command.main)
"""


def start(*flags: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *flags],
        cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ctrl_c_and_sigterm_stop_it_cleanly_within_seconds():
    servers = {number: start("--token", "a-long-token") for number in (signal.SIGINT, signal.SIGTERM)}
    for number, server in servers.items():
        address = server.stdout.readline().split()[0]
        assert httpx.get(f"{address}/healthz", timeout=10).json() == {"status": "ok"}
        assert httpx.get(f"{address}/api/model").status_code == 401
        begun = time.monotonic()
        server.send_signal(number)
        out, errors = server.communicate(timeout=20)
        assert server.returncode == 0 and time.monotonic() - begun < 8
        assert "Traceback" not in errors and "a-long-token" not in out + errors


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other computers in; give them --token"),
        (["--token", "short"], "expected 8 or more"),
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--queue", "0"], "--queue 0: expected 1 or more"),
        (["--host", "no.such.host.invalid", "--token", "a-long-token"], "no such address"),
        (["--samples", "nowhere"], "no such folder"),
        (["--load", "a", "b", "c"], "3 runs; expected one or two"),
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


@pytest.mark.parametrize("lacks", ["call", "proc"])
def test_a_system_without_files_in_memory_is_told_before_anything_is_loaded(lacks, monkeypatch):
    from tienet import cli
    from tienet.commands import serve
    from tienet.server import images

    if lacks == "call":  # macOS, Windows
        monkeypatch.delattr(os, "memfd_create")
    else:  # no /proc
        monkeypatch.setattr(images.os, "getpid", lambda: 0)
    parser = cli.Parser()
    serve.add_arguments(parser)
    with pytest.raises(InputError, match=r"needs Linux with /proc.*tienet report --out") as error:
        serve.run(parser.parse_args(["--load", "runs/any", "--port", "0"]))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="needs Linux"):
        images.ImageDecoder()


def test_a_taken_port_is_one_line():
    from tienet.commands.serve import listening

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(InputError, match="choose another --port"), listening(*other.getsockname()):
            pass


def test_samples_of_a_folder_have_the_reports_beside_them(tmp_path):
    cv2.imwrite(str(tmp_path / "b.png"), fakes.picture())
    (tmp_path / "b.txt").write_text("No effusion.")
    (tmp_path / "a.JPG").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("x")
    with (tmp_path / "huge.dcm").open("wb") as file:
        file.truncate(65 << 20)
    found, left_out = samples.from_folder(tmp_path)
    assert [(sample.name, sample.report, sample.drawn) for sample in found] == [
        ("a.JPG", None, False),
        ("b.png", "No effusion.", False),
    ]
    assert len(left_out) == 1 and "huge.dcm: more than 64 MB" in left_out[0]
    with pytest.raises(InputError, match="no file of"):
        (tmp_path / "empty").mkdir()
        samples.from_folder(tmp_path / "empty")
