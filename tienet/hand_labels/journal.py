"""The journal of a reader: every answer, in the order in which it was given, on the disk before anybody is told.

A file of lines of JSON. The first says whose it is; each further one is an entry:

    {"id": ..., "at": ..., "study": ..., "set": {LABEL: 1, 0, -1 or null}, "done": true, "seconds": 12.3, "assist": ""}
    {"id": ..., "at": ..., "undo": the id of the entry that is taken back}

A line is written as a whole and forced onto the disk (fsync) before `append` returns. What a kill in the middle of a
write leaves is a last line without its end: nobody was told that it was kept, so it is cut off when the journal is
opened again, and the page, which has had no answer, sends it once more. Nothing is changed or removed otherwise: a
change of mind is a further entry.
"""

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tienet.errors import InputError
from tienet.folders import locks
from tienet.hand_labels.sheet import STATES

VERSION = 1


class Journal:
    """An open journal; see `open_journal`.

    Attributes:
        path: The file.
        entries: All entries so far, in their order.
    """

    def __init__(self, path: Path, descriptor: int, entries: list[dict]):
        self.path, self._descriptor, self.entries = path, descriptor, entries
        self._size = os.fstat(descriptor).st_size
        self._ids = {entry["id"] for entry in entries}

    def __contains__(self, entry_id: str) -> bool:
        """Whether there is an entry of this id."""
        return entry_id in self._ids

    def append(self, entry: dict) -> None:
        """Add an entry, with the time; when this returns it is on the disk.

        Raises:
            OSError: It could not be written, as on a full disk. The journal is as it was.
        """
        assert entry["id"] not in self._ids, "an entry is appended once"
        entry = {"id": entry["id"], "at": _now(), **entry}
        line = (json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n").encode()
        try:
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)
        self.entries.append(entry)
        self._ids.add(entry["id"])


@contextlib.contextmanager
def open_journal(path: Path, whose: dict[str, str], flag: str = "--out") -> Iterator[Journal]:
    """Open a journal for one writer, this process; it is made if it is not there.

    Args:
        path: The file; its folder is made.
        whose: What the first line says, such as the reader's name: it must be the same when it is opened again.
        flag: The flag that named the folder, for messages.
    Raises:
        InputError: Another process has it open, it is somebody else's, or a line in it is not what was written.
        OSError: It cannot be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locks.hold(path.with_name(f".{path.name}.lock"), path, flag):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            yield Journal(path, descriptor, _read(path, descriptor, {"journal": VERSION, **whose}))
        finally:
            os.close(descriptor)


def read_entries(path: Path) -> list[dict]:
    """The entries of a journal, which another process may be writing: those that are whole."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [entry for _, entry in _parsed(path, lines[1:], first=2)]


def _read(path: Path, descriptor: int, head: dict[str, object]) -> list[dict]:
    """The entries; a last line without its end is cut off, and an empty journal gets its first line."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)
    if not whole:
        _write_all(descriptor, (json.dumps(head, ensure_ascii=False) + "\n").encode())
        os.fsync(descriptor)
        _sync_folder(path.parent)
        return []
    lines = content[:whole].split(b"\n")[:-1]
    ((_, found),) = _parsed(path, lines[:1], first=1)
    for name, value in head.items():
        if found.get(name) != value:
            raise InputError(f"{path}, line 1: {name} is {found.get(name)!r}, expected {value!r}; choose another --out")
    entries, ids = [], set()
    for line, entry in _parsed(path, lines[1:], first=2):
        if not _is_entry(entry, ids):
            raise InputError(f"{path}, line {line}: not an entry of a journal; put back a copy of the file")
        ids.add(entry["id"])
        entries.append(entry)
    return entries


def _is_entry(entry: dict, before: set[str]) -> bool:
    """Whether a line is an entry, with an id that no entry `before` has; what is taken back must be one of these."""
    if not isinstance(entry.get("id"), str) or entry["id"] in before:
        return False
    if "undo" in entry:
        return isinstance(entry["undo"], str) and entry["undo"] in before
    kinds = {"study": str, "set": dict, "done": bool, "seconds": int | float}
    whole = all(isinstance(entry.get(name), kind) for name, kind in kinds.items())
    return whole and all(answer in (None, *STATES) for answer in entry["set"].values())


def _parsed(path: Path, lines: list[bytes], first: int) -> Iterator[tuple[int, dict]]:
    for line, text in enumerate(lines, first):
        try:
            entry = json.loads(text)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise InputError(f"{path}, line {line}: not a line of a journal; put back a copy of the file")
        yield line, entry


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _sync_folder(folder: Path) -> None:
    """Force the folder onto the disk, so that a file that was made in it is found after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems have none of it
        pass
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
