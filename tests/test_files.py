"""Outputs are whole or not there."""

import json

import pytest

from tienet import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_replaced_and_refuses_nan(tmp_path):
    path = tmp_path / "deep" / "metrics.json"
    files.write_json(path, {"avg": None})
    assert json.loads(path.read_text()) == {"avg": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"avg": float("nan")})
    assert json.loads(path.read_text()) == {"avg": None}
