"""Several runs of one mode judged as one model: which belong together, the mean of their figures, and the files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from tests.light_run import light_run
from tests.toy_run import spoil
from tienet.checkpoint.run_folder import open_run
from tienet.checkpoint.together import open_model
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation import judged as judgements
from tienet.evaluation.compare import _name_together, compare
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.options import Options
from tienet.evaluation.pooled.folds import open_folds
from tienet.evaluation.pooled.pool import pool_folds
from tienet.evaluation.report_metrics import NO_REPORT_METRICS
from tienet.evaluation.tables import format_singles
from tienet.evaluation.together import find_together, summarise_singles
from tienet.labels import LABELS, name_labels

OPTIONS = Options(pages=0, resamples=10, java=False, controls=True)


@pytest.fixture(scope="module")
def phantom(data_root) -> Manifest:
    return manifests.load("phantom", data_root)


@pytest.fixture(scope="module")
def out(seeds, data_root, tmp_path_factory) -> Path:
    """Two seeds of annotate-text, judged alone and together."""
    folder = tmp_path_factory.mktemp("together")
    printed = compare([str(run) for run in seeds], ["phantom"], data_root, folder, OPTIONS)
    (folder / "printed.txt").write_text(printed)
    return folder


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_the_files_of_the_runs_together(out, seeds, phantom):
    folder, test = out / "phantom" / "annotate-text-together", phantom.split("test")
    alone = [pd.read_csv(out / "phantom" / run.name / "scores.csv")[list(LABELS)].to_numpy() for run in seeds]
    scores = pd.read_csv(folder / "scores.csv")
    np.testing.assert_allclose(scores[list(LABELS)], np.mean(alone, axis=0), rtol=1e-6)
    assert scores.study_id.astype(str).tolist() == list(test.study_ids)
    assert {path.name for path in folder.iterdir()} >= {"metrics.json", "table.txt", "roc.png", "reliability.png"}
    metrics = metrics_of(folder)
    assert metrics["runs"] == [str(run) for run in seeds] and metrics["mode"] == "annotate-text"
    expected = evaluate_auc(logit(np.mean(alone, axis=0)), test.labels, test.patient_ids, resamples=10)
    assert {name: metrics[name] for name in ("avg", "wavg", "avg_lo")} == pytest.approx(
        {name: expected[name] for name in ("avg", "wavg", "avg_lo")}
    )
    named = name_labels(np.mean(alone, axis=0).astype(np.float32), open_model(seeds).thresholds())
    labels = evaluate_labels(named, test.labels, test.patient_ids, resamples=10)
    assert metrics["labels"] == labels


def test_the_controls_are_those_of_the_runs(out, seeds):
    together, single = (metrics_of(out / "phantom" / name) for name in ("annotate-text-together", seeds[0].name))
    assert together["controls"] == single["controls"] and together["controls"]["tfidf_logistic"]["labels"]


def test_the_figures_of_the_single_runs_beside_them(out, seeds):
    singles = metrics_of(out / "phantom" / "annotate-text-together")["singles"]
    alone = [metrics_of(out / "phantom" / run.name) for run in seeds]
    figures = {"avg": [m["avg"] for m in alone], "micro_f1": [m["labels"]["micro"]["f1"] for m in alone]}
    for name, values in figures.items():
        assert singles[name]["runs"] == values
        expected = {"mean": np.mean(values), "std": np.std(values, ddof=1), "min": min(values), "max": max(values)}
        assert {key: singles[name][key] for key in expected} == pytest.approx(expected)


def test_one_fold_put_together_has_them_as_it_has_the_single_runs(out, seeds, phantom, tmp_path):
    folder = out / "phantom" / "annotate-text-together"
    said, test = judgements.read(folder / judgements.FILE_NAME), phantom.split("test")
    assert said.study_ids == list(test.study_ids) and list(folder.glob(judgements.CONTROL_FILES)) == []
    assert ((said.logits > 0) == (pd.read_csv(folder / "scores.csv")[list(LABELS)].to_numpy() > 0.5)).all()
    with CaptionScorer(java=False) as scorer:
        pool_folds(open_folds([out], partial=True), tmp_path / "pooled", scorer, OPTIONS.resamples)
    pooled, metrics = metrics_of(tmp_path / "pooled"), metrics_of(folder)
    title = "R, 2 runs together"
    assert list(pooled["columns"])[2:] == [title] and metrics["column"] == title
    assert pooled["columns"][title]["labels"] == metrics["labels"]
    for name in ("avg", "wavg", "avg_lo", "avg_hi"):
        assert pooled["columns"][title][name] == pytest.approx(metrics[name], abs=1e-9)
    assert {"a": title, "b": "tfidf_logistic"}.items() <= pooled["differences"][-1].items()
    assert pooled["controls"]["tfidf_logistic"]["labels"] == metrics["controls"]["tfidf_logistic"]["labels"]


def test_they_have_a_column_paired_tests_and_lines_of_their_own(out):
    table = json.dumps(json.loads((out / "table1.json").read_text()))
    assert '"R, 2 runs together"' in table and "R, 2 runs together - R (" in table
    printed = (out / "printed.txt").read_text()
    own = printed[printed.index("R, 2 runs together, on phantom:") :]
    for text in ("Named", "F1 of tfidf_logistic", "micro F1", "standard deviation", "Runs: "):
        assert text in own
    assert "mean of the single ones" in (out / "phantom" / "annotate-text-together" / "table.txt").read_text()


def test_a_figure_that_one_run_lacks_is_not_summarised():
    of_runs = [{"avg": 0.5, "labels": None}, {"avg": 0.75, "labels": {"micro": {"f1": 0.5}}}]
    found = summarise_singles([NO_REPORT_METRICS | metrics for metrics in of_runs])
    assert found["micro_f1"] is None and found["avg"]["mean"] == 0.625 and found["avg"]["runs"] == [0.5, 0.75]


def test_how_the_single_runs_write_is_summarised_too():
    of_runs = [
        {"avg": 0.5, "captions": {"BLEU-4": b, "CIDEr": 0.25}, "reports": {"distinct": d, "words_mean": 30.0}}
        for b, d in ((0.0625, 80), (0.1875, 120))
    ]
    found = summarise_singles([NO_REPORT_METRICS | {"labels": None} | metrics for metrics in of_runs])
    assert found["report_findings_f1"] is None and found["bleu4"]["runs"] == [0.0625, 0.1875]
    text = format_singles({"avg": 0.75, "labels": None, "singles": found, "runs": ["a", "b"]})
    rows = [line.split() for line in text.splitlines()]
    assert ["distinct", "reports", "100.000", "28.284", "80.000", "120.000"] in rows
    assert ["BLEU-4", "0.125", "0.088", "0.062", "0.188"] in rows


def test_runs_of_one_mode_and_validation_split_belong_together(phantom, tmp_path, capsys):
    turned = phantom.take(np.arange(len(phantom)))
    turned.splits[:] = [{"val": "test", "test": "val"}.get(split, split) for split in turned.splits]

    def run(name: str, mode: str, manifest: Manifest = phantom, record: bool = True, **settings):
        settings["seed"] = len(list(tmp_path.iterdir()))
        return open_run(light_run(tmp_path / name, manifest, mode, record=record, **settings))

    text = [run("text-0", "annotate-text"), run("text-1", "annotate-text")]
    fold = [run("fold-0", "annotate-text", turned), run("fold-1", "annotate-text", turned)]
    reports = [run("report-0", "report"), run("report-1", "report")]
    others = [run(f"classify-{pooling}", "classify", pooling=pooling) for pooling in ("lse", "mean")]
    others += [run(f"caption-{n}", "caption", record=False) for n in range(2)]
    found = find_together([text[0], fold[0], *reports, *others, text[1], fold[1]])
    assert [group.runs for group in found] == [tuple(text), tuple(fold), tuple(reports)]
    assert capsys.readouterr().err == ""
    bare = run("bare", "annotate-text", record=False)
    same = open_run(tmp_path / "text-0" / "checkpoints" / "best-10")
    assert [group.runs for group in find_together([*text, bare, same])] == [tuple(text)]
    said = capsys.readouterr().err.splitlines()
    assert f"note: {bare.load}: has no record of its validation split; tienet calibrate --load {bare.load}" in said[0]
    assert f"note: {same.load}: is the same checkpoint as {text[0].load}" in said[1] and len(said) == 2


def test_runs_that_pool_otherwise_are_another_model(phantom, tmp_path, capsys):
    settings = [{"pooling": "mean"}, {"pooling": "lse"}, {"pooling": "mean"}, {"pooling": "lse", "lse_r": 3.0}]
    runs = [
        open_run(light_run(tmp_path / str(n), phantom, "classify", record=True, seed=n, **more))
        for n, more in enumerate(settings)
    ]
    assert [group.runs for group in find_together(runs)] == [(runs[0], runs[2])]
    assert capsys.readouterr().err == ""
    assert [title for title, _ in _name_together(runs).values()] == ["I, mean pooling, 2 runs together"]


def test_a_damaged_record_is_said(phantom, tmp_path):
    runs = [open_run(light_run(tmp_path / f"{n}", phantom, "annotate-text", record=True, seed=n)) for n in range(2)]
    spoil(runs[1].prefix, ".validation.npz")
    with pytest.raises(InputError, match=r"the checkpoint is damaged \(its \.validation\.npz file"):
        find_together(runs)
