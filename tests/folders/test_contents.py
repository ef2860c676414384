"""What a folder holds: nothing is written over work of another kind."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command_line import tienet
from tienet import cli
from tienet.errors import InputError
from tienet.folders import contents
from tienet.folders.contents import (
    DATA_SET,
    DESCRIPTION,
    EVALUATION,
    FEATURES,
    KINDS,
    MODEL,
    PAGES,
    RUN,
    VOCABULARY,
    WEIGHTS,
    Kind,
    check,
    writing,
)

HIDDEN = (".DS_Store", "._run.json", ".trained", ".tienet.lock", ".snapshot", "lost+found", "Thumbs.db", "desktop.ini")
BEGUN = ("backbone.npz", "studies.json", "config.json", "vocab.txt", "log.log", "events.out.tfevents.17.host", "eval",
         "checkpoints", "feature_norm.npy", "profile", "stats.json", "stats.json.broken")  # fmt: skip
LOGS = ("train.log", "slurm-17.out", "nohup.out", "job.err")
MARKS = {
    "manifest.csv": DATA_SET, "run.json": RUN, "metrics.json": EVALUATION, "tables.html": EVALUATION,
    "table1.json": EVALUATION, "saved_model.pb": MODEL, "features.f16": FEATURES, "embeddings.npy": VOCABULARY,
    "study-a.html": PAGES, "resnet50.npz": WEIGHTS,
}  # fmt: skip
WRITTEN = (RUN, DATA_SET, VOCABULARY, EVALUATION, PAGES, DESCRIPTION)
"""What commands write into folders that may be there."""


def fill(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "wanted", "said"),
    [
        (
            ["manifest.csv", "images", "left_out.csv"],
            RUN,
            "holds the data set openi (manifest.csv); a run needs a folder",
        ),
        (
            ["run.json", "config.json", "checkpoints"],
            DATA_SET,
            "holds a run (run.json); a data set needs a folder of its",
        ),
        (["run.json", "config.json"], EVALUATION, "holds a run (run.json); an evaluation needs"),
        (["run.json"], PAGES, "holds a run (run.json); a set of study pages needs"),
        (["latest-4.index", "latest-4.json"], RUN, "holds the checkpoints of a run (latest-4.index)"),
        (["metrics.json", "table.txt", "pages"], RUN, "holds an evaluation (metrics.json)"),
        (["saved_model.pb", "assets"], RUN, "holds an exported model (saved_model.pb)"),
        (["features.f16", "index.jsonl", "meta.json"], RUN, "holds a feature cache (features.f16)"),
        (["vocab.txt", "embeddings.npy", "stats.json"], RUN, "holds a vocabulary (embeddings.npy)"),
        (["index.html", "study-a.html"], RUN, "holds a set of study pages (study-a.html)"),
        (["resnet50.npz", "fetch.py"], RUN, "holds weights of a backbone (resnet50.npz)"),
        (["a.png", "b.png"], RUN, "holds other files (a.png, b.png); a run needs"),
        (["1", "2", "3", "4", "5"], RUN, "holds other files (1, 2, 3 and 2 more)"),
        (["report.log", "thesis.docx"], RUN, "holds other files (thesis.docx)"),
        (["reports.csv", "notes.txt"], EVALUATION, "holds reports.csv, which would be replaced"),
        (["index.html", "style.css"], PAGES, "holds index.html, which would be replaced"),
        (["index.html"], DESCRIPTION, "holds index.html, which would be replaced"),
    ],
)
def test_refused_by_what_it_holds(tmp_path, names, wanted, said):
    folder = fill(tmp_path / "openi", names)
    with pytest.raises(InputError) as refused:
        check(folder, wanted, "--x")
    message = str(refused.value)
    assert message.startswith(f"--x {folder}: {said}") and message.endswith("; choose another --x")
    assert "\n" not in message
    with pytest.raises(InputError, match=f"^{folder}: holds .* needs a folder of its own$"):
        check(folder, wanted)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([*BEGUN, *LOGS], RUN),  # a start that was interrupted before run.json
        (["run.json", "metrics.json", "mine.docx"], RUN),  # what others put into it later
        (["NLMCXR_reports.tgz", "images", "LICENSE.txt"], DATA_SET),  # the source's own files
        (["manifest.csv", "run.json"], DATA_SET),
        (["notes.txt", "other"], EVALUATION),
        (["metrics.json", "scores.csv", "reports.csv", "mine.ipynb"], EVALUATION),
        (["tables.html", "openi"], EVALUATION),
        (["study-a.html"], PAGES),  # stopped before its index
        (["scan.png"], PAGES),
        (["vocab.txt", "embeddings.npy"], VOCABULARY),
    ],
)
def test_accepted(tmp_path, names, wanted):
    check(fill(tmp_path / "folder", names), wanted, "--out")


@pytest.mark.parametrize("wanted", KINDS)
def test_nothing_is_held_by_no_folder_by_an_empty_one_and_by_hidden_files(tmp_path, wanted):
    check(tmp_path / "none", wanted)
    check(tmp_path / "none" / "below", wanted)
    check(fill(tmp_path / "folder", ()), wanted)
    check(fill(tmp_path / "folder", HIDDEN), wanted)


@pytest.mark.parametrize(
    ("title", "its_kind"), [("<title>Studies</title>", PAGES), ("<title>openi: what is in it</title>", DESCRIPTION)]
)
def test_a_page_is_known_by_its_title(tmp_path, title, its_kind):
    (tmp_path / "index.html").write_text(f"<!DOCTYPE html>\n{title}")
    for wanted in (PAGES, DESCRIPTION, RUN):
        if wanted is its_kind:
            check(tmp_path, wanted)
        else:
            with pytest.raises(InputError, match="holds"):
                check(tmp_path, wanted)


@given(
    marks=st.sets(st.sampled_from(sorted(MARKS))),
    others=st.sets(st.sampled_from([*HIDDEN, *BEGUN, *LOGS, "notes.txt", "images"])),
    wanted=st.sampled_from(WRITTEN),
)
def test_own_work_goes_on_and_other_work_is_named(marks, others, wanted):
    with tempfile.TemporaryDirectory() as name:
        folder = fill(Path(name), marks | others)
        kinds = {MARKS[mark] for mark in marks}
        if wanted in kinds:
            check(folder, wanted)
            return
        if kinds or (wanted is RUN and others & {"notes.txt", "images"}):
            with pytest.raises(InputError, match=r"holds .*\(.*\); ") as refused:
                check(folder, wanted)
            assert not kinds or any(mark in str(refused.value) for mark in (*marks, "backbone.npz"))
        else:
            if "backbone.npz" in others and wanted is not RUN:  # weights, where no run was begun
                with pytest.raises(InputError, match="weights of a backbone"):
                    check(folder, wanted)
            else:
                check(folder, wanted)


def test_what_is_held_is_looked_at_again_under_the_lock(tmp_path, monkeypatch):
    """Another process may have filled the folder and ended between the look and the lock."""
    looked: list[Kind] = []

    def look(folder, wanted, flag):
        looked.append(wanted)
        if len(looked) == 1:
            check(folder, wanted, flag)
            fill(tmp_path / "out", ["manifest.csv"])
        else:
            check(folder, wanted, flag)

    monkeypatch.setattr(contents, "check", look)
    with pytest.raises(InputError, match="holds the data set out"), writing(tmp_path / "out", RUN, "--logdir"):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["manifest.csv"]


# ---- through the commands ----


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--logdir"],
        ["train", "--resume", "--logdir"],
        ["evaluate", "--load", "run", "--data", "openi", "--gpu", "cpu", "--out"],
        ["evaluate", "--load", "run", "other", "--data", "openi", "--gpu", "cpu", "--out"],
        ["report", "--load", "run", "x.png", "--gpu", "cpu", "--out"],
        ["prepare", "phantom", "--out"],
    ],
)
def test_every_command_leaves_a_data_set_alone(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(cli, "start_tensorflow", None)
    folder = fill(tmp_path / "openi", ["left_out.csv"])
    (folder / "manifest.csv").write_text("study_id,image\n1_IM-0001-4001,x.png\n")
    (folder / "left_out.csv").write_text("uid,image,reason\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    time = folder.stat().st_mtime_ns
    assert tienet(*command, folder) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{command[-1]} {folder}: holds the data set openi (manifest.csv" in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert folder.stat().st_mtime_ns == time
