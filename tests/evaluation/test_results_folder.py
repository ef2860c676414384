"""A folder of results has one evaluation in it, whole or said to be unfinished."""

import json

import pytest

from tienet.evaluation.evaluate import evaluate
from tienet.evaluation.options import Options
from tienet.evaluation.results_folder import METRICS, is_unfinished, remove_results, replacing_results

OF_ONE = ("table.txt", "scores.csv", "reports.csv", "judged.csv", "judged-tfidf.csv", "roc.png", "reliability.png")
OF_SEVERAL = ("table1.txt", "table1.csv", "table2.json", "tables.html", "roc-grid.png")
OF_OTHERS = ("notes.txt", "protocol-r2gen.csv", "openi/annotate/judged.csv", "pages/my.txt")


@pytest.fixture
def out(tmp_path):
    """A folder with the results of an earlier evaluation, and what others have put there."""
    for name in (METRICS, *OF_ONE, *OF_SEVERAL, *OF_OTHERS, "pages/study-1.html", "pages/cases.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "pages" / "index.html").write_text("<title>Studies</title>")
    return tmp_path


def names(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_earlier_results_go_and_the_metrics_come_last(out):
    with replacing_results(out, {"mode": "classify"}):
        assert names(out) == {METRICS, *OF_OTHERS}
        assert is_unfinished(json.loads((out / METRICS).read_text()))
        (out / "scores.csv").write_text("new")
    assert names(out) == {METRICS, "scores.csv", *OF_OTHERS}
    assert json.loads((out / METRICS).read_text()) == {"mode": "classify"}


def test_what_is_stopped_is_unfinished(out):
    with pytest.raises(OSError, match="full"), replacing_results(out, {"mode": "classify"}):
        raise OSError("full")
    assert is_unfinished(json.loads((out / METRICS).read_text()))
    assert not is_unfinished({"mode": "classify"}) and not is_unfinished([])


def test_a_folder_of_pages_with_nothing_else_goes_too(out):
    (out / "pages" / "my.txt").unlink()
    remove_results(out)
    assert not (out / "pages").exists()


def test_pages_of_something_else_stay(out):
    for name in ("index.html", "study-1.html"):
        (out / "pages" / name).unlink()
    (out / "pages" / "index.html").write_text("<title>A site</title>")
    remove_results(out)
    assert {"pages/index.html", "pages/cases.html"} < names(out)


def test_an_evaluation_leaves_nothing_of_another_network(runs, data_root, tmp_path):
    first, second = (Options(resamples=2, pages=pages, java=False) for pages in (1, 0))
    evaluate(str(runs["classify"]), "phantom", data_root, tmp_path / "out", first)
    before = names(tmp_path / "out")
    assert {"roc.png", "judged.csv", "pages/index.html"} < before
    evaluate(str(runs["annotate-text"]), "phantom", data_root, tmp_path / "out", second)
    assert not [name for name in names(tmp_path / "out") if name.startswith("pages/")]
    assert json.loads((tmp_path / "out" / METRICS).read_text())["mode"] == "annotate-text"
