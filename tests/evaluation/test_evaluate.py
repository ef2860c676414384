"""The evaluation of one checkpoint: the files that it writes, what it refuses, and what it notes."""

import fcntl
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation import evaluate as evaluate_module
from tienet.evaluation.evaluate import differences, evaluate
from tienet.evaluation.options import Options
from tienet.folders import locks
from tienet.labels import LABELS
from tienet.modeling.decoding import Decoding
from tienet.modes import MODES


@pytest.mark.parametrize("mode", MODES)
def test_evaluation_writes_every_study_and_label(runs, data_root, mode, tmp_path):
    options = Options(pages=3, resamples=20, java=False, labeller=str(runs["annotate-text"]))
    result = evaluate(str(runs[mode]), "phantom", data_root, tmp_path / "out", options)
    out, table = result.out, result.table
    test = manifests.load("phantom", data_root).split("test")
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"mode", "data", "split", "studies", "auc", "avg", "wavg", "avg10", "findings_covered", "captions",
            "controls", "differs"} <= set(metrics)  # fmt: skip
    assert any("res4f" in line for line in metrics["differs"])
    assert len(sorted((out / "pages").glob("*.html"))) == 4  # three studies and the index
    if MODES[mode].writes:
        reports = pd.read_csv(out / "reports.csv", dtype=str, keep_default_na=False)
        assert reports.study_id.tolist() == test.study_ids
        assert reports.true.tolist() == test.reports
        assert metrics["captions"]["studies"] == len(test) and metrics["captions"]["METEOR"] is None
        assert metrics["reports"]["distinct"] == reports.written.nunique()
        assert metrics["report_findings"]["studies"] == len(test)
        assert "BLEU-4" in table
    if not MODES[mode].classifies:
        assert metrics["auc"] is None and not (out / "scores.csv").exists()
        return
    scores = pd.read_csv(out / "scores.csv", dtype={"study_id": str})
    assert scores.study_id.tolist() == test.study_ids
    assert scores.columns.tolist() == ["study_id", *LABELS]
    assert scores[list(LABELS)].notna().all(axis=None)
    assert metrics["auc"].keys() == set(LABELS)
    assert "AVG" in table
    assert (out / "roc.png").stat().st_size > 10_000


def test_what_a_mode_does_not_have_is_refused(runs, data_root, tmp_path):
    asked = {
        "caption": (Options(metrics="auc"), "no classifier"),
        "annotate": (Options(metrics="captions"), "writes no reports"),
        "annotate-text": (Options(decoding=Decoding("beam")), "writes no reports"),
        "report": (Options(labeller=str(runs["annotate"]), java=False), "--labeller needs annotate-text"),
    }
    for mode, (options, message) in asked.items():
        with pytest.raises(InputError, match=message):
            evaluate(str(runs[mode]), "phantom", data_root, tmp_path / mode, options)
        assert not (tmp_path / mode).exists()


def test_without_reports_the_scores_still_come_and_there_are_no_caption_metrics(runs, data_root, tmp_path, capsys):
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["report"] = ""
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    table.to_csv(tmp_path / "silent.csv", index=False)
    options = Options(pages=1, resamples=5, java=False, controls=True)
    result = evaluate(str(runs["report"]), str(tmp_path / "silent.csv"), data_root, tmp_path / "out", options)
    assert result.metrics["captions"] is None and result.metrics["avg"] is not None
    assert "no caption metrics" in capsys.readouterr().err


@pytest.fixture
def no_figures(monkeypatch):
    """Leave the figures out of an evaluation, of which they take the longest, where a test does not look at them."""
    for name in ("plot_roc", "plot_reliability"):
        monkeypatch.setattr(evaluate_module, name, lambda *_: None)


def evaluate_text_run(run: Path, data_root: Path, out: Path, **options) -> dict:
    evaluate(str(run), "phantom", data_root, out, Options(pages=0, resamples=5, **options))
    return json.loads((out / "metrics.json").read_text())


@pytest.mark.usefixtures("no_figures")
def test_studies_that_were_trained_on_are_refused(runs, data_root, tmp_path):
    with pytest.raises(InputError, match=r"was trained on \d+ of the \d+ studies .* split train .*--allow-seen"):
        evaluate_text_run(runs["annotate-text"], data_root, tmp_path / "out", split="train")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_figures")
def test_studies_that_were_trained_on_may_be_allowed_and_then_there_is_a_note(runs, data_root, tmp_path, capsys):
    metrics = evaluate_text_run(runs["annotate-text"], data_root, tmp_path / "out", split="train", allow_seen=True)
    assert metrics["seen"] == {"train": metrics["studies"], "val": 0}
    assert "was trained on" in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_the_test_split_is_unseen_and_the_validation_split_has_a_note(runs, data_root, tmp_path, capsys):
    run = runs["annotate-text"]
    assert evaluate_text_run(run, data_root, tmp_path / "test")["seen"] == {"train": 0, "val": 0}
    assert f"note: {run}" not in capsys.readouterr().err
    metrics = evaluate_text_run(run, data_root, tmp_path / "val", split="val")
    assert metrics["seen"] == {"train": 0, "val": metrics["studies"]}
    assert f"note: {run}: chose its best epoch and thresholds on" in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_a_run_without_a_record_of_its_studies_has_a_note(runs, data_root, tmp_path, capsys):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    (tmp_path / "run" / "studies.json").unlink()
    assert evaluate_text_run(tmp_path / "run", data_root, tmp_path / "out", split="train")["seen"] is None
    assert "has no studies.json" in capsys.readouterr().err


def test_a_folder_that_another_process_writes_or_that_holds_something_else_is_left_alone(runs, data_root, monkeypatch):
    run, evaluated = runs["annotate-text"], runs["annotate-text"] / "eval" / "phantom-val"
    monkeypatch.setattr(evaluate_module, "Predictor", None)  # it is refused before the network is built
    with (
        locks.writing(evaluated),
        pytest.raises(InputError, match=rf"--out {evaluated}: process \d+ has been writing it since"),
    ):
        evaluate(str(run), "phantom", data_root, None, Options(split="val"))
    for out, holds in ((run, r"a run \(run.json\)"), (data_root / "phantom", r"the data set phantom \(manifest.csv\)")):
        with pytest.raises(InputError, match=rf"--out {out}: holds {holds}; an evaluation needs a folder of its own"):
            evaluate(str(run), "phantom", data_root, out, Options())
    assert not evaluated.exists()


@pytest.mark.usefixtures("no_figures")
def test_a_run_that_is_still_training_can_be_evaluated(runs, data_root, tmp_path):
    run = shutil.copytree(runs["annotate-text"], tmp_path / "run")
    with (run / locks.NAME).open("w") as training:
        fcntl.flock(training, fcntl.LOCK_EX)
        result = evaluate(str(run), "phantom", data_root, None, Options(pages=0, resamples=5))
    assert result.out == run / "eval" / "phantom-test" and (result.out / "metrics.json").is_file()


def test_differences_from_the_paper():
    assert differences(Config(), "chestxray14") == []
    lines = differences(Config().replace(backbone_end="res4f", image_px=256, data="openi", penalty=0.03), "openi")
    assert any("backbone_end is res4f" in line for line in lines)
    assert any("penalty is 0.03, the paper's 1.0" in line for line in lines)
    assert any("trained on openi" in line for line in lines)


@pytest.mark.parametrize("data", ["data/chestxray14", "data/chestxray14/", "data/chestxray14/manifest.csv"])
def test_a_data_set_by_its_folder_is_still_the_papers(data):
    assert differences(Config().replace(data=data), "chestxray14") == []
