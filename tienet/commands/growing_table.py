"""A CSV file, plain or gzipped, to which rows are added, also after a kill: what was not finished is cut off.

A plain file is cut after its last whole row. A gzipped one has a member for each call of `append`, so that it is cut
after its last whole member; tools read the members as one file. The time of a member is 0, so that the same rows give
the same bytes.
"""

import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tienet.commands.labels_row import line
from tienet.commands.table_rows import MAX_CELL_CHARACTERS
from tienet.errors import InputError

AGAIN = "choose another --out, or remove it to begin again"
_CHUNK_BYTES = 1 << 16
_GZIP_WINDOW = 31  # of zlib: a gzip header and the largest window


class GrowingTable:
    """The table, open for appending.

    Attributes:
        is_new: Whether it had no whole header before.
    """

    def __init__(self, path: Path, header: Sequence[str], one_line: int, is_packed: bool = False) -> None:
        """Open or begin the file, and cut off what was not finished.

        Args:
            header: The names of the columns.
            one_line: How many cells at the start of each row hold no line break.
            is_packed: Whether the file is gzipped.
        Raises:
            InputError: The file is no such table, or has another header.
        """
        self.path, self._header, self._one_line, self._is_packed = path, list(header), one_line, is_packed
        self._file = path.open("ab", buffering=0)
        try:
            end = self._end_of_whole_members() if is_packed else self._end_of_whole_rows()
            os.truncate(path, end)
            self.is_new = end == 0
            if self.is_new:
                self.append(line([], self._header))
        except BaseException:
            self._file.close()
            raise

    def append(self, rows: str) -> None:
        """Add whole rows, each with its line break at the end."""
        data = rows.encode("utf-8", "backslashreplace")  # a message may name a file whose name is not UTF-8
        if self._is_packed:
            packer = zlib.compressobj(wbits=_GZIP_WINDOW)
            data = packer.compress(data) + packer.flush()
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def rows(self) -> Iterator[list[str]]:
        """The rows under the header; read them all before the next `append`.

        Raises:
            InputError: A row was changed so that it is none any more.
        """
        rows = self._read()
        next(rows)
        yield from rows

    def _read(self) -> Iterator[list[str]]:
        """The header and the rows."""
        csv.field_size_limit(MAX_CELL_CHARACTERS)
        start = 1
        opened = gzip.open if self._is_packed else open
        with opened(self.path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            while True:
                try:
                    row = next(reader, None)
                except (csv.Error, UnicodeDecodeError, EOFError, OSError, zlib.error):
                    row = []
                if row is None:
                    return
                if len(row) != len(self._header):
                    raise InputError(f"{self.path}, row {max(start, 2)}: not what was written there; {AGAIN}")
                yield row
                start = reader.line_num + 1

    def _end_of_whole_rows(self) -> int:
        """The number of bytes up to the last line break that is not in a quoted cell.

        Raises:
            InputError: Behind it there is more than the start of one row: somebody has changed the file.
        """
        end = at = 0
        is_quoted = False
        with self.path.open("rb") as file:
            self._check_header(file.read(len(line([], self._header).encode())))
            file.seek(0)
            while chunk := file.read(_CHUNK_BYTES):
                place, odd = len(chunk), is_quoted ^ (chunk.count(b'"') % 2 == 1)
                is_quoted = odd
                while (place := chunk.rfind(b"\n", 0, before := place)) >= 0:
                    odd ^= chunk.count(b'"', place, before) % 2 == 1
                    if not odd:
                        end = at + place + 1
                        break
                at += len(chunk)
            file.seek(end)
            tail = file.read() if at - end < MAX_CELL_CHARACTERS else b"\n"
        first = next(csv.reader([tail.decode("utf-8", "replace")]), []) if end and b"\n" in tail else []
        if len(first) > len(self._header) or any("\n" in cell for cell in first[: self._one_line]):
            row = self._row_at(end)
            raise InputError(f"{self.path}, row {row}: not what was written there; {AGAIN}")
        return end

    def _check_header(self, start: bytes) -> None:
        """Raise InputError if the file does not start with the header, or with the start of it if that is all."""
        if not line([], self._header).encode().startswith(start):
            raise InputError(f"{self.path}: has another header; {AGAIN}")

    def _row_at(self, end: int) -> int:
        with self.path.open("rb") as file:
            return file.read(end).count(b"\n") + 1

    def _end_of_whole_members(self) -> int:
        """The number of bytes up to the end of the last whole member of a gzip file.

        Raises:
            InputError: The file is no gzip file, or damaged.
        """
        end = at = 0
        unpacker, chunk, header = zlib.decompressobj(wbits=_GZIP_WINDOW), b"", b""
        with self.path.open("rb") as file:
            while chunk := chunk or file.read(_CHUNK_BYTES):
                try:
                    rows = unpacker.decompress(chunk)
                except zlib.error:
                    raise InputError(f"{self.path}: not what was written there; {AGAIN}") from None
                if not end:  # the first member has the header alone
                    header += rows
                    self._check_header(header)
                at, chunk = at + len(chunk) - len(unpacker.unused_data), unpacker.unused_data
                if unpacker.eof:
                    end, unpacker = at, zlib.decompressobj(wbits=_GZIP_WINDOW)
        return end
