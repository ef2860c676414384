"""The vocabulary of a run, and the word vectors that training starts from."""

import sys
from pathlib import Path

import numpy as np

from tienet import files
from tienet.config import Config
from tienet.data import arrays, leaks
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS, Vocab
from tienet.errors import InputError


def read_vocab(manifest: Manifest, config: Config, named: Path | None) -> tuple[Vocab, np.ndarray]:
    """Read the vocabulary and the word vectors, float32 [V, E], that training starts from.

    Args:
        named: The folder that --vocab names; None for the folder `vocab` beside the manifest.
    Returns:
        The words, and the vectors as they are in the file; training starts from them when they are `scaled`.
        Both are nearly empty (`Vocab.empty` and zeros) for a mode that reads no report.
    Raises:
        InputError: A file is missing or damaged, the two files do not fit together, or the vocabulary beside the
            manifest was built from other reports than those of the training split.
    """
    if not config.mode_parts.reads:
        return Vocab.empty(), np.zeros((len(SPECIALS), 1), np.float32)
    folder = named or manifest.path.parent / "vocab"
    vocab, vectors = read_folder(folder, manifest.name)
    _check_origin(named, manifest, folder / "stats.json")
    return vocab, vectors


def read_folder(folder: Path, data: str) -> tuple[Vocab, np.ndarray]:
    """Read a vocabulary's folder: its words, and their vectors, float32 [V, E].

    Args:
        data: The name of the data set, for the advice in an error.
    Raises:
        InputError: A file is missing or damaged, or the two files do not fit together.
    """
    build = _build(data)
    for name in ("vocab.txt", "embeddings.npy"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no vocabulary there; make it with '{build}'")
    vocab = Vocab.load(folder / "vocab.txt")
    vectors = arrays.load(folder / "embeddings.npy", f"make it with '{build}'")
    if vectors.ndim != 2 or len(vectors) != len(vocab):
        raise InputError(
            f"{folder}: embeddings.npy has shape {vectors.shape}, but vocab.txt has {len(vocab)} words; "
            f"they are of two runs; make both anew with '{build}'"
        )
    return vocab, vectors.astype(np.float32)


def _build(data: str) -> str:
    return f"bash data_prep/build_vocab.sh --data {data}"


def _check_origin(named: Path | None, manifest: Manifest, stats: Path) -> None:
    """Check that a vocabulary comes from the training reports; words and vectors of others may know the test reports.

    A vocabulary that was named with --vocab may belong to another data set, so for it a note is printed only.
    """
    known = files.read_json(stats) if stats.is_file() else {}
    known = known.get("training_reports") if isinstance(known, dict) else None
    if known == leaks.reports_fingerprint(manifest.split("train").reports):
        return
    what = "was built from other reports than this training split's" if known else "does not say what it was built from"
    if known and named is None:
        raise InputError(f"{stats.parent}: {what}; make it anew with '{_build(manifest.name)}'")
    print(f"note: {stats.parent}: {what}; it must not have seen the test reports", file=sys.stderr)


def scaled(vectors: np.ndarray, std: float | None) -> np.ndarray:
    """Word vectors, float32 [V, E], with the standard deviation `std` over all words; as they are if it is None."""
    words = vectors[len(SPECIALS) :]
    return vectors if std is None or not len(words) or not words.std() else vectors * (std / words.std())
