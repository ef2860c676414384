"""The calibration of a checkpoint on its validation split, and its use in evaluation and predictions."""

import fcntl
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tests.made_once import made_once
from tests.small_run import config_of, train
from tests.toy_run import forget_record
from tienet import files
from tienet.checkpoint import calibration as calibration_file
from tienet.checkpoint import validation_record
from tienet.checkpoint.entries import find_damage, read_entry
from tienet.checkpoint.run_folder import locate, open_run
from tienet.checkpoint.thresholds import choose
from tienet.commands.main import dispatch
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.calibrate import calibrate, calibrate_after_training, fit, format_table
from tienet.evaluation.evaluate import evaluate
from tienet.evaluation.metrics.calibration import MIN_CASES
from tienet.evaluation.options import Options
from tienet.evaluation.plots import SMALL_PANEL_PX
from tienet.folders import locks
from tienet.labels import LABELS, K, name_labels
from tienet.predict import Annotator, Predictor


@pytest.fixture(scope="module")
def root(data_root, common_folder) -> Path:
    """A data root whose data set has more validation studies, so that some labels have enough cases."""

    def make(root: Path) -> None:
        shutil.copytree(data_root / "phantom", root / "phantom", ignore=shutil.ignore_patterns("features", "vocab"))
        table = pd.read_csv(root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
        table["split"] = ["train"] * 36 + ["val"] * 38 + ["test"] * 6
        table["patient_id"] = table.study_id  # a patient must not be in two splits
        files.write_text(root / "phantom" / "manifest.csv", table.to_csv(index=False))
        assert dispatch(["vocabulary", "--data-root", str(root), "--data", "phantom", "--dim", "12"]) == 0

    return made_once(common_folder / "calibration-data", make)


@pytest.fixture(scope="module")
def trained(root, common_folder) -> Path:
    return made_once(
        common_folder / "calibration-run", lambda folder: train(root, folder, config_of("annotate-text", epochs=2))
    )


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A run that is not calibrated, for one test to change."""
    return shutil.copytree(trained, tmp_path / "run")


def validation(run: Path, root: Path):
    """The probabilities, logits and labels of the validation split, and the thresholds of the checkpoint."""
    part = manifests.load("phantom", root).split("val")
    with Predictor(run) as network:
        predictions = network.predict(network.studies(part))
        return predictions.probabilities, predictions.logits, part.labels, network.run.thresholds()


def test_probabilities_are_those_of_the_logits_and_the_temperatures(run, root):
    raw, logits, labels, trained_thresholds = validation(run, root)
    np.testing.assert_allclose(raw, expit(logits), atol=1e-6)
    calibration = calibrate(run, root, progress=False)
    calibrated, same_logits, _, thresholds = validation(run, root)
    np.testing.assert_array_equal(same_logits, logits)
    np.testing.assert_allclose(calibrated, expit(logits / calibration.temperatures), atol=1e-6)
    np.testing.assert_array_equal(thresholds, calibration.thresholds)
    fitted = calibration.temperatures != 1
    cases = np.minimum((labels == 1).sum(0), (labels == 0).sum(0))
    np.testing.assert_array_equal(fitted, cases >= MIN_CASES)
    assert fitted.any() and set(calibration.left_out) == {LABELS[m] for m in np.flatnonzero(~fitted)}
    assert not np.allclose(calibrated[:, fitted], raw[:, fitted], atol=1e-3)
    chosen = choose(raw, labels)  # what the checkpoint was written with
    np.testing.assert_allclose(trained_thresholds, chosen.values, rtol=1e-5)
    again = choose(calibrated, labels)
    for name, value in (("values", "thresholds"), ("precision", "precision"), ("recall", "recall")):
        np.testing.assert_allclose(getattr(calibration, value), getattr(again, name), rtol=1e-6)
    assert calibration.positives == dict(zip(LABELS, (labels == 1).sum(0).tolist(), strict=True))


def test_a_checkpoint_that_is_older_than_the_records_gets_one(run, root):
    _, prefix = locate(run)
    first = validation_record.read(prefix)
    forget_record(prefix)
    assert validation_record.read(prefix) is None
    calibrate(run, root, progress=False)
    made = validation_record.read(prefix)
    np.testing.assert_allclose(made.logits, first.logits, atol=1e-5)
    np.testing.assert_array_equal(made.labels, first.labels)
    assert made.studies == first.studies and find_damage(read_entry(prefix)) is None
    written = validation_record.path_of(prefix).stat()
    calibrate(run, root, progress=False)
    assert validation_record.path_of(prefix).stat() == written  # it has one now, which stays


def test_thresholds_reach_the_sensitivity_that_was_asked_for(run, root):
    calibration = calibrate(run, root, objective="sensitivity=0.9", progress=False)
    calibrated, _, labels, thresholds = validation(run, root)
    assert calibration.objective == "sensitivity=0.9" and "Thresholds: sensitivity=0.9." in format_table(calibration)
    for m in range(K):
        positives = calibrated[labels[:, m] == 1, m]
        if len(positives):
            assert (positives >= thresholds[m]).mean() >= 0.9
    table = format_table(calibration)
    few = [label for label, n in calibration.positives.items() if n < 10]
    assert few and f"Fewer than 10 positives, too few to choose a threshold by: {', '.join(few)}." in table
    assert table.splitlines()[0].split()[1:5] == ["positives", "threshold", "precision", "recall"]
    again = calibrate(run, root, progress=False)
    assert again.objective == "f1" and len(json.loads((run / "calibration.json").read_text())) == 1


def test_a_prediction_has_the_calibrated_probabilities_and_their_thresholds(run, root):
    with Annotator.load(run) as annotator:
        before = annotator.annotate(["the lungs are clear"])[0]
        assert not annotator.calibrated
    calibration = calibrate(run, root, progress=False)
    with Annotator.load(run) as annotator:
        after = annotator.annotate(["the lungs are clear"])[0]
        assert annotator.calibrated
    expected = expit(logit(before.probabilities.astype(np.float64)) / calibration.temperatures)
    np.testing.assert_allclose(after.probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(after.thresholds, calibration.thresholds)
    np.testing.assert_array_equal(after.labels, name_labels(after.probabilities, after.thresholds))
    np.testing.assert_array_equal(after.precision, calibration.precision)
    np.testing.assert_array_equal(after.recall, calibration.recall)
    assert np.isnan(before.precision).all() and np.isnan(before.recall).all()


def test_evaluation_shows_what_calibration_did_and_the_aucs_stay(run, root, tmp_path):
    options = Options(pages=0, resamples=5, java=False)
    before = evaluate(str(run), "phantom", root, tmp_path / "before", options)
    calibration = calibrate(run, root, progress=False)
    after = evaluate(str(run), "phantom", root, tmp_path / "after", options)
    assert before.metrics["calibration"] is None and "Calibration" not in before.table
    found = json.loads((tmp_path / "after" / "metrics.json").read_text())["calibration"]
    temperatures = [found["labels"][name]["temperature"] for name in LABELS]
    np.testing.assert_allclose(temperatures, calibration.temperatures, atol=1e-6)
    assert found["ece_before"] >= 0 and "Calibration: expected error" in after.table
    assert after.metrics["auc"] == before.metrics["auc"] and after.metrics["avg"] == before.metrics["avg"]
    scores = pd.read_csv(tmp_path / "after" / "scores.csv")[list(LABELS)].to_numpy()
    np.testing.assert_allclose(scores, expit(before.predictions.logits / calibration.temperatures), atol=1e-6)
    np.testing.assert_array_equal(scores.astype(np.float32), after.predictions.probabilities)  # to the last bit
    for folder in ("before", "after"):
        picture = cv2.imread(str(tmp_path / folder / "reliability.png"))
        assert picture.shape == (3 * SMALL_PANEL_PX, 5 * SMALL_PANEL_PX, 3)


def test_the_calibration_of_another_checkpoint_is_never_used(run, root):
    calibrate(run, root, progress=False)
    _, prefix = locate(run)
    other = next(path.with_suffix("") for path in (run / "checkpoints").glob("latest-*.index")
                 if path.read_bytes() != prefix.with_name(f"{prefix.name}.index").read_bytes())  # fmt: skip
    assert calibration_file.load(prefix) is not None and calibration_file.load(other) is None
    entries = json.loads((run / "calibration.json").read_text())
    files.write_json(run / "calibration.json", {other.name: entries[prefix.name]})  # renamed by hand
    with Predictor(other) as network:
        assert network.calibration is None
    calibrate(other, root, progress=False)
    assert set(json.loads((run / "calibration.json").read_text())) == {other.name}
    calibrate(prefix, root, progress=False)
    assert set(json.loads((run / "calibration.json").read_text())) == {other.name, prefix.name}


def test_a_value_that_cannot_be_is_refused(run, root):
    calibrate(run, root, progress=False)
    path = run / "calibration.json"
    entries = json.loads(path.read_text())
    next(iter(entries.values()))["temperatures"]["Edema"] = 0
    path.write_text(json.dumps(entries))
    with pytest.raises(
        InputError, match=r"temperatures, Edema is .*expected a number above 0.*calibrate the run again"
    ):
        Predictor(run)


def test_a_broken_file_is_refused_and_calibrating_again_mends_it(run, root):
    (run / "calibration.json").write_text("{")
    with pytest.raises(InputError, match=r"calibration\.json: not what was written"):
        Predictor(run)
    calibrate(run, root, progress=False)
    with Predictor(run) as network:
        assert network.calibration is not None


def test_calibrating_again_mends_an_entry_and_keeps_those_of_other_checkpoints(run, root):
    _, prefix = locate(run)
    other = next(path.with_suffix("") for path in (run / "checkpoints").glob("latest-*.index")
                 if path.read_bytes() != prefix.with_name(f"{prefix.name}.index").read_bytes())  # fmt: skip
    for each in (other, prefix):
        calibrate(each, root, progress=False)
    entries = json.loads((run / "calibration.json").read_text())
    good, entries[prefix.name]["temperatures"] = dict(entries), {}
    files.write_json(run / "calibration.json", entries)
    calibrate(prefix, root, progress=False)
    found = json.loads((run / "calibration.json").read_text())
    assert found.keys() == good.keys() and found[other.name] == good[other.name]
    assert calibration_file.load(prefix) is not None


def test_after_training_the_best_checkpoint_is_calibrated_as_the_command_does_it(run, root, tmp_path, capsys):
    same = shutil.copytree(run, tmp_path / "same")
    found = calibrate_after_training(run, root)
    err = capsys.readouterr().err
    fitted = K - len(found.left_out)
    assert f"{run}/calibration.json: thresholds of 15 labels, temperatures of {fitted}" in err and fitted > 0
    expected = calibrate(same, root, progress=False)
    np.testing.assert_array_equal(found.temperatures, expected.temperatures)
    np.testing.assert_array_equal(found.thresholds, expected.thresholds)


def test_a_run_a_checkpoint_its_folder_and_a_moved_run_find_the_calibration(run, root, tmp_path, monkeypatch):
    expected = calibrate_after_training(run, root)
    _, prefix = locate(run)
    moved = tmp_path / "elsewhere" / "renamed"
    for load in (run, run / "checkpoints", prefix, prefix.with_name(f"{prefix.name}.index"), moved, Path()):
        if load == moved:
            moved.parent.mkdir()
            shutil.move(run, moved)
        elif load == Path():
            monkeypatch.chdir(moved)
        opened = open_run(load)
        assert opened.calibration is not None, load
        np.testing.assert_array_equal(opened.calibration.temperatures, expected.temperatures)
        np.testing.assert_array_equal(opened.thresholds(), expected.thresholds)


def test_a_finished_run_that_is_resumed_keeps_the_thresholds_that_were_chosen(run, root, capsys):
    calibrate(run, root, objective="sensitivity=0.9", progress=False)
    before = (run / "calibration.json").read_bytes()
    capsys.readouterr()
    assert calibrate_after_training(run, root) is None
    assert (run / "calibration.json").read_bytes() == before and capsys.readouterr().err == ""


def test_what_goes_wrong_after_training_is_one_line(run, root, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("out of memory\n" + "x" * 9999)

    assert calibrate_after_training(run, tmp_path / "no-data") is None
    monkeypatch.setattr("tienet.evaluation.calibrate.Predictor", fail)
    assert calibrate_after_training(run, root) is None
    assert calibrate_after_training(tmp_path / "no-run", root) is None
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("warning: not calibrated: ") for line in lines)
    assert "out of memory x" in lines[1] and len(lines[1]) < 600
    assert all("tienet calibrate --load" in line for line in lines)
    assert not (run / "calibration.json").exists()


def test_a_run_that_another_process_writes_is_left_alone(run, root, capsys):
    before = {path.name for path in run.iterdir()}
    with (run / locks.NAME).open("w") as training:
        fcntl.flock(training, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=rf"^{run}: another process has been writing it; wait until that ends$"):
            calibrate(run, root, progress=False)
        assert calibrate_after_training(run, root) is None
    assert "not calibrated: " in (said := capsys.readouterr().err) and said.count("\n") == 1
    assert {path.name for path in run.iterdir()} == before | {locks.NAME}


def test_after_training_a_mode_without_labels_is_passed_over(run, root, capsys):
    Config.load(run / "config.json").replace(mode="caption").save(run / "config.json")
    assert calibrate_after_training(run, root) is None
    assert capsys.readouterr().err == "" and not (run / "calibration.json").exists()


def test_a_split_with_one_class_only_keeps_temperature_1_and_the_plain_threshold():
    found = fit(np.random.default_rng(0).normal(0, 3, (50, K)).astype(np.float32), np.zeros((50, K), np.float32))
    assert (found.temperatures == 1).all() and (found.thresholds == 0.5).all() and len(found.left_out) == K


def test_other_data_than_the_runs_are_refused(run, root, tmp_path):
    shutil.copytree(root / "phantom", tmp_path / "data" / "phantom", symlinks=True)
    table = pd.read_csv(root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table.loc[table.index[72:74], "split"] = "test"
    files.write_text(tmp_path / "data" / "phantom" / "manifest.csv", table.to_csv(index=False))
    with pytest.raises(InputError, match="split val has 36 studies, of which 36 are among the 38"):
        calibrate(run, tmp_path / "data", progress=False)
    assert not (run / "calibration.json").exists()


def test_an_objective_that_does_not_exist_is_refused_before_anything_is_evaluated(tmp_path):
    with pytest.raises(InputError, match=r"--objective sensitivity=1\.5"):
        calibrate(tmp_path / "nothing", objective="sensitivity=1.5")


def test_caption_has_nothing_to_calibrate(run, root):
    Config.load(run / "config.json").replace(mode="caption").save(run / "config.json")
    with pytest.raises(InputError, match="mode caption has no classifier, so there is nothing to calibrate"):
        calibrate(run, root)


def test_a_label_that_is_told_apart_without_a_mistake_is_not_made_certain():
    """The likelihood has no maximum then: temperature 0.05 would turn a logit of 1 into probability 1.0."""
    logits = np.tile(np.linspace(-3, 3, 40, dtype=np.float32)[:, None], (1, K))
    labels = (logits > 0).astype(np.float32)
    labels[25, 1] = 0  # a mistake bounds the temperature
    found = fit(logits, labels)
    assert found.temperatures[0] == 1 and "without a mistake" in found.left_out[LABELS[0]]
    assert expit(logits[logits < 0].max()) < found.thresholds[0] <= expit(logits[logits > 0].min())
    assert 0.05 < found.temperatures[1] < 1 and LABELS[1] not in found.left_out


def test_the_table_names_what_was_left_out_and_what_ran_into_a_limit():
    logits = np.tile(np.linspace(-3, 3, 40, dtype=np.float32)[:, None], (1, K))
    labels = (logits < 0).astype(np.float32)  # the wrong way round
    labels[:, 4] = np.nan
    table = format_table(fit(logits, labels))
    (mass,) = [line.split() for line in table.splitlines() if line.startswith("Mass")]
    assert mass[1] == "0" and mass[3:] == ["-", "-", "1.000", "-", "-"]
    assert "1 label keeps temperature 1: Mass (0 positives and 0 negatives, needs 10)" in table
    assert "At a limit (0.05 or 20): Atelectasis, Cardiomegaly" in table
