"""`tienet describe`: which data set is meant, the table, the page's place, what is refused."""

from pathlib import Path

import pytest

from tests.command_line import tienet
from tests.datasets.description.toy_sets import load_set, rows, write_set
from tienet.datasets.description.summary import summarize
from tienet.datasets.description.terminal import text_table


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


def test_the_table_has_each_thing_once(tmp_path):
    table = text_table(summarize(load_set(tmp_path / "toy"), 5000, 0, progress=False))
    lines = table.splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert cells["studies"] == ["4", "0", "2", "6"] and cells["images"] == ["3", "0", "2", "5"]
    assert cells["Edema"] == ["2", "66.7%", "?", "0", "0.0%", "2", "40.0%", "3", "1"]
    assert cells["Hernia"] == ["?", "?", "?", "?", "0", "6"]
    assert "Labels together, most often: Effusion and Edema 1." in lines
    assert "Studies per patient: 1 to 3, median 1, mean 1.50; 75.0% of the patients have one." in lines
    assert "Images per patient: 0 to 3, median 1, mean 1.25; 50.0% of the patients have one." in lines
    assert "Views: not known (no column view, View Position or ViewPosition)." in lines
    assert "Empty cells: image 1 (16.7%), report 2 (33.3%); none in study_id, patient_id, split." in lines
    assert "4 reports, 3 distinct; 2 studies have none." in lines
    assert "Most frequent report (2 times): Clear lungs." in lines
    assert "5 sizes: width 20 to 25, height 10 pixels." in lines
    assert max(map(len, lines)) <= 120


def test_nothing_that_a_terminal_obeys_is_printed(tmp_path):
    evil = "\x1b[2J\N{RIGHT-TO-LEFT OVERRIDE}"
    table = rows().assign(report=f"red {evil} report")
    table.loc[0, "study_id"] = f"s{evil}"
    text = text_table(
        summarize(load_set(tmp_path / "toy", table, view=[evil] * 6, **{evil: ["x"] * 6}), 5000, 0, progress=False)
    )
    assert all(character.isprintable() for line in text.splitlines() for character in line)


def test_broken_headers_are_counted_and_the_first_ones_named(tmp_path):
    manifest = load_set(tmp_path / "toy")
    manifest.images[0].write_bytes(manifest.images[0].read_bytes()[:25])
    text = text_table(summarize(manifest, 5000, 0, progress=False))
    assert "Broken headers: 1 file\n  i0.png: truncated PNG header\n" in text


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
