"""The note beside sheets on the data set that their studies come from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hand_labels.a_data_set import write_data_set
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.hand_labels.source import FILE_NAME, Source, open_source, read_source, write_source


@pytest.fixture
def data_set(tmp_path):
    return write_data_set(tmp_path / "data" / "ours", 4)


@pytest.fixture
def noted(tmp_path, data_set):
    """The folder of sheets with a note on the data set."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    write_source(folder, Source.of(data_set, "test", 3))
    return folder


def test_a_note_comes_back_as_it_was_written(noted, data_set):
    source = read_source(noted)
    assert source == Source(data_set.path, data_set.fingerprint(), "ours", "test", 3)
    assert json.loads((noted / FILE_NAME).read_text())["manifest"] == str(data_set.path)
    write_source(noted, replace(source, split=None))
    assert read_source(noted).split is None


def test_the_noted_data_set_is_opened(noted, data_set, tmp_path):
    assert open_source([noted / "A.csv", noted / "B.csv"], None, tmp_path).study_ids == data_set.study_ids


def test_without_a_note_data_says_it(tmp_path, data_set):
    sheets = [tmp_path / "A.csv"]
    assert open_source(sheets, None, tmp_path) is None
    assert open_source(sheets, "ours", tmp_path / "data").path == data_set.path


def test_a_note_on_a_data_set_that_is_gone_is_none(noted, data_set, tmp_path):
    shutil.rmtree(data_set.path.parent)
    assert open_source([noted / "A.csv"], None, tmp_path) is None


def test_a_data_set_that_moved_is_the_same(noted, data_set, tmp_path):
    moved = data_set.path.parent.rename(tmp_path / "moved")
    assert open_source([noted / "A.csv"], str(moved), tmp_path).path == moved / "manifest.csv"


@pytest.mark.parametrize("given", [None, "ours"])
def test_a_data_set_that_changed_is_refused(noted, data_set, tmp_path, given):
    data_set.path.write_text(data_set.path.read_text().replace("report 2", "another report"))
    with pytest.raises(InputError, match=r"manifest\.csv: has the fingerprint .* notes .* give the one of then"):
        open_source([noted / "A.csv"], given, tmp_path / "data")


def test_sheets_of_two_data_sets_are_refused(noted, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_source(other, Source.of(write_data_set(tmp_path / "data" / "theirs", 5), None, 0))
    with pytest.raises(InputError, match=r"other/labelling\.json notes .* of theirs"):
        open_source([noted / "A.csv", other / "B.csv"], None, tmp_path)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"seed": "3"}, "seed is '3'; expected a whole number"),
        ({"seed": True}, "seed is True; expected a whole number"),
        ({"split": 1}, "split is 1; expected a text or null"),
        ({"manifest": None}, "manifest is None; expected a text"),
    ],
)
def test_a_note_with_a_wrong_entry_is_refused(noted, changed, why):
    note = json.loads((noted / FILE_NAME).read_text())
    (noted / FILE_NAME).write_text(json.dumps(note | changed))
    with pytest.raises(InputError, match=why):
        read_source(noted)


@pytest.mark.parametrize(("text", "why"), [("[]", "manifest is missing"), ("{}", "is missing"), ("{", "not a JSON")])
def test_what_is_no_note_is_refused(noted, text, why):
    (noted / FILE_NAME).write_text(text)
    with pytest.raises(InputError, match=why):
        read_source(noted)


def test_other_entries_are_ignored(noted):
    note = json.loads((noted / FILE_NAME).read_text())
    (noted / FILE_NAME).write_text(json.dumps(note | {"drawn": 900}))
    assert read_source(noted).seed == 3


def test_a_relative_sheet_finds_the_note_beside_it(noted, data_set, monkeypatch):
    monkeypatch.chdir(noted)
    assert open_source([Path("A.csv")], None, Path("data")).path == data_set.path
    assert manifests.name_of(str(data_set.path)) == "ours"
