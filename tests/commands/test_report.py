"""tienet report: text, JSON lines and pages say what the network said; a bad image stops nothing."""

import json
import re

import numpy as np
import pytest

from tests.data.dicom.dicom_files import dataset, save
from tests.light_run import light_run, say_writing
from tienet.checkpoint.writing import Writing
from tienet.commands.main import dispatch
from tienet.data import manifest as manifests
from tienet.data.image import read_gray
from tienet.errors import InputError
from tienet.labels import LABELS
from tienet.predict import Decoding, Judges, Reporter


def run(load, *flags) -> int:
    return dispatch(["report", "--load", str(load), "--gpu", "cpu", *map(str, flags)])


def json_lines(capsys) -> tuple[list[dict], str]:
    said = capsys.readouterr()
    return [json.loads(line) for line in said.out.splitlines()], said.err


@pytest.mark.parametrize("mode", ["report", "classify", "caption"])
def test_json_is_what_the_network_says(runs, phantom, mode, capsys):
    load = runs[mode]
    capsys.readouterr()  # what training it has printed
    assert run(load, "--json", *phantom.images[:3]) == 0
    lines, err = json_lines(capsys)
    assert "not a medical device" in err
    with Reporter.load(runs[mode]) as reporter:
        predictions = reporter.report([read_gray(path) for path in phantom.images[:3]])
    for line, prediction, path in zip(lines, predictions, phantom.images, strict=False):
        assert line["image"] == str(path) and line["report"] == prediction.report
        if mode == "caption":
            assert line["probabilities"] is line["thresholds"] is line["labels"] is None
            continue
        assert list(line["probabilities"]) == list(LABELS)
        np.testing.assert_allclose(list(line["probabilities"].values()), prediction.probabilities, atol=1e-6)
        np.testing.assert_array_equal(list(line["labels"].values()), prediction.labels)


def test_a_run_whose_reports_nobody_can_use_says_so_once(data_root, tmp_path, capsys):
    load = light_run(tmp_path / "run", manifests.load("phantom", data_root), "caption", data="phantom")
    flawed, sound = Writing(278, 90, 100, 50, 60.0, 0.1, 0.25), Writing(278, 0, 100, 50, 30.0, 0.1, 0.25)
    for writing in (flawed, sound):
        say_writing(load, writing)
        assert run(load, tmp_path / "none.png") == 2  # there is no image, so that no network is loaded
        said = capsys.readouterr().err
        assert said.count("note: ") == (writing is flawed) == (f"note: {load}: {writing.flaw}\n" in said)


def test_the_report_may_be_chosen_among_candidates(runs, phantom, capsys):
    load, flags = (
        runs["caption"],
        ["--decode", "consistent", "--reader", runs["annotate-text"], "--judge", runs["classify"]],
    )
    capsys.readouterr()  # what training the runs has said
    weights = ["--candidates", "3", "--weights", "0.1", "1", "9", "--temperature", "1.5", "--max-written", "9"]
    assert run(load, "--json", *weights, *flags, phantom.images[0]) == 0  # the image is none of the judges
    (line,), _ = json_lines(capsys)
    decoding = Decoding(
        "consistent", 9, candidates=3, temperature=1.5, likelihood_weight=0.1, consistency_weight=1, agreement_weight=9
    )
    with (
        Judges(runs["caption"], runs["annotate-text"], runs["classify"]) as judges,
        Reporter.load(runs["caption"], decoding, judges) as reporter,
    ):
        (prediction,) = reporter.report([read_gray(phantom.images[0])])
    assert line["report"] == prediction.report


def test_text_and_pages(runs, opened, phantom, tmp_path, capsys):
    folder = runs["report"]
    opened.clear()
    assert run(folder, *phantom.images[:2], "--out", tmp_path / "pages") == 0 and opened == [folder]
    out = capsys.readouterr().out
    assert all(str(path) in out for path in phantom.images[:2])
    assert out.count("No Finding") == 2 and "not a medical device" in out
    assert out.splitlines()[-1] == str(tmp_path / "pages" / "index.html")
    pages = sorted((tmp_path / "pages").glob("study-*.html"))
    assert len(pages) == 2
    page = pages[0].read_text()
    assert "<h2>Written report</h2>" in page and "True report" not in page and "data-maps" in page
    index = (tmp_path / "pages" / "index.html").read_text()
    for word in ("Truth", "Verdict", "truth unknown", "named, and true", 'value="right"'):
        assert word not in page and word not in index, word
    assert re.search(r'<th scope="col"[^>]*>Named</th>', page)


@pytest.mark.parametrize(
    ("mode", "there", "absent"), [("classify", "Cardiomegaly", "report"), ("caption", "Written", "Named")]
)
def test_pages_of_the_other_modes(runs, phantom, tmp_path, mode, there, absent):
    assert run(runs[mode], phantom.images[0], "--out", tmp_path) == 0
    (page,) = tmp_path.glob("study-*.html")
    body = re.sub(r"<(style|script).*?</\1>", "", page.read_text(), flags=re.DOTALL)
    assert there in body and f"<h2>{absent}" not in body and f">{absent}<" not in body


def test_folders_tables_and_dicom(runs, phantom, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "x.dcm", dataset())
    (tmp_path / "t.csv").write_text(f"image\n{phantom.images[0]}\nin/x.dcm\n")
    assert run(runs["classify"], "--json", tmp_path / "in", tmp_path / "t.csv") == 0
    lines, err = json_lines(capsys)
    assert f"{tmp_path / 't.csv'}: study_id from column image, image from column image\n" in err
    assert [line["study_id"] for line in lines] == ["x", str(phantom.images[0]), "in/x.dcm"]
    assert lines[0]["probabilities"] == pytest.approx(lines[2]["probabilities"], abs=1e-6)


def test_a_bad_image_is_named_and_the_others_go_on(runs, phantom, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("text")
    (tmp_path / "empty").mkdir()
    bad = [tmp_path / "bad.png", tmp_path / "none.png", tmp_path / "empty", tmp_path / "none.csv"]
    assert run(runs["classify"], "--json", tmp_path / ("x" * 260 + ".png"), phantom.images[0]) == 1
    assert "too long" in capsys.readouterr().err
    assert run(runs["classify"], "--json", bad[0], phantom.images[0], *bad[1:]) == 1
    lines, err = json_lines(capsys)
    assert len(lines) == 1
    assert all(f"passed over: {path}" in err for path in bad)
    assert "4 of 5 could not be read\n" in err
    assert run(runs["classify"], bad[1], "--out", tmp_path / "pages") == 2
    assert not (tmp_path / "pages").exists()


def test_other_modes_are_refused(runs, phantom):
    with pytest.raises(InputError, match="Reporter needs report or classify or caption"):
        run(runs["annotate"], phantom.images[0])


def test_pages_go_to_a_folder(tmp_path):
    (tmp_path / "pages").write_text("mine")
    with pytest.raises(InputError, match=r"--out .*pages is a file; expected a folder"):
        run(tmp_path, tmp_path / "x.png", "--out", tmp_path / "pages")
    assert (tmp_path / "pages").read_text() == "mine"
