"""The journal of a folder that `tienet report` fills: what is in place, so that the same command goes on after a stop.

Its first line says what all results depend on; each further line is a result whose file is in place. A line is added as
soon as the file is, so that a process that is killed at any moment loses no more than what it was about. A last line
that was not finished counts as none, and so does a line that is none of a journal.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tienet import files

NAME = ".report-journal.jsonl"
"""The name of the journal in the folder."""


class Key(NamedTuple):
    """What a result is of; with another image, name or place it is another result.

    Attributes:
        image: The path of the image file, as the user has named it.
        sha256: The SHA-256 of the file; empty where it cannot be read, which is equal to no other.
        study_id: The name of the study.
        place: The name that the result's file has by its place among the others; empty where it has none.
    """

    image: str
    sha256: str
    study_id: str
    place: str


@dataclasses.dataclass(frozen=True)
class Record:
    """A result whose file is in place.

    Attributes:
        key: What it is of.
        file_name: The name of its file in the folder.
        size: The file's length in bytes.
        line: The result as a line of JSON, as `tienet report --json` prints it.
        listed: The fields of `tienet.pages.pages_folder.Listed` if the file is a page; else None.
    """

    key: Key
    file_name: str
    size: int
    line: str
    listed: dict[str, str | bool] | None

    def to_json(self) -> str:
        """The record as a line of the journal."""
        return json.dumps(dataclasses.asdict(self) | {"key": list(self.key)})

    @classmethod
    def from_json(cls, line: bytes) -> "Record | None":
        """The record of a line; None if the line is not one."""
        try:
            fields = json.loads(line)
            record = cls(**fields | {"key": Key(*fields["key"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        types = (str, int, str, dict | None)
        values = (record.file_name, record.size, record.line, record.listed)
        is_whole = all(map(isinstance, values, types)) and all(isinstance(part, str) for part in record.key)
        return record if is_whole else None


class Journal:
    """The journal of a folder, read when it is made, and written from the first `add` on. Close it at the end.

    Attributes:
        is_of_others: Whether the folder has a journal of results that depend on something else: `find` finds none of
            them, and the first `add` replaces it.

    Args:
        folder: The folder, which only this process writes into.
        identity: What all results depend on, as JSON has it.
    """

    def __init__(self, folder: Path, identity: dict[str, object]) -> None:
        self._folder, self.path = folder, folder / NAME
        self._header = json.dumps({"journal": 1, **identity}, sort_keys=True)
        self._records: dict[Key, Record] = {}
        self._of_file: dict[str, Key] = {}
        self._file: BinaryIO | None = None
        content = self.path.read_bytes() if self.path.is_file() else b""
        self._end = content.rfind(b"\n") + 1
        header, *lines = content[: self._end].split(b"\n")
        self._is_begun = header == self._header.encode()
        self.is_of_others = bool(header) and not self._is_begun
        for line in lines if self._is_begun else ():
            if record := Record.from_json(line):
                self._take(record)

    def _take(self, record: Record) -> None:
        self._records[record.key] = record
        self._of_file[record.file_name] = record.key

    def find(self, key: Key) -> Record | None:
        """The record of a result whose file is still in place; None if there is none."""
        record = self._records.get(key) if key.sha256 else None
        if record is None:
            return None
        latest = self._of_file[record.file_name]
        if (latest.sha256, latest.study_id) != (key.sha256, key.study_id):
            return None  # its file has been replaced by that of another image
        try:
            size = (self._folder / record.file_name).stat().st_size
        except OSError:
            return None
        return record if size == record.size else None

    def add(self, record: Record) -> None:
        """Add a result whose file is in place now."""
        if self._file is None:
            if not self._is_begun:
                files.write_text(self.path, f"{self._header}\n")
            else:
                os.truncate(self.path, self._end)
            self._is_begun = True
            self._file = self.path.open("ab", buffering=0)
        data = f"{record.to_json()}\n".encode()
        while data:
            data = data[self._file.write(data) :]
        self._take(record)

    def keep(self, records: Sequence[Record]) -> None:
        """Forget all results but these, at the end of a command that was not stopped."""
        self.close()
        content = "".join(f"{line}\n" for line in (self._header, *(record.to_json() for record in records)))
        if not self.path.is_file() or self.path.read_bytes() != content.encode():
            files.write_text(self.path, content)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file, self._end = None, self.path.stat().st_size
