"""The tables of folds that were put together."""

import csv
from pathlib import Path

import pytest

from tests.evaluation.pooled.evaluations import MadeUp
from tests.evaluation.pooled.test_pool import pooled
from tienet.evaluation.paper.layout import figure_text


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[dict, str, Path]:
    root = tmp_path_factory.mktemp("tables")
    folders = MadeUp(root).write(["annotate-text-0", "classify", "classify-lse", "report", "caption"])
    return *pooled(folders, root / "cv"), root / "cv"


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {next(iter(row.values())): row for row in csv.DictReader(file)}


def test_table_1_has_every_column_with_its_interval(made):
    metrics, text, out = made
    rows = rows_of(out / "table1.csv")
    for title, column in metrics["columns"].items():
        if title == "Captioning":
            continue
        assert float(rows["AVG"][f"openi-fold-* {title}"]) == column["avg"]
        assert float(rows["Mass"][f"openi-fold-* {title} lo"]) == column["auc"]["Mass"]["lo"]
    assert float(rows["AVG"]["openi-fold-* tfidf logistic"]) == metrics["controls"]["tfidf_logistic"]["avg"]
    assert "openi-fold-* I paper" in rows["AVG"] and "openi-fold-* I, mean pooling paper" not in rows["AVG"]
    assert "AUC: from pairs of studies of one fold" in text


def test_the_differences_have_f1_beside_the_means(made):
    metrics, text, _ = made
    (found,) = [d for d in metrics["differences"] if (d["a"], d["b"]) == ("R", "tfidf_logistic")]
    lines = [line for line in text.splitlines() if line.startswith("R - tfidf logistic")]
    shown = "".join(lines)
    for key in ("avg", "wavg", "avg10", "f1"):
        assert figure_text(found[key]["difference"], 3, signed=True) in shown


def test_the_labels_that_are_named_have_a_table(made):
    metrics, _, out = made
    rows = rows_of(out / "labels.csv")
    for title in ("R", "I", "I, mean pooling", "I+GR"):
        found = metrics["columns"][title]["labels"]
        assert float(rows["Edema"][f"openi-fold-* {title}"]) == found["Edema"]["f1"]
        for mean, rate, name in (("micro", "precision", "precision"), ("macro", "f1", "F1")):
            assert float(rows[f"{mean} {name}"][f"openi-fold-* {title}"]) == found[mean][rate]
            assert float(rows[f"{mean} {name}"][f"openi-fold-* {title} hi"]) == found[mean][f"{rate}_hi"]
    assert int(rows["Edema"]["openi-fold-* #"]) == metrics["columns"]["R"]["labels"]["Edema"]["true"]
    assert "openi-fold-* Captioning" not in rows["Edema"]


def test_table_2_has_the_true_labels_too(made):
    metrics, text, out = made
    rows = rows_of(out / "table2.csv")
    for title, found in (
        ("I+GR", metrics["columns"]["I+GR"]),
        ("nearest report", metrics["controls"]["nearest_report"]),
    ):
        f1 = found["report_findings"]["against_labels"]["micro"]["f1"]
        assert float(rows["micro F1, true labels"][f"openi-fold-* {title}"]) == f1
        assert float(rows["CIDEr"][f"openi-fold-* {title}"]) == found["captions"]["CIDEr"]
    assert "true labels: the findings that the labeller names in the written reports" in text


def test_the_page_has_all_of_them(made):
    _, _, out = made
    page = (out / "tables.html").read_text()
    for words in ("Table 1: AUC", "Labels that are named", "Table 2: written reports", "I, mean pooling", "Notes"):
        assert words in page


def test_without_runs_that_classify_there_is_table_2_alone(tmp_path):
    (tmp_path / "cv").mkdir()
    (tmp_path / "cv" / "table1.csv").write_text("of an earlier call")
    metrics, text = pooled(MadeUp(tmp_path).write(["caption"], labeller=False), tmp_path / "cv")
    assert "Table 1" not in text and "true labels" not in text and metrics["differences"] == []
    assert not (tmp_path / "cv" / "table1.csv").exists()
