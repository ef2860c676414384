"""The journal: what was said to be kept is there after a kill, nothing is there twice, and it has one writer."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tienet.errors import InputError
from tienet.hand_labels import journal
from tienet.hand_labels.journal import open_journal, read_entries

WHOSE = {"kind": "label", "reader": "anna"}


def entry(n: int) -> dict:
    return {"id": f"entry-{n}", "study": f"s{n}", "set": {"Mass": 1}, "done": False, "seconds": 1.5, "assist": ""}


def test_entries_are_there_when_it_is_opened_again(tmp_path):
    path = tmp_path / "labels" / "anna.jsonl"
    with open_journal(path, WHOSE) as first:
        first.append(entry(0))
        first.append({"id": "entry-u", "undo": "entry-0"})
        assert "entry-0" in first and "entry-1" not in first
    with open_journal(path, WHOSE) as again:
        assert [one["id"] for one in again.entries] == ["entry-0", "entry-u"]
        assert {**entry(0), "at": again.entries[0]["at"]} == again.entries[0]
        assert read_entries(path) == again.entries
    assert [item.name for item in path.parent.iterdir()] == ["anna.jsonl"]


def test_what_a_kill_in_the_middle_of_a_write_left_is_cut_off_and_written_once(tmp_path):
    path = tmp_path / "anna.jsonl"
    with open_journal(path, WHOSE) as first:
        first.append(entry(0))
    whole = path.read_bytes()
    line = (json.dumps(entry(1)) + "\n").encode()
    for length in range(len(line)):
        path.write_bytes(whole + line[:length])
        assert [one["id"] for one in read_entries(path)] == ["entry-0"]
        with open_journal(path, WHOSE) as again:
            assert [one["id"] for one in again.entries] == ["entry-0"]
            again.append(entry(1))
        with open_journal(path, WHOSE) as third:
            assert [one["id"] for one in third.entries] == ["entry-0", "entry-1"]
    for length in range(len(whole.splitlines(keepends=True)[0])):  # killed when it was made
        path.write_bytes(whole[:length])
        with open_journal(path, WHOSE) as again:
            assert again.entries == []


def test_a_process_that_is_killed_between_the_halves_of_a_line_loses_that_line_alone(tmp_path):
    path = tmp_path / "anna.jsonl"
    code = f"""
import os, signal
from pathlib import Path
from tienet.hand_labels import journal
write, count = os.write, 0
def half(descriptor, content):
    global count
    count += 1
    if count < 4:
        return write(descriptor, content)
    write(descriptor, content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
journal.os.write = half
with journal.open_journal(Path({str(path)!r}), {WHOSE!r}) as opened:
    for n in range(5):
        opened.append({{"id": f"entry-{{n}}", "study": "s", "set": {{}}, "done": True, "seconds": 1, "assist": ""}})
        print(n, flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    said = [f"entry-{n}" for n in ended.stdout.split()]
    with open_journal(path, WHOSE) as again:
        assert [one["id"] for one in again.entries] == said
    assert len(said) >= 1


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "anna.jsonl"
    with open_journal(path, WHOSE) as opened:
        opened.append(entry(0))
        before, write = path.read_bytes(), os.write

        def fill(descriptor: int, content: bytes) -> int:
            if len(content) > 20:
                return write(descriptor, content[:20])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(journal.os, "write", fill)
        with pytest.raises(OSError, match="No space left"):
            opened.append(entry(1))
        monkeypatch.undo()
        assert path.read_bytes() == before and "entry-1" not in opened
        opened.append(entry(1))
    assert [one["id"] for one in read_entries(path)] == ["entry-0", "entry-1"]


def test_it_has_one_writer(tmp_path):
    path, holder = tmp_path / "anna.jsonl", f"process {os.getpid()} has been"
    with open_journal(path, WHOSE), pytest.raises(InputError, match=holder), open_journal(path, WHOSE):
        pass


@pytest.mark.parametrize("change", ["reader", "kind", "journal"])
def test_another_readers_journal_is_refused(tmp_path, change):
    with open_journal(tmp_path / "anna.jsonl", WHOSE):
        pass
    lines = (tmp_path / "anna.jsonl").read_text()
    (tmp_path / "anna.jsonl").write_text(json.dumps({**json.loads(lines), change: "other"}) + "\n")
    with pytest.raises(InputError, match=f"line 1: {change} is 'other'"), open_journal(tmp_path / "anna.jsonl", WHOSE):
        pass


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"id": "entry-0", "study": "s", "set": {}, "done": true, "seconds": 1}',
        '{"id": "new", "study": "s", "set": [], "done": true, "seconds": 1}',
        '{"id": "new", "study": "s", "set": {"Mass": 2}, "done": true, "seconds": 1}',
        '{"id": "new", "study": "s", "set": {"Mass": "1"}, "done": true, "seconds": 1}',
        '{"id": "new", "study": "s", "set": {"Mass": []}, "done": true, "seconds": 1}',
        '{"id": "new", "undo": "nothing"}',
        '{"id": "new", "undo": []}',
        "\x00\x00",
    ],
)
def test_a_line_that_is_no_entry_is_told(tmp_path, line):
    path = tmp_path / "anna.jsonl"
    with open_journal(path, WHOSE) as opened:
        opened.append(entry(0))
    path.write_text(path.read_text() + line + "\n")
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"anna\.jsonl, line 3: not a"), open_journal(path, WHOSE):
        pass
    assert path.read_bytes() == before
