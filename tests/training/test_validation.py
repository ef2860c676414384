"""Validation after each epoch: what is logged, and when the training stops early."""

import json

import numpy as np
import pytest
from scipy.special import expit

from tests.small_run import config_of, state_of, train
from tests.toy_run import ToyRun
from tienet import progress
from tienet.checkpoint import validation_record
from tienet.checkpoint.run_folder import locate, open_run, read_thresholds
from tienet.checkpoint.thresholds import choose
from tienet.data import manifest as manifests
from tienet.labels import K
from tienet.predict import Predictor
from tienet.training import validation


def test_the_log_of_a_run_that_writes_has_its_reports(runs, data_root):
    log = json.loads((runs["report"] / "stats.json").read_text())
    assert {
        "L_R",
        "coverage",
        "val_bleu4",
        "val_cider",
        "val_ended",
        "val_words_mean",
        "val_score",
        "val_distinct_reports",
        "val_a_entropy",
        "val_G_entropy",
        "val_read_avg",
    } <= (log[-1].keys())
    assert 0 < log[-1]["val_a_entropy"] <= 1 and 0 < log[-1]["val_G_entropy"] <= 1
    best = max(log, key=lambda entry: entry["val_score"])
    writing = state_of(runs["report"], "best")["writing"]
    assert state_of(runs["report"], "best")["best_score"] == pytest.approx(best["val_score"])
    assert [writing["bleu4"], writing["cider"], writing["words_mean"]] == pytest.approx(
        [best["val_bleu4"], best["val_cider"], best["val_words_mean"]]
    )
    studies = manifests.load("phantom", data_root).split("val").study_ids
    assert [sample["study_id"] in studies for sample in log[-1]["val_sample_reports"]] == [True] * 3
    events = b"".join(path.read_bytes() for path in runs["report"].glob("events.out.tfevents.*"))
    assert b"val_sample_reports" in events and log[-1]["val_sample_reports"][0]["written"].encode() in events


def test_the_checkpoint_has_the_logits_of_the_validation_split(runs, data_root):
    run, val = open_run(runs["annotate-text"]), manifests.load("phantom", data_root).split("val")
    record = validation_record.read(run.prefix)
    with Predictor(run) as network:
        np.testing.assert_allclose(record.logits, network.predict(network.studies(val)).logits, atol=1e-5)
    np.testing.assert_array_equal(record.labels, val.labels)
    assert record.studies == run.studies()["val"]
    expected = choose(expit(record.logits), record.labels).values
    np.testing.assert_allclose(read_thresholds(run.folder, run.prefix), expected, rtol=1e-5)
    assert validation_record.read(locate(runs["report"])[1]).studies == record.studies
    assert validation_record.read(locate(runs["caption"])[1]) is None


def test_early_stop(data_root, tmp_path, monkeypatch, capsys):
    """With a rate of almost nothing no epoch is better than the first, so patience ends the run.

    A log says how far each validation is, where it is long.
    """
    monkeypatch.setattr(progress, "FIRST_S", 0.0)
    run = train(data_root, tmp_path / "run", config_of("annotate-text", learning_rate=1e-30, epochs=9, patience=2))
    assert (state_of(run)["epoch"], state_of(run, "best")["epoch"]) == (3, 1)
    lines = capsys.readouterr().err.splitlines()
    for epoch in (1, 2, 3):
        shown = [n for n, line in enumerate(lines) if line.startswith(f"epoch {epoch}/9: validation: ")]
        result = next(n for n, line in enumerate(lines) if line.startswith(f"epoch {epoch}/9: validation AUC"))
        assert shown and shown[-1] < result and "studies (100%)" in lines[shown[-1]]


def test_a_tiny_threshold_stays_what_it_is_up_to_who_reads_the_checkpoint(tmp_path):
    """With six decimals it would be 0, and all four studies would be named."""
    probabilities = np.tile(np.array([[1e-7], [2e-7], [3e-7], [0.1]], np.float32), K)
    thresholds = validation.choose_thresholds(probabilities, np.tile([[0.0], [0.0], [1.0], [1.0]], K))
    assert all(2e-7 < threshold <= 3e-7 for threshold in thresholds)
    run = ToyRun(tmp_path / "run")
    run.epoch(tuple(thresholds))
    read = read_thresholds(run.folder, run.folder / "checkpoints" / "latest-10")
    assert read.dtype == np.float32 and (read == np.array(thresholds, np.float32)).all()
    assert ((probabilities >= read).sum(axis=0) == 2).all()


def test_thresholds_come_back_from_the_checkpoint_bit_for_bit():
    random = np.random.default_rng(0)
    probabilities = np.exp(-20 * random.random((50, K))).astype(np.float32)
    labels = (random.random((50, K)) < 0.5).astype(np.float32)
    stored = json.loads(json.dumps(validation.choose_thresholds(probabilities, labels)))
    assert (np.array(stored, np.float32) == choose(probabilities, labels).values).all()
