"""Outputs are whole or not there; names that are hidden, and names that are not UTF-8."""

import json
import os
from pathlib import Path

import pytest

from tienet import files
from tienet.errors import InputError


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


def test_a_file_that_can_be_written_is_tried_and_nothing_is_left(tmp_path):
    path = tmp_path / "very" / "deep" / "out.txt"
    files.check_writable(path)
    assert not list(tmp_path.iterdir())
    path.parent.mkdir(parents=True)
    path.write_text("old")
    files.check_writable(path)
    assert path.read_text() == "old"


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a folder; expected the name of a file"):
        files.check_writable(tmp_path)
    for path in (tmp_path / "file" / "out.txt", tmp_path / "file" / "deep" / "out.txt", tmp_path / ("y" * 250)):
        with pytest.raises((OSError, InputError), match=r"file|yyy") as error:
            files.check_writable(path)
        assert ".tmp" not in str(error.value)
    with pytest.raises(InputError, match=r"^/proc/x/o: cannot be written to \(No such file or directory\); choose"):
        files.check_writable("/proc/x/o")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", [".DS_Store", "._1.png", ".hidden/1.png", "a/._b/1.png", "./._1.xml", Path("a/.b")])
def test_hidden(name):
    assert files.is_hidden(name)


@pytest.mark.parametrize("name", ["1.png", "a.b/1.xml", "./a/1.xml", "../a", ".", "__MACOSX/1.png"])
def test_not_hidden(name):
    assert not files.is_hidden(name)


def test_names_that_are_not_utf8_can_be_shown():
    name = os.fsdecode(b"a/r\xf6ntgen_\xc3\xa9.png")
    assert files.printable(name) == files.printable(Path(name)) == r"a/r\xf6ntgen_é.png"
    assert not files.is_utf8(name) and not files.is_utf8(Path(name))
    assert files.is_utf8("a/röntgen\n.png") and files.printable("röntgen") == "röntgen"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b" 2}', "line 2, column 6"),
        (b'"\xff"', "not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "a number of too many digits"),
        ("[1]".encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_what_is_no_json_is_one_line(tmp_path, content, why):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as told:
        files.read_json(path)
    assert str(told.value) == f"{path}: not a JSON file ({why})"


def test_json_is_read(tmp_path):
    files.write_json(tmp_path / "x.json", {"a": [1, None, "é"]})
    assert files.read_json(tmp_path / "x.json") == {"a": [1, None, "é"]}
