"""tienet calibrate: the table is printed, and what reads the run from then on is calibrated."""

import os
import shutil

import pytest

from tienet.commands.main import dispatch
from tienet.errors import InputError
from tienet.predict import Annotator


def test_it_calibrates_the_run(runs, opened, data_root, tmp_path, capsys):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    flags = ["calibrate", "--load", str(tmp_path / "run"), "--data-root", str(data_root), "--gpu", "cpu"]
    opened.clear()
    assert dispatch([*flags, "--sensitivity", "0.9"]) == 0 and opened == [tmp_path / "run"]
    out = capsys.readouterr().out
    assert "temperature" in out and "Thresholds: sensitivity=0.9." in out
    assert out.splitlines()[-1] == str(tmp_path / "run" / "calibration.json")
    with Annotator.load(tmp_path / "run") as annotator:
        assert annotator.calibrated
    with pytest.raises(InputError, match="sensitivity"):
        dispatch([*flags, "--sensitivity", "1.5"])


def test_caption_has_nothing_to_calibrate(runs, data_root):
    with pytest.raises(InputError, match="no classifier"):
        dispatch(["calibrate", "--load", str(runs["caption"]), "--data-root", str(data_root), "--gpu", "cpu"])


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(runs, data_root, monkeypatch):
    may = os.access  # it says no where the file system is read-only
    monkeypatch.setattr(os, "access", lambda path, mode, **how: path != runs["annotate"] and may(path, mode, **how))
    with pytest.raises(InputError, match=r"calibration\.json cannot be written there"):
        dispatch(["calibrate", "--load", str(runs["annotate"]), "--data-root", str(data_root / "none"), "--gpu", "cpu"])
