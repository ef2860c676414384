"""A training on both splits: as long as the earlier run's best, not validated, and a stopped one goes on."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.both_splits import learn_both, some_calibration
from tests.command_line import tienet
from tests.light_run import light_run
from tests.made_once import made_once
from tests.small_run import state_of, train, weights_of
from tienet.checkpoint import calibration, validation_record
from tienet.checkpoint import save as saving
from tienet.checkpoint.earlier_run import BOTH, EarlierRun
from tienet.checkpoint.run_folder import load_run, locate, open_run
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.batch_split import WHOLE_BATCH
from tienet.evaluation.calibrate import calibrate_after_training
from tienet.interruption import Interruption
from tienet.modeling.losses import LabelWeights
from tienet.training import train_on
from tienet.training.card import both_splits, figures, write
from tienet.training.card.command import command_text
from tienet.training.inputs import open_inputs
from tienet.training.places import Places
from tienet.training.setup import build_model, set_up

EPOCHS = 3


@dataclass(frozen=True)
class Trained:
    """A run on both splits, its folder as a kill after its first epoch would leave it, and its earlier run."""

    run: Path
    stopped: Path
    first: Path
    earlier: EarlierRun


@pytest.fixture(scope="module")
def both(runs, data_root, common_folder) -> Trained:
    """A run on both splits, as if the best epoch of the earlier one were its third."""

    def make(folder: Path) -> None:
        folder.mkdir()
        first = shutil.copytree(runs["annotate-text"], folder / "first")
        prefix = locate(first)[1]
        calibration.save(prefix, some_calibration())
        for path in (first / "best.json", prefix.with_name(f"{prefix.name}.json")):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"epoch": EPOCHS, "best_epoch": EPOCHS}))
        save = saving.save

        def save_and_copy(run: Path, *arguments) -> None:
            save(run, *arguments)
            if not (folder / "stopped").exists():
                shutil.copytree(run, folder / "stopped")

        run, earlier = train_on.open_earlier(str(first))
        config, earlier, _ = train_on.config_after(run, earlier, {}, {}, "paper")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(saving, "save", save_and_copy)
            places = Places(data_root, folder / "run")
            inputs = open_inputs(config, places, False, None, is_chief=True, earlier=earlier)
            train(data_root, folder / "run", config, inputs=inputs)
        assert calibrate_after_training(folder / "run", data_root) is not None

    folder = made_once(common_folder / "both-splits", make)
    earlier = open_run(folder / "run").earlier
    return Trained(folder / "run", folder / "stopped", folder / "first", earlier)


def test_the_last_checkpoint_is_the_one_that_is_kept(both):
    best, first = state_of(both.run, "best"), open_run(both.first)
    assert (best["epoch"], best["best_epoch"], best["best_score"]) == (EPOCHS, EPOCHS, None)
    assert best["chosen_by"] == "the last epoch" and best["step"] == state_of(both.run)["step"]
    assert best["thresholds"] == state_of(both.first, "best")["thresholds"]
    assert validation_record.read(locate(both.run)[1]) is None
    log = json.loads((both.run / "stats.json").read_text())
    assert [entry["epoch_num"] for entry in log] == [1, 2, 3]
    assert not [name for entry in log for name in entry if name.startswith("val_")]
    stopped = state_of(both.stopped)
    (entry,) = json.loads((both.stopped / "stats.json").read_text())  # written before the checkpoint
    assert entry["epoch_num"] == 1
    assert (stopped["epoch"], stopped["best_epoch"], stopped["thresholds"]) == (1, 0, None)
    assert not (both.stopped / "best.json").exists() and first.earlier is None


def test_it_learns_from_both_splits(both, data_root):
    """Both are among what it has seen; the words stay those of the training split."""
    data_set, run = manifests.load("phantom", data_root), open_run(both.run)
    train_split, val = data_set.split("train"), data_set.split("val")
    assert state_of(both.run, "best")["step"] == EPOCHS * -(-(len(train_split) + len(val)) // run.config.batch)
    seen = leaks.fingerprints(train_split) + leaks.fingerprints(val)
    assert sorted(run.studies()["train"]) == sorted(seen) and run.studies()["val"] == []
    assert run.vocab.words == open_run(both.first).vocab.words
    assert run.facts["train_on"] == BOTH and run.earlier.checkpoint == locate(both.first)[1].name
    assert (run.config.epochs, run.config.patience) == (EPOCHS, 0)


def test_the_label_weights_are_of_both_splits(both, data_root, tmp_path, monkeypatch, capsys):
    """Also where it starts from the weights of another run, which run.json then names."""
    given = []
    of_labels = LabelWeights.from_labels
    monkeypatch.setattr(LabelWeights, "from_labels", lambda labels: (given.append(labels), of_labels(labels))[1])
    config, places = open_run(both.run).config, Places(data_root, tmp_path / "new")
    inputs = open_inputs(config, places, False, str(both.run), True, both.earlier)
    assert "note: starts from run, best-" in capsys.readouterr().err
    setup = set_up(config, places, WHOLE_BATCH, inputs, None, Interruption())
    build_model(setup)
    data_set = manifests.load("phantom", data_root)
    expected = data_set.labels[np.isin(data_set.splits, ("train", "val"))]
    np.testing.assert_array_equal(given[0], expected)
    assert setup.val_studies is None
    new = load_run(tmp_path / "new")
    assert new.facts["loaded"] == f"run, {locate(both.run)[1].name}"
    assert replace(new.earlier, calibration=None) == replace(both.earlier, calibration=None)
    assert new.studies() == open_run(both.run).studies()  # each study once


def test_a_stopped_run_goes_on_without_the_earlier_one_and_equals_an_uninterrupted_one(both, data_root, tmp_path):
    run = shutil.copytree(both.stopped, tmp_path / "stopped")
    train(data_root, run, open_run(run).config, resume=True)
    ours, theirs = weights_of(run, "best"), weights_of(both.run, "best")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
    assert state_of(run, "best") == state_of(both.run, "best")
    assert open_run(run).studies() == open_run(both.run).studies()


def test_its_calibration_is_the_earlier_runs(both, data_root, tmp_path, capsys):
    ours, theirs = open_run(both.run).calibration, open_run(both.first).calibration
    np.testing.assert_array_equal(ours.thresholds, theirs.thresholds)
    np.testing.assert_array_equal(ours.temperatures, theirs.temperatures)
    assert ours.source == f"first, {locate(both.first)[1].name}" and theirs.source == ""
    assert calibrate_after_training(both.stopped, data_root) is None  # it has no best checkpoint yet
    run = shutil.copytree(both.run, tmp_path / "run")
    (run / "calibration.json").unlink()
    facts = json.loads((run / "run.json").read_text())
    facts["earlier_run"] = replace(both.earlier, calibration=None).to_json()
    (run / "run.json").write_text(json.dumps(facts))
    assert calibrate_after_training(run, data_root) is None and not (run / "calibration.json").exists()
    assert "had no temperatures to take" in capsys.readouterr().err


def test_its_card_has_no_figures_of_its_own(both, data_root):
    data_set, run = manifests.load("phantom", data_root), open_run(both.run)
    text = write.write_card(both.run, data_set, ["tienet", "train", "--epochs-of", "/Smith/first"]).read_text()
    assert "**This run has no validation figures of its own.**" in text and "model-index" not in text
    assert f"| mean AUC of the findings | {both.earlier.validation['AUC']:.3f} |" in text
    assert "of its training split and of its validation split." in text and "and validated on" not in text
    assert "was not chosen by any score" in text and "with the same settings: its checkpoint" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| Cardiomegaly |")]
    thresholds, temperatures = run.calibration.thresholds, run.calibration.temperatures
    assert rows[-1][1:4] == [f"{thresholds[1]:.3f}", f"{temperatures[1]:.3f}", "7"]
    assert "precision of **first**" in text and "were chosen for sensitivity=0.9" in text
    assert "Best and worst" not in text and "![Loss by epoch;" in text and "Smith" not in text
    assert not [study for study in data_set.study_ids if study in text]


def test_nothing_is_written_or_measured_for_the_card(data_root, tmp_path):
    """A run that writes would be opened for it; this one has no weights."""
    data_set = manifests.load("phantom", data_root)
    run = learn_both(light_run(tmp_path / "run", data_set, "report"), data_set)
    assert figures.measure(open_run(run), data_set) == figures.Figures(None, None, "", [], [])


def test_what_the_card_says_of_another_setting_and_of_reports_nobody_can_use(both):
    run, earlier = open_run(both.run), replace(both.earlier, differs={"dropout": 0.25}, flaw="all are alike")
    assert "with the same settings but `dropout=0.25` (here 0.5)" in "".join(both_splits.validation(run, earlier))
    assert "The reports of **first** are of no use: all are alike." in " ".join(both_splits.limits(earlier, "x", True))
    command = command_text(["pytest"], run.config, "phantom", earlier)
    assert (
        command
        == "tienet train --mode annotate-text --data phantom --train-on train+val --epochs-of first --set dropout=0.5"
    )


def test_it_is_judged_on_the_test_split_alone(both, data_root, tmp_path, capsys):
    common = ["--data-root", data_root, "--gpu", "cpu"]
    evaluate = ["evaluate", "--load", both.run, "--data", "phantom", "--no-java", "--pages", "0", *common]
    assert tienet(*evaluate, "--split", "val") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was trained on 8 of the 8 studies" in line and "split val" in line
    assert tienet("calibrate", "--load", both.run, *common) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no study is left to choose thresholds by; it has those of first" in line
    assert tienet(*evaluate, "--out", tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["seen"] == {"train": 0, "val": 0}
