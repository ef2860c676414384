"""`tienet locate` on phantoms, which have boxes.csv. Its mistakes are among those of all commands."""

import csv
import json

import pytest

from tests.command_line import tienet
from tienet.data import manifest as manifests
from tienet.data.csv_table import Table
from tienet.evaluation.metrics.localisation import METRICS
from tienet.labels import FINDINGS


@pytest.fixture
def rows_of(tmp_path, data_root):
    """Judge runs; the rows of locate.csv."""

    def judge(*flags):
        words = ("--data", "phantom", "--data-root", data_root, "--resamples", 20, "--gpu", "cpu")
        assert tienet("locate", *words, "--out", tmp_path / "out", *flags) == 0
        with (tmp_path / "out" / "locate.csv").open() as file:
            return list(csv.DictReader(file))

    return judge


def test_every_run_is_judged_by_finding(rows_of, runs, data_root, tmp_path, capsys):
    loads = runs["report"], runs["classify"]
    capsys.readouterr()  # what their training has printed
    rows = rows_of("--load", *loads, "--pictures", 3)
    out, said = tmp_path / "out", capsys.readouterr().out
    assert said == f"{(out / 'locate.txt').read_text()}\n{out}\n"
    assert (out / "locate.html").read_text().count('"frame located') == 3 * 2
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "locate.csv", "locate.html", "locate.txt",
    ]  # fmt: skip
    test = set(manifests.load("phantom", data_root).split("test").study_ids)
    boxes = Table(data_root / "phantom" / "boxes.csv", ("study_id", "finding"))
    pairs = {pair for pair in zip(boxes.cells("study_id"), boxes.cells("finding"), strict=True) if pair[0] in test}
    counts = {finding: sum(found == finding for _, found in pairs) for finding in FINDINGS}
    expected = {"all": len(pairs), **{finding: n for finding, n in counts.items() if n}}
    assert len(expected) > 4
    for run in (runs["report"].name, runs["classify"].name):
        pointing = {row["finding"]: int(row["n"]) for row in rows if (row["run"], row["metric"]) == (run, "pointing")}
        assert pointing == expected
    assert len(rows) == 2 * len(METRICS) * len(expected)


def test_the_pointing_game_of_all_findings_agrees_with_the_evaluation(rows_of, runs, data_root, tmp_path):
    """`tienet evaluate` counts studies, and a peak in any box; with one finding a study the two are the same."""
    boxes = Table(data_root / "phantom" / "boxes.csv", ("study_id",))
    studies = boxes.cells("study_id")
    lines = (data_root / "phantom" / "boxes.csv").read_text().splitlines()
    single = [line for line, study in zip(lines[1:], studies, strict=True) if studies.count(study) == 1]
    folder = tmp_path / "phantom"
    folder.mkdir()
    (folder / "features").symlink_to(data_root / "phantom" / "features")  # of the same images
    (folder / "boxes.csv").write_text("\n".join([lines[0], *single]) + "\n")
    text = (data_root / "phantom" / "manifest.csv").read_text()
    (folder / "manifest.csv").write_text(text.replace("images/", f"{data_root / 'phantom' / 'images'}/"))
    words = ("--load", runs["report"], "--data", folder)
    rows = rows_of(*words)
    assert tienet("evaluate", *words, "--gpu", "cpu", "--metrics", "auc", "--pages", 0, "--resamples", 2,
                  "--out", tmp_path / "evaluated") == 0  # fmt: skip
    pointing = json.loads((tmp_path / "evaluated" / "metrics.json").read_text())["pointing"]
    (row,) = [row for row in rows if (row["finding"], row["metric"]) == ("all", "pointing")]
    assert (int(row["n"]), float(row["value"])) == (pointing["studies"], pytest.approx(pointing["share"], abs=1e-6))
    assert int(row["n"]) > 0 and float(row["random"]) == pytest.approx(pointing["chance"], abs=0.01)
