"""Synthetic studies whose features lie in the files of a real feature cache."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tienet.config import Config
from tienet.data.dataflow import Studies
from tienet.data.features.cache import FeatureKey, Features
from tienet.data.features.store import Store
from tienet.data.image import write_png
from tienet.data.manifest import Manifest
from tienet.data.text import SPECIALS, START
from tienet.labels import K

ROWS_AT_ONCE = 16  # `tienet.data.features.cache.open_features` adds rows in groups of this size


def store(folder: Path, config: Config) -> Store:
    """A feature cache without rows in `folder`."""
    key = FeatureKey("made up", config.backbone_end, config.image_px)
    return Store(folder, key.row_shape, key.facts)


def hashes(first: int, count: int) -> list[str]:
    """The sha256 of `count` image files that do not exist."""
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(first, first + count)]


def random_rows(shape: tuple[int, int, int], count: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (first row, float16 [n, h, w, C]): `count` random rows, a few at a time."""
    rng = np.random.default_rng(0)
    for first in range(0, count, ROWS_AT_ONCE):
        n = min(ROWS_AT_ONCE, count - first)
        yield first, rng.random((n, *shape), np.float32).astype(np.float16)


def fill(cache: Store, count: int) -> None:
    """Write `count` random rows into the cache."""
    with cache.writing():
        for first, rows in random_rows(cache.row_shape, count):
            cache.append(hashes(first, len(rows)), rows, first)


def fill_with_holes(cache: Store, count: int) -> None:
    """Add `count` rows of zeros that take no space on the disk.

    The index is what `Store.append` writes; the data are a hole in the file.
    """
    with cache.writing():
        names = enumerate(hashes(0, count))
        cache.index.write_text("".join(json.dumps({"sha256": sha, "row": row}) + "\n" for row, sha in names))
        with cache.data.open("ab") as file:
            file.truncate(count * cache.row_bytes)
    assert len(cache.rows()) == count, "the cache does not know its own rows"


def pngs(folder: Path, count: int, px: int) -> list[Path]:
    """Grey PNGs of px * px that are as large as a chest X-ray's: smooth, with a detector's noise."""
    random = np.random.default_rng(0)
    paths = []
    for n in range(count):
        smooth = cv2.resize(random.uniform(40, 215, (8, 8)).astype(np.float32), (px, px), interpolation=cv2.INTER_CUBIC)
        noisy = smooth + random.normal(0, 2, (px, px)).astype(np.float32)
        paths.append(folder / f"{n}.png")
        write_png(paths[-1], np.clip(noisy, 0, 255).astype(np.uint8))
    return paths


def studies(cache: Store, config: Config, words: int = 1, vocabulary: int = 1457) -> Studies:
    """A study for each row of the cache, with a random report of `words` words, <START> among them."""
    count, rng = len(cache.rows()), np.random.default_rng(0)
    labels = rng.integers(0, 2, (count, K)).astype(np.float32)
    names = [f"s{n}" for n in range(count)]
    manifest = Manifest(
        "made-up", cache.folder / "manifest.csv", names, names, [None] * count, [""] * count,
        np.full(count, "train"), labels,
    )  # fmt: skip
    word_ids = rng.integers(len(SPECIALS), vocabulary, (count, words)).astype(np.int32)
    word_ids[:, 0] = START
    features = Features(cache, manifest, np.arange(count), new_rows=0, compute_s=0.0)
    return Studies(config, list(word_ids), labels, manifest, features, notes=[])
