"""What a training logs: events for TensorBoard and stats.json, and one line where they cannot be written."""

import errno
import json
import logging
import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from tests.small_run import train
from tienet import files
from tienet.config import Config
from tienet.training import logs

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


def test_the_events_have_the_graph_and_the_scalars_of_each_epoch(runs):
    (path,) = runs["annotate-text"].glob("events.out.tfevents.*")
    first, *events = tf.compat.v1.train.summary_iterator(str(path))
    assert first.file_version == logs.VERSION and all(event.wall_time > 1e9 for event in (first, *events))
    graph = tf.compat.v1.GraphDef.FromString(events[0].graph_def)
    assert any(node.name == "word_vectors" for node in graph.node)
    log = json.loads((runs["annotate-text"] / "stats.json").read_text())
    found = {(event.step, value.tag): value.simple_value for event in events for value in event.summary.value}
    for entry in log:
        for name in ("loss", "val_avg"):
            assert found[entry["global_step"], name] == pytest.approx(entry[name])


def test_events_of_the_same_second_are_not_written_over(tmp_path, monkeypatch):
    monkeypatch.setattr(logs.time, "time", lambda: 1e9)
    first = logs._new_path(tmp_path)
    first.touch()
    assert logs._new_path(tmp_path) != first


WHY = "cannot be written (No space left on device); free some space and run again with --resume"


@needs_full
def test_events_on_a_full_disk_are_one_line(last_line, monkeypatch):
    monkeypatch.setattr(logs, "_new_path", lambda _: FULL)
    assert last_line() == f"tienet train: {FULL}: {WHY}"


def test_a_log_on_a_full_disk_is_one_line_and_leaves_nothing(last_line, tmp_path, monkeypatch):
    write, log = files.write_text, tmp_path / "run" / "stats.json"

    def write_all_but_the_log(path: Path | str, text: str) -> None:
        if Path(path) == log:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{path}.tmp")
        write(path, text)

    monkeypatch.setattr(files, "write_text", write_all_but_the_log)
    assert last_line() == f"tienet train: {log}: {WHY}"
    assert not list(log.parent.glob("*stats.json*"))


@needs_full
def test_a_line_of_the_log_that_cannot_be_written_is_lost(capsys):
    log = logging.Logger("x")
    log.addHandler(logging.FileHandler(FULL))
    log.error("a line")
    assert "No space left" in capsys.readouterr().err
    logs.ignore_failed_lines(log)
    log.error("a line")
    assert capsys.readouterr().err == ""
    log.handlers[0].stream = None


def test_a_run_that_has_no_epoch_left_says_nothing_of_its_logs(runs, data_root, tmp_path, recwarn):
    run = shutil.copytree(runs["annotate-text"], tmp_path / "run")
    epochs = Config.load(run / "config.json").epochs
    train(data_root, run, Config.load(run / "config.json").replace(epochs=epochs - 1), resume=True)
    assert not [warning for warning in recwarn if "closed FileWriter" in str(warning.message)]
