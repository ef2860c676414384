"""`tienet describe`: which data set is meant, the page's place, what is refused."""

from pathlib import Path

import pytest

from tests.command_line import tienet
from tests.datasets.description.toy_sets import write_set


@pytest.fixture
def root(tmp_path) -> Path:
    write_set(tmp_path / "data" / "toy")
    return tmp_path / "data"


@pytest.mark.parametrize("given", ["toy", "data/toy", "data/toy/", "data/toy/manifest.csv", "./data/toy"])
def test_a_data_set_is_found_by_name_folder_or_file(root, monkeypatch, capsys, given):
    monkeypatch.chdir(root.parent)
    assert tienet("describe", given) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "data/toy/describe/index.html"
    assert (root / "toy/describe/index.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "note: train split: no label at all of Hernia" in err
    assert list((root / "toy/describe").iterdir()) == [root / "toy/describe/index.html"]


def test_the_folder_where_one_stands(root, monkeypatch, capsys):
    monkeypatch.chdir(root / "toy")
    assert tienet("describe", ".", "--out", root / "page") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(root / "page" / "index.html")


def test_another_file_of_the_folder_has_a_page_of_its_own(root):
    (root / "toy/hand.csv").write_bytes((root / "toy/manifest.csv").read_bytes())
    assert tienet("describe", root / "toy/hand.csv") == 0
    assert (root / "toy/describe-hand/index.html").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nosuch"], "does not exist (data sets in"),
        (["data/nosuch"], "tienet describe: data/nosuch/manifest.csv does not exist"),
        (["toy", "--images", "0"], "--images 0: expected 1 or more"),
        (["toy", "--seed", "-1"], "--seed -1: expected 0 or more"),
        (["toy", "--out", "data/toy/manifest.csv"], "--out data/toy/manifest.csv: cannot be written to"),
    ],
)
def test_what_is_refused_is_one_line(root, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(root.parent)
    assert tienet("describe", *flags) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and out == ""


def test_a_faulty_manifest_is_told_as_loading_tells_it(root, capsys):
    path = root / "toy/manifest.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",test,", ",tset,"), encoding="utf-8")
    assert tienet("describe", root / "toy") == 2
    assert "column split: 'tset'; expected train, val, test" in capsys.readouterr().err
    assert not (root / "toy/describe").exists()
