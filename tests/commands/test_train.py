"""`tienet train`: how flags become settings, what a resumed run keeps, and what is refused before TensorFlow starts."""

import argparse
from pathlib import Path

import pytest

from tests.command_line import tienet
from tienet import cli
from tienet.commands import train
from tienet.config import Config
from tienet.errors import InputError


def parse(*flags: str) -> argparse.Namespace:
    parser = cli.Parser()
    train.add_arguments(parser)
    return parser.parse_args(flags)


def test_only_the_flags_that_are_given_are_settings():
    assert train.settings_of(parse()) == {}
    given = train.settings_of(parse("--lr", "0.1", "--batch", "8", "--mode", "report", "--features", "off"))
    assert given == {"learning_rate": 0.1, "batch": 8, "mode": "report", "features": "off"}
    assert set(train.SETTING_OF_FLAG.values()) <= set(vars(Config()))


def test_other_settings_are_texts():
    assert train.texts_of(parse("--set", "penalty=0.03", "--set", "a=b=c")) == {"penalty": "0.03", "a": "b=c"}
    with pytest.raises(InputError, match="--set penalty: expected KEY=VALUE"):
        train.texts_of(parse("--set", "penalty"))


@pytest.mark.parametrize(
    ("data", "logdir"),
    [
        ("openi", "runs/openi-report"),
        ("elsewhere/ours/manifest.csv", "runs/ours-report"),
        ("elsewhere/ours/hand.csv", "runs/hand-report"),
        ("manifest.csv", "runs/manifest-report"),
    ],
)
def test_the_runs_folder_is_named_after_data_set_and_mode(data, logdir):
    assert train.default_logdir(Config().replace(mode="report", data=data)) == Path(logdir)


class TestResumedConfig:
    @pytest.fixture
    def run(self, tmp_path) -> Path:
        Config().replace(mode="report", batch=16, epochs=3).save(tmp_path / "config.json")
        return tmp_path

    def test_a_new_run_has_the_config_that_is_wanted(self, tmp_path):
        wanted = Config().replace(batch=8)
        assert train.resumed_config(tmp_path, wanted, {"batch"}) is wanted

    def test_what_is_not_given_is_the_runs(self, run):
        config = train.resumed_config(run, Config().replace(batch=16), {"batch"})
        assert (config.mode, config.batch, config.epochs) == ("report", 16, 3)

    def test_epochs_and_patience_may_change(self, run):
        config = train.resumed_config(run, Config().replace(epochs=9, patience=4), {"epochs", "patience"})
        assert (config.epochs, config.patience, config.batch) == (9, 4, 16)

    def test_another_value_of_anything_else_is_refused(self, run):
        with pytest.raises(InputError, match=r"was trained with batch=16, not 8; .* \(except epochs, patience\)"):
            train.resumed_config(run, Config().replace(batch=8), {"batch"})

    def test_through_the_command(self, run, capsys, monkeypatch):
        monkeypatch.setattr(cli, "start_tensorflow", None)
        assert tienet("train", "--resume", "--logdir", run, "--mode", "classify") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"tienet train: {run}: was trained with mode='report', not 'classify'")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode", "anotate"], "mode 'anotate' is not known"),
        (["--preset", "none"], "none"),
        (["--set", "penalty"], "--set penalty: expected KEY=VALUE"),
        (["--peer-timeout", "0"], "--peer-timeout 0: expected a number of seconds above 0"),
        (["--peer-timeout", "nan"], "--peer-timeout nan: expected"),
        (["--task", "1"], "--task"),
    ],
)
def test_what_is_wrong_is_one_line(flags, message, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    assert tienet("train", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tienet train: ") and message in line


def test_a_leak_check_trains_nothing(data_root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    manifest = data_root / "phantom" / "manifest.csv"
    logdir = tmp_path / "run"
    assert tienet("train", "--data", manifest, "--logdir", logdir, "--leak-check", manifest) == 0
    assert "manifest.csv" in capsys.readouterr().out and not logdir.exists()
