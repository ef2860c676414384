"""The folder of an exported model: whole or not there."""

import pytest

from tienet.errors import InputError
from tienet.inference.model_folder import new_folder


def test_it_is_there_when_it_is_whole(tmp_path):
    with new_folder(tmp_path / "model") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "model").exists()
    assert (tmp_path / "model" / "a.txt").read_text() == "a"
    with pytest.raises(InputError, match="is there already"), new_folder(tmp_path / "model"):
        pass


def test_what_a_killed_process_left_goes(tmp_path):
    left, others = tmp_path / ".model.123.0123abcd.tmp", (".model.notes.tmp", ".model2.1.0123abcd.tmp", "x")
    for name in (left.name, *others):
        (tmp_path / name).mkdir()
    (left / "part").write_text("part")
    with new_folder(tmp_path / "model"):
        pass
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"model", *others}


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "model"):
        raise RuntimeError
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
