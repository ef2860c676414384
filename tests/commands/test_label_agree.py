"""tienet label --agree: what it prints and writes."""

import json

import numpy as np
import pytest

from tests.hand_labels.a_data_set import random_answers, sheet_of, write_data_set, write_sheet
from tienet.commands.label_agree import run_agree
from tienet.errors import InputError
from tienet.hand_labels.agreement import compare
from tienet.hand_labels.source import Source, write_source
from tienet.labels import K


@pytest.fixture
def sheets(tmp_path):
    """The sheets of two readers who differ in about a fifth of the answers."""
    a, b = random_answers(0, 6), random_answers(1, 6)
    b = np.where(np.random.default_rng(2).random((6, K)) < 0.8, a, b)
    return [write_sheet(tmp_path / "sheets", "anna", a), write_sheet(tmp_path / "sheets", "ben", b)]


def test_without_out_the_tables_are_printed_alone(sheets, tmp_path, capsys):
    assert run_agree(sheets, None, None, tmp_path, 20) == 0
    out, err = capsys.readouterr()
    assert out.startswith("A is anna, B is ben.")
    assert "Intervals: 20 bootstrap resamples" in out
    assert err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sheets"]


def test_all_files_are_written(sheets, tmp_path, capsys):
    data_set = write_data_set(tmp_path / "data" / "ours", 6)
    write_source(tmp_path / "sheets", Source.of(data_set, "test", 0))
    assert run_agree(sheets, tmp_path / "out", None, tmp_path, 20) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (tmp_path / "out" / "agreement.txt").read_text() + f"{tmp_path / 'out'}\n"
    (pair,) = json.loads((tmp_path / "out" / "agreement.json").read_text())["pairs"]
    a, b = (sheet_of(name, random_answers(0, 6)) for name in ("anna", "ben"))
    assert pair.keys() == compare(a, b, resamples=2).keys()
    assert (tmp_path / "out" / "differ.html").read_text().count("data:image/jpeg") > 0
    assert run_agree(sheets, tmp_path / "out", None, tmp_path, 20) == 0  # again, over its own


def test_without_a_data_set_the_page_has_no_images_and_a_note_says_so(sheets, tmp_path, capsys):
    assert run_agree(sheets, tmp_path / "out", None, tmp_path, 20) == 0
    note = "differ.html is without images and reports: no labelling.json beside the sheets names a data set"
    assert f"note: {note}" in capsys.readouterr().err
    page = (tmp_path / "out" / "differ.html").read_text()
    assert note in page
    assert "data:image" not in page


def test_data_names_the_data_set(sheets, tmp_path):
    write_data_set(tmp_path / "data" / "ours", 6)
    assert run_agree(sheets, tmp_path / "out", "ours", tmp_path / "data", 20) == 0
    assert "data:image" in (tmp_path / "out" / "differ.html").read_text()


def test_refused(sheets, tmp_path):
    write_data_set(tmp_path / "data" / "ours", 3)
    with pytest.raises(InputError, match=r"lacks 3 of the sheets' studies \(the first is s3\)"):
        run_agree(sheets, tmp_path / "out", "ours", tmp_path / "data", 20)
    with pytest.raises(InputError, match="--resamples 0: expected 1 or more"):
        run_agree(sheets, None, None, tmp_path, 0)
    with pytest.raises(InputError, match="--agree: 1 sheet"):
        run_agree(sheets[:1], None, None, tmp_path, 1)
    with pytest.raises(InputError, match=r"holds the data set ours .*the agreement of readers needs a folder"):
        run_agree(sheets, tmp_path / "data" / "ours", None, tmp_path, 1)
    assert not (tmp_path / "out").exists()


def test_a_network_that_was_shown_is_warned_of(sheets, tmp_path, capsys):
    shown = write_sheet(tmp_path / "sheets", "carl", random_answers(3, 6), assist="runs/a")
    assert run_agree([sheets[0], shown], None, None, tmp_path, 5) == 0
    assert "warning: carl saw the labels of runs/a in 6 of 6 studies" in capsys.readouterr().out
