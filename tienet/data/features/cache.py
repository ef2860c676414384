"""The feature cache: what the frozen backbone gives for an image, computed once and mapped from then on.

A row belongs to an image file's content (`image_hashes`), so it cannot be stale: a changed image has no row yet, an
added one only adds one, equal ones share one. How rows lie on the disk is in `feature_store`.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.data.features import image_hashes
from tienet.data.features.store import FLOAT16, Store
from tienet.data.image import read_image
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.grid import ENDS, backbone_side

PREPROCESSING = 1
"""Raise it when `image.read_image` or `backbone.preprocess` gives other pixels, and old rows are not used."""

Extractor = Callable[[np.ndarray], np.ndarray]
"""uint8 [B, px, px] -> float16 [B, h, w, C], all finite; a `close` method is called at the end."""

_ROWS_AT_ONCE = 32  # rows that are pooled together


@dataclass(frozen=True)
class FeatureKey:
    """What a feature depends on besides the image file."""

    weights_fingerprint: str
    end: str  # res4f or res5c
    image_px: int

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """(h, w, C) of one image's features."""
        side = backbone_side(self.image_px, self.end)
        return side, side, ENDS[self.end][1]

    @property
    def facts(self) -> dict[str, object]:
        """All of the above and `PREPROCESSING`, as JSON can hold it."""
        return {
            "weights": self.weights_fingerprint,
            "end": self.end,
            "image_px": self.image_px,
            "preprocessing": PREPROCESSING,
        }

    @property
    def name(self) -> str:
        """The folder's name: 16 hex digits."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()[:16]


class Features:
    """Features of a manifest's studies, read from the file.

    Attributes:
        shape: (N, h, w, C); N studies, in the manifest's order.
        folder: where they lie.
        row_bytes: bytes of one row.
        new_rows: rows that `open_features` had to compute.
        reused_rows: rows of this manifest's images that were there.
        compute_s: seconds that computing took, decoding and writing included.
    """

    def __init__(self, store: Store, manifest: Manifest, rows: np.ndarray, new_rows: int, compute_s: float) -> None:
        self.shape: tuple[int, int, int, int] = (len(rows), *store.row_shape)
        self.folder, self.row_bytes = store.folder, store.row_bytes
        self.new_rows, self.compute_s = new_rows, compute_s
        self.reused_rows = len(np.unique(rows[rows >= 0])) - new_rows
        self._study_ids, self._rows = manifest.study_ids, rows
        self._file = store.data.open("rb", buffering=0)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """float16 [n, h, w, C], a copy: the features of the studies at these positions of the manifest.

        Raises:
            InputError: one of them has no image, or the file is shorter than its index says.
        """
        indices = np.asarray(indices, np.int64)
        rows = self._rows[indices]
        if (rows < 0).any():
            study = self._study_ids[indices[np.argmin(rows)]]
            raise InputError(f"study {study} has no image, so no features; leave it out or use annotate-text")
        out = np.empty((len(rows), *self.shape[1:]), FLOAT16)
        for position in np.argsort(rows, kind="stable"):  # in the file's order
            if os.preadv(self._file.fileno(), [out[position]], int(rows[position]) * self.row_bytes) < self.row_bytes:
                raise InputError(f"{self._file.name}: shorter than its index says; remove {self.folder} and run again")
        return out.astype(np.float16, copy=False)

    def pooled(self) -> np.ndarray:
        """float32 [N, 2C]: over the grid, the mean of each channel, then the maximum of each."""
        out = np.empty((len(self), 2 * self.shape[3]), np.float32)
        for start in range(0, len(self), _ROWS_AT_ONCE):
            x = self.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(self)))).astype(np.float32)
            out[start : start + len(x)] = np.concatenate([x.mean((1, 2)), x.max((1, 2))], axis=1)
        return out


def open_features(
    manifest: Manifest,
    extractor_factory: Callable[[], Extractor],
    key: FeatureKey,
    *,
    batch: int = 16,
    progress: bool = True,
) -> Features:
    """The features of all images of `manifest`; what the cache lacks is computed and kept.

    Args:
        manifest: studies without an image are passed over (see `require_images`).
        extractor_factory: makes the network (as `key` has it); called only if a row is missing.
        key: what the rows depend on.
        batch: images per call of the network.
        progress: show bars.
    Raises:
        InputError: images that cannot be read (all are named, the rows of the others kept); not enough room
            on the disk; a folder that cannot be written to; no study has an image.
        OSError: ENOSPC, with the folder's name, where the disk fills up meanwhile; finished batches are kept.
    """
    if not any(manifest.images):
        raise InputError(f"{manifest.path}: no study has an image; use annotate-text, which needs none")
    root = manifest.path.parent / "features"
    store = Store(root / key.name, key.row_shape, key.facts)
    hashes, problems = image_hashes.hash_images(manifest, root, progress)
    rows, new, compute_s = store.rows(), 0, 0.0
    if not rows.keys() >= set(hashes.values()):
        with store.writing() as there:  # another run may have added some while we waited
            missing = {sha: path for path, sha in hashes.items() if sha not in there}
            start = time.perf_counter()
            unreadable = _compute(store, key.image_px, len(there), missing, extractor_factory, batch, progress)
            compute_s = time.perf_counter() - start
            rows = store.rows()
            new = len(rows) - len(there)
        problems |= {path: unreadable[sha] for path, sha in hashes.items() if sha in unreadable}
    if problems:
        raise InputError(_describe(manifest, problems))
    of_studies = np.array([-1 if path is None else rows[hashes[path]] for path in manifest.images], np.int64)
    return Features(store, manifest, of_studies, new, compute_s)


def require_images(manifest: Manifest, mode: str) -> None:
    """Raise InputError unless every study has an image, as `mode` needs."""
    without = [study for study, path in zip(manifest.study_ids, manifest.images, strict=True) if path is None]
    if without:
        raise InputError(
            f"{manifest.path}: {len(without)} of {len(manifest)} studies have no image (the first is "
            f"{without[0]}), and mode {mode} needs one; leave them out or use annotate-text"
        )


# ---- the network over what is missing ----


def _compute(
    store: Store,
    image_px: int,
    row: int,
    missing: dict[str, Path],
    factory: Callable[[], Extractor],
    batch: int,
    progress: bool,
) -> dict[str, str]:
    """Add rows for `missing` (sha256 -> file) from `row` on; sha256 -> reason where a file cannot be read."""
    unreadable: dict[str, str] = {}
    if not missing:
        return unreadable
    _check_room(store, len(missing))
    extractor: Extractor | None = None
    with (
        ThreadPoolExecutor(image_hashes.THREADS) as pool,
        image_hashes.image_bar(missing, "features", progress) as bar,
        contextlib.ExitStack() as at_end,
    ):
        group: list[tuple[str, np.ndarray]] = []
        loaded = image_hashes.ahead(pool, lambda item: _load(*item, image_px), missing.items(), 4 * batch)
        for n, (sha, pixels, problem) in enumerate(loaded, start=1):
            if problem:
                unreadable[sha] = problem
            else:
                group.append((sha, pixels))
            if group and (len(group) == batch or n == len(missing)):
                if extractor is None:
                    extractor = factory()
                    at_end.callback(getattr(extractor, "close", lambda: None))
                features = extractor(np.stack([pixels for _, pixels in group]))
                store.append([sha for sha, _ in group], features, row)
                row += len(group)
                group = []
            bar.update()
    return unreadable


def _load(sha: str, path: Path, image_px: int) -> tuple[str, np.ndarray | None, str | None]:
    """The hash, the image uint8 [px, px], None; or the hash, None, and why it cannot be read."""
    try:
        pixels = read_image(path, image_px)
        if image_hashes.hash_file(path)[0] != sha:  # or the row would be filed under what the file held before
            return sha, None, "changed while it was read; run again"
    except (InputError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return sha, None, reason.removeprefix(str(path)).lstrip(": ")
    return sha, pixels, None


def _check_room(store: Store, count: int) -> None:
    """Say how much will be written, and refuse what plainly does not fit."""
    needed, free = count * store.row_bytes, shutil.disk_usage(store.folder).free
    what = f"{count} images need {needed / 1e9:.2f} GB in {store.folder}, where {free / 1e9:.2f} GB are free"
    if needed > free:
        raise InputError(f"feature cache: {what}; free some space or use --features off")
    print(f"feature cache: {what}", file=sys.stderr)


def _describe(manifest: Manifest, problems: dict[Path, str]) -> str:
    lines = [
        f"  study {study}: {path}: {problems[path]}"
        for study, path in zip(manifest.study_ids, manifest.images, strict=True)
        if path in problems
    ]
    first = f"{len(lines)} of {len(manifest)} studies of {manifest.path} have an image that cannot be read"
    return "\n".join([f"{first}; mend them or leave them out (the other features are kept):", *lines])
