"""The start of TensorFlow on the GPUs that --gpu names."""

import os

import pytest
import tensorflow as tf

from tienet import cli, devices
from tienet.commands import flags
from tienet.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv(VISIBLE, "")  # so that its value is put back
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr(cli, "start_tensorflow", lambda: None)
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: 1)


def test_the_runs_are_told_from_what_stands_behind_them(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")
    a, b = (str(tmp_path / name) for name in ("a", "b"))
    last = str(tmp_path / "b" / "checkpoints" / "latest-10")
    for words, runs in (([a], 1), ([a, "x.csv"], 1), (["gone", "x.csv"], 1), ([a, b, "x.csv"], 2), ([a, last, "x"], 2)):
        assert flags.runs_and_rest([words], False) == (words[:runs], words[runs:])
        assert flags.runs_and_rest([words], True) == (words, [])  # a wrong name is then called wrong
    twice = [[a, "x.csv"], [b, "gone"]]  # the later --load counts
    assert flags.runs_and_rest(twice, False) == ([b, "gone"], ["x.csv"])


@pytest.mark.parametrize(
    ("gpus", "inherited", "expected", "visible"),
    [(0, None, [], "-1"), (8, None, [0], "0"), (8, "6", [0], "6"), (8, "NoDevFiles", [], "-1")],
)
def test_without_the_flag_the_first_gpu_that_was_given_is_taken(
    monkeypatch, capsys, gpus, inherited, expected, visible
):
    monkeypatch.setattr(devices, "count", lambda: gpus)
    if inherited:
        monkeypatch.setenv(VISIBLE, inherited)
    assert flags.start(None) == expected
    assert os.environ[VISIBLE] == visible
    assert capsys.readouterr().err == ""


def test_a_wrong_number_is_reported_without_waiting_for_tensorflow(monkeypatch):
    monkeypatch.setattr(devices, "count", lambda: 1)
    monkeypatch.setattr(cli, "start_tensorflow", None)
    with pytest.raises(InputError, match="there is no GPU 1"):
        flags.start("1")


def test_a_gpu_that_tensorflow_cannot_use_stops_the_command(monkeypatch):
    monkeypatch.setattr(devices, "count", lambda: 1)
    monkeypatch.setattr(devices, "_seen_by_tensorflow", lambda: 0)
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: False)
    for value in ("0", None):
        monkeypatch.delenv(VISIBLE, raising=False)
        with pytest.raises(InputError, match=r"TensorFlow for the CPU.*pass --gpu cpu"):
            flags.start(value)
    assert flags.start("cpu") == []
