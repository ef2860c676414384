"""A validation split that cannot rank the epochs of a training: what is said, what is kept, and what is refused."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import tienet
from tests.small_run import SMALL, config_of, state_of, train
from tienet.checkpoint.earlier_run import LAST_EPOCH
from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.run_folder import open_run, read_thresholds
from tienet.data.manifest import Manifest
from tienet.labels import LABELS, K
from tienet.modes import MODES
from tienet.training.choice import choose_by
from tienet.training.ranking import has_auc, note_on_ranking, rule_for


def val_of(labels: np.ndarray, report: str = "no effusion .") -> Manifest:
    names = [str(n) for n in range(len(labels))]
    split = np.array(["val"] * len(names))
    return Manifest("x", Path("x.csv"), names, names, [None] * len(names), [report] * len(names), split, labels)


def labels_of(*values: float) -> np.ndarray:
    """A study for each value, which all its labels have."""
    return np.tile(np.array(values, np.float32)[:, None], K)


def test_an_auc_needs_both_values_of_one_finding():
    assert has_auc(labels_of(0, 1)) and has_auc(labels_of(1, np.nan, 0))
    for values in ([], [1], [0], [1, 1], [0, 0, np.nan], [np.nan, np.nan]):
        assert not has_auc(labels_of(*values))
    of_no_finding = labels_of(0, 0)
    of_no_finding[0, LABELS.index("No_Finding")] = 1
    assert not has_auc(of_no_finding)
    crossed = labels_of(np.nan, np.nan)
    crossed[0, 0], crossed[1, 1] = 1, 0
    assert not has_auc(crossed)
    crossed[1, 0] = 0
    assert has_auc(crossed)


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_the_rule_has_the_terms_that_are_defined(mode):
    whole, no_labels = val_of(labels_of(0, 1)), val_of(labels_of(np.nan, np.nan))
    assert rule_for(mode, whole) == mode.chosen_by and note_on_ranking(mode, whole) is None
    expected = MODES["caption"].chosen_by if mode.writes else LAST_EPOCH
    assert rule_for(mode, no_labels) == expected
    no_words = val_of(labels_of(0, 1), " ")
    expected = "validation AUC" if mode.classifies else LAST_EPOCH
    assert rule_for(mode, no_words) == expected
    assert rule_for(mode, val_of(labels_of(1), " ")) == LAST_EPOCH


def test_the_note_says_why_and_what_is_done():
    one = note_on_ranking(MODES["classify"], val_of(labels_of(1)))
    assert one.startswith("val split (1 study): no finding has both a positive and a negative study there")
    assert one.endswith("it cannot rank the epochs: the last one is kept, and patience does not count")
    partial = note_on_ranking(MODES["report"], val_of(labels_of(1, 1)))
    assert partial.startswith("val split (2 studies): no finding") and "patience" not in partial
    assert partial.endswith("; the best epoch is chosen by validation BLEU-4 and CIDEr alone")
    assert "no true report there has a word" in note_on_ranking(MODES["caption"], val_of(labels_of(0, 1), ""))


@pytest.fixture(scope="module")
def one_finding(data_root, tmp_path_factory) -> Path:
    """A copy of the phantom data whose validation split has one finding in all studies, and no other label."""
    folder = tmp_path_factory.mktemp("one-finding") / "phantom"
    shutil.copytree(data_root / "phantom", folder, ignore=shutil.ignore_patterns("features"))
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update(dict.fromkeys(LABELS, "") | {"Emphysema": "1"} if row["split"] == "val" else {})
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_the_last_epoch_is_kept_and_nothing_says_that_it_is_the_best(one_finding, tmp_path, capsys):
    settings = [f"--set={name}={SMALL[name]}" for name in ("lstm_units", "attention_hidden", "batch")]
    logdir = tmp_path / "run"
    flags = ["--mode", "annotate-text", "--data", one_finding, "--gpu", "cpu", "--logdir", logdir]
    assert tienet("train", *flags, *settings, "--epochs", 3, "--set", "patience=1") == 0
    lines = capsys.readouterr().err.splitlines()
    assert "it cannot rank the epochs: the last one is kept" in lines[0]
    assert [line for line in lines if line.startswith("epoch ")] == [
        "epoch 1/3: validation AUC undefined",
        "epoch 2/3: validation AUC undefined",
        "epoch 3/3: validation AUC undefined  the last; kept",
    ]
    assert any(line.startswith(f"note: {logdir}: not calibrated: in the val split no finding") for line in lines)
    assert not any("stopped" in line or "best" in line for line in lines)
    best = state_of(logdir, "best")
    assert (best["epoch"], best["best_epoch"], best["best_score"]) == (3, 3, None)
    assert (best["chosen_by"], best["thresholds"], best["epochs_since_best"]) == (LAST_EPOCH, None, 0)
    run = open_run(logdir)
    assert run.calibration is None and read_thresholds(run.folder, run.prefix) is None
    card = (logdir / "README.md").read_text()
    assert "the one after the last epoch; no score chose it" in card and "with the best" not in card
    assert "It has no thresholds" in card and "Nothing was chosen on the validation split" in card
    assert "thresholds of Emphysema were chosen" not in card
    both = ["--train-on", "train+val", "--epochs-of", logdir, "--logdir", tmp_path / "both"]
    assert tienet("train", "--gpu", "cpu", *both) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no validation score chose its best checkpoint, so its number of epochs was not chosen" in line


def test_a_run_of_an_older_version_that_kept_its_first_epoch_goes_on_to_its_last(one_finding, tmp_path, monkeypatch):
    """It says that its first epoch was the best by an AUC that there is not, and that patience has ended it."""
    config = config_of("annotate-text", epochs=3, patience=1).replace(data=str(one_finding))
    with monkeypatch.context() as patch:
        patch.setattr("tienet.training.setup.rule_for", lambda mode, _: mode.chosen_by)
        run = train(one_finding.parent, tmp_path / "run", config)
    assert (state_of(run, "best")["epoch"], state_of(run)["epoch"]) == (1, 2)
    train(one_finding.parent, run, config, resume=True)
    assert (state_of(run, "best")["epoch"], state_of(run, "best")["chosen_by"]) == (3, LAST_EPOCH)


def test_a_writer_that_has_no_labels_goes_on_by_its_reports():
    """An older run names the AUC, too, though its score is without it."""
    mode = MODES["report"]
    rule = rule_for(mode, val_of(labels_of(1, 1)))
    older = TrainingState(50, 5, 0.25, 3, 2, mode.chosen_by)
    assert choose_by(rule, mode, older) == replace(older, chosen_by=rule)
