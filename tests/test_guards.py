"""Studies that a checkpoint was trained on are refused."""

import json
import shutil
from pathlib import Path

import pytest

from tests.small_run import config_of, train
from tienet.errors import InputError
from tienet.evaluation.evaluate import evaluate
from tienet.evaluation.options import Options

QUICK = {"pages": 0, "resamples": 5}


@pytest.fixture(scope="module")
def run(data_root, tmp_path_factory) -> Path:
    logdir = tmp_path_factory.mktemp("guards") / "run"
    return train(data_root, logdir, config_of("annotate-text", epochs=1))


def evaluate_run(run: Path, data_root: Path, out: Path, **options) -> dict:
    evaluate(str(run), "phantom", data_root, out, Options(**{**QUICK, **options}))
    return json.loads((out / "metrics.json").read_text())


def test_studies_that_were_trained_on_are_refused(run, data_root, tmp_path):
    with pytest.raises(InputError, match=r"was trained on \d+ of the \d+ studies .* split train .*--allow-seen"):
        evaluate_run(run, data_root, tmp_path / "out", split="train")
    assert not (tmp_path / "out").exists()


def test_unless_that_is_allowed_and_then_it_is_told(run, data_root, tmp_path, capsys):
    metrics = evaluate_run(run, data_root, tmp_path / "out", split="train", allow_seen=True)
    assert metrics["seen"] == {"train": metrics["studies"], "val": 0}
    assert "was trained on" in capsys.readouterr().err


def test_the_test_split_is_unseen_and_validation_is_told(run, data_root, tmp_path, capsys):
    assert evaluate_run(run, data_root, tmp_path / "test")["seen"] == {"train": 0, "val": 0}
    assert "note" not in capsys.readouterr().err
    metrics = evaluate_run(run, data_root, tmp_path / "val", split="val")
    assert metrics["seen"] == {"train": 0, "val": metrics["studies"]}
    assert "chose its best epoch and thresholds on" in capsys.readouterr().err


def test_a_run_that_does_not_say_what_it_has_seen(run, data_root, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "studies.json").unlink()
    assert evaluate_run(tmp_path / "run", data_root, tmp_path / "out", split="train")["seen"] is None
    assert "has no studies.json" in capsys.readouterr().err
