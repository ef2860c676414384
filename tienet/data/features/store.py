"""The feature cache on the disk: rows that are only ever added, by one run at a time.

`<manifest's folder>/features/<key>/` belongs to one set of weights, end, image size and preprocessing:

    meta.json      what it is; written first
    features.f16   float16 [rows, h, w, C], C order, little-endian; rows are only ever added
    index.jsonl    line n is {"sha256": S, "row": n}: row n is of the image file whose bytes have the hash S;
                   a line is added after the row's bytes are on the disk
    lock           held (flock) by the one run that adds rows

A killed run leaves whole rows and perhaps a part of one, which the next run cuts off before it goes on.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data.features.image_hashes import read_json
from tienet.errors import InputError

FLOAT16 = np.dtype("<f2")
"""The type of the numbers on the disk."""

_LINE = re.compile(rb'\{"sha256": "([0-9a-f]{64})", "row": (0|[1-9][0-9]*)\}\n')
_NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


class Store:
    """One folder of the cache: its files, and how rows get into them.

    Args:
        folder: it need not be there; `writing` makes it.
        row_shape: (h, w, C) of one image's features.
        facts: what the rows depend on, as JSON can hold it; InputError where the folder's own are others.
    """

    def __init__(self, folder: Path, row_shape: tuple[int, int, int], facts: dict[str, object]) -> None:
        self.folder = folder
        self.data, self.index = folder / "features.f16", folder / "index.jsonl"
        self.meta = folder / "meta.json"
        self.row_shape = row_shape
        self.row_bytes = int(np.prod(row_shape)) * FLOAT16.itemsize
        self._facts = {**facts, "row_shape": list(row_shape), "dtype": "float16, little-endian"}

    def rows(self) -> dict[str, int]:
        """sha256 -> row, for the rows that are whole on the disk."""
        return self._read_index()[0]

    def _read_index(self) -> tuple[dict[str, int], int]:
        """As `rows`, and how many bytes of the index are good: all before the first bad line."""
        rows: dict[str, int] = {}
        if not self.meta.is_file():
            return rows, 0
        found = read_json(self.meta)
        if found != self._facts:
            raise InputError(f"{self.meta}: expected {self._facts}, found {found}; delete {self.folder}")
        good = 0
        lines = self.index.read_bytes() if self.index.is_file() else b""
        # Looked at after the index: a run that is writing now puts the rows there first.
        whole = self.data.stat().st_size // self.row_bytes if self.data.is_file() else 0
        for line in lines.splitlines(keepends=True):
            match = _LINE.fullmatch(line)
            row = len(rows)
            if row == whole or not match or int(match[2]) != row or (sha := match[1].decode()) in rows:
                break
            rows[sha] = row
            good += len(line)
        return rows, good

    @contextlib.contextmanager
    def writing(self) -> Iterator[dict[str, int]]:
        """The only writer for the length of the block: waits for its turn, cuts torn tails, gives `rows`."""
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("ab")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"features: another run is writing to {self.folder}; waiting for it", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
            with _explained(self.folder):
                if not self.meta.is_file():
                    files.write_json(self.meta, self._facts)
                rows, good = self._read_index()
                for path, size in ((self.index, good), (self.data, len(rows) * self.row_bytes)):
                    with path.open("ab") as file:
                        file.truncate(size)
            yield rows

    def append(self, hashes: list[str], features: np.ndarray, first_row: int) -> None:
        """Add rows, inside `writing`; the index hears of them only when they are on the disk.

        Args:
            hashes: sha256 of the image files, as hex; none of them is there yet.
            features: float16 [n, h, w, C].
            first_row: how many rows there are.
        Raises:
            InputError: the folder cannot be written to.
            OSError: any other failed write, such as ENOSPC, with the folder's name.
        """
        assert features.shape == (len(hashes), *self.row_shape), (features.shape, self.row_shape)
        assert features.dtype == np.float16, features.dtype
        lines = [json.dumps({"sha256": sha, "row": row}) + "\n" for row, sha in enumerate(hashes, first_row)]
        with _explained(self.folder):
            _append(self.data, np.ascontiguousarray(features, FLOAT16).data.cast("B"))
            _append(self.index, memoryview("".join(lines).encode()))


def _append(path: Path, content: memoryview) -> None:
    with path.open("ab", buffering=0) as file:
        while content:
            content = content[file.write(content) :]
        os.fsync(file.fileno())


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """A failed write as one line: what to do, or (full disk) at least the name, which such errors lack."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_WRITING:
            why = f"cannot write the feature cache here ({error.strerror})"
            raise InputError(f"{folder}: {why}; make the folder writable or use --features off") from error
        error.filename = error.filename or str(folder)
        raise
