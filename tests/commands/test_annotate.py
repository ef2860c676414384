"""tienet annotate: the rows are the network's, in the input's order, whatever happened on the way."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tests.data.dicom.dicom_files import dataset, save
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.calibration import save as save_calibration
from tienet.checkpoint.run_folder import locate
from tienet.commands import annotate_job
from tienet.commands.main import dispatch
from tienet.data.image import read_gray
from tienet.errors import InputError
from tienet.inference.evidence import split_into_sentences
from tienet.interruption import Interrupted
from tienet.labels import FINDINGS, LABELS, K
from tienet.predict import Annotator

PROBABILITIES = [f"{label}_probability" for label in LABELS]


@pytest.fixture
def archive(phantom, tmp_path) -> Path:
    """200 reports of many lengths, by name."""
    path = tmp_path / "archive.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["report", "study"])
        for n in range(200):
            words = phantom.reports[n % len(phantom)].split()
            writer.writerow([" ".join(words[: 1 + n * 7 % 29]), f"s{n:03d}"])
    return path


def run(load: Path, source: Path, out: Path) -> int:
    return dispatch(["annotate", "--load", str(load), str(source), "--out", str(out), "--gpu", "cpu"])


def read(out: Path) -> pd.DataFrame:
    return pd.read_csv(out, dtype={"study_id": str}).set_index("study_id")


def test_reports_alone(runs, opened, archive, tmp_path, capsys):
    folder = runs["annotate-text"]
    opened.clear()
    assert run(folder, archive, tmp_path / "out.csv") == 0 and opened == [folder]
    source, found = pd.read_csv(archive), read(tmp_path / "out.csv")
    assert found.index.tolist() == source.study.tolist()
    with Annotator.load(runs["annotate-text"]) as annotator:
        predictions = annotator.annotate(source.report.tolist())
    expected = np.stack([prediction.probabilities for prediction in predictions])
    np.testing.assert_allclose(found[PROBABILITIES], expected, atol=2e-6)
    np.testing.assert_array_equal(found[list(LABELS)], np.stack([prediction.labels for prediction in predictions]))
    said = capsys.readouterr()
    assert "200 studies" in said.out


def test_several_runs_give_their_mean_and_their_order_is_no_other_input(seeds, archive, tmp_path, capsys):
    out = tmp_path / "out.csv"
    for loads, note in (
        (seeds, "reports have more than 10 words"),
        (seeds[::-1], ""),
    ):  # then it is there already
        words = ["annotate", "--load", *map(str, loads), str(archive), "--out", str(out), "--gpu", "cpu"]
        assert dispatch(words) == 0
        said = capsys.readouterr().err
        assert "Thresholds (f1), and what they gave on" in said and note in said
    found = read(out)
    with Annotator.load(seeds) as annotator:
        predictions = annotator.annotate(pd.read_csv(archive).report.tolist())
    np.testing.assert_allclose(found[PROBABILITIES], [p.probabilities for p in predictions], atol=2e-6)
    np.testing.assert_array_equal(found[list(LABELS)], [p.labels for p in predictions])
    with pytest.raises(InputError, match="another"):
        run(seeds[0], archive, out)


def test_images_with_reports_and_what_is_wrong_with_some(runs, phantom, tmp_path, capsys):
    save(tmp_path / "x.dcm", dataset())
    (tmp_path / "text.png").write_text("no picture")
    images = [str(path) for path in phantom.images[:5]] + ["x.dcm", "text.png", "gone.png", "", "x.dcm"]
    rows = [[f"s{n}", image, "the lungs are clear ."] for n, image in enumerate(images)]
    rows[1][2], rows[9][0] = " ", "s0"
    pd.DataFrame(rows, columns=["study_id", "image", "report"]).to_csv(tmp_path / "in.csv", index=False)
    for again in (False, True):
        assert run(runs["annotate"], tmp_path / "in.csv", tmp_path / "out.csv") == 1
        said = capsys.readouterr().err
        assert "passed over: 5, each named in" in said and "1 x image that does not exist" in said
        assert said.count("passed over: row") == (0 if again else 5)  # not told again
    errors = pd.read_csv(tmp_path / "out.csv.errors.csv")
    assert errors.row.tolist() == [3, 8, 9, 10, 11]
    assert errors.reason.tolist() == [
        "no report", "image that cannot be read", "image that does not exist", "no image",
        "study_id that is there already",
    ]  # fmt: skip
    found = read(tmp_path / "out.csv")
    assert found.index.tolist() == [row[0] for row in rows]  # in the order of the input
    missing = found.passed_over.notna().to_numpy()
    assert found.passed_over[missing].tolist() == errors.reason.tolist()
    assert found[missing].drop(columns="passed_over").isna().all(axis=None)
    assert found.loc[~missing, PROBABILITIES].notna().all(axis=None)
    with Annotator.load(runs["annotate"]) as annotator:
        (prediction,) = annotator.annotate([rows[3][2]], [read_gray(images[3])])
    np.testing.assert_allclose(found.loc["s3", PROBABILITIES].to_numpy(float), prediction.probabilities, rtol=1e-4)


def test_a_manifest_and_a_folder_give_the_same(runs, data_root, phantom, tmp_path):
    for n, (image, report) in enumerate(zip(phantom.images[:4], phantom.reports, strict=False)):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(image, tmp_path / "in" / f"{phantom.study_ids[n]}.png")
        (tmp_path / "in" / f"{phantom.study_ids[n]}.txt").write_text(report)
    assert run(runs["annotate"], tmp_path / "in", tmp_path / "folder.csv") == 0
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    few = table[table.study_id.isin(phantom.study_ids[:4])]
    pd.concat([few, table.iloc[-2:]]).to_csv(tmp_path / "few.csv", index=False)
    assert run(runs["annotate"], tmp_path / "few.csv", tmp_path / "manifest.csv") == 0
    folder, manifest = read(tmp_path / "folder.csv"), read(tmp_path / "manifest.csv")
    assert sorted(folder.index) == sorted(phantom.study_ids[:4])
    numbers = [*PROBABILITIES, *LABELS]
    np.testing.assert_allclose(folder[numbers], manifest.loc[folder.index, numbers], atol=2e-6)


def test_cut_anywhere_it_becomes_the_same_again(runs, archive, tmp_path, monkeypatch):
    """In windows of 32: a cut in the middle of one computes it as it was."""
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 32)
    out = tmp_path / "out.csv"
    run(runs["annotate-text"], archive, out)
    whole = out.read_bytes()
    for size in (0, 100, 700, len(whole) // 3, len(whole) - 1):
        out.write_bytes(whole[:size])
        assert run(runs["annotate-text"], archive, out) == 0
        assert out.read_bytes() == whole


def test_evidence_is_a_column_and_lines_of_json_however_often_it_was_cut(runs, archive, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 64)
    out, lines = tmp_path / "out.csv", tmp_path / "out.csv.evidence.jsonl"
    words = ["annotate", "--load", str(runs["annotate-text"]), str(archive), "--out", str(out), "--gpu", "cpu"]
    assert dispatch([*words, "--evidence"]) == 0
    assert str(lines) in capsys.readouterr().out
    table, whole, json_lines = pd.read_csv(out), out.read_bytes(), lines.read_bytes()
    reports = pd.read_csv(archive).report
    found = [json.loads(line) for line in json_lines.decode().splitlines()]
    assert [line["study_id"] for line in found] == table.study_id.tolist()
    assert sum(map(len, (line["evidence"] for line in found))) > 20
    for n, line in enumerate(found):
        assert json.loads(table.evidence[n]) == line["evidence"]
        named = [name for name in FINDINGS if table[name][n] == 1] if split_into_sentences(reports[n]) else []
        assert [one["label"] for one in line["evidence"]] == named
        for one in line["evidence"]:
            assert reports[n][one["start"] : one["end"]] == one["text"]
            assert one["probability"] == pytest.approx(table[f"{one['label']}_probability"][n], abs=2e-6)
    for cut in (len(whole) // 3, len(whole) - 5):
        os.truncate(out, cut)
        assert dispatch([*words, "--evidence"]) == 0
        assert (out.read_bytes(), lines.read_bytes()) == (whole, json_lines)
    with pytest.raises(InputError, match="has another header"):
        dispatch(words)


def test_another_checkpoint_or_calibration_is_refused(runs, archive, phantom, tmp_path):
    shutil.copytree(runs["annotate-text"], tmp_path / "run")
    out = tmp_path / "out.csv"
    run(tmp_path / "run", archive, out)
    before = out.read_bytes()
    ones = np.ones(K, np.float32)
    save_calibration(locate(tmp_path / "run")[1], Calibration(ones * 2, ones / 2, "f1", ones, ones, {}, {}, 9, {}, {}))
    with pytest.raises(InputError, match="begun with another thresholds or temperatures"):
        run(tmp_path / "run", archive, out)
    with archive.open("a") as file:
        file.write("clear lungs,last\n")
    assert run(runs["annotate-text"], archive, out) == 0  # the input has grown
    assert out.read_bytes().startswith(before) and read(out).index[-1] == "last"
    archive.write_text(archive.read_text().replace("lungs", "lung"))
    with pytest.raises(InputError, match="the input has changed"):
        run(runs["annotate-text"], archive, out)


@pytest.mark.parametrize(
    ("mode", "message"), [("report", "Annotator needs annotate or annotate-text"), ("annotate", "no column image")]
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(runs, archive, tmp_path, mode, message):
    with pytest.raises(InputError, match=message):
        run(runs[mode], archive, tmp_path / "out.csv")
    assert not list(tmp_path.glob("out.csv*"))


def test_the_input_is_not_overwritten(runs, archive):
    with pytest.raises(InputError, match="is the input"):
        run(runs["annotate-text"], archive, archive)
    assert archive.read_text().startswith("report,study")


SPANISH = "Silueta cardiaca de tamaño normal. No se observa derrame pleural. Campos pulmonares sin alteraciones."


def test_reports_that_the_network_cannot_read_get_no_labels(runs, tmp_path, monkeypatch, capsys):
    """In every window, not only the first one; NaN is no report; the columns are named."""
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 3)
    reports = ["The lungs are clear."] * 4
    reports += ["blah blah xyz qwerty", SPANISH, "NaN", "2.5 ...", "No pleural effusion.", "lungs " * 20_000, SPANISH]
    pd.DataFrame({"uid": range(len(reports)), "report": reports}).to_csv(tmp_path / "in.csv", index=False)
    for again in (False, True):
        assert run(runs["annotate-text"], tmp_path / "in.csv", tmp_path / "out.csv") == 1
        said = capsys.readouterr().err
        assert f"{tmp_path / 'in.csv'}: study_id from column uid, report from column report\n" in said
        assert "2 x report without a known word; 2 x report of unknown words; 1 x no report; 1 x report that is" in said
        assert said.count("passed over: row") == (0 if again else 6)
    errors = pd.read_csv(tmp_path / "out.csv.errors.csv")
    assert errors.row.tolist() == [6, 7, 8, 9, 11, 12]
    assert errors.reason.tolist() == [
        "report without a known word", "report of unknown words", "no report", "report without a known word",
        "report that is too long", "report of unknown words",
    ]  # fmt: skip
    assert "knows none of the words (blah, xyz, qwerty)" in errors.message[0]
    found = read(tmp_path / "out.csv")
    assert found.index.tolist() == [str(n) for n in range(11)]
    assert found[found.passed_over.isna()].index.tolist() == ["0", "1", "2", "3", "8"]


def test_images_do_not_make_up_for_words_that_are_not_known(runs, phantom, tmp_path):
    rows = [[f"s{n}", phantom.images[n], report] for n, report in enumerate([SPANISH, "the lungs are clear ."])]
    pd.DataFrame(rows, columns=["study_id", "image", "report"]).to_csv(tmp_path / "in.csv", index=False)
    assert run(runs["annotate"], tmp_path / "in.csv", tmp_path / "out.csv") == 1
    found = read(tmp_path / "out.csv")
    assert found[PROBABILITIES].notna().all(axis=1).tolist() == [False, True]


def test_some_words_that_are_not_known_and_long_reports_are_noted(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 2)
    rows = ["the lungs are clear", "the lungs are clear"] + ["the lungs are quux xyzzy"] * 4 + ["clear " * 31]
    text = "".join(f"{n},{row},NaN\n" for n, row in enumerate(rows))
    (tmp_path / "in.csv").write_text("study_id,findings,impression\n" + text)
    assert run(runs["annotate-text"], tmp_path / "in.csv", tmp_path / "out.csv") == 0
    said = capsys.readouterr().err
    assert "1 reports have more than 30 words" in said and "read as empty: 7 x 'NaN'" in said
    assert "does not know" not in said  # 8 of 68 words
    rows = rows[2:-1]
    (tmp_path / "in.csv").write_text("study_id,report\n" + "".join(f"{n},{row}\n" for n, row in enumerate(rows)))
    assert run(runs["annotate-text"], tmp_path / "in.csv", tmp_path / "out2.csv") == 0
    assert "does not know 40% of the words; was it trained on reports like these?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", r"--out \. is a folder; expected the name of a CSV file"),
        ("..", "is a folder"),
        ("x" * 260 + ".csv", "xxx: this name is too long|csv: this name is too long for the file system"),
        ("y" * 250, "this name is too long for the file system; choose a shorter one"),  # those beside it are longer
        ("in.csv/out.csv", "in.csv"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(runs, tmp_path, monkeypatch, capsys, out, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("study_id,report\n1,the lungs are clear\n")
    assert tienet("annotate", "--load", runs["annotate-text"], "in.csv", "--out", out, "--gpu", "cpu") == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and said.count("\n") == 1 and len(said) < 300
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_it_after_a_window(runs, archive, tmp_path, monkeypatch, capsys, signum, status):
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 32)
    run(runs["annotate-text"], archive, tmp_path / "whole.csv")
    annotated = Annotator.annotate

    def and_a_signal(self, reports, images=None, maps=False):
        os.kill(os.getpid(), signum)
        return annotated(self, reports, images, maps)

    with monkeypatch.context() as patched:
        patched.setattr(Annotator, "annotate", and_a_signal)
        with pytest.raises(Interrupted) as stopped:
            run(runs["annotate-text"], archive, tmp_path / "out.csv")
    assert stopped.value.status == status
    assert len(read(tmp_path / "out.csv")) == 32
    assert "32 of 200 studies; the same command goes on" in capsys.readouterr().err
    assert run(runs["annotate-text"], archive, tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_killed_and_started_again(runs, archive, tmp_path, monkeypatch):
    monkeypatch.setattr(annotate_job, "TEXT_WINDOW", 8)
    run(runs["annotate-text"], archive, tmp_path / "whole.csv")
    out = tmp_path / "out.csv"
    code = "from tienet.commands import annotate_job, main; annotate_job.TEXT_WINDOW = 8; main.main()"
    flags = ["annotate", "--load", runs["annotate-text"], archive, "--out", out]
    process = subprocess.Popen([sys.executable, "-c", code, *flags], cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (out.exists() and out.stat().st_size > 2500):
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert 0 < len(out.read_bytes()) < len((tmp_path / "whole.csv").read_bytes())
    assert run(runs["annotate-text"], archive, out) == 0
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
