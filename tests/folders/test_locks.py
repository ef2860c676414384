"""A folder has one writer; the lock of a process ends with it, also where its children live on."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tests.datasets.description.toy_sets import write_set
from tienet import cli
from tienet.errors import InputError
from tienet.folders import locks

HOLDER = """
import os, subprocess, sys
from contextlib import ExitStack
from tienet.folders import locks
with ExitStack() as stack:
    for folder in sys.argv[2:]:
        stack.enter_context(locks.writing(folder))
    child = None
    if sys.argv[1] == "fork":
        child = os.fork()
        if not child:
            sys.stdin.read()
            os._exit(0)
    if sys.argv[1] == "start":
        child = subprocess.Popen(["cat"], stdout=subprocess.DEVNULL).pid
    print(child, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(*folders: Path, child: str = "none") -> Iterator[subprocess.Popen]:
    """Another process that holds the locks of the folders until its standard input is closed, and its child."""
    command = [sys.executable, "-c", HOLDER, child, *map(str, folders)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as other:
        assert (other.stdout.readline() != "None\n") == (child != "none")
        try:
            yield other
        finally:
            other.stdin.close()


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """The time and the content of everything in a folder, and of the folder itself."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in paths}


def test_another_process_is_named_and_the_folder_stays_as_it_is(tmp_path):
    with holder(tmp_path) as other:
        before = state_of(tmp_path)
        with pytest.raises(InputError) as refused, locks.writing(tmp_path, "--out"):
            pass
        assert state_of(tmp_path) == before
    today = time.strftime("%Y-")
    said = str(refused.value)
    assert said.startswith(f"--out {tmp_path}: process {other.pid} has been writing it since {today}")
    assert said.endswith("; wait until that ends, or choose another --out") and "\n" not in said
    with locks.writing(tmp_path):  # it has ended
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("child", ["none", "fork", "start"])
def test_a_killed_process_leaves_no_lock_even_if_its_child_lives_on(tmp_path, child):
    with holder(tmp_path, child=child) as other:
        other.kill()
        other.wait()
        assert (tmp_path / locks.NAME).exists()
        with locks.writing(tmp_path):
            assert str(os.getpid()) in (tmp_path / locks.NAME).read_text()
    assert not list(tmp_path.iterdir())


def test_a_process_that_was_forked_does_not_end_the_lock_of_its_parent(tmp_path):
    code = (
        "import os, sys\n"
        "from tienet.folders import locks\n"
        "with locks.writing(sys.argv[1]):\n"
        "    if not os.fork():\n"
        "        sys.exit()  # the child leaves the block\n"
        "    os.wait()\n"
        "    with locks.writing(sys.argv[1]):\n"
        "        pass\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "has been writing it since" in done.stderr.splitlines()[-1]


def test_one_process_may_take_it_again_only_if_it_says_so(tmp_path):
    with locks.writing(tmp_path):
        with locks.writing(tmp_path / ".." / tmp_path.name, again=True):
            pass
        assert (tmp_path / locks.NAME).exists()  # it is still held
        with pytest.raises(InputError, match=r"wait until that ends$"), locks.writing(tmp_path):
            pass
    with locks.writing(tmp_path, again=True), pytest.raises(InputError), locks.writing(tmp_path):
        pass


def test_a_folder_that_is_made_goes_if_nothing_is_written(tmp_path):
    with locks.writing(tmp_path / "a" / "b", "--out") as folder:
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())
    with locks.writing(tmp_path / "a" / "b") as folder:
        (folder / "file").touch()
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_an_error_ends_the_lock(tmp_path):
    with pytest.raises(RuntimeError), locks.writing(tmp_path):
        raise RuntimeError
    with locks.writing(tmp_path):
        pass


def test_who_waits_holds_the_file_that_others_see(tmp_path, capsys):
    """The process before removes the file at its end, after the next one has opened it."""
    got, path = threading.Event(), tmp_path / "lock"
    over = threading.Event()

    def wait_for_it() -> None:
        with locks.hold(path, tmp_path, wait=True):
            got.set()
            over.wait(10)

    with locks.hold(path, tmp_path):
        waiter = threading.Thread(target=wait_for_it)
        waiter.start()
        assert not got.wait(0.3)
    assert got.wait(10) and path.exists()
    with pytest.raises(InputError, match="has been writing"), locks.hold(path, tmp_path):
        pass
    over.set()
    waiter.join(10)
    assert f"{tmp_path}: process {os.getpid()} has been writing it since" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"process": "x"}', "\udcff"])
def test_a_lock_of_who_knows_whom(tmp_path, content):
    path = tmp_path / locks.NAME
    path.write_bytes(os.fsencode(content))
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process has been writing it; wait"), locks.writing(tmp_path):
            pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_and_the_work_goes_on(tmp_path, monkeypatch, capsys, code):
    monkeypatch.setattr(fcntl, "flock", raising(code))
    with locks.writing(tmp_path / "new") as folder:
        assert folder.is_dir()
    said = capsys.readouterr().err
    assert said.startswith(f"note: {folder}: this file system has no locks") and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_any_other_error_of_the_file_system_is_raised(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", raising(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"), locks.writing(tmp_path / "new", "--out"):
        pass


def raising(code: int) -> Callable:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_full_disk_does_not_prevent_it(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", raising(errno.ENOSPC))
    with locks.writing(tmp_path), pytest.raises(InputError, match="another process"), locks.writing(tmp_path):
        pass


@pytest.mark.parametrize("folder", ["file", "file/below", "/proc/tienet", "/proc/self/tienet", "/proc"])
def test_a_folder_that_cannot_be_written_to(tmp_path, folder):
    (tmp_path / "file").touch()
    said = rf"--out .*{folder}: cannot be written to \(.*\); choose another --out$"
    with pytest.raises(InputError, match=said), locks.writing(tmp_path / folder, "--out"):
        pass
    with pytest.raises(OSError, match=r"file|tienet|proc"), locks.writing(tmp_path / folder):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- through the commands ----


def test_every_command_leaves_a_folder_alone_that_another_process_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "data" / "toy")
    out = tmp_path / "out"
    commands = [
        ["train", "--logdir", out, "--data", "toy", "--gpu", "cpu"],
        ["train", "--logdir", out, "--data", "toy", "--gpu", "cpu", "--resume"],
        ["report", "--load", tmp_path, "x.png", "--out", out, "--gpu", "cpu"],
        ["describe", "toy", "--out", out],
        ["vocabulary", "--data", "toy"],
        ["prepare", "phantom", "--out", out],
        ["prepare", "openi", "--out", out, "--reports", "x", "--images", "x", "--projections", "x", "--labels", "mesh"],
        ["prepare", "mimic-cxr", "--out", out, "--root", "x", "--labels", "chexpert"],
        ["prepare", "folder", "--out", out, "--images", "x"],
        ["prepare", "chestxray14", "--out", out, "--entry", "x", "--train-val-list", "x", "--test-list", "x",
         "--no-images"],
        ["prepare", "chestxray14", "--out", tmp_path / "nih", "--entry", "x", "--train-val-list", "x", "--test-list",
         "x", "--no-images", "--hand-labels", "x"],
    ]  # fmt: skip
    with holder(out, tmp_path / "data" / "toy" / "vocab", tmp_path / "hand-labeled") as other:
        before = state_of(tmp_path)
        for command in commands:
            assert tienet(*command) == 2, command
            (line,) = capsys.readouterr().err.splitlines()
            assert f": process {other.pid} has been writing it since " in line, line
        after = state_of(tmp_path)
        assert before.pop(str(tmp_path)) and after.pop(str(tmp_path))  # nih was made beside hand-labeled, and removed
        assert after == before
