"""The calibration of a checkpoint: written and read to the last bit, never used for other weights, broken files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from tests.toy_run import spoil
from tienet import files
from tienet.checkpoint import calibration
from tienet.checkpoint.calibration import Calibration, with_temperatures
from tienet.errors import InputError
from tienet.labels import LABELS, K


@pytest.fixture
def run(toy_runs, tmp_path) -> Path:
    """A copy of the run after 3 epochs: latest-30, latest-20 and best-20; the last two are one checkpoint."""
    return shutil.copytree(toy_runs[3], tmp_path / "run")


def some(seed: int = 0, **values) -> Calibration:
    rng = np.random.default_rng(seed)
    temperatures, thresholds = rng.uniform(0.1, 9, K).astype(np.float32), rng.uniform(0, 1, K).astype(np.float32)
    errors = dict.fromkeys(LABELS, 0.125) | {"Hernia": None}
    shares = rng.uniform(0, 1, (2, K)).astype(np.float32)
    shares[:, 3] = np.nan
    made = {"objective": "f1", "precision": shares[0], "recall": shares[1], "positives": dict.fromkeys(LABELS, 7)}
    made |= {"left_out": {"Hernia": "no case"}, "studies": 90} | values
    return Calibration(temperatures, thresholds, **made, ece_before=errors, ece_after=errors)


def assert_equal(found: Calibration, expected: Calibration) -> None:
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


def names_in_file(run: Path) -> set[str]:
    return set(json.loads((run / "calibration.json").read_text()))


def test_what_was_saved_is_read_to_the_last_bit(run):
    prefix = run / "checkpoints" / "latest-30"
    assert calibration.load(prefix) is None
    for seed in range(5):
        assert calibration.save(prefix, some(seed)) == run / "calibration.json"
        assert_equal(calibration.load(prefix), some(seed))
        assert calibration.load(prefix).thresholds.dtype == np.float32


def test_that_of_another_checkpoint_is_never_used(run):
    one, other = run / "checkpoints" / "latest-30", run / "checkpoints" / "latest-20"
    calibration.save(one, some(1))
    assert calibration.load(other) is None
    entries = json.loads((run / "calibration.json").read_text())
    files.write_json(run / "calibration.json", {other.name: entries[one.name]})  # renamed by hand
    assert calibration.load(other) is None
    calibration.save(other, some(2))
    assert names_in_file(run) == {other.name}
    calibration.save(one, some(1))
    assert names_in_file(run) == {one.name, other.name}
    assert_equal(calibration.load(one), some(1))
    assert_equal(calibration.load(other), some(2))


def test_one_checkpoint_under_two_names_has_one_entry(run):
    best, latest = run / "checkpoints" / "best-20", run / "checkpoints" / "latest-20"
    calibration.save(best, some(1))
    assert_equal(calibration.load(latest), some(1))
    calibration.save(latest, some(2))
    assert names_in_file(run) == {latest.name}
    assert_equal(calibration.load(best), some(2))


def test_weights_that_were_changed_have_none(run):
    prefix = run / "checkpoints" / "latest-30"
    calibration.save(prefix, some())
    spoil(prefix, ".index")
    assert calibration.load(prefix) is None


def test_entries_of_checkpoints_that_are_gone_are_removed(run):
    prefix = run / "checkpoints" / "latest-30"
    calibration.save(prefix, some())
    entries = json.loads((run / "calibration.json").read_text())
    gone = {"latest-999": entries[prefix.name] | {"index_sha256": "0" * 64}, "junk": 3}
    files.write_json(run / "calibration.json", entries | gone)
    calibration.save(prefix, some())
    assert names_in_file(run) == {prefix.name}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("temperatures", 0, "expected a number above 0"),
        ("temperatures", -1.5, "above 0"),
        ("temperatures", float("nan"), "above 0"),
        ("temperatures", float("inf"), "above 0"),
        ("temperatures", 10**400, "above 0"),
        ("temperatures", 1e39, "above 0"),
        ("temperatures", 1e-320, "above 0"),
        ("temperatures", "1", "above 0"),
        ("temperatures", True, "above 0"),
        ("thresholds", 1.5, "from 0 to 1"),
        ("thresholds", None, "from 0 to 1"),
    ],
)
def test_a_value_that_cannot_be_is_refused(run, key, value, message):
    prefix = run / "checkpoints" / "latest-30"
    calibration.save(prefix, some())
    entries = json.loads((run / "calibration.json").read_text())
    entries[prefix.name][key]["Edema"] = value
    (run / "calibration.json").write_text(json.dumps(entries))
    with pytest.raises(InputError, match=f"calibration.json, latest-30: {key}, Edema is .*{message}.*calibrate the"):
        calibration.load(prefix)


@pytest.mark.parametrize("value", [None, {}, [1], {"Edema": 1.0}])
def test_an_entry_without_the_15_labels_is_refused_and_discarded_alone(run, value):
    prefix, other = run / "checkpoints" / "latest-30", run / "checkpoints" / "latest-20"
    for each in (prefix, other):
        calibration.save(each, some())
    entries = json.loads((run / "calibration.json").read_text())
    entries[prefix.name]["thresholds"] = value
    files.write_json(run / "calibration.json", entries)
    with pytest.raises(InputError, match="thresholds are not those of the 15 labels; calibrate the run again"):
        calibration.load(prefix)
    calibration.discard_broken(other)
    assert names_in_file(run) == {prefix.name, other.name}
    calibration.discard_broken(prefix)
    assert names_in_file(run) == {other.name} and calibration.load(prefix) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sensitivity", "high"), ("sensitivity", 10**400), ("studies", None), ("left_out", ["Hernia"]),
        ("left_out", {"Hernia": 1}), ("ece_before", 0.1), ("ece_after", {"Edema": "x"}),
    ],
)  # fmt: skip
def test_an_entry_of_which_anything_else_was_changed_is_refused(run, key, value):
    prefix = run / "checkpoints" / "latest-30"
    calibration.save(prefix, some())
    entries = json.loads((run / "calibration.json").read_text())
    entries[prefix.name][key] = value
    files.write_json(run / "calibration.json", entries)
    with pytest.raises(InputError, match="latest-30: not what was written there; calibrate the run again"):
        calibration.load(prefix)


@pytest.mark.parametrize("name", ["", "a/b", "two\nlines", "\0", "best-" + "9" * 5000])
def test_an_entry_under_a_name_that_no_checkpoint_has_is_none(run, name):
    prefix = run / "checkpoints" / "latest-30"
    calibration.save(prefix, some())
    entries = json.loads((run / "calibration.json").read_text())
    files.write_json(run / "calibration.json", {name: entries[prefix.name]})
    assert calibration.load(prefix) is None
    calibration.save(prefix, some(2))
    assert names_in_file(run) == {prefix.name}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null"])
def test_a_broken_file_is_refused_until_it_is_discarded_or_written_again(run, text):
    prefix, path = run / "checkpoints" / "latest-30", run / "calibration.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"calibration\.json: not what was written there"):
        calibration.load(prefix)
    calibration.discard_broken(prefix)
    assert json.loads(path.read_text()) == {}
    path.write_text(text)
    calibration.save(prefix, some())
    assert_equal(calibration.load(prefix), some())


def test_logits_are_divided_by_the_temperatures():
    logits = np.array([[-3.0, 0.0, 4.0], [1.0, 2.0, -9.0]], np.float32)
    found = with_temperatures(logits, np.array([0.5, 1.0, 4.0], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expit([[-6.0, 0.0, 1.0], [2.0, 2.0, -2.25]]), rtol=1e-6)
    assert found[0, 1] == 0.5


@pytest.mark.parametrize(("sensitivity", "objective"), [(None, "youden"), (0.8, "sensitivity=0.8")])
def test_an_older_one_says_what_it_was_chosen_for_and_nothing_of_precision(run, sensitivity, objective):
    prefix = run / "checkpoints" / "latest-30"
    calibration.save(prefix, some())
    entries = json.loads((run / "calibration.json").read_text())
    for name in ("objective", "precision", "recall", "positives"):
        del entries[prefix.name][name]
    files.write_json(run / "calibration.json", {prefix.name: entries[prefix.name] | {"sensitivity": sensitivity}})
    found = calibration.load(prefix)
    assert (found.objective, found.positives) == (objective, {})
    assert np.isnan(found.precision).all() and np.isnan(found.recall).all()
