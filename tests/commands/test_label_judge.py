"""tienet label --judge: what it refuses before a network is loaded, and what it prints and writes."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.hand_labels.a_data_set import write_sheet
from tests.light_run import light_run
from tienet.checkpoint.together import open_model
from tienet.commands import label_judge
from tienet.commands.label_judge import run_judge
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.hand_labels.judge import NetworkLabels
from tienet.hand_labels.source import Source, write_source
from tienet.labels import LABELS, K, name_labels


@pytest.fixture(scope="module")
def dataset(data_root):
    return manifests.load("phantom", data_root)


@pytest.fixture
def folder(tmp_path, dataset):
    """Where sheets lie, with the note on the data set."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    write_source(folder, Source.of(dataset, "test", 0))
    return folder


def read_by(folder, reader, studies, seed, **given):
    """The sheet of a reader who errs in a tenth of the labels and cannot tell a twentieth."""
    random = np.random.default_rng(seed)
    errs, unsure = random.random(studies.labels.shape) < 0.1, random.random(studies.labels.shape) < 0.05
    answers = np.where(unsure, -1, np.where(errs, 1 - studies.labels, studies.labels))
    return write_sheet(folder, reader, answers, study_ids=studies.study_ids, patient_ids=studies.patient_ids, **given)


@pytest.fixture
def sheets(folder, dataset):
    test = dataset.split("test")
    return [read_by(folder, "anna", test, 1), read_by(folder, "ben", test, 2)]


@pytest.fixture
def light(tmp_path, dataset):
    """Makes a run that was never trained."""
    return lambda name, mode="annotate-text", **settings: str(light_run(tmp_path / name, dataset, mode, **settings))


def judged(loads, sheets, tmp_path, decided=None, data=None, out=None, resamples=10, **given):
    return run_judge(loads, sheets, decided, data, tmp_path, out, "cpu", resamples, **given)


@pytest.fixture
def drawn(monkeypatch):
    """Stands for the networks: probabilities that are drawn at random, and no TensorFlow."""

    def predict(run, studies):
        probabilities = np.random.default_rng(0).random((len(studies), K))
        return NetworkLabels(probabilities, name_labels(probabilities, run.thresholds()))

    monkeypatch.setattr(label_judge, "predict", predict)
    monkeypatch.setattr(label_judge.flags, "start", lambda gpu: [])


def test_a_trained_run_is_judged(runs, sheets, dataset, tmp_path, capsys):
    from tienet.predict import Predictor

    assert judged([str(runs["annotate-text"])], sheets, tmp_path, out=tmp_path / "out") == 0
    out, _ = capsys.readouterr()
    assert out.endswith((tmp_path / "out" / "judge.txt").read_text() + f"{tmp_path / 'out'}\n")
    result = json.loads((tmp_path / "out" / "judge.json").read_text())
    assert (result["data"], result["runs"]) == ("phantom", [str(runs["annotate-text"])])

    test = dataset.split("test")
    with Predictor(runs["annotate-text"]) as network:
        probabilities = network.probabilities(network.studies(test))
    named = name_labels(probabilities, open_model(str(runs["annotate-text"])).thresholds())
    answers = pd.read_csv(sheets[0])[list(LABELS)].to_numpy(float)
    true = np.where(answers < 0, np.nan, answers)
    expected = evaluate_labels(named, true, test.patient_ids, resamples=10)
    assert result["against"]["anna"]["labels"]["micro"]["f1"] == pytest.approx(expected["micro"]["f1"])


def test_several_seeds_are_judged_as_one_model(seeds, sheets, tmp_path, capsys):
    assert judged([str(seed) for seed in seeds], sheets, tmp_path, out=tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "judge.json").read_text())["runs"] == [str(seed) for seed in seeds]


def test_without_out_nothing_is_written(light, sheets, tmp_path, drawn, capsys):
    before = set(tmp_path.rglob("*"))
    load = light("run")
    made = set(tmp_path.rglob("*"))
    assert judged([load], sheets, tmp_path) == 0
    assert set(tmp_path.rglob("*")) == made > before
    out, err = capsys.readouterr()
    assert out.startswith("Judged by")
    assert "the mean reader" in out
    assert err == ""


def test_what_was_decided_judges_too(light, sheets, folder, dataset, tmp_path, drawn, capsys):
    test, load = dataset.split("test"), light("run")
    sheet = read_by(folder, "cara", test, 3, assist="runs/a")
    assert judged([load], sheets, tmp_path, decided=sheet) == 0
    out = capsys.readouterr().out
    assert "Judged by what was decided" in out
    assert out.startswith("warning: cara saw the labels of runs/a")
    assert judged([load], sheets, tmp_path, decided=dataset.path.parent) == 0
    assert "Judged by what was decided" in capsys.readouterr().out


def test_a_mode_that_does_not_label_is_refused(light, sheets, tmp_path):
    with pytest.raises(InputError, match=r"--judge .*caption: mode caption has no classifier, so there are no labels"):
        judged([light("caption", "caption")], sheets, tmp_path)


def test_studies_that_the_run_was_trained_on_are_refused(light, folder, dataset, tmp_path, drawn, capsys):
    load, part = light("run"), dataset.split("train").take(range(6))
    sheets = [read_by(folder, "anna", part, 1), read_by(folder, "ben", part, 2)]
    with pytest.raises(InputError, match=r"was trained on 6 of the 6 studies .* split train"):
        judged([load], sheets, tmp_path)
    assert judged([load], sheets, tmp_path, allow_seen=True) == 0
    assert "was trained on 6 of these 6 studies" in capsys.readouterr().err


def test_a_data_set_that_nothing_names_is_refused(light, sheets, folder, dataset, tmp_path, drawn):
    load = light("run")
    (folder / "labelling.json").unlink()
    with pytest.raises(InputError, match=r"--data is missing: no labelling\.json beside the sheets"):
        judged([load], sheets, tmp_path)
    assert judged([load], sheets, tmp_path, data=str(dataset.path)) == 0


def test_a_wrong_value_or_folder_is_refused(light, sheets, dataset, tmp_path):
    with pytest.raises(InputError, match="--resamples 0: expected 1 or more"):
        judged([light("run")], sheets, tmp_path, resamples=0)
    with pytest.raises(InputError, match="holds the data set phantom"):
        judged([light("other")], sheets, tmp_path, out=dataset.path.parent)
