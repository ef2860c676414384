"""What a resumed run was started with: the same --preset and --load go on, others are refused in one line."""

import json
from pathlib import Path

import pytest

from tests.command_line import tienet
from tests.light_run import light_run
from tienet import cli
from tienet.checkpoint.run_folder import locate
from tienet.config import Config, preset_settings
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.training.started import check_load, settings_to_compare
from tienet.training.train_on import loaded_facts

MODE = "annotate-text"


@pytest.fixture
def data_set(data_root):
    return manifests.load("phantom", data_root)


def run_of(folder: Path, data_set: manifests.Manifest, facts: dict[str, object], **settings) -> Path:
    """A light run whose run.json has these facts, too."""
    run = light_run(folder, data_set, MODE, data="phantom", **settings)
    default = Config()
    Config.load(run / "config.json").replace(image_px=default.image_px, backbone_end=default.backbone_end).save(
        run / "config.json"
    )
    (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | facts))
    return run


def test_the_preset_of_its_start_goes_on_and_another_one_does_not(data_set, tmp_path):
    run = run_of(tmp_path / "run", data_set, {"preset": "paper"}, batch=7, dropout=0.2)
    assert settings_to_compare(run, "paper", MODE) == set()
    with pytest.raises(InputError, match="was started with --preset paper, not openi; a resumed run keeps"):
        settings_to_compare(run, "openi", MODE)
    assert settings_to_compare(tmp_path / "none", "openi", MODE) == set(preset_settings("openi", MODE))


def test_a_run_of_an_older_version_is_compared_by_its_settings(data_set, tmp_path):
    openi = {name: preset_settings("openi", MODE)[name] for name in ("penalty", "dropout", "epochs")}
    run = run_of(tmp_path / "openi", data_set, {}, batch=7, **openi)
    assert settings_to_compare(run, "paper", MODE) == {"penalty", "dropout"}  # epochs may change
    assert settings_to_compare(run, "openi", MODE) == set(preset_settings("openi", MODE))
    assert settings_to_compare(run_of(tmp_path / "paper", data_set, {}, batch=7), "paper", MODE) == set()


@pytest.mark.parametrize(
    ("started_with", "flags", "message"),
    [
        ("openi", ["--preset", "paper"], "was started with --preset openi, not paper"),
        (None, ["--preset", "paper"], "was trained with dropout=0.2, not 0.5"),
        ("openi", ["--preset", "openi", "--batch", "8"], "was trained with batch=7, not 8"),
        ("openi", ["--load", "OTHER"], "was started from random weights, as far as it says, not from other, best-10"),
    ],
)
def test_through_the_command(started_with, flags, message, data_set, data_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    facts = {"preset": started_with} if started_with else {}
    run = run_of(tmp_path / "run", data_set, facts, batch=7, dropout=0.2)
    other = run_of(tmp_path / "other", data_set, {})
    flags = [str(other) if flag == "OTHER" else flag for flag in flags]
    assert tienet("train", "--resume", "--logdir", run, "--data-root", data_root, "--gpu", "cpu", *flags) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"tienet train: {run}: ") and message in last


def test_the_weights_of_its_start_go_on_wherever_they_are_now(data_set, tmp_path):
    other = run_of(tmp_path / "other", data_set, {})
    run = run_of(tmp_path / "run", data_set, loaded_facts(str(other)))
    moved = other.rename(tmp_path / "moved")
    for load in (None, str(moved), str(locate(moved)[1])):
        check_load(run, load)
    with pytest.raises(InputError, match=r"was started from other, best-10, not from run, best-10, .*leave --load out"):
        check_load(run, str(run))
