"""A small phantom run from data to scores: what is saved is what was trained, and a stopped run goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.small_run import SMALL, config_of, state_of, train, weights_of
from tienet import devices
from tienet.checkpoint.run_folder import locate
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.evaluate import evaluate
from tienet.evaluation.labeller import Labeller
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.captions import bleu4
from tienet.evaluation.options import Options
from tienet.labels import LABELS
from tienet.modeling.generate import Decoding
from tienet.modes import MODES
from tienet.predict import Predictor
from tienet.training import train as training


@pytest.mark.parametrize("mode", MODES)
def test_what_is_loaded_is_what_was_trained(runs, data_root, mode):
    """The AUC or BLEU-4 that training saw on validation comes out again from the checkpoint, and twice the same."""
    val = manifests.load("phantom", data_root).split("val")
    with Predictor(runs[mode] / "checkpoints" / state_of(runs[mode], "best")["checkpoint"]) as network:
        studies = network.studies(val)
        predictions, again = network.predict(studies), network.predict(studies)
    assert predictions.reports == again.reports
    if MODES[mode].classifies:
        np.testing.assert_array_equal(predictions.probabilities, again.probabilities)
        score = evaluate_auc(predictions.probabilities, val.labels, val.patient_ids, resamples=0)["avg"]
    else:
        assert predictions.probabilities is None
        score = bleu4(val.reports, predictions.reports)
    assert score == pytest.approx(state_of(runs[mode], "best")["best_score"], abs=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_evaluation_writes_every_study_and_label(runs, data_root, mode, tmp_path):
    options = Options(pages=3, resamples=20, java=False, labeller=str(runs["annotate-text"]))
    result = evaluate(str(runs[mode]), "phantom", data_root, tmp_path / "out", options)
    out, table = result.out, result.table
    test = manifests.load("phantom", data_root).split("test")
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"mode", "data", "split", "studies", "auc", "avg", "wavg", "avg10", "findings_covered", "captions",
            "controls", "differs"} <= set(metrics)  # fmt: skip
    assert any("res4f" in line for line in metrics["differs"])
    assert len(sorted((out / "pages").glob("*.html"))) == 4  # three studies and the index
    if MODES[mode].writes:
        reports = pd.read_csv(out / "reports.csv", dtype=str, keep_default_na=False)
        assert reports.study_id.tolist() == test.study_ids
        assert reports.true.tolist() == test.reports
        assert metrics["captions"]["studies"] == len(test) and metrics["captions"]["METEOR"] is None
        assert metrics["reports"]["distinct"] == reports.written.nunique()
        assert metrics["report_findings"]["studies"] == len(test)
        assert "BLEU-4" in table
    if not MODES[mode].classifies:
        assert metrics["auc"] is None and not (out / "scores.csv").exists()
        return
    scores = pd.read_csv(out / "scores.csv", dtype={"study_id": str})
    assert scores.study_id.tolist() == test.study_ids
    assert scores.columns.tolist() == ["study_id", *LABELS]
    assert scores[list(LABELS)].notna().all(axis=None)
    assert metrics["auc"].keys() == set(LABELS)
    assert "AVG" in table
    assert (out / "roc.png").stat().st_size > 10_000


def test_what_a_mode_does_not_have_is_refused(runs, data_root, tmp_path):
    asked = {
        "caption": (Options(metrics="auc"), "no classifier"),
        "annotate": (Options(metrics="captions"), "writes no reports"),
        "annotate-text": (Options(decoding=Decoding("beam")), "writes no reports"),
        "report": (Options(labeller=str(runs["annotate"]), java=False), "--labeller needs annotate-text"),
    }
    for mode, (options, message) in asked.items():
        with pytest.raises(InputError, match=message):
            evaluate(str(runs[mode]), "phantom", data_root, tmp_path / mode, options)
        assert not (tmp_path / mode).exists()
    with Predictor(runs["caption"]) as network, pytest.raises(InputError, match="no classifier"):
        network.probabilities(network.studies(manifests.load("phantom", data_root).split("val")))


def test_without_reports_the_scores_still_come_and_there_are_no_caption_metrics(runs, data_root, tmp_path, capsys):
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["report"] = ""
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    table.to_csv(tmp_path / "silent.csv", index=False)
    options = Options(pages=1, resamples=5, java=False, controls=True)
    result = evaluate(str(runs["report"]), str(tmp_path / "silent.csv"), data_root, tmp_path / "out", options)
    assert result.metrics["captions"] is None and result.metrics["avg"] is not None
    assert "no caption metrics" in capsys.readouterr().err
    with pytest.raises(InputError, match="no study has a report"):
        config = config_of("report", data=str(tmp_path / "silent.csv"))
        training.train(config, training.Places(data_root, tmp_path / "run", data_root / "phantom/vocab", "random"), [])


def test_a_run_without_its_feature_statistics_is_refused(runs, tmp_path):
    shutil.copytree(runs["classify"], tmp_path / "run")
    (tmp_path / "run" / "feature_norm.npy").unlink()
    with pytest.raises(InputError, match="put it back"):
        Predictor(tmp_path / "run")


def test_feature_statistics_are_the_same_without_a_cache(runs, data_root, tmp_path):
    run = train(data_root, tmp_path / "off", config_of("classify", feature_norm=True, features="off", epochs=1))
    ours, cached = (np.load(folder / "feature_norm.npy") for folder in (run, runs["classify"]))
    np.testing.assert_allclose(ours, cached, rtol=1e-2)


def test_classify_needs_no_vocabulary(data_root, tmp_path):
    shutil.copytree(data_root / "phantom", tmp_path / "bare", symlinks=True)
    shutil.rmtree(tmp_path / "bare" / "vocab")
    run = train(tmp_path, tmp_path / "run", config_of("classify", data="bare", epochs=1))
    with Predictor(run) as network:
        assert len(network.run.vocab) == 4


def test_a_labeller_with_another_vocabulary_is_refused(runs, data_root):
    part = manifests.load("phantom", data_root).split("val")
    with Labeller(str(runs["annotate-text"])) as labeller:
        assert labeller.check_words(["quite another language altogether"] * 3 + [part.reports[0]]) is not None
        with pytest.raises(InputError, match="lacks 100% of the words"):
            labeller.check_words(["quite another language altogether"])
        labels = labeller.label(part, part.reports)
        assert set(np.unique(labels)) == {0, 1}
        assert (labeller.label(part, [""] * len(part)) == 0).all()


@pytest.mark.parametrize("mode", ["annotate", "classify"])
def test_features_off_gives_the_same_scores(runs, data_root, mode):
    """From images, in the network's own graph: float32 instead of the cache's float16."""
    part = manifests.load("phantom", data_root).split("val").take(np.arange(4))
    scores = []
    for features in ("cache", "off"):
        with Predictor(runs[mode], features) as network:
            scores.append(network.probabilities(network.studies(part)))
    np.testing.assert_allclose(*scores, atol=2e-3)


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


def test_a_second_run_in_the_same_folder_is_refused(runs, data_root):
    with pytest.raises(InputError, match="--resume"):
        train(data_root, runs["annotate"], config_of("annotate"))


def test_resume_starts_a_run_that_has_no_checkpoint_yet(data_root, tmp_path, capsys):
    """A cluster gives the same command whether the run was started before or not."""
    config = config_of("annotate-text", epochs=1)
    run = train(data_root, tmp_path / "run", config, resume=True)
    assert "no checkpoint yet" in capsys.readouterr().err and state_of(run)["epoch"] == 1


def test_load_starts_from_another_runs_weights(runs, data_root, tmp_path):
    config = config_of("annotate-text", learning_rate=1e-12, epochs=1)
    run = train(data_root, tmp_path / "run", config, load=str(runs["annotate-text"]))
    loaded = weights_of(runs["annotate-text"], "best")
    np.testing.assert_allclose(weights_of(run)["lstm/W_r"], loaded["lstm/W_r"], atol=1e-6)
    with pytest.raises(InputError, match="transition/W is missing"):
        train(data_root, tmp_path / "other", config_of("annotate"), load=str(runs["annotate-text"]))


def test_a_vocabulary_of_another_run_is_refused(runs, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    words = (tmp_path / "run" / "vocab.txt").read_text().splitlines()
    (tmp_path / "run" / "vocab.txt").write_text("\n".join([*words[:-1], "aardvark"]) + "\n")
    with pytest.raises(InputError, match="vocabulary"):
        Predictor(tmp_path / "run")


def test_a_checkpoint_of_another_mode_is_refused_with_what_is_missing(runs, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    config = Config.load(tmp_path / "run" / "config.json").replace(mode="annotate")
    config.save(tmp_path / "run" / "config.json")
    with pytest.raises(InputError, match="does not fit this network"):
        Predictor(tmp_path / "run")


def test_a_damaged_or_missing_checkpoint_is_refused(runs, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").glob("best-*"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="checkpoint"):
        Predictor(tmp_path / "run")
    with pytest.raises(InputError, match="not the folder of a run"):
        Predictor(tmp_path)
    with pytest.raises(InputError, match="no checkpoint there"):
        Predictor(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["x", "0,0", "-1", ""])
def test_a_wrong_gpu_list_is_refused(text):
    with pytest.raises(InputError, match="expected cpu, or GPU numbers"):
        devices.choose_devices(text)


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


def test_the_log_of_a_run_that_writes_has_its_reports(runs, data_root):
    log = json.loads((runs["report"] / "stats.json").read_text())
    assert {
        "L_R",
        "coverage",
        "val_bleu4",
        "val_distinct_reports",
        "val_a_entropy",
        "val_G_entropy",
        "val_read_avg",
    } <= (log[-1].keys())
    assert 0 < log[-1]["val_a_entropy"] <= 1 and 0 < log[-1]["val_G_entropy"] <= 1
    studies = manifests.load("phantom", data_root).split("val").study_ids
    assert [sample["study_id"] in studies for sample in log[-1]["val_sample_reports"]] == [True] * 3
    events = b"".join(path.read_bytes() for path in runs["report"].glob("events.out.tfevents.*"))
    assert b"val_sample_reports" in events and log[-1]["val_sample_reports"][0]["written"].encode() in events


def test_early_stop(data_root, tmp_path):
    """With a rate of almost nothing no epoch is better than the first, so patience ends the run."""
    run = train(data_root, tmp_path / "run", config_of("annotate-text", learning_rate=1e-30, epochs=9, patience=2))
    assert (state_of(run)["epoch"], state_of(run, "best")["epoch"]) == (3, 1)
