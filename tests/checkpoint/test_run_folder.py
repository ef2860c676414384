"""What a run's folder says, which checkpoint `--load` names, and that a run is opened once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tienet.checkpoint import calibration, run_folder
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.run_folder import create_run, load_run, open_run
from tienet.checkpoint.writing import Writing
from tienet.config import Config
from tienet.data.features import statistics
from tienet.data.features.image_distribution import ImageDistribution
from tienet.data.leaks import Fingerprint
from tienet.data.text import SPECIALS, Vocab
from tienet.errors import InputError
from tienet.labels import LABELS, K

CONFIG = Config().replace(mode="annotate", image_px=256, backbone_end="res4f", feature_norm=True)
VOCAB = Vocab([*SPECIALS, "heart", "normal"])
STUDIES = {"train": [Fingerprint("a", "b", "c")], "val": [Fingerprint("d", "", "")]}


@pytest.fixture
def run(toy_runs, tmp_path) -> Path:
    """A run with latest-30, latest-20 and best-20, and with all files that a run's folder has before training."""
    folder = shutil.copytree(toy_runs[3], tmp_path / "run")
    create_run(folder, CONFIG, VOCAB, {"word_dim": 12, "data": "phantom"}, STUDIES)
    return folder


def calibration_of(threshold: float) -> Calibration:
    ones = np.ones(K, np.float32)
    return Calibration(ones * 2, ones * threshold, "f1", ones, ones, {}, {}, 9, {}, {})


# ---- what the folder says ----


def test_what_was_created_is_loaded(run):
    loaded = load_run(run)
    assert (loaded.folder, loaded.config, loaded.word_dim) == (run, CONFIG, 12)
    assert loaded.vocab.words == VOCAB.words
    assert loaded.facts["data"] == "phantom" and loaded.facts["labels"] == list(LABELS)
    assert loaded.studies() == STUDIES
    assert loaded.backbone_path == run / "backbone.npz"


def test_an_older_run_does_not_say_its_studies(run):
    (run / "studies.json").unlink()
    assert load_run(run).studies() is None


@pytest.mark.parametrize("name", ["config.json", "vocab.txt", "run.json"])
def test_a_folder_that_lacks_a_file_is_not_that_of_a_run(run, name):
    (run / name).unlink()
    for load in (run, run / "checkpoints" / "latest-30"):
        with pytest.raises(InputError, match=f"not the folder of a run: it has no {name}" if load != run else "no "):
            open_run(load)


def test_files_of_another_run_are_refused(run):
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"labels": ["Edema"]}))
    with pytest.raises(InputError, match=r"the labels are \['Edema'\], expected"):
        load_run(run)
    (run / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: not a JSON file"):
        load_run(run)
    (run / "run.json").write_text(json.dumps(facts))
    Vocab([*SPECIALS, "heart"]).save(run / "vocab.txt")
    with pytest.raises(InputError, match="not the vocabulary that this run was trained with; put it back"):
        load_run(run)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "[1]", "not what was written there; put it back"),
        ("run.json", "[" * 100_000, r"not a JSON file \(nested too deeply\)"),
        ("run.json", {"labels": "a\nb"}, r"the labels are 'a\\nb', expected"),
        ("run.json", {"word_dim": None}, "word_dim is None; expected the size of a word vector, 1 to 100,000"),
        ("run.json", {"word_dim": 10**400}, "word_dim is 1000"),
        ("run.json", {"word_dim": True}, "word_dim is True"),
        ("run.json", {"word_dim": "12"}, "word_dim is '12'"),
        ("studies.json", "[]", "not what was written there; put it back, or remove it"),
        ("studies.json", {"train": 3}, "not what was written there"),
        ("studies.json", "{}", "not what was written there; put it back, or remove it"),
        ("studies.json", '{"train": []}', "not what was written there"),
        ("studies.json", {"train": [["a", "b"]]}, "not what was written there"),
        ("studies.json", {"train": [["a", "b", 3]]}, "not what was written there"),
        ("config.json", "[]", "not what was written there"),
        ("checkpoints/best-20.json", {"thresholds": [0.5] * 14}, "14 thresholds, expected 15"),
    ],
)
def test_what_was_changed_by_hand_is_named_in_one_line(run, name, content, message):
    path = run / name
    if isinstance(content, dict):
        content = json.dumps(json.loads(path.read_text()) | content)
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        opened = open_run(run)
        opened.studies()
        opened.thresholds()
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_feature_statistics_are_there_where_features_are_standardised(run):
    expected = np.stack([np.zeros(1024), np.ones(1024)]).astype(np.float32)
    statistics.save(run / "feature_norm.npy", expected)
    np.testing.assert_array_equal(load_run(run).feature_statistics(), expected)
    for config in (CONFIG.replace(feature_norm=False), CONFIG.replace(mode="annotate-text")):
        config.save(run / "config.json")
        assert load_run(run).feature_statistics() is None


def test_a_distribution_of_images_that_is_damaged_or_of_another_network_is_refused(run):
    assert load_run(run).image_distribution() is None
    drawn = np.random.default_rng(0).normal(size=(5, 8))
    ImageDistribution.fit(drawn, drawn).save(run / "images.npz")
    with pytest.raises(InputError, match=r"images\.npz: damaged, or of another network"):
        load_run(run).image_distribution()


# ---- a run that is opened ----


def test_a_file_that_is_missing_is_found_before_the_network_is_loaded(run):
    opened, data = open_run(run), run / "checkpoints" / "best-20.data-00000-of-00001"
    with pytest.raises(InputError, match=r"feature_norm\.npy"):
        opened.check_files()
    statistics.save(run / "feature_norm.npy", np.ones((2, 1024), np.float32))
    with pytest.raises(InputError, match=r"backbone\.npz: no backbone weights there"):
        opened.check_files()
    (run / "backbone.npz").write_bytes(b"weights")
    opened.check_files()
    data.unlink()
    with pytest.raises(InputError, match=r"the checkpoint is damaged \(its \.data file is missing\); use .*-30"):
        opened.check_files()
    (run / "calibration.json").write_text("[")
    with pytest.raises(InputError, match=r"calibration\.json: not what was written there"):
        open_run(run).check_files()


def test_an_opened_run_is_the_run_with_the_checkpoint_that_load_names(run):
    for load, name in ((run, "best-20"), (str(run), "best-20"), (run / "checkpoints" / "latest-30", "latest-30")):
        opened = open_run(load)
        assert (opened.load, opened.prefix) == (str(load), run / "checkpoints" / name)
        assert (opened.folder, opened.config, opened.word_dim) == (run, CONFIG, 12)


def test_an_opened_run_is_passed_through_and_nothing_is_read_again(run):
    opened = open_run(run)
    shutil.rmtree(run)
    assert open_run(opened) is opened
    assert (opened.config, opened.vocab.words, opened.prefix.name) == (CONFIG, VOCAB.words, "best-20")


def test_the_calibration_is_read_when_it_is_asked_for_and_once(run, monkeypatch):
    loads, load = [], calibration.load
    monkeypatch.setattr(calibration, "load", lambda prefix: (loads.append(prefix.name), load(prefix))[1])
    calibration.save(run / "checkpoints" / "best-20", calibration_of(0.25))
    opened = open_run(run)
    assert loads == []
    assert opened.calibration.thresholds.tolist() == [0.25] * K
    assert opened.calibration is opened.calibration and opened.thresholds() is opened.calibration.thresholds
    assert loads == ["best-20"]


def test_a_broken_calibration_does_not_matter_until_it_is_asked_for(run):
    (run / "calibration.json").write_text("[")
    opened = open_run(run)
    with pytest.raises(InputError, match=r"calibration\.json: not what was written there"):
        _ = opened.calibration


def test_thresholds_are_the_calibrations_else_the_epochs_else_nan(run):
    best = run / "checkpoints" / "best-20"
    for name in ("best-20", "latest-30"):
        path = run / "checkpoints" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"thresholds": [0.25] * K}))
    assert open_run(run).thresholds().tolist() == [0.25] * K
    calibration.save(best, calibration_of(0.75))
    assert open_run(run).thresholds().tolist() == [0.75] * K
    assert open_run(run / "checkpoints" / "latest-30").thresholds().tolist() == [0.25] * K  # it is not calibrated
    for path in (run / "calibration.json", run / "best.json", best.with_name("best-20.json")):
        path.unlink()
    thresholds = open_run(best).thresholds()
    assert thresholds.dtype == np.float32 and thresholds.shape == (K,) and np.isnan(thresholds).all()


def test_what_is_said_of_the_reports_is_that_of_the_checkpoint(run):
    """From its entry; in a copy without entries from best.json and latest.json."""
    flawed, sound = Writing(9, 9, 100, 8, 100.0, 0.1, 0.25), Writing(9, 0, 100, 8, 30.5, 0.1, 0.25)
    assert open_run(run).writing_flaw is None  # nothing is known
    for name, writing in (("best-20", flawed), ("latest-30", sound)):
        for path in (run / "checkpoints" / f"{name}.json", run / f"{name.split('-')[0]}.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"writing": writing.to_json()}))
    for _ in range(2):
        assert open_run(run).writing_flaw == flawed.flaw
        assert open_run(run / "checkpoints" / "latest-30").writing_flaw is None
        for path in (run / "checkpoints").glob("*.json"):
            path.unlink()


def test_the_mode_is_checked(run):
    opened = open_run(run)
    opened.check_mode("describing", ("annotate", "report"))
    with pytest.raises(InputError) as caught:
        opened.check_mode("writing", ("report", "caption"))
    assert str(caught.value) == f"{run}: a checkpoint of mode annotate, but writing needs report or caption"


# ---- which checkpoint is meant ----


def test_what_load_names(run):
    checkpoints = run / "checkpoints"
    for named, found in {
        run: "best-20", checkpoints: "best-20", checkpoints / "checkpoint": "latest-30",
        checkpoints / "latest-20": "latest-20", checkpoints / "latest-20.index": "latest-20",
        checkpoints / "best-20.data-00000-of-00001": "best-20",
    }.items():  # fmt: skip
        assert run_folder.locate(named) == (run, checkpoints / found)
        assert run_folder.locate(str(named)) == (run, checkpoints / found)
    (run / "best.json").unlink()  # a kill came before it
    assert run_folder.locate(run)[1].name == "best-20"
    for path in checkpoints.glob("best-*"):
        path.unlink()
    assert run_folder.locate(run)[1].name == "latest-30"
    (run / "best.json").write_text("{")
    with pytest.raises(InputError, match=r"best\.json: names no checkpoint; give one of .*checkpoints"):
        run_folder.locate(run)
    (run / "best.json").unlink()
    shutil.rmtree(checkpoints)
    (run / "latest.json").unlink()
    with pytest.raises(InputError, match="has no checkpoint yet"):
        run_folder.locate(run)


def test_a_run_gives_its_backbone_where_a_weights_file_is_expected(run, tmp_path):
    checkpoints = run / "checkpoints"
    for named in (run, checkpoints, checkpoints / "best-20", checkpoints / "checkpoint"):
        assert run_folder.folder_of_run(named) == run
        assert run_folder.backbone_source(str(named)) == str(run / "backbone.npz")
    for named in ("random", str(tmp_path / "resnet50.npz"), str(run / "backbone.npz"), str(run / "eval" / "phantom")):
        assert run_folder.folder_of_run(named) is None
        assert run_folder.backbone_source(named) == named


def test_thresholds_are_those_of_the_checkpoint(run):
    for name in ("latest-30", "latest-20", "best-20"):
        path = run / "checkpoints" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"thresholds": [int(name[-2:]) / 100, 1]}))
        assert run_folder.read_thresholds(run, path.with_suffix("")).tolist() == pytest.approx(
            [int(name[-2:]) / 100, 1]
        )
    assert run_folder.read_thresholds(run, run / "checkpoints" / "latest-10") is None
