"""The feature cache: the outputs of the frozen backbone for images, computed once and read from the disk afterwards.

A row belongs to the content of an image file (`image_hashes`), so it cannot be out of date: a changed image has no row
yet, an added image adds a row, and equal images share a row. `store` describes how the rows lie on the disk.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import cpu, devices
from tienet.data.features import image_hashes
from tienet.data.features.rows import FORMATS
from tienet.data.features.store import Store
from tienet.data.image import read_image
from tienet.data.manifest import Manifest
from tienet.data.threads import map_in_threads
from tienet.errors import InputError
from tienet.grid import ENDS, backbone_side

PREPROCESSING = 1
"""Increase this when `image.read_image` or `backbone.preprocess` gives other pixels, so that old rows are not used."""

Extractor = Callable[[np.ndarray], np.ndarray]
"""Maps images uint8 [B, px, px] to features float16 [B, h, w, C], all finite; a `close` method is called at the end."""

_CPU_BATCH, _GPU_BATCH = 16, 64  # images per call of the network
_ESTIMATED_AFTER, _LONG_S = 5, 60.0  # batches; seconds
_ROWS_AT_ONCE = 32  # the number of rows that are pooled at a time
_ALIGNMENT = 64  # bytes, of TensorFlow's arrays


@dataclass(frozen=True)
class FeatureKey:
    """What features depend on besides the image file.

    Attributes:
        weights_fingerprint: The fingerprint of the weights of the backbone.
        end: The layer of the backbone whose output is kept, res4f or res5c.
        image_px: The side of the images in pixels.
        dtype: How they are kept, a name of `rows.FORMATS`.
        backbone_dtype: What the backbone computes in, one of `config.BACKBONE_DTYPES`.
    """

    weights_fingerprint: str
    end: str
    image_px: int
    dtype: str = "float16"
    backbone_dtype: str = "float32"

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """The shape (h, w, C) of the features of one image."""
        side = backbone_side(self.image_px, self.end)
        return side, side, ENDS[self.end][1]

    @property
    def facts(self) -> dict[str, object]:
        """The attributes and `PREPROCESSING`, in a form that JSON can hold.

        Rows that are kept as float16 and a backbone in float32 are not named, as in old folders.
        """
        facts = {
            "weights": self.weights_fingerprint,
            "end": self.end,
            "image_px": self.image_px,
            "preprocessing": PREPROCESSING,
        }
        if self.dtype != "float16":
            facts["kept_as"] = self.dtype
        if self.backbone_dtype != "float32":
            facts["backbone_dtype"] = self.backbone_dtype
        return facts

    @property
    def name(self) -> str:
        """The name of the folder of these features: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()[:16]


class Features:
    """The features of the N studies of a manifest, which are read from the disk when they are needed.

    Attributes:
        shape: (N, h, w, C); the studies are in the order of the manifest.
        folder: The folder that the features lie in.
        row_bytes: The number of bytes of one row.
        new_rows: The number of rows that `open_features` had to compute.
        reused_rows: The number of rows for images of this manifest that had been computed before.
        compute_s: The seconds that computing the new rows took; decoding the images and writing are included.
    """

    def __init__(self, store: Store, manifest: Manifest, rows: np.ndarray, new_rows: int, compute_s: float) -> None:
        self.shape: tuple[int, int, int, int] = (len(rows), *store.row_shape)
        self.folder, self.row_bytes = store.folder, store.row_bytes
        self.new_rows, self.compute_s = new_rows, compute_s
        self.reused_rows = len(np.unique(rows[rows >= 0])) - new_rows
        self._study_ids, self._rows, self._format = manifest.study_ids, rows, store.format
        self._file = store.data.open("rb", buffering=0)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The features, float16 [n, h, w, C], of the studies at these positions of the manifest, as a copy.

        Raises:
            InputError: A study has no image, or the file is shorter than its index says.
        """
        indices = np.asarray(indices, np.int64)
        rows = self._rows[indices]
        if (rows < 0).any():
            study = self._study_ids[indices[np.argmin(rows)]]
            raise InputError(f"study {study} has no image, so no features; leave it out or use annotate-text")
        out = _aligned(len(rows) * self.row_bytes).reshape(len(rows), self.row_bytes)

        def read(position: int) -> None:
            if os.preadv(self._file.fileno(), [out[position]], int(rows[position]) * self.row_bytes) < self.row_bytes:
                raise InputError(f"{self._file.name}: shorter than its index says; remove {self.folder} and run again")

        # In the order of the file. Two cores read from memory no faster than one.
        map_in_threads(read, np.argsort(rows, kind="stable"), least_cores=3)
        return self._format.decode(out, self.shape[1:])

    def pooled(self) -> np.ndarray:
        """float32 [N, 2C]: the mean of each channel over the grid, and then the maximum of each channel."""
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
    batch: int | None = None,
    progress: bool = True,
) -> Features:
    """The features of all images of a manifest; features that the cache lacks are computed and kept.

    Args:
        manifest: The studies; those without an image are skipped (see `require_images`).
        extractor_factory: Makes the network that `key` describes; it is called only if a row is missing.
        key: What the features depend on besides the image files.
        batch: The number of images per call of the network; None: what suits the device.
        progress: Whether to show progress bars.
    Raises:
        InputError: Images cannot be read (the message names all of them, and the rows of the others are kept), there is
            not enough room on the disk, the folder cannot be written to, or no study has an image.
        OSError: The disk became full meanwhile (ENOSPC, with the name of the folder); finished batches are kept.
    """
    if not any(manifest.images):
        raise InputError(f"{manifest.path}: no study has an image; use annotate-text, which needs none")
    root = manifest.path.parent / "features"
    store = Store(root / key.name, key.row_shape, key.facts, FORMATS[key.dtype])
    batch = batch or (_GPU_BATCH if devices.gpu_computes() else _CPU_BATCH)
    hashes, problems = image_hashes.hash_images(manifest, root, progress)
    rows, new, compute_s = store.rows(), 0, 0.0
    if not rows.keys() >= set(hashes.values()):
        with store.writing() as old_rows:  # another run may have added rows while this one waited
            missing = {sha: path for path, sha in hashes.items() if sha not in old_rows}
            start = time.perf_counter()
            unreadable = _compute(store, key.image_px, len(old_rows), missing, extractor_factory, batch, progress)
            compute_s = time.perf_counter() - start
            rows = store.rows()
            new = len(rows) - len(old_rows)
        problems |= {path: unreadable[sha] for path, sha in hashes.items() if sha in unreadable}
    if problems:
        raise InputError(_describe(manifest, problems))
    study_rows = np.array([-1 if path is None else rows[hashes[path]] for path in manifest.images], np.int64)
    return Features(store, manifest, study_rows, new, compute_s)


def require_images(manifest: Manifest, mode: str) -> None:
    """Raise InputError unless every study has an image, as `mode` requires."""
    without = [study for study, path in zip(manifest.study_ids, manifest.images, strict=True) if path is None]
    if without:
        raise InputError(
            f"{manifest.path}: {len(without)} of {len(manifest)} studies have no image (the first is "
            f"{without[0]}), and mode {mode} needs one; leave them out or use annotate-text"
        )


def _aligned(size: int) -> np.ndarray:
    """An empty array of bytes that TensorFlow takes as it is; it copies those that begin at another address."""
    room = np.empty(size + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + size]


# ---- computing the missing features ----


def _compute(
    store: Store,
    image_px: int,
    row: int,
    missing: dict[str, Path],
    factory: Callable[[], Extractor],
    batch: int,
    progress: bool,
) -> dict[str, str]:
    """Add rows for `missing` (sha256 -> file) from number `row` on; returns sha256 -> reason for unreadable files."""
    unreadable: dict[str, str] = {}
    if not missing:
        return unreadable
    _check_room(store, len(missing))
    extractor: Extractor | None = None
    with (
        contextlib.ExitStack() as at_end,  # after the last rows were written
        ThreadPoolExecutor(max(cpu.usable_cores(), image_hashes.THREADS)) as pool,
        _Writer(store, row) as writer,
        _Computer(writer) as computer,
        image_hashes.image_bar(missing, "features", progress) as bar,
    ):
        group: list[tuple[str, np.ndarray]] = []
        estimate = _Estimate(-(-len(missing) // batch))
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
                    at_end.callback(_count_computed, store, extractor, row)
                computer.add(extractor, group)
                group = []
                estimate.batch_taken()
            bar.update()
    return unreadable


def _count_computed(store: Store, extractor: Extractor, first: int) -> None:
    """Keep what the rows from number `first` on were computed with; one note where others were computed otherwise."""
    arithmetic = getattr(extractor, "arithmetic", None)
    if arithmetic is None:
        return
    others = {name: count for name, count in store.computed_with().items() if name != arithmetic}
    store.count_computed(arithmetic, len(store.rows()) - first)
    if others:
        there = ", ".join(f"{count} were computed with {name}" for name, count in others.items())
        what = f"of its rows {there}, the new ones with {arithmetic}, and these differ a little"
        print(f"note: {store.folder}: {what}; delete it to have all from one device", file=sys.stderr)


class _Estimate:
    """One note on how long all batches will take, as soon as that can be told, where it is more than a minute."""

    def __init__(self, batches: int) -> None:
        self._batches, self._taken_at = batches, []

    def batch_taken(self) -> None:
        """A batch was given to the network; the first ones wait for it to be built and compiled."""
        self._taken_at.append(time.perf_counter())
        if len(self._taken_at) == _ESTIMATED_AFTER:
            per_batch = (self._taken_at[-1] - self._taken_at[-3]) / 2
            if (seconds := per_batch * self._batches) >= _LONG_S:
                what = f"about {seconds / 60:.0f} minutes here, once; --features off takes as long in every epoch"
                print(f"feature cache: {what}", file=sys.stderr)


class _Computer:
    """Computes the features of batches while the next ones are read, and gives them to the writer in their order.

    Where a GPU computes, two batches are on their way: the features of one are copied while the other is computed.
    """

    def __init__(self, writer: "_Writer") -> None:
        self._writer, self._at_once = writer, 2 if devices.gpu_computes() else 1
        self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="features")
        self._batches: deque[tuple[list[str], Future]] = deque()

    def __enter__(self) -> "_Computer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._threads.shutdown(cancel_futures=kind is not None)
        while kind is None and self._batches:
            self._write_first()

    def add(self, extractor: Extractor, group: list[tuple[str, np.ndarray]]) -> None:
        """Compute a batch of images as soon as there is a place for it, for which this waits."""
        while len(self._batches) >= self._at_once:
            self._write_first()
        images = np.stack([pixels for _, pixels in group])
        self._batches.append(([sha for sha, _ in group], self._threads.submit(extractor, images)))

    def _write_first(self) -> None:
        hashes, features = self._batches.popleft()
        self._writer.append(hashes, features.result())


class _Writer:
    """Writes the rows of one batch while the next one is read and computed.

    An error of writing is raised by the call after it, at the latest at the end of the `with` block. What was given
    before an error elsewhere, such as Ctrl-C, is written to its end.
    """

    def __init__(self, store: Store, row: int) -> None:
        self._store, self._row = store, row
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="features")
        self._last: Future | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()  # waits for the last rows
        if kind is None:
            self._check()

    def append(self, hashes: list[str], features: np.ndarray) -> None:
        """Write rows as soon as those before them are written, for which this waits."""
        self._check()
        self._last = self._thread.submit(self._store.append, hashes, features, self._row)
        self._row += len(hashes)

    def _check(self) -> None:
        if self._last is not None:
            self._last.result()


def _load(sha: str, path: Path, image_px: int) -> tuple[str, np.ndarray | None, str | None]:
    """(sha256, image uint8 [px, px], None); or (sha256, None, reason) if the image cannot be read."""
    try:
        pixels = read_image(path, image_px)
        if image_hashes.hash_file(path)[0] != sha:  # else the row would belong to the old content
            return sha, None, "changed while it was read; run again"
    except (InputError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return sha, None, reason.removeprefix(str(path)).lstrip(": ")
    return sha, pixels, None


def _check_room(store: Store, count: int) -> None:
    """Log how many bytes will be written. Raises InputError if more are needed than are free on the disk."""
    needed, free = count * store.row_bytes, shutil.disk_usage(store.folder).free
    what = f"{count} images need {needed / 1e9:.2f} GB in {store.folder}, where {free / 1e9:.2f} GB are free"
    smallest, dtype = min((count * kept.row_bytes(store.row_shape), name) for name, kept in FORMATS.items())
    others = [f"--feature-dtype {dtype} needs {smallest / 1e9:.2f} GB"] if smallest < needed else []
    others.append("--features off needs none, and computes them in every epoch")
    if needed > free:
        raise InputError(f"feature cache: {what}; free some space ({', '.join(others)})")
    print(f"feature cache: {what} ({', '.join(others)})", file=sys.stderr)


def _describe(manifest: Manifest, problems: dict[Path, str]) -> str:
    lines = [
        f"  study {study}: {path}: {problems[path]}"
        for study, path in zip(manifest.study_ids, manifest.images, strict=True)
        if path in problems
    ]
    first = f"{len(lines)} of {len(manifest)} studies of {manifest.path} have an image that cannot be read"
    return "\n".join([f"{first}; mend them or leave them out (the other features are kept):", *lines])
