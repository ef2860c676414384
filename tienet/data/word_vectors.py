"""Word vectors for a vocabulary, which word2vec learns from text files or which are read from a file."""

import gzip
import hashlib
import logging
import zipfile
import zlib
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tienet.data.text import PAD, Vocab, tokenize
from tienet.errors import InputError

VECTOR_FILES = (".npz", ".bin", ".bin.gz", ".txt", ".txt.gz", ".vec", ".vec.gz")
"""The endings of the files that `read_vectors` reads."""

_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile)


def describe_file(path: Path) -> dict[str, object]:
    """{file, bytes, sha256} of a file, which records where numbers came from."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return {"file": str(path), "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def describe_corpus(path: Path) -> dict[str, object]:
    """What `describe_file` returns, and the numbers of lines and of words (separated by white space).

    Raises InputError if the file is damaged, is not UTF-8 text, or has no words.
    """
    described = describe_file(path)
    n_lines = n_words = 0
    for line in tqdm(read_lines(path), desc=f"checking {path.name}", unit=" lines"):
        n_lines += 1
        n_words += len(line.split())
    if not n_words:
        raise InputError(f"{path}: no words in it; expected text, one abstract or sentence a line")
    return {**described, "lines": n_lines, "words": n_words}


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, which may be gzipped (.gz).

    Raises InputError with the number of the last good line if the file is damaged or is not UTF-8 text.
    """
    n = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            for line in file:
                n += 1
                yield line
    except UnicodeDecodeError:
        raise InputError(f"{path}, after line {n}: not UTF-8 text; convert it, or unpack it") from None
    except _DAMAGED as error:
        raise InputError(f"{path}, after line {n}: damaged ({error}); make or fetch the file again") from None


class _Sentences:
    """The words of each line of the corpora and then of each report; each pass reads the files again from the disk."""

    def __init__(self, corpora: Sequence[Path], reports: Sequence[str], bar: tqdm) -> None:
        self.corpora, self.reports, self.bar = corpora, reports, bar

    def __iter__(self) -> Iterator[list[str]]:
        for path in self.corpora:
            yield from map(self._words, read_lines(path))
        yield from map(self._words, self.reports)

    def _words(self, text: str) -> list[str]:
        self.bar.update()
        return tokenize(text)


def train_word2vec(
    corpora: Sequence[Path],
    reports: Sequence[str],
    *,
    dim: int,
    min_count: int,
    epochs: int,
    seed: int,
    n_lines: int,
) -> dict[str, np.ndarray]:
    """Learn vectors by skip-gram word2vec from the corpora and the reports, whose words `tokenize` cuts.

    The same arguments give the same vectors.

    Args:
        corpora: Text files with one text a line.
        reports: The reports of the training split.
        dim: The length of a vector.
        min_count: Words that occur less often get no vector.
        epochs: The number of passes over the texts.
        seed: The seed of the first vectors.
        n_lines: The number of lines of all corpora together, for the progress bar.
    Returns:
        float32 [dim] for each word that occurs at least `min_count` times.
    """
    from gensim.models import Word2Vec

    logging.getLogger("gensim").setLevel(logging.ERROR)  # because it warns of small corpora
    passes = 1 + epochs  # the first pass counts the words
    with tqdm(total=passes * (n_lines + len(reports)), desc="word2vec", unit=" lines", unit_scale=True) as bar:
        model = Word2Vec(
            _Sentences(corpora, reports, bar),
            vector_size=dim,
            min_count=min_count,
            epochs=epochs,
            sg=1,
            seed=seed,
            workers=1,  # because threads finish in another order each time
            hashfxn=_stable_hash,  # gensim seeds each vector by it; Python's own hash differs between processes
        )
    return {word: model.wv[word] for word in model.wv.index_to_key}


def _stable_hash(word: str) -> int:
    return zlib.crc32(word.encode())


def read_vectors(path: Path, words: Container[str]) -> tuple[dict[str, np.ndarray], int]:
    """Read the vectors that a file has for `words`.

    Args:
        path: A file in word2vec's binary format (.bin), or text with or without word2vec's header (.txt, .vec; also
            from GloVe and fastText), each also gzipped (.gz); or .npz with `words` [N] and `vectors` float [N, dim].
        words: The words whose vectors are wanted.
    Returns:
        float32 [dim] for each of `words` that the file has; and dim.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file cannot be read, has none of `words`, or has a value that is not finite.
    """
    if not path.name.lower().endswith(VECTOR_FILES):
        raise InputError(f"{path}: word vectors are read from {', '.join(VECTOR_FILES)} files only")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file of word vectors")
    try:
        all_words, matrix = _read_npz(path) if path.suffix.lower() == ".npz" else _read_word2vec(path)
    except InputError:
        raise
    except (ValueError, IndexError, OverflowError, MemoryError, *_DAMAGED) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: no word vectors could be read from it ({reason})") from None
    known = {word: matrix[i].astype(np.float32) for i, word in enumerate(all_words) if word in words}
    if not known:
        raise InputError(
            f"{path}: none of its {len(all_words)} words is in the vocabulary; it must be lower-case English"
        )
    for word, vector in known.items():
        if not np.isfinite(vector).all():
            raise InputError(f"{path}: the vector of {word!r} has a value that is not a finite number")
    return known, matrix.shape[1]


def _read_npz(path: Path) -> tuple[list[str], np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        missing = {"words", "vectors"} - set(file.files)
        if missing:
            raise InputError(f"{path}: no array {sorted(missing)[0]!r}; expected words and vectors, not {file.files}")
        words, vectors = file["words"], file["vectors"]
    if words.ndim != 1 or vectors.ndim != 2 or len(words) != len(vectors) or not vectors.shape[1]:
        raise InputError(
            f"{path}: words {list(words.shape)} and vectors {list(vectors.shape)}; expected [N] and [N, dim]"
        )
    if vectors.dtype.kind not in "fiu":
        raise InputError(f"{path}: vectors has the type {vectors.dtype}; expected numbers")
    return words.tolist(), vectors


def _read_word2vec(path: Path) -> tuple[list[str], np.ndarray]:
    from gensim.models import KeyedVectors

    logging.getLogger("gensim").setLevel(logging.ERROR)
    binary, header = path.name.lower().endswith((".bin", ".bin.gz")), True
    if not binary:
        first = next(read_lines(path), "").split()
        if not first:
            raise InputError(f"{path}: it does not start with a word and its vector, nor with word2vec's header")
        header = len(first) == 2  # the header is "words dim"; GloVe's text has none
    vectors = KeyedVectors.load_word2vec_format(
        str(path), binary=binary, no_header=not header, unicode_errors="replace"
    )
    return vectors.index_to_key, vectors.vectors


def fill_matrix(vocab: Vocab, known: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """float32 [V, dim]: a row for each word of the vocabulary; the row of PAD is zero.

    The vector of a word that is not in `known` is drawn from the normal distribution that has, in each dimension, the
    mean and the standard deviation of the known words.

    Raises:
        InputError: No word of the vocabulary is in `known`.
    """
    rows = {vocab.ids[word]: vector for word, vector in known.items() if word in vocab.ids}
    if not rows:
        raise InputError("no word of the vocabulary has a vector")
    vectors = np.stack(list(rows.values()))
    shape = (len(vocab), vectors.shape[1])
    matrix = np.random.default_rng(seed).normal(vectors.mean(axis=0), vectors.std(axis=0), shape)
    matrix[list(rows)] = vectors
    matrix[PAD] = 0
    return matrix.astype(np.float32)
