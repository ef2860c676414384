"""The evaluation of one checkpoint: the files that it writes, what it refuses, and what it notes."""

import dataclasses
import fcntl
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.light_run import light_run
from tienet.checkpoint.run_folder import open_run
from tienet.config import Config, preset
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation import evaluate as evaluate_module
from tienet.evaluation import judged as judgements
from tienet.evaluation.controls import classifiers
from tienet.evaluation.evaluate import _decoding_facts, differences, evaluate
from tienet.evaluation.judged import set_of_studies
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.report_findings import evaluate_findings
from tienet.evaluation.options import Options
from tienet.evaluation.paper.published import column_of
from tienet.folders import locks
from tienet.inference.predictor import Predictions
from tienet.labels import LABELS, name_labels
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
    assert any("res4f" in line for line in metrics["differs"]) == MODES[mode].image
    assert len(sorted((out / "pages").glob("study-*.html"))) == 3 and (out / "pages" / "index.html").is_file()
    pages = "".join(path.read_text() for path in (out / "pages").glob("study-*.html"))
    if MODES[mode].reads and not MODES[mode].writes:  # of some fifty words
        assert "[...]" in pages and "Only its first 30 words were read." in pages
    if MODES[mode].writes:
        lengths = pd.read_csv(out / "reports.csv").written.fillna("").str.split().str.len()
        if (lengths == 20).all() or (lengths < 20).all():  # else it depends on which three are shown
            assert ("It stopped at 20 words" in pages) == (lengths == 20).all()
        reports = pd.read_csv(out / "reports.csv", dtype=str, keep_default_na=False)
        assert reports.study_id.tolist() == test.study_ids
        assert reports.true.tolist() == test.reports
        assert metrics["captions"]["studies"] == len(test) and metrics["captions"]["METEOR"] is None
        assert metrics["reports"]["distinct"] == reports.written.nunique()
        assert metrics["report_findings"]["studies"] == len(test)
        assert "BLEU-4" in table
        assert metrics["report_findings"]["labeller"].keys() == {"micro", "macro"}
    everyone = manifests.load("phantom", data_root)
    assert metrics["all_studies"] == set_of_studies(everyone.study_ids, everyone.patient_ids)
    assert metrics["column"] == column_of(open_run(runs[mode]).config)
    judged = judgements.read(out / "judged.csv")
    assert judged.patient_ids == test.patient_ids
    if MODES[mode].writes:
        written, read = judged.written_labels, judged.read_labels
        found = evaluate_findings(written, read, test.patient_ids, resamples=20)
        assert metrics["report_findings"]["micro"] == found["micro"] and judged.written == reports.written.tolist()
    if not MODES[mode].classifies:
        assert judged.logits is None
        assert metrics["labels"] is None
        assert metrics["auc"] is None and not (out / "scores.csv").exists()
        return
    scores = pd.read_csv(out / "scores.csv", dtype={"study_id": str})
    assert scores.study_id.tolist() == test.study_ids
    assert scores.columns.tolist() == ["study_id", *LABELS]
    assert scores[list(LABELS)].notna().all(axis=None)
    assert metrics["auc"].keys() == set(LABELS)
    named = name_labels(scores[list(LABELS)].to_numpy(), open_run(runs[mode]).thresholds())
    assert metrics["labels"] == evaluate_labels(named, test.labels, test.patient_ids, resamples=20)
    np.testing.assert_array_equal(judged.named, named)
    assert metrics["auc"] == evaluate_auc(judged.logits, judged.labels, judged.patient_ids, resamples=20)["auc"]
    micro = [line.split() for line in table.splitlines() if line.startswith("micro ")]
    assert [f"{metrics['labels']['micro'][rate]:.3f}" for rate in ("precision", "f1")] == [micro[0][1], micro[0][9]]
    assert "AVG" in table
    assert (out / "roc.png").stat().st_size > 10_000


def test_a_labeller_of_several_runs_may_have_the_reader_among_them(data_root, tmp_path):
    phantom, decoding = manifests.load("phantom", data_root), Decoding("consistent")
    text = [str(light_run(tmp_path / name, phantom, "annotate-text")) for name in ("a", "b", "c")]
    image = str(light_run(tmp_path / "classify", phantom, "classify"))
    writer = SimpleNamespace(config=Config(mode="caption"), decoding=decoding.completed(Config(mode="caption")))
    inputs = SimpleNamespace(judges=SimpleNamespace(reader=open_run(text[1]), judge=open_run(image)))
    for labellers, same in (((text[0], text[1]), True), ((text[0], text[2]), False), ((text[1],), True), (None, False)):
        options = Options(decoding=decoding, reader=text[1], judge=image, labeller=labellers)
        facts = _decoding_facts(inputs, options, writer)
        assert (facts["reader"], facts["judge"], facts["reader_is_labeller"]) == (text[1], image, same)


@pytest.mark.usefixtures("no_figures")
def test_reports_that_were_chosen_say_by_whom(runs, data_root, tmp_path):
    decoding = Decoding("consistent", 8, candidates=3)
    text, image = str(runs["annotate-text"]), str(runs["classify"])
    options = Options(
        pages=1, resamples=5, java=False, labeller=text, decoding=decoding, reader=text, judge=image, metrics="captions"
    )
    result = evaluate(str(runs["caption"]), "phantom", data_root, tmp_path / "out", options)
    used = json.loads((tmp_path / "out" / "metrics.json").read_text())["decoding"]
    run = open_run(runs["caption"])
    whole = decoding.completed(run.config, run.vocab.ids["impression"])
    assert used == dataclasses.asdict(whole) | {"reader": text, "judge": image, "reader_is_labeller": True}
    assert f"one of 3 candidates, chosen with the reader {text} and the judge {image}" in result.table
    assert "The reader that chose the reports is the labeller, or one of its runs" in result.table
    rates = result.metrics["report_findings"]["against_labels"]["micro"]
    (line,) = [line for line in result.table.splitlines() if line.startswith("micro f1 against the true labels")]
    assert line.split()[-1] == f"{rates['f1']:.3f}"


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


def test_without_reports_the_scores_still_come_and_there_are_no_caption_metrics(
    runs, data_root, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(classifiers, "POOLED_C", classifiers.POOLED_C[:1])  # which C is chosen is not tested here
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


def test_the_figures_are_titled_by_the_column(data_root, tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(evaluate_module, "plot_roc", lambda *arguments: titles.append(arguments[-1]))
    monkeypatch.setattr(evaluate_module, "plot_reliability", lambda *arguments: titles.append(arguments[-1]))
    split = manifests.load("phantom", data_root).split("test")
    scores = np.full(split.labels.shape, 0.5, np.float32)
    parts = ("auc", "labels", "captions", "report_findings", "calibration", "pointing", "lesions")
    for name in ("I", "I, mean pooling", "I, mean pooling, 3 runs together"):
        predictions = Predictions(scores, None, None, logits=scores)
        metrics = {"column": name, "data": "x", **dict.fromkeys(parts)}
        evaluate_module.write_files(tmp_path, metrics, predictions, split)
        assert titles[-2:] == [f"{name} classification on x"] * 2


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


@pytest.mark.parametrize("mode", MODES)
def test_of_the_paper_only_what_it_says_is_claimed(mode):
    """It prints no image size, no units of the spatial attention, no alpha and no weight of Xu's term, among others."""
    changed = Config().replace(
        mode=mode, image_px=1024, attention_units=64, attention_norm=True, attention_gate=True, grid_position=True,
        feature_norm=True, pooling="mean", lse_r=5.0, max_words=9, written_words=9, word_vector_std=1.0,
        report_drop=0.1, deep_output=True, output_hidden=7, doubly_stochastic=0.5, epochs=3, patience=1, seed=5,
        features="off", alpha=MODES[mode].alpha,
    )  # fmt: skip
    assert differences(changed, "chestxray14") == []


def test_what_the_paper_says_is_compared_where_the_mode_has_it():
    openi = {mode: differences(preset("openi", mode), "openi") for mode in MODES}
    assert openi["annotate"] == [
        "backbone_end is res4f, the paper's res5c",
        "transition_channels is 128, the paper's 1024",
        "attention_rows is 16, the paper's 5",
        "penalty is 0.01, the paper's 1.0",
        "dropout is 0.2, the paper's 0.5",
        "dropout_image is 0.8, the paper's 0.5",
        "lr_drop_at is 0.6, the paper's 1.0",
    ]
    assert "classify_on is half, the paper's true" in openi["report"]
    assert "uniform_share is 0.8, the paper's 0.0" in openi["report"]
    assert not any(name in line for name in ("backbone", "transition", "image") for line in openi["annotate-text"])
    assert not any(name in line for name in ("penalty", "attention", "lstm") for line in openi["classify"])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("openi", []),  # the paper's Table 1 has it, and the hand-labelled studies
        ("hand-labeled", []),
        ("phantom", ["judged on phantom, the paper's Table 1 on chestxray14, hand-labeled, openi"]),
    ],
)
def test_the_papers_test_sets_are_three(data, line):
    assert differences(Config(), data) == line


@pytest.mark.parametrize("data", ["data/chestxray14", "data/chestxray14/", "data/chestxray14/manifest.csv"])
def test_a_data_set_by_its_folder_is_still_the_papers(data):
    assert differences(Config().replace(data=data), "chestxray14") == []
