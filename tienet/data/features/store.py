"""The feature cache on the disk: a file to which rows are added, by one run at a time, and never changed.

The folder `<folder of the manifest>/features/<key>/` belongs to one set of weights, one end layer, one image size, one
preprocessing and one type that the backbone computes in:

    meta.json      These facts; this file is written first.
    features.f16   float16 [rows, h, w, C], C order, little-endian; rows are only added. Or features.u8, the rows in 8
                   bits a number (`rows.quantized`).
    index.jsonl    Line n is {"sha256": S, "row": n}: row n belongs to the image file whose bytes have the hash S.
                   A line is added after the bytes of its row are on the disk.
    computed.json  How many rows were computed with what: {"CPU": 3362}, or "GPU, TF32"; rows of an older version are
                   not counted.
    lock           The run that adds rows holds this file (`tienet.folders.locks`).

A run that is killed leaves whole rows and possibly a part of one, which the next run cuts off before it continues.
"""

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data.features.image_hashes import read_json
from tienet.data.features.rows import FORMATS, RowFormat
from tienet.data.threads import map_in_threads
from tienet.errors import InputError
from tienet.folders import locks

_PART = 1 << 22  # bytes that a thread writes at a time
_LINE = re.compile(rb'\{"sha256": "([0-9a-f]{64})", "row": (0|[1-9][0-9]*)\}\n')
_NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


class Store:
    """One folder of the cache, which reads and adds rows.

    Args:
        folder: The folder; it need not exist, because `writing` makes it.
        row_shape: The shape (h, w, C) of the features of one image.
        facts: What the rows depend on, in a form that JSON can hold. Reading raises InputError if the folder was
            written with other facts.
        row_format: How the rows lie in the file.
    """

    def __init__(
        self,
        folder: Path,
        row_shape: tuple[int, int, int],
        facts: dict[str, object],
        row_format: RowFormat = FORMATS["float16"],
    ) -> None:
        self.folder, self.format = folder, row_format
        self.data, self.index = folder / row_format.file, folder / "index.jsonl"
        self.meta, self.computed = folder / "meta.json", folder / "computed.json"
        self.row_shape = row_shape
        self.row_bytes = row_format.row_bytes(row_shape)
        self._facts = {**facts, "row_shape": list(row_shape), "dtype": row_format.description}

    def rows(self) -> dict[str, int]:
        """The row of each sha256, for the rows that are completely on the disk."""
        return self._read_index()[0]

    def _read_index(self) -> tuple[dict[str, int], int]:
        """The rows as `rows` returns them, and the number of bytes of the index before its first bad line."""
        rows: dict[str, int] = {}
        if not self.meta.is_file():
            return rows, 0
        found = read_json(self.meta)
        if found != self._facts:
            raise InputError(f"{self.meta}: expected {self._facts}, found {found}; delete {self.folder}")
        good = 0
        lines = self.index.read_bytes() if self.index.is_file() else b""
        # The file is looked at after the index because a run that is writing adds the rows first.
        complete_rows = self.data.stat().st_size // self.row_bytes if self.data.is_file() else 0
        for line in lines.splitlines(keepends=True):
            match = _LINE.fullmatch(line)
            row = len(rows)
            if row == complete_rows or not match or int(match[2]) != row or (sha := match[1].decode()) in rows:
                break
            rows[sha] = row
            good += len(line)
        return rows, good

    @contextlib.contextmanager
    def writing(self) -> Iterator[dict[str, int]]:
        """Be the only writer while the `with` block runs.

        Waits until no other run writes, cuts off incomplete rows, and gives the rows as `rows` returns them.
        """
        with contextlib.ExitStack() as stack:
            with _explained(self.folder):
                stack.enter_context(locks.hold(self.folder / "lock", self.folder, wait=True))
                if not self.meta.is_file():
                    files.write_json(self.meta, self._facts)
                rows, good = self._read_index()
                for path, size in ((self.index, good), (self.data, len(rows) * self.row_bytes)):
                    with path.open("ab") as file:
                        file.truncate(size)
            yield rows

    def computed_with(self) -> dict[str, int]:
        """How many rows were computed with what (`devices.arithmetic`), as far as that is known."""
        found = read_json(self.computed) or {}
        return {name: count for name, count in found.items() if isinstance(count, int)}

    def count_computed(self, arithmetic: str, rows: int) -> None:
        """Add rows to what `computed_with` gives, inside `writing`."""
        counts = self.computed_with()
        with _explained(self.folder):
            files.write_json(self.computed, {**counts, arithmetic: counts.get(arithmetic, 0) + rows})

    def append(self, hashes: list[str], features: np.ndarray, first_row: int) -> None:
        """Add rows, inside `writing`; their lines are added to the index after the rows are on the disk.

        Args:
            hashes: The sha256 of the image files, in hexadecimal digits; none of them has a row yet.
            features: float16 [n, h, w, C].
            first_row: The number of rows that exist already.
        Raises:
            InputError: The folder cannot be written to.
            OSError: Any other failed write, such as ENOSPC, with the name of the folder.
        """
        assert features.shape == (len(hashes), *self.row_shape), (features.shape, self.row_shape)
        assert features.dtype == np.float16, features.dtype
        lines = [json.dumps({"sha256": sha, "row": row}) + "\n" for row, sha in enumerate(hashes, first_row)]
        with _explained(self.folder):
            _append(self.data, memoryview(self.format.encode(features)).cast("B"))
            _append(self.index, memoryview("".join(lines).encode()))


def _append(path: Path, content: memoryview) -> None:
    """Add bytes to the end of a file, many by several threads: one writes about a GB a second, even to memory.

    Where one fails, any part of the bytes may be there. The index does not name them, and the next run cuts them off.
    """
    with path.open("r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)

        def write(start: int) -> None:
            part, place = content[start : start + _PART], end + start
            while part:
                written = os.pwrite(file.fileno(), part, place)
                part, place = part[written:], place + written

        map_in_threads(write, range(0, len(content), _PART), least_cores=3)
        os.fsync(file.fileno())


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn a failed write into an InputError with advice; a full disk stays an OSError, but names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_WRITING:
            why = f"cannot write the feature cache here ({error.strerror})"
            raise InputError(f"{folder}: {why}; make the folder writable or use --features off") from error
        error.filename = error.filename or str(folder)
        raise
