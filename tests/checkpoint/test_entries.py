"""Which checkpoints a folder holds, in which order, and what is found wrong with them."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from tests.toy_run import names_in, spoil
from tienet.checkpoint import entries
from tienet.checkpoint.entries import TrainingState


@pytest.fixture
def run(toy_runs, tmp_path) -> Path:
    """A copy of the run after 3 epochs: latest-30, latest-20 and best-20."""
    return shutil.copytree(toy_runs[3], tmp_path / "run")


def test_the_best_score_so_far():
    state = TrainingState()
    assert state.record_epoch(10, 1, None)  # the first is the best, whatever it is
    assert not state.record_epoch(20, 2, None)
    assert state.record_epoch(30, 3, 0.5)
    assert not state.record_epoch(40, 4, 0.5)
    assert not state.record_epoch(50, 5, None)
    assert state == TrainingState(50, 5, 0.5, 3, 2)


def test_complete_checkpoints_come_newest_first_and_latest_before_best(run):
    assert [entry.name for entry in entries.complete_entries(run)] == ["latest-30", "latest-20", "best-20"]
    newest = entries.complete_entries(run)[0]
    assert (newest.state.step, newest.state.epoch, newest.best, newest.thresholds) == (30, 3, False, [0.25, 0.5])
    assert [entry.best for entry in entries.complete_entries(run)[1:]] == [True, True]
    assert all(entries.find_damage(entry) is None for entry in entries.complete_entries(run))


def test_without_a_folder_there_is_none(tmp_path):
    assert entries.complete_entries(tmp_path) == [] and entries.incomplete_checkpoints(tmp_path) == {}
    assert entries.named_entry(tmp_path, "best") is None and entries.newest_sound(tmp_path) is None


def test_an_entry_is_read_as_it_was_written(run):
    entry = entries.read_entry(run / "checkpoints" / "latest-30")
    assert json.loads(entry.path.read_text()) == entry.to_json()
    assert entry.to_json().keys() - entry.summary().keys() == {"best", "files", "bytes"}
    assert entries.named_entry(run, "latest") == entry
    assert json.loads((run / "latest.json").read_text()) == entry.summary()


def test_what_is_not_complete_is_named_with_the_reason(run):
    for kind in ("latest", "best"):
        (run / f"{kind}.json").unlink()
    (run / "checkpoints" / "latest-30.json").write_text("{")
    (run / "checkpoints" / "best-20.json").unlink()
    assert entries.incomplete_checkpoints(run) == {
        "latest-30": "latest-30.json cannot be read",
        "best-20": "it was not written to its end",
    }
    assert [entry.name for entry in entries.complete_entries(run)] == ["latest-20"]


def test_the_newest_sound_one_is_found(run):
    assert entries.newest_sound(run).name == "latest-30"
    assert entries.newest_sound(run, other_than="latest-30").name == "latest-20"
    spoil(run / "checkpoints" / "latest-30")
    assert entries.newest_sound(run).name == "latest-20"


def test_what_is_missing_or_cut_is_found_without_reading_the_files(run, monkeypatch):
    monkeypatch.setattr(entries, "sha256", None)  # nothing is read
    prefix = run / "checkpoints" / "latest-30"
    data = prefix.with_name("latest-30.data-00000-of-00001")
    spoil(prefix)
    assert entries.find_missing(prefix) is None
    data.write_bytes(data.read_bytes()[:10])
    assert entries.find_missing(prefix) == "its .data file is shorter than what was written"
    data.unlink()
    assert entries.find_missing(prefix) == "its .data file is missing"
    older = run / "checkpoints" / "latest-20"
    older.with_name("latest-20.json").unlink()
    assert entries.find_missing(older) is None
    older.with_name("latest-20.data-00000-of-00001").unlink()
    assert entries.find_missing(older) == "its .data file is missing"


def test_removing_one_leaves_those_with_a_like_name(run):
    for name in ("latest-3.index", "latest-300.index", "latest-30_temp.txt", "latest-30.index.backup"):
        (run / "checkpoints" / name).write_text("")
    left = {name for name in names_in(run) if "latest-30." not in name and "latest-30_" not in name}
    entries.remove_checkpoint(run / "checkpoints", "latest-30")
    assert names_in(run) == left


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (OSError("odd"), "odd"),
        (tf.errors.DataLossError(None, None, "a.data; No space left on device\n at ..."), "No space left on device"),
        (tf.errors.DataLossError(None, None, "\nGraph execution error:\n\nno match\nmore"), "no match"),
        (ValueError(""), "ValueError"),
    ],
)  # fmt: skip
def test_the_reason_is_short(error, reason):
    assert entries.short_reason(error) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"best_score": float("nan")},
        {"best_score": 10**400},
        {"epoch": 10**400},
        {"chosen_by": 3},
        {"writing": {"studies": 3}},
        {"thresholds": [0.5, 10**400]},
        {"thresholds": [0.5, float("nan")]},
        {"thresholds": [0.5, 1.5]},
        {"files": {"latest-30.index": "a", "latest-30./../../x": "b"}},
        {"files": {"latest-30.index": "a", "latest-30.\0": "b"}},
        {"files": {"latest-30.index": "a", "latest-30.\ud800": "b"}},
    ],
)
def test_an_entry_with_what_cannot_be_is_none(run, change):
    path = run / "checkpoints" / "latest-30.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (run / "latest.json").unlink()
    assert entries.read_entry(run / "checkpoints" / "latest-30") is None
    assert entries.newest_sound(run).name == "latest-20"


@pytest.mark.parametrize("name", ["latest-" + "9" * 5000, "latest-\u0663", "latest-1\n", "../latest-30", 30, None])
def test_a_name_that_is_no_checkpoints_names_none(run, name):
    (run / "latest.json").write_text(json.dumps({"checkpoint": name, "step": 30}))
    assert entries.named_entry(run, "latest") is None
    assert [entry.name for entry in entries.complete_entries(run)] == ["latest-30", "latest-20", "best-20"]
