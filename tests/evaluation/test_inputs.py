"""What an evaluation reads before its networks are loaded. Its mistakes are among those of all commands."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.both_splits import learn_both
from tests.light_run import light_run, say_writing
from tienet.checkpoint.writing import Writing
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.inputs import open_all, open_inputs
from tienet.evaluation.options import Options
from tienet.modeling.decoding import Decoding


@pytest.fixture
def loads(data_root, tmp_path) -> list[str]:
    """Runs of two modes that were never trained."""
    manifest = manifests.load("phantom", data_root)
    return [str(light_run(tmp_path / mode, manifest, mode, data="phantom")) for mode in ("report", "annotate-text")]


def test_what_is_opened_fits_the_options(loads, data_root):
    with EvaluationCache(Options(java=False, split="val")) as cache:
        report, text = (open_inputs(load, "phantom", data_root, cache) for load in loads)
    assert report.scores_reports and not text.scores_reports
    assert set(report.split.splits) == {"val"} and report.seen == {"train": 0, "val": len(report.split)}
    assert report.boxes and report.default_out(Options(split="val")) == report.run.folder / "eval" / "phantom-val"
    assert [note.partition(": ")[2][:9] for note in text.notes] == ["chose its"]
    assert any(note.startswith("Without Java") for note in report.notes)


def test_a_run_on_both_splits_has_seen_both_and_more_than_its_controls(loads, data_root, tmp_path):
    """Also where a manifest of another name and other ids has the same images."""
    manifest = manifests.load("phantom", data_root)
    learn_both(Path(loads[1]), manifest)
    with EvaluationCache(Options(java=False, controls=True)) as cache:
        inputs = open_inputs(loads[1], "phantom", data_root, cache)
        assert inputs.seen == {"train": 0, "val": 0}
        (note,) = inputs.notes
        assert note.endswith("the controls from the training split alone, so they have seen fewer studies")
    with EvaluationCache(Options(java=False, controls=True)) as cache:
        assert not open_inputs(loads[0], "phantom", data_root, cache).notes[0].endswith("fewer studies")
    renamed = dataclasses.replace(
        manifest.split("val"), name="other", study_ids=[f"other-{n}" for n in range(8)], splits=np.full(8, "test")
    )
    for options in (Options(java=False, split="val"), Options(java=False)):
        data = "phantom" if options.split == "val" else renamed
        with EvaluationCache(options) as cache, pytest.raises(InputError, match="was trained on 8 of the 8 studies"):
            open_inputs(loads[1], data, data_root, cache)


def test_a_run_whose_reports_nobody_can_use_has_a_note(loads, data_root):
    flawed, sound = Writing(278, 90, 100, 50, 60.0, 0.1, 0.25), Writing(278, 0, 100, 50, 30.0, 0.1, 0.25)
    with EvaluationCache(Options(java=False)) as cache:
        for writing in (flawed, sound):
            say_writing(Path(loads[0]), writing)
            notes = open_inputs(loads[0], "phantom", data_root, cache).notes
            assert (f"{loads[0]}: {writing.flaw}" in notes) == (writing is flawed) and len(notes) == 1 + (
                writing is flawed
            )


def test_every_run_is_opened_on_every_data_set_and_each_of_these_is_read_once(loads, data_root, monkeypatch):
    read, load = [], manifests.load
    monkeypatch.setattr(manifests, "load", lambda *place: (read.append(place[0]), load(*place))[1])
    with EvaluationCache(Options(java=False)) as cache:
        found = open_all(loads, ["phantom"], data_root, cache)
        assert {name: list(by_run) for name, by_run in found.items()} == {"phantom": loads} and read == ["phantom"]
        for twice in ({"loads": [loads[0]] * 2, "data": ["phantom"]}, {"loads": loads, "data": ["phantom"] * 2}):
            with pytest.raises(InputError, match="is given twice"):
                open_all(**twice, data_root=data_root, cache=cache)


def test_the_judge_of_candidates_must_not_have_learnt_the_studies_either(loads, data_root, tmp_path):
    manifest = manifests.load("phantom", data_root)
    turned = dataclasses.replace(manifest, splits=np.where(manifest.splits == "test", "train", "test"))
    turned.splits[:2] = "val"
    judges = [light_run(tmp_path / name, m, "classify") for name, m in (("fair", manifest), ("seen", turned))]
    for judge in judges:
        options = Options(
            java=False, decoding=Decoding("consistent"), reader=loads[1], judge=str(judge), labeller=loads[1]
        )
        with EvaluationCache(options) as cache:
            if judge.name == "fair":
                assert open_inputs(loads[0], "phantom", data_root, cache).judges.judge.folder == judge
            else:
                with pytest.raises(InputError, match=r"seen: was trained on \d+ of the \d+ studies"):
                    open_inputs(loads[0], "phantom", data_root, cache)
