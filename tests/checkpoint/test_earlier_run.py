"""What a run on both splits keeps of its earlier run in run.json."""

import dataclasses
import json

import numpy as np
import pytest

from tests.both_splits import learn_both, some_calibration, some_earlier
from tests.light_run import light_run
from tienet.checkpoint.earlier_run import BOTH, EarlierRun
from tienet.checkpoint.run_folder import load_run, open_run
from tienet.checkpoint.together import open_model
from tienet.data import manifest as manifests
from tienet.errors import InputError


def facts_of(earlier: EarlierRun) -> dict:
    return json.loads(json.dumps({"train_on": BOTH, "earlier_run": earlier.to_json()}))


def test_it_comes_back_as_it_was_written():
    earlier = some_earlier(differs={"dropout": 0.3}, flaw="all alike")
    found = EarlierRun.from_facts("run.json", facts_of(earlier))
    for field in dataclasses.fields(EarlierRun):
        if field.name != "calibration":
            assert getattr(found, field.name) == getattr(earlier, field.name)
    for field in dataclasses.fields(some_calibration()):
        np.testing.assert_equal(getattr(found.calibration, field.name), getattr(earlier.calibration, field.name))
    assert (found.calibration.source, found.given_calibration.source) == ("", "first, best-30")


def test_without_a_calibration_there_is_none_to_give():
    found = EarlierRun.from_facts("run.json", facts_of(some_earlier(calibration=None, thresholds=None)))
    assert (found.calibration, found.given_calibration, found.thresholds) == (None, None, None)


def test_a_run_on_the_training_split_alone_has_none():
    assert EarlierRun.from_facts("run.json", {"labels": []}) is None


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 0},
        {"epoch": True},
        {"name": 3},
        {"validation": {"AUC": "high"}},
        {"validation": {"accuracy": 0.5}},
        {"thresholds": [0.5]},
        {"thresholds": [2.0] * 15},
        {"calibration": []},
        {"calibration": {"temperatures": {}}},
        {"differs": {"no_such_setting": 1}},
        {"identity": {"vocab_fingerprint": 1}},
        {"more": 1},
    ],
)
def test_a_broken_entry_is_one_line(change):
    facts = facts_of(some_earlier())
    facts["earlier_run"] |= change
    with pytest.raises(InputError, match=r"^run\.json.*(not what was written|are not those)[^\n]*$"):
        EarlierRun.from_facts("run.json", facts)


def test_a_run_with_a_broken_entry_is_not_opened(data_root, tmp_path):
    manifest = manifests.load("phantom", data_root)
    run = learn_both(light_run(tmp_path / "run", manifest, "annotate-text"), manifest)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"train_on": "all"}))
    with pytest.raises(InputError, match=r"run\.json: its train_on and earlier_run are not what was written there"):
        load_run(run)


@pytest.mark.parametrize("gone", ["train_on", "earlier_run"])
def test_one_of_the_two_facts_alone_is_broken(gone):
    facts = facts_of(some_earlier())
    del facts[gone]
    with pytest.raises(InputError, match="train_on and earlier_run are not what was written there"):
        EarlierRun.from_facts("run.json", facts)


def test_several_such_runs_are_no_model(data_root, tmp_path):
    """There are no studies left to choose the thresholds of their mean by."""
    manifest = manifests.load("phantom", data_root)
    one, other = (light_run(tmp_path / n, manifest, "annotate-text", record=True) for n in ("one", "other"))
    learn_both(one, manifest)
    assert load_run(one).earlier.name == "first" and load_run(other).earlier is None
    with pytest.raises(InputError, match=r"one: was trained on the validation split too, so nothing is left"):
        open_model([other, one]).check_files()
    assert open_run(one).thresholds()[0] == np.float32(0.5)  # those of its entry
