"""A kill, a failed write or Ctrl-C at any moment of a save leaves a run that goes on to the same result."""

import contextlib
import errno
import hashlib
import json
import math
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.toy_run import STEPS, ToyRun, best_epoch_of, named, names_in, toy_run, value_in
from tienet.checkpoint import run_folder, save, validation_record
from tienet.checkpoint.entries import complete_entries, read_entry
from tienet.checkpoint.resume import find_resume_point
from tienet.checkpoint.writing import Writing
from tienet.errors import InputError

MAKES = {"write", "os.mkdir", "os.rename", "os.link"}
CHANGES = MAKES | {"os.remove", "os.rmdir"}


class Killed(BaseException):
    """Stands for SIGKILL: after it nothing is written any more."""


class Disk:
    """Lets the `first`, from 1, of the calls of some kinds raise `error`; and the later ones too, up to `last`."""

    watching: "Disk | None" = None

    def __init__(self, kinds: set[str], first: int, last: float, error: BaseException):
        self.calls, self._kinds, self._first, self._last, self._error = 0, kinds, first, last, error

    def __enter__(self) -> "Disk":
        Disk.watching = self
        return self

    def __exit__(self, *_: object) -> None:
        Disk.watching = None

    @staticmethod
    def hook(event: str, args: tuple) -> None:
        disk = Disk and Disk.watching  # at the end of the process the class is gone, and the hook is not
        if disk is None:
            return
        if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            event = "write"
        if event in disk._kinds:
            disk.calls += 1
            if disk._first <= disk.calls <= disk._last:
                raise disk._error


sys.addaudithook(Disk.hook)


@pytest.fixture
def without_sync(monkeypatch):
    """Syncs take much of the time of a save, and only a power cut, which no test here makes, shows what they do."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def assert_same(folder: Path, straight: Path) -> None:
    """The same files, the same checkpoints, the same state."""
    assert names_in(folder) == names_in(straight)
    for kind in ("latest", "best"):
        assert named(folder, kind) == named(straight, kind)
        prefix = folder / "checkpoints" / named(folder, kind)["checkpoint"]
        assert value_in(prefix) == named(folder, kind)["step"]
        entry = json.loads(prefix.with_name(f"{prefix.name}.json").read_text())
        assert {key: entry[key] for key in named(folder, kind)} == named(folder, kind)
        for name, sha in entry["files"].items():
            assert hashlib.sha256((folder / "checkpoints" / name).read_bytes()).hexdigest() == sha


def assert_sound(folder: Path) -> int:
    """What a run goes on from is what was written at its step, and so is its best; the step."""
    point = find_resume_point(folder)
    assert value_in(point.prefix) == point.state.step == point.state.epoch * STEPS
    assert named(folder, "latest")["checkpoint"] == point.prefix.name
    best = named(folder, "best")
    assert best["epoch"] == point.state.best_epoch == best_epoch_of(point.state.epoch)
    assert value_in(folder / "checkpoints" / best["checkpoint"]) == best["step"]
    return point.state.step


def test_the_two_newest_and_the_best_are_kept(toy_runs):
    files = {".index", ".data-00000-of-00001", ".validation.npz", ".json"}
    expected = {name + suffix for name in ("latest-50", "latest-60", "best-40") for suffix in files}
    assert {path.name for path in (toy_runs[6] / "checkpoints").iterdir()} == expected | {"checkpoint"}
    assert set(named(toy_runs[6], "latest")) == set(named(toy_runs[6], "best")) == {
        "checkpoint", "step", "epoch", "best_score", "best_epoch", "epochs_since_best", "chosen_by", "thresholds",
    }  # fmt: skip
    assert named(toy_runs[6], "latest") == {
        "checkpoint": "latest-60", "step": 60, "epoch": 6, "best_score": 0.9, "best_epoch": 4, "epochs_since_best": 2,
        "chosen_by": None, "thresholds": [0.25, 0.5],
    }  # fmt: skip
    assert_same(toy_runs[6], toy_runs[6])


@pytest.mark.usefixtures("without_sync")
@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_a_kill_between_any_two_calls_changes_nothing_in_the_end(toy_runs, tmp_path, epochs):
    run, start = ToyRun(tmp_path / "run"), toy_runs[epochs - 1]
    steps = []
    for nth in range(1, 200):
        shutil.rmtree(run.folder)
        shutil.copytree(start, run.folder)
        run.resume()
        try:
            with Disk(CHANGES, nth, math.inf, Killed()):
                run.epoch()
        except Killed:
            pass
        else:
            break
        point = find_resume_point(run.folder)
        if point is None:
            assert epochs == 1
            steps.append(0)
        else:
            steps.append(assert_sound(run.folder))
        run.resume()
        if run.state.epoch < epochs:
            run.epoch()
        run.epoch()
        assert_same(run.folder, toy_runs[epochs + 1])
    assert len(steps) > 15 and set(steps) == {(epochs - 1) * STEPS, epochs * STEPS} and steps == sorted(steps)


@pytest.mark.usefixtures("without_sync")
@pytest.mark.parametrize("ever_after", [False, True], ids=["once", "ever after"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_call_that_fails_leaves_the_checkpoints_before(toy_runs, tmp_path, epochs, ever_after):
    run, start = ToyRun(tmp_path / "run"), toy_runs[epochs - 1]
    failed = []
    for nth in range(1, 200):
        shutil.rmtree(run.folder)
        shutil.copytree(start, run.folder)
        run.resume()
        line = ""
        with Disk(
            MAKES, nth, math.inf if ever_after else nth, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        ) as disk:
            try:
                run.epoch()
            except InputError as error:
                line = str(error)
                failed.append(line)
                assert "cannot be written (No space left on device); " in line and "\n" not in line
        if disk.calls < nth:
            break
        assert not [name for name in names_in(run.folder) if ".writing" in name or name.endswith(".tmp")]
        if "before it" in line:
            before = f"the checkpoint before it, latest-{(epochs - 1) * STEPS}, is kept"
            assert line.endswith(before if epochs > 1 else "there is none before it")
            for name in names_in(start):  # untouched
                if (start / name).is_file():
                    assert (run.folder / name).read_bytes() == (start / name).read_bytes()
            assert names_in(run.folder) - names_in(start) <= {"checkpoints"}
        run.resume()
        if run.state.epoch < epochs:
            run.epoch()
        run.epoch()
        assert_same(run.folder, toy_runs[epochs + 1])
    assert len(failed) > 8
    assert 3 < sum("before it" in line for line in failed) < len(failed)


@pytest.mark.parametrize("nth", range(1, 7))
def test_a_sync_that_fails_is_told_and_leaves_the_checkpoint_before(toy_runs, tmp_path, monkeypatch, nth):
    run = ToyRun(shutil.copytree(toy_runs[1], tmp_path / "run"))
    calls, sync = [], os.fsync

    def fails(descriptor):
        calls.append(descriptor)
        if len(calls) == nth:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    told = contextlib.nullcontext() if nth in (4, 6) else pytest.raises(InputError, match="Input/output error")
    with told:  # a folder that cannot be synced is no failure: not every file system can
        run.epoch()
    monkeypatch.undo()
    assert assert_sound(run.folder) == (10 if nth in (1, 2, 3, 5) else 20)


def test_a_full_disk(tmp_path):
    """A file system of 4 MB, checkpoints of 1.2 MB: the third does not fit."""
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        run = ToyRun(tmp_path / "run", size=100_000)
        run.epoch()
        run.epoch()
        (tmp_path / "other").write_bytes(bytes(1_000_000))
        before = names_in(run.folder)
        kept = r"cannot be written \(No space left on device\); the checkpoint before it, latest-20, is kept$"
        with pytest.raises(InputError, match=kept):
            run.epoch()
        assert names_in(run.folder) == before
        with contextlib.suppress(OSError):
            (tmp_path / "more").write_bytes(bytes(4_000_000))
        assert assert_sound(run.folder) == 20  # also while it is full
        (tmp_path / "other").unlink()
        (tmp_path / "more").unlink()
        run.resume()
        run.epoch()
        assert assert_sound(run.folder) == 30
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_a_file_that_may_not_grow_so_far(toy_runs, tmp_path):
    run = ToyRun(tmp_path / "run", size=100_000)
    run.epoch()
    before = names_in(run.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(InputError, match=r"latest-20 cannot be written \(File too large\); .*latest-10, is kept$"):
            run.epoch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names_in(run.folder) == before
    assert assert_sound(run.folder) == 10


def test_a_folder_that_vanished_or_is_a_file(toy_runs, tmp_path):
    run = ToyRun(shutil.copytree(toy_runs[1], tmp_path / "run"))
    shutil.rmtree(run.folder)
    with pytest.raises(InputError, match=r"No such file or directory\); there is none before it"):
        run.epoch()
    run.folder.mkdir()
    (run.folder / "checkpoints").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run.epoch()


def test_without_links_the_best_is_a_copy(toy_runs, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    run = ToyRun(shutil.copytree(toy_runs[1], tmp_path / "run"))
    run.epoch()
    assert_same(run.folder, toy_runs[2])
    assert (run.folder / "checkpoints" / "best-20.index").stat().st_nlink == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_acts_after_the_save(toy_runs, tmp_path, number):
    run = ToyRun(shutil.copytree(toy_runs[1], tmp_path / "run"))
    write, came = run.saver.save, []

    def interrupted(*args, **options):
        signal.raise_signal(number)
        signal.raise_signal(number)
        return write(*args, **options)

    run.saver.save = interrupted
    before = signal.signal(number, lambda *_: came.append(number))
    try:
        run.epoch()
    finally:
        signal.signal(number, before)
    assert came == [number]
    assert_same(run.folder, toy_runs[2])


def test_a_step_that_is_saved_again_stays_the_best_with_its_thresholds(toy_runs, tmp_path):
    """As when Ctrl-C comes at the end of an epoch, after its checkpoint."""
    run = ToyRun(shutil.copytree(toy_runs[2], tmp_path / "run"))
    run.save(None, False)
    assert_same(run.folder, toy_runs[2])
    (run.folder / "best.json").unlink()
    run.save(None, False)
    assert_same(run.folder, toy_runs[2])


def test_what_the_reports_were_like_is_in_the_entries_and_stays_there(toy_runs, tmp_path):
    run, writing = ToyRun(shutil.copytree(toy_runs[2], tmp_path / "run")), Writing(9, 1, 100, 8, 30.5, 0.1, 0.25)
    save.save(run.folder, run.session, run.saver, run.state, None, False, writing)
    run.save(None, False)
    entries = complete_entries(run.folder)
    assert {entry.name: entry.writing for entry in entries} == {
        "latest-20": writing, "best-20": writing, "latest-10": None,
    }  # fmt: skip
    assert named(run.folder, "best")["writing"] == named(run.folder, "latest")["writing"] == writing.to_json()
    records = [validation_record.read(entry.prefix) for entry in entries]
    assert {entry.name: record.logits[0, 0] for entry, record in zip(entries, records, strict=True)} == {
        "latest-20": 20, "best-20": 20, "latest-10": 10,
    }  # fmt: skip


def test_a_step_in_the_middle_of_an_epoch_is_not_the_best(toy_runs, tmp_path):
    run = ToyRun(shutil.copytree(toy_runs[2], tmp_path / "run"))
    run.state.step = 25
    run.fill(25)
    run.save(None, False)
    assert (named(run.folder, "latest")["checkpoint"], named(run.folder, "best")["checkpoint"]) == (
        "latest-25",
        "best-20",
    )
    assert run_folder.read_thresholds(run.folder, run.folder / "checkpoints" / "latest-25") is None
    run.resume()
    assert (run.state.step, run.state.epoch, run.state.best_epoch) == (25, 2, 2)


def test_what_killed_writes_left_is_removed_and_foreign_files_stay(toy_runs, tmp_path):
    run = ToyRun(shutil.copytree(toy_runs[2], tmp_path / "run"))
    checkpoints = run.folder / "checkpoints"
    left = [
        checkpoints / ".writing-abc" / "latest-30.index", checkpoints / "latest-30.data-00000-of-00001",
        checkpoints / "latest-30.data-00000-of-00001.tempstate7", checkpoints / "latest-30_temp" / "part",
        checkpoints / "best-5.index", checkpoints / ".latest-30.json.7.abc.tmp", run.folder / ".latest.json.7.abc.tmp",
    ]  # fmt: skip
    foreign = [checkpoints / "notes.txt", checkpoints / "latest-mine.txt", run.folder / ".notes.tmp"]
    for path in left + foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    run.epoch()
    assert [path.name for path in foreign if not path.exists()] == []
    for path in foreign:
        path.unlink()
    assert_same(run.folder, toy_runs[3])


def test_a_damaged_one_is_not_kept_for_a_sound_one(toy_runs, tmp_path):
    """The two that are kept are the new one and the newest before it that is sound."""
    run = ToyRun(shutil.copytree(toy_runs[3], tmp_path / "run"))
    (run.folder / "checkpoints" / "latest-30.index").write_text("no index")
    (run.folder / "checkpoints" / "latest-20.json").rename(run.folder / "checkpoints" / "latest-99.json")
    run.epoch()
    assert {path.stem for path in (run.folder / "checkpoints").glob("*.json")} == {"latest-40", "best-40"}


def test_kills_that_always_come_before_the_older_ones_are_removed(tmp_path, monkeypatch):
    run, remove_older = ToyRun(tmp_path / "run"), save._remove_older

    def killed(folder, newest):
        if newest.state.step == run.state.step:
            raise Killed
        remove_older(folder, newest)

    monkeypatch.setattr(save, "_remove_older", killed)
    for epoch in range(1, 13):
        with pytest.raises(Killed):
            run.epoch()
        run.resume()
        assert assert_sound(run.folder) == epoch * STEPS
        kinds = [path.name.split("-")[0] for path in (run.folder / "checkpoints").glob("*-*.json")]
        assert kinds.count("latest") <= 3 and kinds.count("best") <= 2


# ---- kills of a process ----


def train_for_ever(folder: Path, epochs: Connection) -> None:
    """What is killed; says when it begins, and when an epoch has ended."""
    run = ToyRun(folder, size=300_000)  # 3.6 MB
    while True:
        epochs.send(run.state.epoch)
        run.epoch()


def test_thirty_kills(tmp_path):
    context = multiprocessing.get_context("forkserver")  # starts TensorFlow once
    context.set_forkserver_preload(["tests.toy_run"])
    draw, folder, steps, in_a_write = random.Random(0), tmp_path / "run", [0], 0
    epoch_seconds = None  # so that the kills come within the first three epochs on a slow machine too
    for _ in range(30):
        epochs, sender = context.Pipe(duplex=False)
        process = context.Process(target=train_for_ever, args=(folder, sender))
        process.start()
        assert epochs.poll(60)
        epochs.recv()
        if epoch_seconds is None:
            began = time.monotonic()
            assert [epochs.recv() for _ in range(5)] == [1, 2, 3, 4, 5]
            epoch_seconds = (time.monotonic() - began) / 5
        time.sleep(draw.uniform(0, 3) * epoch_seconds)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        in_a_write += any(".writing" in name or name.endswith(".tmp") for name in names_in(folder))
        if find_resume_point(folder) is not None:
            steps.append(assert_sound(folder))
        assert len(names_in(folder)) <= 5 + 5 * 4 + 5  # what has no step, 3 latest and 2 best, one killed write
    assert steps == sorted(steps) and len(set(steps)) > 5
    assert in_a_write >= 5
    run = ToyRun(folder, size=300_000)
    run.epoch()
    run.epoch()
    straight = toy_run(tmp_path / "straight", 3, size=300_000)
    assert len(names_in(folder)) == len(names_in(straight.folder))
    assert assert_sound(folder) == run.state.step == steps[-1] + 2 * STEPS
    assert save.find_damage(read_entry(folder / "checkpoints" / named(folder, "best")["checkpoint"])) is None
