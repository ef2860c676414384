"""`tienet train`: how flags become settings, what a resumed run keeps, and what is refused before TensorFlow starts."""

import argparse
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.both_splits import learn_both
from tests.command_line import tienet
from tests.conftest import ROOT
from tests.light_run import light_run
from tienet import cli
from tienet.commands import evaluate, train
from tienet.commands.main import top_parser
from tienet.config import Config, preset, preset_settings, settings_without_effect
from tienet.data import manifest as manifests
from tienet.data.text import SPECIALS, Vocab
from tienet.errors import InputError
from tienet.evaluation.paper.published import column_of
from tienet.modes import MODES
from tienet.training.started import DEFAULT_PRESET


def parse(*flags: str) -> argparse.Namespace:
    parser = cli.Parser()
    train.add_arguments(parser)
    return parser.parse_args(flags)


def test_vocabulary_and_backbone_are_known_to_be_given_or_not():
    """So that a resumed run takes its own, and refuses others only where they were asked for."""
    assert (parse().vocab, parse().backbone_weights) == (None, None)
    assert parse("--backbone-weights", "random").backbone_weights == "random"


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
        ("data/openi", "runs/openi-report"),
        ("data/openi/", "runs/openi-report"),
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

    def test_the_mode_is_named_before_what_follows_from_it(self, run):
        wanted = preset("openi", "annotate")
        given = {"mode", *preset_settings("openi", "annotate")}
        with pytest.raises(InputError, match="was trained with mode='report', not 'annotate'"):
            train.resumed_config(run, wanted, given)

    @pytest.mark.parametrize(
        "others", [[], ["--preset", "openi"], ["--set", "penalty=5", "--set", "dropout_image=0.1"]]
    )
    @pytest.mark.parametrize("mode", [["--mode", "annotate"], ["--set", "mode=annotate"]])
    def test_the_mode_is_named_first_whatever_else_differs(self, tmp_path, capsys, monkeypatch, mode, others):
        monkeypatch.setattr(cli, "start_tensorflow", None)
        preset("openi", "annotate-text").save(tmp_path / "config.json")
        assert tienet("train", "--resume", "--logdir", tmp_path, *mode, *others) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{tmp_path}: was trained with mode='annotate-text', not 'annotate'" in line

    def test_without_a_mode_it_is_the_runs(self, tmp_path):
        preset("openi", "classify").save(tmp_path / "config.json")
        args = parse("--resume", "--logdir", str(tmp_path), "--preset", "openi")
        assert train.mode_of(args, {}) == "classify"
        assert train.mode_of(parse("--logdir", str(tmp_path)), {}) == "annotate"  # a new run
        assert train.mode_of(parse("--resume"), {"mode": "report"}) == "report"

    def test_through_the_command(self, run, capsys, monkeypatch):
        monkeypatch.setattr(cli, "start_tensorflow", None)
        assert tienet("train", "--resume", "--logdir", run, "--mode", "classify") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"tienet train: {run}: was trained with mode='report', not 'classify'")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode", "anotate"], "argument --mode: invalid choice: 'anotate'"),
        (["--set", "mode=anotate"], "mode 'anotate' is not known; choose one of annotate, annotate-text"),
        (["--preset", "none"], "none"),
        (["--set", "penalty"], "--set penalty: expected KEY=VALUE"),
        (["--peer-timeout", "0"], "--peer-timeout 0: expected a number of seconds above 0"),
        (["--peer-timeout", "nan"], "--peer-timeout nan: expected"),
        (["--task", "1"], "--task"),
        (
            ["--mode", "classify", "--set", "penalty=5"],
            "setting penalty=5 has no effect: mode classify reads no report",
        ),
        (["--mode", "report", "--preset", "openi", "--tower-batch", "1"], "classify_on='half'"),
        (["--mode", "report", "--preset", "openi", "--batch", "1"], "classify_on='half'"),
        (["--mode", "report", "--set", "classify_on=half", "--tower-batch", "1"], "give --tower-batch 2 or more"),
    ],
)
def test_what_is_wrong_is_one_line(flags, message, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    assert tienet("train", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tienet train: ") and message in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--train-on", "val"], "argument --train-on: invalid choice: 'val'"),
        (["--train-on", "train+val"], "--train-on train+val: give --epochs-of RUN"),
        (["--train-on", "train+val", "--resume"], "--train-on train+val: give --epochs-of RUN"),
        (["--epochs-of", "RUN"], "--epochs-of RUN: is for --train-on train+val; give that too"),
        (["--train-on", "train", "--epochs-of", "RUN"], "RUN: is for --train-on train+val; give that too"),
        (["--train-on", "train+val", "--epochs-of", "none"], "--epochs-of none: not the folder of a run"),
        (["--train-on", "train+val", "--epochs-of", "RUN", "--epochs", "4"], "leave the setting epochs out"),
        (["--train-on", "train+val", "--epochs-of", "RUN", "--set", "batch=7"], "trained with batch=16, not 7"),
        (["--train-on", "train+val", "--epochs-of", "RUN", "--logdir", "RUN"], "holds a run already"),
        (
            ["--train-on", "train+val", "--epochs-of", "RUN", "--logdir", "RUN", "--resume"],
            "on the training split alone",
        ),
        (["--train-on", "train+val", "--epochs-of", "RUN", "--data", "other"], "was trained on other data than"),
        (["--train-on", "train+val", "--epochs-of", "BOTH"], "was itself trained on the training and the validation"),
        (["--resume", "--logdir", "BOTH", "--epochs", "4"], "leave the setting epochs out"),
        (["--resume", "--logdir", "BOTH", "--train-on", "train"], "BOTH: was started with --train-on train+val"),
        (["--resume", "--logdir", "BOTH", "--preset", "openi"], "BOTH: was trained with transition_channels=16"),
        (["--mode", "annotate-text", "--data", "phantom", "--load", "BOTH"], "by which the new run would be validated"),
    ],
)
def test_what_is_wrong_of_both_splits_is_one_line(flags, message, runs, data_root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs["annotate-text"], "RUN")
    learn_both(Path(shutil.copytree("RUN", "BOTH")), manifests.load("phantom", data_root))
    root = shutil.copytree(data_root, tmp_path / "data", ignore=shutil.ignore_patterns("features"))
    shutil.copytree(root / "phantom", root / "other")
    path = root / "other" / "manifest.csv"
    path.write_text(path.read_text().replace("phantom-00001,", "another-1,"))
    capsys.readouterr()
    assert tienet("train", "--data-root", root, "--gpu", "cpu", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tienet train: ") and message in line


def test_a_resumed_run_on_both_splits_keeps_its_length_whatever_the_preset_says(data_root, tmp_path):
    manifest, settings = manifests.load("phantom", data_root), preset_settings("openi", "annotate-text")
    settings = {name: value for name, value in settings.items() if name not in ("image_px", "backbone_end")}
    run = light_run(tmp_path / "run", manifest, "annotate-text", **settings | {"epochs": 3, "lr_drop_at": 1.0})
    learn_both(run, manifest)
    config, logdir, earlier, notes = train.chosen(parse("--resume", "--logdir", str(run), "--preset", "openi"))
    assert (config.epochs, config.lr_drop_at, logdir, notes) == (3, 1.0, run, [])
    assert earlier.name == "first"


def test_the_folder_of_a_run_on_both_splits_says_so():
    config = Config().replace(mode="report", data="openi")
    assert train.default_logdir(config, both=True) == Path("runs/openi-report-train+val")


def test_another_vocabulary_than_the_resumed_or_loaded_runs_is_one_line(runs, data_root, tmp_path, capsys, monkeypatch):
    run = shutil.copytree(runs["annotate-text"], tmp_path / "run")
    other = shutil.copytree(data_root / "phantom" / "vocab", tmp_path / "reversed")
    words = Vocab.load(other / "vocab.txt").words
    Vocab([*SPECIALS, *reversed(words[len(SPECIALS) :])]).save(other / "vocab.txt")
    capsys.readouterr()  # what the training of the run has printed
    monkeypatch.setattr(cli, "start_tensorflow", None)
    flags = ["--mode", "annotate-text", "--data", "phantom", "--data-root", data_root, "--vocab", other]
    for start, advice in (
        (["--resume", "--logdir", run], "leave --vocab out"),
        (["--load", run, "--logdir", tmp_path / "new"], f"give --vocab {run}"),
    ):
        assert tienet("train", *flags, *start) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
        assert "the same words in another order" in line and advice in line


def test_a_leak_check_trains_nothing(data_root, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    manifest = data_root / "phantom" / "manifest.csv"
    logdir = tmp_path / "run"
    assert tienet("train", "--data", manifest, "--logdir", logdir, "--leak-check", manifest) == 0
    assert "manifest.csv" in capsys.readouterr().out and not logdir.exists()


def test_help_has_the_choices_and_what_each_preset_takes(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "--features {cache,off}" in said and "--mode {annotate,annotate-text,classify,caption,report}" in said
    assert "(50; openi: 18; openi, classify: 10)" in said and "(512; openi: 256)" in said
    assert "--preset openi --mode annotate-text, in addition: shuffle_sentences=true join_reports=0.3" in said
    assert all(f" {name}=" in said for name in asdict(Config()).keys() - train.SETTING_OF_FLAG.values())


def test_the_settings_in_the_help_are_taken_as_they_stand():
    pairs = [word.split("=") for word in train.settings_text().split() if "=" in word and not word.startswith("KEY")]
    assert len(pairs) > 50
    for name, text in pairs:
        if name not in train.SETTING_OF_FLAG.values():
            mode = next(mode for mode in MODES if name not in settings_without_effect(mode))
            value = getattr(Config(mode=mode).with_texts({name: text}), name)
            assert text == value or json.loads(text) == value


@pytest.mark.parametrize("command", [train, evaluate])
def test_the_examples_of_the_help_are_calls(command):
    calls = re.findall(r"^    tienet (\S+) (.*)$", command.__doc__, re.MULTILINE)
    assert len(calls) > 4
    for name, words in calls:
        args = top_parser(whole=True).parse_args([name, *shlex.split(words, comments=True)])
        if command is train:
            preset(args.preset or DEFAULT_PRESET, args.mode or Config.mode).with_texts(
                train.texts_of(args), train.settings_of(args)
            )
        else:
            evaluate.options_of(args)


def trainings_of(*target: str) -> dict[str, Config]:
    """The config of each training of a target of the Makefile, by its folder; `make -n -B` prints the commands."""
    make = shutil.which("make") or pytest.skip("needs make")
    printed = subprocess.run([make, "-n", "-B", *target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    flags = [shlex.split(line.partition("train.py")[2]) for line in printed.splitlines() if "train.py" in line]
    return {
        str(args.logdir): preset(args.preset or DEFAULT_PRESET, args.mode).with_texts(
            train.texts_of(args), train.settings_of(args)
        )
        for args in (parse(*words) for words in flags)
    }


def test_the_settings_of_the_demo_have_an_effect():
    channels = {config.mode: config.transition_channels for config in trainings_of("demo").values()}
    assert channels == dict.fromkeys(MODES, 64) | {"annotate-text": 128}


def test_the_demo_ends_with_a_command_that_serves_what_it_has_trained():
    make = shutil.which("make") or pytest.skip("needs make")
    printed = subprocess.run([make, "-n", "-B", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (words,) = re.findall(r"bin/tienet (serve .*?)\"?$", printed, re.MULTILINE)
    served = {str(run) for run in top_parser(whole=True).parse_args(words.split()).load}
    assert served == {"runs/demo/report", "runs/demo/annotate"} <= trainings_of("demo").keys()


def make_openi(*words: str) -> subprocess.CompletedProcess:
    """What `make openi` would do."""
    make = shutil.which("make") or pytest.skip("needs make")
    given = [make, "-n", "-B", "openi", "EVAL_FLAGS=--no-java", *words]
    return subprocess.run(given, cwd=ROOT, capture_output=True, text=True)


def test_openi_takes_what_it_is_given_and_makes_the_rest_itself(tmp_path):
    (tmp_path / "vectors.npz").touch()
    nothing, given = make_openi(), make_openi(f"FROM={tmp_path}", f"VECTORS={tmp_path / 'vectors.npz'}")
    assert "word vectors will be learnt from the training reports alone" in nothing.stdout
    assert "the split by a hash alone" in nothing.stdout and "runs/openi-r2gen" not in nothing.stdout
    assert not {"--from", "--vectors", "--corpus"} & set(nothing.stdout.split()) and nothing.returncode == 0
    assert f"--from {tmp_path}" in given.stdout and f"--vectors {tmp_path / 'vectors.npz'}" in given.stdout
    (tmp_path / "r2gen_annotation.json").touch()
    assert f"--split {tmp_path}/r2gen_annotation.json" in make_openi(f"OPENI={tmp_path}").stdout
    assert "VECTORS=none: there is no such file; give word vectors" in make_openi("VECTORS=none").stderr
    assert "PUBMED=none: there is no such file; give a text" in make_openi("PUBMED=none").stderr
    assert "OPENI=none: there is no such folder" in make_openi("OPENI=none").stderr


def test_openi_does_some_of_the_modes_with_what_they_go_on_from():
    modes = {config.mode for config in trainings_of("openi", "OPENI_MODES=caption", "EVAL_FLAGS=--no-java").values()}
    assert modes == {"annotate-text", "classify", "caption"}
    assert "OPENI_MODES=captoin: expected some of annotate-text" in make_openi("OPENI_MODES=captoin").stderr


def test_openi_has_the_papers_i_beside_that_of_the_preset(tmp_path):
    (tmp_path / "r2gen_annotation.json").touch()
    texts = f"PUBMED={tmp_path / 'r2gen_annotation.json'}"
    trained = trainings_of("openi", f"OPENI={tmp_path}", texts, "EVAL_FLAGS=--no-java")
    assert len(trained) == 32 and {config.mode for config in trained.values()} == set(MODES)
    for data in ("openi", "openi-r2gen"):
        columns = {name: column_of(trained[f"runs/{data}/{name}"]) for name in ("classify-0", "classify-lse")}
        assert columns == {"classify-0": "I, mean pooling", "classify-lse": "I"}
