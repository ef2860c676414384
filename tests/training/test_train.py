"""A small phantom run from data to scores: what is saved is what was trained, and a stopped run goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.small_run import SMALL, config_of, state_of, train, weights_of
from tienet.checkpoint.run_folder import locate
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.predict import Predictor


@pytest.mark.parametrize("mode", ["annotate-text", "report"])
def test_resumed_equals_uninterrupted(runs, data_root, tmp_path, mode):
    shutil.copytree(runs[mode], tmp_path / "run")
    config = config_of(mode, max_words=30, epochs=3)
    if mode == "report":  # with all that draws
        config = config.replace(
            epochs=2,
            classify_on="half",
            scheduled_sampling=0.2,
            report_drop=0.1,
            feature_norm=True,
            attention_norm=True,
            attention_gate=True,
            deep_output=True,
        )
        shutil.rmtree(tmp_path / "run")
        train(data_root, tmp_path / "run", config.replace(epochs=1))
    resumed = train(data_root, tmp_path / "run", config, resume=True)
    straight = train(data_root, tmp_path / "straight", config)
    ours, theirs = weights_of(resumed), weights_of(straight)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_two_towers_equal_one(data_root, tmp_path):
    config = config_of("annotate-text", dropout=0.0, epochs=1)
    one = weights_of(train(data_root, tmp_path / "one", config))
    two = weights_of(train(data_root, tmp_path / "two", config, gpus=(0, 1)))
    for name in ("word_vectors", "lstm/W_r", "classifier/output/W"):
        np.testing.assert_allclose(two[name], one[name], atol=1e-5)


def test_ctrl_c_in_the_middle_of_an_epoch_leaves_a_checkpoint_that_goes_on(data_root, tmp_path):
    run = tmp_path / "run"
    command = [
        sys.executable, "train.py", "--mode", "annotate-text", "--data", "phantom", "--data-root", str(data_root),
        "--gpu", "cpu", "--logdir", str(run), "--batch", "4", "--epochs", "40",
        *(f"--set={name}={SMALL[name]}" for name in ("lstm_units", "attention_hidden", "penalty")),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "best.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)  # into the next epoch
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "go on with --resume" in errors
    assert "Traceback" not in errors
    step = state_of(run)["step"]
    assert locate(run)[1].name.startswith("best-")
    with Predictor(run) as network:
        assert len(network.studies(manifests.load("phantom", data_root).split("val")))
    epochs = state_of(run)["epoch"] + 2  # the signal may have come in validation, where no update is left
    again = Config.load(run / "config.json").replace(epochs=epochs)
    train(data_root, run, again, resume=True)
    assert state_of(run)["step"] > step


def test_a_batch_that_towers_cannot_share_names_the_nearest(data_root, tmp_path):
    with pytest.raises(InputError, match="use 15 or 18"):
        train(data_root, tmp_path / "run", config_of("annotate-text"), gpus=(0, 1, 2))


def test_the_log_has_the_losses_the_rate_and_the_validation_auc(runs, data_root, tmp_path):
    run = train(data_root, tmp_path / "run", config_of("annotate-text", lr_drop_at=0.5))
    log = json.loads((run / "stats.json").read_text())
    assert [entry["epoch_num"] for entry in log] == [1, 2]
    np.testing.assert_allclose([entry["learning_rate"] for entry in log], [1e-3, 1e-4], rtol=1e-5)
    assert {"L_C", "penalty", "l2", "loss", "val_avg", "val_wavg", "val_G_entropy"} <= log[0].keys()
    assert list(run.glob("events.out.tfevents.*"))
