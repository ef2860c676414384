"""Word vectors in files, as word2vec, GloVe and fastText write them. What is left out is said on standard error.

Text: each line is a row, a word and its numbers, which white space separates. The number of numbers is the one that
most of the first rows end with; what stands before them is the word, which may hold spaces, as in GloVe's 840B.
Binary: each row is a word, a space, and its numbers as float32.

A file may start with word2vec's header, the numbers of rows and of numbers in a row (a binary one must). The file's
rows count, not the header: where the two differ, it is said. A row is left out if its word is not UTF-8, if it has not
as many numbers as the others, or if its word is a wanted one that came before, wherever in the file it stands.
"""

import codecs
import gzip
import sys
import zlib
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tienet.data import arrays
from tienet.errors import InputError

VECTOR_FILES = (".npz", ".bin", ".bin.gz", ".txt", ".txt.gz", ".vec", ".vec.gz")
"""The endings of the files that `read_vectors` reads."""

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a damaged compressed file raises."""

_MAX_WORD_BYTES = _BLOCK_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 18
_MAX_DIM = 100_000
_FIRST_ROWS = 200  # that say how many numbers a row has
_OTHER_FORMATS = {
    b"PK\3\4": "it is a ZIP archive; unpack it",
    b"\x1f\x8b": "it is a gzip file; unpack it, or let its name end in .gz",
    codecs.BOM_UTF16_LE: "it is UTF-16 text; convert it to UTF-8",
    codecs.BOM_UTF16_BE: "it is UTF-16 text; convert it to UTF-8",
}

_IS_DAMAGED = "it is damaged; make or fetch the file again"
_NOT_UTF8, _REPEATED = "not UTF-8", "with a word that came before"

_Header = tuple[int, int]
_Row = tuple[bytes | str, Sequence[bytes] | np.ndarray]


class _UnreadableError(Exception):
    """The bytes are not a file of word vectors; the message says what they are, and what to do."""


@dataclass
class _Table:
    """The content of a file of word vectors.

    Attributes:
        rows: Each row's word, in UTF-8 where it is bytes, and its numbers, which may be text.
        dim: The number of numbers that a row must have.
        header: The numbers of rows, and of numbers in a row, that word2vec's header gives; None if there is none.
    """

    rows: Iterator[_Row]
    dim: int
    header: _Header | None = None


@dataclass
class _Found:
    """What was read of a file: the known vectors, the number of its rows, and which of them were left out, and why."""

    known: dict[str, np.ndarray] = field(default_factory=dict)
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    first_left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str) -> None:
        """Count the row that was read last as left out."""
        self.left_out[reason] += 1
        self.first_left_out.setdefault(reason, self.rows)


def read_vectors(path: Path, words: Container[str]) -> tuple[dict[str, np.ndarray], int]:
    """Read the vectors that a file has for `words`; notes on standard error say which rows were left out.

    Args:
        path: A file in word2vec's binary format (.bin) or text format (.txt or .vec; without its header it is that
            of GloVe), each also gzipped (.gz); or .npz with `words` [N] and `vectors` float [N, dim].
        words: The words whose vectors are wanted.
    Returns:
        float32 [dim] for each of `words` that the file has, from the first row that has it; and dim.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read, has none of `words`, or has a value that is not finite.
    """
    name = path.name.lower()
    if not name.endswith(VECTOR_FILES):
        raise InputError(f"{path}: word vectors are read from {', '.join(VECTOR_FILES)} files only")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file of word vectors")
    read = _read_npz if name.endswith(".npz") else _read_text
    if name.endswith((".bin", ".bin.gz")):
        read = _read_binary
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
            table = read(file)
            found = _find(table, words)
    except _UnreadableError as error:
        raise InputError(f"{path}: no word vectors could be read from it ({error})") from None
    except DAMAGED:
        raise InputError(f"{path}: no word vectors could be read from it ({_IS_DAMAGED})") from None
    except MemoryError:
        raise InputError(
            f"{path}: no word vectors could be read from it (it takes more memory than there is)"
        ) from None
    _log(path, table, found)
    if not found.known:
        raise InputError(f"{path}: none of its {found.rows} words is in the vocabulary; it must be lower-case English")
    for word, vector in found.known.items():
        if not np.isfinite(vector).all():
            raise InputError(f"{path}: the vector of {word!r} has a value that is not a finite number")
    return found.known, table.dim


def _find(table: _Table, words: Container[str]) -> _Found:
    """Read all rows, and keep the vectors of `words`."""
    found = _Found()
    for token, numbers in table.rows:
        found.rows += 1
        try:
            word = token if isinstance(token, str) else token.decode()
        except UnicodeDecodeError:
            found.leave_out(_NOT_UTF8)
            continue
        vector = None
        if len(numbers) == table.dim:
            if word not in words:
                continue
            vector = _vector(numbers)
        if vector is None:
            found.leave_out(f"not a word and {table.dim} numbers")
        elif word in found.known:
            found.leave_out(_REPEATED)
        else:
            found.known[word] = vector
    return found


def _vector(numbers: Sequence[bytes] | np.ndarray) -> np.ndarray | None:
    """float32 [dim]; None if one of the texts is not a number."""
    try:
        with np.errstate(over="ignore"):  # infinities are refused later
            if isinstance(numbers, np.ndarray):
                return numbers.astype(np.float32)
            return np.array([float(number) for number in numbers]).astype(np.float32)
    except ValueError:
        return None


def _log(path: Path, table: _Table, found: _Found) -> None:
    """Say where the file and its header differ, and which rows were left out."""
    if table.header is not None and table.header != (found.rows, table.dim):
        promised, dim = table.header
        print(
            f"note: {path}: its header says {promised:,} rows of {dim} numbers, and it has {found.rows:,} of "
            f"{table.dim}; all of them are read",
            file=sys.stderr,
        )
    if found.left_out:
        reasons = [f"{n:,} {why} (the first is row {found.first_left_out[why]:,})" for why, n in found.left_out.items()]
        total = sum(found.left_out.values())
        print(f"note: {path}: {total:,} of its {found.rows:,} rows left out: {', '.join(reasons)}", file=sys.stderr)


def _read_npz(file: BinaryIO) -> _Table:
    archive = arrays.load_from(file)
    if archive is None:
        raise _UnreadableError(_IS_DAMAGED)
    names = archive.files if isinstance(archive, np.lib.npyio.NpzFile) else ["one array without a name"]
    missing = {"words", "vectors"} - set(names)
    if missing:
        raise _UnreadableError(f"no array {sorted(missing)[0]!r}; expected words and vectors, not {names}")
    words, vectors = arrays.array_of(archive, "words"), arrays.array_of(archive, "vectors")
    if words is None or vectors is None:
        which = "words" if words is None else "vectors"
        raise _UnreadableError(f"its array {which} is damaged, or holds Python's objects; make or fetch the file again")
    if words.ndim != 1 or vectors.ndim != 2 or len(words) != len(vectors) or not vectors.shape[1]:
        raise _UnreadableError(
            f"words {list(words.shape)} and vectors {list(vectors.shape)}; expected [N] and [N, dim]"
        )
    if vectors.dtype.kind not in "fiu":
        raise _UnreadableError(f"vectors has the type {vectors.dtype}; expected numbers")
    if words.dtype.kind not in "US":
        raise _UnreadableError(f"words has the type {words.dtype}; expected text")
    return _Table(zip(words.tolist(), vectors, strict=True), vectors.shape[1])


def _read_text(file: BinaryIO) -> _Table:
    lines = iter(partial(file.readline, _MAX_LINE_BYTES), b"")
    first = next(lines, b"")
    for start, what_it_is in _OTHER_FORMATS.items():
        if first.startswith(start):
            raise _UnreadableError(what_it_is)
    first = first.removeprefix(codecs.BOM_UTF8)
    header = _header(first)
    first_lines = [*([first] if header is None else []), *islice(lines, _FIRST_ROWS)]
    dim = _most_frequent_dim(first_lines, header)
    return _Table(_text_rows(chain(first_lines, lines), dim, header), dim, header)


def _text_rows(lines: Iterator[bytes], dim: int, header: _Header | None) -> Iterator[_Row]:
    """The rows of a text; blank lines are none. The whole line is the word of a row that has not `dim` numbers."""
    n_rows, line, numbers = 0, b"\n", []
    for line in lines:
        if not line.strip():
            continue
        n_rows += 1
        word, *numbers = line.rsplit(None, dim)
        _, *rest_of_word = word.split()
        too_many = bool(rest_of_word) and _is_number(rest_of_word[-1])
        yield (line, []) if too_many or not _is_utf8(line) else (word.strip(), numbers)
    if header is None or line.endswith(b"\n"):
        return
    if n_rows < header[0] or (n_rows == header[0] and len(numbers) < dim):
        raise _UnreadableError(_cut(n_rows, header[0]))


def _most_frequent_dim(lines: Sequence[bytes], header: _Header | None) -> int:
    """The number of numbers that most of the lines end with; of two that are as frequent, the header's."""
    dims = Counter(map(_numbers_at_the_end, lines))
    dims.pop(0, None)
    if not dims:
        raise _UnreadableError("none of its first lines is a word and numbers, such as: lungs 0.12 -0.5 1.0")
    return max(dims, key=lambda dim: (dims[dim], header is not None and dim == header[1]))


def _numbers_at_the_end(line: bytes) -> int:
    fields = line.split()[1:]
    return next((n for n, text in enumerate(reversed(fields)) if not _is_number(text)), len(fields))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header(line: bytes) -> _Header | None:
    """The numbers of rows, and of numbers in a row, if the line is word2vec's header."""
    fields = line.split()
    if len(line) > 60 or len(fields) != 2 or not all(text.isdigit() for text in fields):
        return None
    return int(fields[0]), int(fields[1])


def _read_binary(file: BinaryIO) -> _Table:
    header = _header(file.readline(100))
    if header is None or not 1 <= header[1] <= _MAX_DIM:
        raise _UnreadableError(
            "it does not start with word2vec's header, such as: 3000000 300; save the vectors of a fastText or gensim "
            "model as text (.vec)"
        )
    return _Table(_binary_rows(file, *header), header[1], header)


def _binary_rows(file: BinaryIO, promised: int, dim: int) -> Iterator[_Row]:
    n_rows, data, n_bytes = 0, b"", 4 * dim
    while block := file.read(_BLOCK_BYTES):
        data, place = data + block, 0
        while (space := data.find(b" ", place)) >= 0 and space + 1 + n_bytes <= len(data):
            n_rows += 1
            end = space + 1 + n_bytes
            word = data[place:space].lstrip(b"\n")  # with which word2vec.c ends the row before
            yield word, np.frombuffer(data[space + 1 : end], "<f4")
            place = end
        data = data[place:]
        if len(data) > n_bytes + _MAX_WORD_BYTES:
            raise _UnreadableError(f"no word and its numbers after row {n_rows:,}; fetch the file again")
    if data.strip(b"\n") and n_rows < promised:
        raise _UnreadableError(_cut(n_rows + 1, promised))
    if data.strip(b"\n"):
        yield data, []


def _cut(row: int, promised: int) -> str:
    return f"it ends inside of row {row:,}, and its header says {promised:,} rows; fetch the file again"
