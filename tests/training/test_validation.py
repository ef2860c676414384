"""Validation after each epoch: what is logged, and when the training stops early."""

import json

from tests.small_run import config_of, state_of, train
from tienet.data import manifest as manifests


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
