"""Several checkpoints in one evaluation: the tables, the controls that they share, and the paired tests."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.evaluation.paper.columns import NO_REPORTS, aucs
from tests.light_run import light_run
from tests.made_once import made_once
from tienet.checkpoint.calibration import with_temperatures
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation import compare as compare_module
from tienet.evaluation import plots
from tienet.evaluation.compare import _paired_tests, compare
from tienet.evaluation.controls import classifiers
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.options import Options
from tienet.evaluation.pooled.folds import open_folds
from tienet.evaluation.pooled.pool import pool_folds
from tienet.labels import K
from tienet.predict import Predictions

OPTIONS = Options(pages=1, resamples=20, java=False, controls=True)


@pytest.fixture(scope="module")
def out(runs, data_root, common_folder) -> Path:
    def make(folder: Path) -> None:
        loads = [str(runs[mode]) for mode in ("report", "caption", "classify")]
        with pytest.MonkeyPatch.context() as patch:  # which C is chosen is tested in tests/evaluation/controls
            for name in ("TFIDF_C", "POOLED_C"):
                patch.setattr(classifiers, name, getattr(classifiers, name)[:1])
            write(folder, loads)

    def write(folder: Path, loads: list[str]) -> None:
        (folder / "printed.txt").write_text(compare(loads, ["phantom"], data_root, folder, OPTIONS))

    return made_once(common_folder / "compared", make)


def test_both_tables_have_their_columns(out):
    text = (out / "printed.txt").read_text()
    assert text.index("Table 1") < text.index("Table 2")
    for word in ("I+GR", "Captioning", "constant report", "nearest report", "pooled logistic", "differ", "res4f"):
        assert word in text
    for name in ("table1", "table2"):
        for end in ("txt", "csv", "json"):
            assert (out / f"{name}.{end}").stat().st_size > 100
    assert "<html" in (out / "tables.html").read_text()


def test_each_evaluation_has_its_folder_with_the_same_controls(out, runs):
    metrics = {
        mode: json.loads((out / "phantom" / runs[mode].name / "metrics.json").read_text())
        for mode in ("report", "caption", "classify")
    }
    assert metrics["caption"]["auc"] is None and metrics["classify"]["captions"] is None
    assert metrics["report"]["true_reports_read"].keys() == {"avg", "wavg", "avg10"}
    assert metrics["report"]["controls"]["pooled_logistic"] == metrics["classify"]["controls"]["pooled_logistic"]
    assert metrics["report"]["controls"]["nearest_report"] == metrics["caption"]["controls"]["nearest_report"]
    assert metrics["report"]["controls"]["constant_report"]["reports"]["distinct"] == 1
    assert metrics["report"]["lesions"]["lesions"] > 0 and metrics["caption"]["pointing"] is None


def test_one_fold_put_together_is_the_plain_evaluation(out, runs, tmp_path):
    folds = open_folds([out], partial=True)
    with CaptionScorer(java=False) as scorer:
        pool_folds(folds, tmp_path / "pooled", scorer, OPTIONS.resamples)
    pooled = json.loads((tmp_path / "pooled" / "metrics.json").read_text())
    titles = {"report": "I+GR", "caption": "Captioning", "classify": "I"}
    for mode, title in titles.items():
        metrics = json.loads((out / "phantom" / runs[mode].name / "metrics.json").read_text())
        column = pooled["columns"][title]
        for key in ("auc", "avg", "wavg", "avg10", "labels", "captions", "reports", "report_findings"):
            assert column[key] == metrics[key], (mode, key)
        for name, control in metrics["controls"].items():
            assert all(pooled["controls"][name][key] == control[key] for key in control)


def test_the_paired_test_is_between_the_columns_that_classify(out, runs):
    table = json.dumps(json.loads((out / "table1.json").read_text()))
    assert "I+GR - I" in table
    scores = [
        np.genfromtxt(out / "phantom" / runs[mode].name / "scores.csv", delimiter=",", skip_header=1)
        for mode in ("report", "classify")
    ]
    assert np.abs(scores[0] - scores[1])[:, 1:].max() > 0


def test_the_paired_test_tells_apart_what_has_the_same_probability():
    """The float32 probabilities of very confident networks are all 1, while their logits still have an order."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, K)).astype(np.float32)
    noise = rng.normal(0, 1, (2, 60, K)).astype(np.float32)
    logits = {"good": 30 + 2 * labels + noise[0], "bad": 30 + noise[1]}
    studies = SimpleNamespace(labels=labels, patient_ids=[str(n) for n in range(60)])
    results = {
        load: SimpleNamespace(
            metrics={"auc": {}},
            predictions=Predictions(with_temperatures(of_run, np.ones(K)), None, None, logits=of_run),
            studies=studies,
        )
        for load, of_run in logits.items()
    }
    assert (results["good"].predictions.probabilities == 1).all()
    tests = _paired_tests(results, {"good": "I+R", "bad": "I"}, Options(resamples=50))
    assert list(tests) == [("I", "I+R")]
    (found,) = tests.values()
    areas = [[roc_auc_score(labels[:, m], of_run[:, m]) for m in range(K - 1)] for of_run in logits.values()]
    assert abs(found["avg"]["difference"]) == pytest.approx(np.mean(areas[0]) - np.mean(areas[1]), abs=1e-9)
    assert abs(found["avg"]["difference"]) > 0.3


def test_the_page_of_the_tables_leads_to_figures_and_studies(out):
    links = re.findall(r'<li><a href="(.*?)">', (out / "tables.html").read_text())
    assert "roc-grid.png" in links and any(link.endswith("/cases.html") for link in links)
    assert all((out / unquote(link)).is_file() for link in links) and len(set(links)) == len(links) > 3


def test_the_roc_curves_of_table_1_are_beside_each_other(out):
    """One row of two panels: a caption has no curves."""
    picture = cv2.imread(str(out / "roc-grid.png"))
    assert picture.shape == (plots.GRID_PANEL_PX, 2 * plots.GRID_PANEL_PX + plots.GRID_LEGEND_PX, 3)


def result_with(logits: np.ndarray | None, labels: np.ndarray) -> SimpleNamespace:
    metrics = {"auc": None if logits is None else {}}
    return SimpleNamespace(
        metrics=metrics, predictions=SimpleNamespace(logits=logits), studies=SimpleNamespace(labels=labels)
    )


def test_a_grid_has_a_row_for_each_data_set_and_a_panel_for_each_input(tmp_path, monkeypatch):
    """In the order of Table 1. Runs that are judged together have the panel of that; others of one column are named."""
    names = {
        "g1": "I+GR",
        "g2": "I+GR",
        "c": "Captioning",
        "r": "R",
        "i1": "I",
        "i2": "I",
        "i-all": "I, 2 runs together",
    }
    rng, grids = np.random.default_rng(0), []
    labels = {data: rng.integers(0, 2, (9, K)).astype(np.float32) for data in ("a", "b")}
    logits = {load: None if load == "c" else rng.normal(size=(9, K)) for load in names}
    results = {data: {load: result_with(logits[load], of_data) for load in names} for data, of_data in labels.items()}
    monkeypatch.setattr(compare_module, "plot_roc_grid", lambda path, rows: grids.append(rows))
    folders, together = {load: f"folder-{load}" for load in names}, {"i1": "i-all", "i2": "i-all"}
    compare_module._write_roc_grid(tmp_path / "roc-grid.png", results, names, folders, together)
    (rows,) = grids
    for row, data in zip(rows, ("a", "b"), strict=True):
        titles = ["R", "I, 2 runs together", "I+GR (folder-g1)", "I+GR (folder-g2)"]
        assert [panel.title for panel in row] == [f"{title} on {data}" for title in titles]
        for panel, load in zip(row, ("r", "i-all", "g1", "g2"), strict=True):
            assert panel.scores is logits[load] and panel.labels is labels[data]


def test_without_curves_there_is_no_grid_and_that_of_an_earlier_call_goes(tmp_path):
    path = tmp_path / "roc-grid.png"
    path.write_bytes(b"old")
    results = {"a": {"c": result_with(None, np.zeros((1, K)))}}
    for _ in range(2):
        compare_module._write_roc_grid(path, results, {"c": "Captioning"}, {"c": "c"}, {})
        assert not path.exists()


def test_a_run_that_pools_otherwise_than_the_papers_i_has_a_column_of_its_own(data_root, tmp_path, monkeypatch):
    """By the settings of each run; what the networks predict is made up."""
    manifest, rng = manifests.load("phantom", data_root), np.random.default_rng(0)
    settings = {"mean": {"pooling": "mean"}, "lse": {"pooling": "lse"}, "r3": {"pooling": "lse", "lse_r": 3.0}}
    runs = {name: str(light_run(tmp_path / name, manifest, "classify", **more)) for name, more in settings.items()}
    runs["report"] = str(light_run(tmp_path / "report", manifest, "report"))
    test = manifest.split("test")

    def evaluated(inputs, *_):
        logits = rng.normal(size=test.labels.shape).astype(np.float32)
        return SimpleNamespace(
            metrics={"split": "test", "studies": len(test), **aucs(0.5), **NO_REPORTS, "differs": ["x"]},
            predictions=SimpleNamespace(logits=logits),
            studies=test,
        )

    grids = []
    monkeypatch.setattr(compare_module, "evaluate_inputs", evaluated)
    monkeypatch.setattr(compare_module, "plot_roc_grid", lambda path, rows: grids.append(rows))
    of_one = [tmp_path / "out" / name for name in ("metrics.json", "scores.csv", "judged.csv")]
    (tmp_path / "out").mkdir()
    for path in of_one:  # an earlier evaluation of one run
        path.write_text("{}")
    text = compare(list(runs.values()), ["phantom"], data_root, tmp_path / "out", Options(resamples=5, java=False))
    assert not any(path.exists() for path in of_one)
    table = json.loads((tmp_path / "out" / "table1.json").read_text())
    r3, mean = "I, LSE pooling with r = 3", "I, mean pooling"
    assert [head["name"] for head in table["data"][0]["columns"]] == ["#", "I", mean, r3, "I+GR"]
    assert [row["name"] for row in table["data"][0]["tests"]["rows"]] == [
        f"I+GR - {r3}", f"I+GR - {mean}", "I+GR - I", f"{r3} - {mean}", f"{r3} - I", f"{mean} - I",
    ]  # fmt: skip
    ((panels,),) = grids
    assert [panel.title for panel in panels] == [
        "I on phantom", f"{mean} on phantom", f"{r3} on phantom", "I+GR on phantom",
    ]  # fmt: skip
    lines = [f"I ({runs['lse']}): x", f"{mean} ({runs['mean']}): x", f"{r3} ({runs['r3']}): x"]
    assert table["runs"][:3] == lines and f"{mean} ({runs['mean']})" in " ".join(text.split())


def test_what_is_given_twice_is_refused(runs, data_root, tmp_path):
    with pytest.raises(InputError, match="given twice"):
        compare([str(runs["report"])] * 2, ["phantom"], data_root, tmp_path, OPTIONS)
    with pytest.raises(InputError, match="not the folder of a run"):
        compare([str(runs["report"]), str(tmp_path)], ["phantom"], data_root, tmp_path, OPTIONS)
