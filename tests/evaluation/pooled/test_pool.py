"""The folds put together: metrics.json, the differences, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.pooled.evaluations import MadeUp
from tienet import files
from tienet.errors import InputError
from tienet.evaluation import judged as judgements
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.paired_bootstrap import compare_auc, draw_auc, paired_auc
from tienet.evaluation.pooled.folds import open_folds
from tienet.evaluation.pooled.pool import check_out, pool_folds

R = 15


def pooled(folders: list[Path], out: Path) -> tuple[dict, str]:
    with CaptionScorer(java=False) as scorer:
        text = pool_folds(open_folds(folders), out, scorer, R)
    return json.loads((out / "metrics.json").read_text()), text


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[dict, str, Path, list[Path]]:
    """The metrics, the printed text, the folder of the results and the folds' folders of six runs on three folds."""
    root = tmp_path_factory.mktemp("pooled")
    folders = MadeUp(root).write()
    return *pooled(folders, root / "cv"), root / "cv", folders


def said(folders: list[Path], name: str, file: str = judgements.FILE_NAME) -> tuple[np.ndarray, ...]:
    """The logits, the named labels, the true labels, the patients and the folds of a run or a control."""
    parts = [judgements.read(folder / folder.name / name / file) for folder in folders]
    arrays = (np.concatenate([getattr(part, field) for part in parts]) for field in ("logits", "named", "labels"))
    patients = [patient for part in parts for patient in part.patient_ids]
    return *arrays, patients, np.repeat(range(len(parts)), list(map(len, parts)))


def test_everything_is_there_by_column(made):
    metrics, _, _, _ = made
    assert list(metrics["columns"]) == ["R", "I+R", "I", "I, mean pooling", "I+GR", "Captioning"]
    assert list(metrics["controls"]) == ["tfidf_logistic", "pooled_logistic", "nearest_report"]
    assert (metrics["studies"], metrics["patients"], metrics["of_studies"]) == (90, 45, 90)
    assert [fold["data"] for fold in metrics["folds"]] == ["openi-fold-1", "openi-fold-2", "openi-fold-3"]
    assert (metrics["data"], metrics["split"], metrics["notes"]) == ("openi-fold-*", "test", [])
    for title, column in metrics["columns"].items():
        assert (column["auc"] is None) == (title == "Captioning")
        assert (column["captions"] is None) == (title not in ("I+GR", "Captioning"))
    assert [metrics["columns"][title]["run"] for title in ("I", "I, mean pooling")] == ["classify-lse", "classify"]


def test_the_differences_are_between_columns_and_to_the_control_of_each(made):
    metrics, _, _, folders = made
    found = {(d["a"], d["b"]): d for d in metrics["differences"]}
    titles = ["R", "I+R", "I", "I, mean pooling", "I+GR"]
    expected = {(b, a) for n, a in enumerate(titles) for b in titles[n + 1 :]}
    expected |= {("R", "tfidf_logistic"), ("I+R", "tfidf_logistic")}
    expected |= {(title, "pooled_logistic") for title in titles[2:]}
    assert set(found) == expected and len(metrics["differences"]) == len(expected)
    logits_a, named_a, labels, patients, of_study = said(folders, "annotate-0")
    logits_b, named_b, *_ = said(folders, "annotate-0", "judged-tfidf_logistic.csv")
    paired = paired_auc(logits_a, logits_b, labels, patients, folds=of_study, resamples=R)
    entry = found["I+R", "tfidf_logistic"]
    assert all(entry[name] == paired[name] for name in ("avg", "wavg", "avg10"))
    f1 = [evaluate_labels(named, labels, patients, resamples=R)["micro"]["f1"] for named in (named_a, named_b)]
    assert entry["f1"]["difference"] == pytest.approx(f1[0] - f1[1], abs=1e-12)
    image = said(folders, "report"), said(folders, "classify-lse")
    drawn = [draw_auc(one[0], labels, patients, folds=of_study, resamples=R) for one in image]
    assert found["I+GR", "I"]["avg"] == compare_auc(*drawn)["avg"]


def test_the_tables_are_written_and_printed(made):
    _, text, out, _ = made
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert names == {"metrics.json", "table.txt", "tables.html", "table1.csv", "labels.csv", "table2.csv"}
    assert (out / "table.txt").read_text() == text


def test_the_data_sets_of_the_folds_go_by_one_name_in_the_notes(made):
    _, text, _, _ = made
    assert "R: trained on openi-fold-*, the paper's on chestxray14; penalty is 0.01, the paper's 1.0" in text


def test_two_runs_of_a_mode_are_two_columns(tmp_path):
    made_up = MadeUp(tmp_path)
    folders = made_up.write(["annotate-text-0", "caption"], labeller=False)
    for folder in folders:
        run = folder / folder.name / "annotate-text-0"
        (run.with_name("annotate-text-1")).mkdir()
        for path in run.iterdir():
            (run.with_name("annotate-text-1") / path.name).write_bytes(path.read_bytes())
    metrics, text = pooled(folders, tmp_path / "cv")
    assert list(metrics["columns"]) == ["R (annotate-text-0)", "R (annotate-text-1)", "Captioning"]
    (first, *_) = metrics["differences"]
    assert (first["a"], first["b"]) == ("R (annotate-text-1)", "R (annotate-text-0)")
    assert first["avg"] == first["f1"] == {"difference": 0.0, "lo": 0.0, "hi": 0.0, "p": 1.0}
    assert metrics["columns"]["Captioning"]["report_findings"] is None
    assert "R (annotate-text-1) - R (annotate-text-0)" in text


def test_several_runs_as_one_model_are_a_column(tmp_path):
    folders = MadeUp(tmp_path).write(["annotate-text-0", "classify", "report"])
    for folder in folders:
        path = folder / folder.name / "annotate-text-0" / "metrics.json"
        together = {**json.loads(path.read_text()), "column": "R, 3 runs together"}
        (path.parents[1] / "annotate-text-together").mkdir()
        files.write_json(path.parents[1] / "annotate-text-together" / "metrics.json", together)
        judged = (path.parent / "judged.csv").read_bytes()
        (path.parents[1] / "annotate-text-together" / "judged.csv").write_bytes(judged)
    metrics, _ = pooled(folders, tmp_path / "cv")
    assert list(metrics["columns"]) == ["R", "R, 3 runs together", "I, mean pooling", "I+GR"]
    pairs = [(d["a"], d["b"]) for d in metrics["differences"]]
    assert ("R, 3 runs together", "R") in pairs and ("R, 3 runs together", "tfidf_logistic") in pairs


def test_what_is_left_out_is_said(tmp_path, capsys):
    made_up = MadeUp(tmp_path)
    folders = made_up.write(["annotate-text-0", "report"])
    made_up.write_run(2, "report", labeller=False)
    made_up.write_run(0, "caption")
    metrics, text = pooled(folders, tmp_path / "cv")
    notes = ["openi-fold-2, openi-fold-3 lack Captioning (caption): it is left out",
             "I+GR: only some folds have read_labels, written_labels, which is left out",
             "nearest_report: only some folds have read_labels, written_labels, which is left out"]  # fmt: skip
    assert metrics["notes"] == notes and all(note in text for note in notes)
    assert [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines()] == notes


def test_the_folder_of_a_fold_is_not_written_over(tmp_path):
    folds = open_folds(MadeUp(tmp_path).write(["classify"]))
    for place in (folds[1].folder, folds[1].folder / "openi-fold-2" / "classify"):
        with pytest.raises(InputError, match="is an evaluation that is to be put together; choose another --out"):
            check_out(place, folds)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    with pytest.raises(InputError, match=r"holds a run \(run.json\)"):
        check_out(tmp_path / "run", folds)
    check_out(tmp_path / "cv", folds)
    assert not (tmp_path / "cv").exists()
