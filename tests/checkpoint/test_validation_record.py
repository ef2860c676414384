"""The record of the validation split is a file of its checkpoint, from the first write to the removal."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.toy_run import ToyRun, forget_record, spoil, toy_record
from tienet.checkpoint import validation_record
from tienet.checkpoint.entries import find_damage, find_missing, read_entry
from tienet.checkpoint.resume import find_resume_point
from tienet.errors import InputError

ENDING = ".validation.npz"


@pytest.fixture
def checkpoints(toy_runs, tmp_path) -> Path:
    """The checkpoints of a copy of the run after 3 epochs: latest-30, latest-20 and best-20."""
    return shutil.copytree(toy_runs[3], tmp_path / "run") / "checkpoints"


def assert_same(found: validation_record.ValidationRecord, expected: validation_record.ValidationRecord) -> None:
    for name in ("logits", "labels"):
        assert getattr(found, name).dtype == np.float32
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.studies == expected.studies


def test_a_record_is_read_as_it_was_written_for_the_latest_and_the_best(checkpoints):
    for name, step in (("latest-30", 30), ("latest-20", 20), ("best-20", 20)):
        assert_same(validation_record.read(checkpoints / name), toy_record(step))
        entry = read_entry(checkpoints / name)
        assert f"{name}{ENDING}" in entry.files and entry.sizes.keys() == entry.files.keys()


def test_unknown_labels_and_a_split_of_one_study_are_kept(tmp_path):
    record, path = toy_record(5), tmp_path / f"best-1{ENDING}"
    record = replace(record, labels=np.full_like(record.labels, np.nan)[:1], logits=record.logits[:1])
    record = replace(record, studies=record.studies[:1])
    validation_record.write(path, record)
    assert_same(validation_record.read(tmp_path / "best-1"), record)
    first = path.read_bytes()
    validation_record.write(path, record)
    assert path.read_bytes() == first  # a step that is saved again after a kill has the same files


def test_it_goes_with_its_checkpoint(checkpoints):
    run = ToyRun(checkpoints.parent)
    run.epoch()
    records = {path.name for path in checkpoints.glob(f"*{ENDING}")}
    assert records == {f"latest-40{ENDING}", f"latest-30{ENDING}", f"best-40{ENDING}"}
    assert (checkpoints / f"best-40{ENDING}").samefile(checkpoints / f"latest-40{ENDING}")  # a link, no copy


def test_a_checkpoint_that_was_not_evaluated_has_none(checkpoints):
    run = ToyRun(checkpoints.parent)
    run.state.step = 35
    run.fill(35)
    run.save(None, False)
    assert validation_record.read(checkpoints / "latest-35") is None
    assert find_damage(read_entry(checkpoints / "latest-35")) is None


def test_a_step_that_is_saved_again_keeps_its_record(checkpoints):
    run = ToyRun(checkpoints.parent)
    run.save(None, False)
    assert_same(validation_record.read(checkpoints / "latest-30"), toy_record(30))


def test_a_damaged_record_is_a_damaged_checkpoint(checkpoints, capsys):
    spoil(checkpoints / "latest-30", ENDING)
    assert find_damage(read_entry(checkpoints / "latest-30")) == f"its {ENDING} file is not what was written"
    with pytest.raises(
        InputError, match=r"latest-30: the checkpoint is damaged \(its \.validation\.npz file is"
    ) as error:
        validation_record.read(checkpoints / "latest-30")
    assert "\n" not in str(error.value) and str(error.value).endswith("use " + str(checkpoints / "latest-20"))
    assert find_resume_point(checkpoints.parent).prefix.name == "latest-20"
    assert capsys.readouterr().err.count("\n") == 1
    (checkpoints / f"latest-20{ENDING}").unlink()
    assert find_missing(checkpoints / "latest-20") == f"its {ENDING} file is missing"


@pytest.mark.parametrize("content", ["text", "one array", "no labels", "another shape", "of doubles"])
def test_what_is_no_record_is_said_also_without_sums(tmp_path, content):
    path, record = tmp_path / f"best-1{ENDING}", toy_record(1)
    arrays = {"logits": record.logits, "labels": record.labels, "studies": np.array(record.studies, "S16")}
    if content == "text":
        path.write_text("logits")
    elif content == "one array":
        with path.open("wb") as file:
            np.save(file, record.logits)
    elif content == "no labels":
        del arrays["labels"]
    elif content == "another shape":
        arrays["logits"] = record.logits[:1]
    else:
        arrays["logits"] = record.logits.astype(np.float64)
    if not path.exists():
        np.savez(path, **arrays)
    with pytest.raises(InputError, match="best-1: the checkpoint is damaged"):
        validation_record.read(tmp_path / "best-1")


def test_an_older_checkpoint_gets_one(checkpoints):
    """As `tienet calibrate` gives it; a kill before the entry was written leaves the checkpoint without one."""
    prefix = checkpoints / "best-20"
    forget_record(prefix)
    validation_record.write(validation_record.path_of(prefix), toy_record(6))
    assert validation_record.read(prefix) is None and find_damage(read_entry(prefix)) is None
    validation_record.add(prefix, toy_record(7))
    assert_same(validation_record.read(prefix), toy_record(7))
    assert find_damage(read_entry(prefix)) is None
    assert_same(
        validation_record.read(checkpoints / "latest-20"), toy_record(20)
    )  # the link's other name is not changed
    assert find_resume_point(checkpoints.parent).prefix.name == "latest-30"
    read_entry(prefix).path.unlink()
    for path in (checkpoints.parent / "best.json", checkpoints / f"best-20{ENDING}"):
        path.unlink()
    validation_record.add(prefix, toy_record(8))  # a checkpoint without an entry, of a run that is older still
    assert_same(validation_record.read(prefix), toy_record(8))
