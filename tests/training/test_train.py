"""A small phantom run from data to scores: what is saved is what was trained, and a stopped run goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.small_run import SMALL, config_of, state_of, train, weights_of
from tienet.checkpoint import save as saving
from tienet.checkpoint.run_folder import locate
from tienet.config import BACKBONE_DTYPES, Config
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.predict import Predictor


def assert_same_weights(run: Path, other: Path) -> None:
    ours, theirs = weights_of(run), weights_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_a_finished_run_with_one_epoch_more_equals_an_uninterrupted_one(runs, data_root, tmp_path):
    run = shutil.copytree(runs["annotate-text"], tmp_path / "a run's [1]*?")
    config = config_of("annotate-text", max_words=30, epochs=3)
    resumed = train(data_root, run, config, resume=True)
    assert_same_weights(resumed, train(data_root, tmp_path / "straight", config))


def test_a_run_that_ended_after_an_epoch_and_is_resumed_equals_an_uninterrupted_one(
    data_root, tmp_path, monkeypatch, capsys
):
    """With everything that is drawn at random; the folder is copied as a killed training would leave it."""
    config = config_of(
        "report", max_words=16, written_words=8, classify_on="half", scheduled_sampling=0.2, report_drop=0.1,
        feature_norm=True, attention_norm=True, attention_gate=True, deep_output=True, sentence_power=0.5,
    )  # fmt: skip
    save, ended = saving.save, tmp_path / "ended"

    def save_and_copy(folder: Path, *arguments) -> None:
        save(folder, *arguments)
        if not ended.exists():
            shutil.copytree(folder, ended)

    with monkeypatch.context() as patched:
        patched.setattr(saving, "save", save_and_copy)
        straight = train(data_root, tmp_path / "straight", config)
    assert (state_of(ended)["epoch"], state_of(straight)["epoch"]) == (1, 2)
    assert_same_weights(train(data_root, ended, config, resume=True), straight)
    for kind in ("best", "latest"):  # the same is chosen, by the same score, and said of the reports
        assert state_of(ended, kind) == state_of(straight, kind)
    assert f"note: {ended}: of the 8 reports that it wrote" in capsys.readouterr().err  # it has hardly learnt to write
    assert state_of(ended)["writing"]["studies"] == 8 and state_of(ended)["chosen_by"].endswith("BLEU-4 and CIDEr")


@pytest.mark.parametrize("dtype", BACKBONE_DTYPES)
def test_a_training_from_images_gives_the_score_that_it_saw(data_root, tmp_path, dtype):
    """Without a cache the backbone is part of the graph of the training; one update of it is enough here.

    What it computes in is the run's own: the features that the run is judged on afterwards are computed in it, too.
    """
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    of_split = table.groupby("split").cumcount()
    table[of_split < table.split.map({"train": 8, "val": 8, "test": 0})].to_csv(tmp_path / "few.csv", index=False)
    config = config_of(
        "classify", data=str(tmp_path / "few.csv"), features="off", feature_norm=True, batch=8, epochs=1,
        backbone_dtype=dtype,
    )  # fmt: skip
    run = train(data_root, tmp_path / "run", config)
    assert state_of(run)["step"] == 1 and not (tmp_path / "features").exists()
    val = manifests.load(str(tmp_path / "few.csv"), data_root).split("val")
    with Predictor(run) as network:
        probabilities = network.probabilities(network.studies(val))
    score = evaluate_auc(probabilities, val.labels, val.patient_ids, resamples=0)["avg"]
    assert score == pytest.approx(state_of(run, "best")["best_score"], abs=1e-9)
    (kept,) = (tmp_path / "features").glob("*/meta.json")
    assert json.loads(kept.read_text()).get("backbone_dtype", "float32") == dtype


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
    run = train(data_root, tmp_path / "run [2] ?*", config_of("annotate-text", lr_drop_at=0.5))
    log = json.loads((run / "stats.json").read_text())
    assert [entry["epoch_num"] for entry in log] == [1, 2]
    np.testing.assert_allclose([entry["learning_rate"] for entry in log], [1e-3, 1e-4], rtol=1e-5)
    assert {"L_C", "penalty", "l2", "loss", "val_avg", "val_wavg", "val_G_entropy"} <= log[0].keys()
    assert list(run.glob("events.out.tfevents.*"))
