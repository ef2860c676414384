"""Runs that die while they write, full disks, and several writers."""

import contextlib
import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.data.toys import KEY, ROW_BYTES, expected, manifest_of, opened, write_images
from tienet import cli
from tienet.data.features.cache import FeatureKey
from tienet.errors import InputError


def test_meta_says_what_it_is_and_is_checked(toy):
    features, _ = opened(toy)
    meta = features.folder / "meta.json"
    facts = json.loads(meta.read_text())
    assert (facts["weights"], facts["row_shape"], facts["image_px"]) == ("some weights", [2, 2, 1024], 32)
    meta.write_text(json.dumps({**facts, "end": "res5c"}))
    with pytest.raises(InputError, match=r"meta\.json: expected .* delete"):
        opened(toy)


# ---- runs that die ----

KILLED = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.data.toys import KEY, manifest_of, open_features, toy_features

def slow(images):
    time.sleep(.1)
    return toy_features(images)

folder = Path({folder!r})
manifest = manifest_of(folder, sorted((folder / "images").iterdir()))
open_features(manifest, lambda: slow, KEY, batch=2, progress=False)
"""


def test_killed_run_is_continued(tmp_path):
    paths = sorted(write_images(tmp_path / "images", 60))
    script = KILLED.format(root=str(ROOT), folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    index = tmp_path / "features" / KEY.name / "index.jsonl"
    while not index.exists() or index.stat().st_size < 500:
        assert child.poll() is None, "the child ended by itself"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    features, network = opened(manifest_of(tmp_path, paths))
    assert 0 < features.reused_rows < 60 and network.images == 60 - features.reused_rows
    np.testing.assert_array_equal(features.take(range(60)), expected(paths))


def line(row: int, sha: str = "a" * 64) -> bytes:
    return json.dumps({"sha256": sha, "row": row}).encode() + b"\n"


@pytest.mark.parametrize(
    ("data_bytes", "lines", "tail", "kept"),
    [
        (7 * ROW_BYTES + 100, 7, b"", 7),  # killed while rows were written
        (9 * ROW_BYTES, 7, b"", 7),  # killed between the rows and their lines
        (10 * ROW_BYTES, 7, b'{"sha256": "12ab', 7),  # killed while lines were written
        (5 * ROW_BYTES + 1, 10, b"", 5),  # data lost after a power cut
        (10 * ROW_BYTES, 4, b"\0" * 300, 4),  # the index was lost after a power cut
        (10 * ROW_BYTES, 4, line(7), 4),  # a line for another row
        (10 * ROW_BYTES, 4, b"[]\n", 4),
        (0, 0, b"", 0),
    ],
)
def test_torn_tails_are_cut_off(toy, data_bytes, lines, tail, kept):
    folder = opened(toy)[0].folder
    os.truncate(folder / "features.f16", data_bytes)
    index = folder / "index.jsonl"
    index.write_bytes(b"".join(index.read_bytes().splitlines(keepends=True)[:lines]) + tail)
    features, network = opened(toy)
    assert (features.reused_rows, network.images) == (kept, 10 - kept)
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))
    assert (folder / "features.f16").stat().st_size == 10 * ROW_BYTES
    assert [json.loads(text)["row"] for text in index.read_text().splitlines()] == list(range(10))


def test_hash_that_comes_twice_ends_the_good_part(toy):
    folder = opened(toy)[0].folder
    index = folder / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    lines[6] = lines[2].replace(b'"row": 2', b'"row": 6')
    index.write_bytes(b"".join(lines))
    features, _ = opened(toy)
    assert features.new_rows == 4
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))


# ---- disks ----


def test_disk_that_fills_up_is_one_line_and_keeps_rows(toy, monkeypatch, capsys):
    """ENOSPC at fsync, as delayed allocation gives it: the third batch's rows fail."""
    fsync, calls = os.fsync, []
    data = toy.path.parent / "features" / KEY.name / "features.f16"

    def full(descriptor):
        if data.exists() and os.fstat(descriptor).st_ino == data.stat().st_ino:
            calls.append(descriptor)
            if len(calls) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(os, "fsync", full)
        cli.run(lambda: opened(toy) and 0)
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert str(toy.path.parent / "features" / KEY.name) in last and "disk full" in last
    features, network = opened(toy)
    assert (features.reused_rows, network.images) == (8, 2)
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))


def test_half_written_batch_is_done_again(toy):
    """A real short write: the kernel lets a file grow to a limit and no further."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 * ROW_BYTES + 5, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as stopped:
            opened(toy)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = toy.path.parent / "features" / KEY.name
    assert stopped.value.filename == str(folder)
    assert (folder / "features.f16").stat().st_size == 6 * ROW_BYTES + 5
    assert opened(toy)[0].reused_rows == 4


@contextlib.contextmanager
def small_disk(folder: Path, size: int):
    """A tmpfs of `size` bytes on `folder`, or a skipped test where mounting is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs (root); ENOSPC is also tested without one")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_for_real(tmp_path, monkeypatch, capsys):
    paths = write_images(tmp_path / "images", 10)
    disk = tmp_path / "disk"
    with small_disk(disk, 64 * 1024):
        manifest = manifest_of(disk, paths)
        with pytest.raises(InputError, match="--features off"):
            opened(manifest)
        usage = shutil.disk_usage(tmp_path)
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
            patch.setattr(shutil, "disk_usage", lambda path: usage)  # it fills up after the check
            cli.run(lambda: opened(manifest, batch=1) and 0)
        assert stopped.value.code == 2 and "disk full" in capsys.readouterr().err.splitlines()[-1]
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        features, _ = opened(manifest)
        assert 0 < features.reused_rows < 10
        np.testing.assert_array_equal(features.take(range(10)), expected(paths))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        np.testing.assert_array_equal(opened(manifest)[0].take([4]), expected(paths[4:5]))  # reading goes on
        with pytest.raises(InputError, match=r"cannot write .*Read-only.*--features off"):
            opened(manifest, FeatureKey("other weights", "res4f", 32))


def test_folder_that_cannot_be_written_is_one_line(toy):
    (toy.path.parent / "features").write_text("a file is in the way")
    with pytest.raises(InputError, match=r"cannot write the feature cache here .*--features off"):
        opened(toy)


# ---- several writers ----


def test_second_writer_waits_and_says_so(toy, capsys):
    folder = opened(manifest_of(toy.path.parent, toy.images[:5]))[0].folder
    results = []
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiter = threading.Thread(target=lambda: results.append(opened(toy)))
        waiter.start()
        waiter.join(0.5)
        assert waiter.is_alive() and results == []
        assert opened(manifest_of(toy.path.parent, toy.images[:5]))[0].reused_rows == 5  # readers do not wait
    waiter.join(10)
    assert f"{folder}: another process has been writing it; waiting for that\n" in capsys.readouterr().err
    np.testing.assert_array_equal(results[0][0].take(range(10)), expected(toy.images))
