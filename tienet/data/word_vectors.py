"""Word vectors for a vocabulary, which word2vec learns from text files, or which `read_vectors` reads from a file."""

import gzip
import hashlib
import logging
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tienet.data.text import PAD, Vocab, tokenize
from tienet.data.vector_files import DAMAGED, VECTOR_FILES, read_vectors
from tienet.errors import InputError
from tienet.progress import Progress, over

__all__ = [
    "VECTOR_FILES",
    "describe_corpus",
    "describe_file",
    "fill_matrix",
    "read_lines",
    "read_vectors",
    "train_word2vec",
]

_UTF8 = "utf-8-sig"  # with or without a byte order mark


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
    for line in over(read_lines(path), f"checking {path.name}", "lines"):
        n_lines += 1
        n_words += len(line.split())
    if not n_words:
        raise InputError(f"{path}: no words in it; expected text, one abstract or sentence a line")
    return {**described, "lines": n_lines, "words": n_words}


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, which may be gzipped (.gz) and start with a byte order mark.

    Raises InputError with the number of the last good line if the file is damaged or is not UTF-8 text.
    """
    n = 0
    try:
        with gzip.open(path, "rt", encoding=_UTF8) if path.suffix == ".gz" else path.open(encoding=_UTF8) as file:
            for line in file:
                n += 1
                yield line
    except UnicodeDecodeError:
        raise InputError(f"{path}, after line {n}: not UTF-8 text; convert it, or unpack it") from None
    except DAMAGED:
        raise InputError(f"{path}, after line {n}: damaged; make or fetch the file again") from None


class _Sentences:
    """The words of each line of the corpora and then of each report; each pass reads the files again from the disk."""

    def __init__(self, corpora: Sequence[Path], reports: Sequence[str], bar: Progress) -> None:
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
    with Progress(passes * (n_lines + len(reports)), "word2vec", "lines", scaled=True) as bar:
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
