"""The feature cache: what the frozen backbone gives for an image, computed once and mapped from then on.

`<manifest's folder>/features/<key>/` belongs to one set of weights, end, image size and preprocessing:

    meta.json      what it is; written first
    features.f16   float16 [rows, h, w, C], C order, little-endian; rows are only ever added
    index.jsonl    line n is {"sha256": S, "row": n}: row n is of the image file whose bytes have the hash S;
                   a line is added after the row's bytes are on the disk
    lock           held (flock) by the one run that adds rows

A row belongs to an image file's content, so it cannot be stale: a changed image has no row yet, an added one
only adds one, equal ones share one. A killed run leaves whole rows and perhaps a part of one, which the next
run cuts off before it goes on. `features/files.json` remembers the hashes of files that did not change since.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import mmap
import os
import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tienet import files
from tienet.data.image import read_image
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.modeling.backbone_weights import ENDS, grid_side

PREPROCESSING = 1
"""Raise it when `image.read_image` or `backbone.preprocess` gives other pixels, and old rows are not used."""

Extractor = Callable[[np.ndarray], np.ndarray]
"""uint8 [B, px, px] -> float16 [B, h, w, C], all finite; a `close` method is called at the end."""

_FLOAT16 = np.dtype("<f2")
_DECODERS = 4  # threads; cv2 and hashlib release the GIL
_ROWS_AT_ONCE = 32  # rows that are mapped in before their pages are given back
_SETTLED_NS = 2_000_000_000  # a file younger than this may change again within one tick of its clock
_LINE = re.compile(rb'\{"sha256": "([0-9a-f]{64})", "row": (0|[1-9][0-9]*)\}\n')
_NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


@dataclass(frozen=True)
class FeatureKey:
    """What a feature depends on besides the image file."""

    weights_fingerprint: str
    end: str  # res4f or res5c
    image_px: int

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """(h, w, C) of one image's features."""
        side = grid_side(self.image_px, self.end)
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
    """Features of a manifest's studies, read from the mapped file.

    Attributes:
        shape: (N, h, w, C); N studies, in the manifest's order.
        folder: where they lie.
        row_bytes: bytes of one row.
        new_rows: rows that `open_features` had to compute.
        reused_rows: rows of this manifest's images that were there.
        compute_s: seconds that computing took, decoding and writing included.
    """

    def __init__(self, store: "_Store", manifest: Manifest, rows: np.ndarray, new_rows: int, compute_s: float) -> None:
        self.shape: tuple[int, int, int, int] = (len(rows), *store.row_shape)
        self.folder, self.row_bytes = store.folder, store.row_bytes
        self.new_rows, self.compute_s = new_rows, compute_s
        self.reused_rows = len(np.unique(rows[rows >= 0])) - new_rows
        self._study_ids, self._rows = manifest.study_ids, rows
        count = int(rows.max()) + 1
        with store.data.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), count * store.row_bytes, access=mmap.ACCESS_READ)
        self._array = np.frombuffer(self._map, _FLOAT16).reshape(count, *store.row_shape)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """float16 [n, h, w, C], a copy: the features of the studies at these positions of the manifest.

        Raises:
            InputError: one of them has no image.
        """
        indices = np.asarray(indices, np.int64)
        rows = self._rows[indices]
        if (rows < 0).any():
            study = self._study_ids[indices[np.argmin(rows)]]
            raise InputError(f"study {study} has no image, so no features; leave it out or use annotate-text")
        out = np.empty((len(rows), *self.shape[1:]), np.float16)
        for n, position in enumerate(np.argsort(rows, kind="stable"), start=1):  # in the file's order
            out[position] = self._array[rows[position]]
            if n % _ROWS_AT_ONCE == 0 or n == len(rows):
                # Pages read through a map count in our memory until it gives them back: all of a 3 GB file in
                # random order raised the peak by 3.1 GB, so by 32 MB, and as fast as with pread.
                self._map.madvise(mmap.MADV_DONTNEED)
        return out

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
    store = _Store(manifest.path.parent / "features", key)
    hashes, problems = _hashes(manifest, store.folder.parent, progress)
    rows, new, compute_s = store.rows(), 0, 0.0
    if not rows.keys() >= set(hashes.values()):
        with store.writing() as there:  # another run may have added some while we waited
            missing = {sha: path for path, sha in hashes.items() if sha not in there}
            start = time.perf_counter()
            unreadable = _compute(store, len(there), missing, extractor_factory, batch, progress)
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


# ---- rows on the disk ----


class _Store:
    """One folder of the cache: its files, and how rows get into them."""

    def __init__(self, root: Path, key: FeatureKey):
        self.folder = root / key.name
        self.data, self.index = self.folder / "features.f16", self.folder / "index.jsonl"
        self.meta = self.folder / "meta.json"
        self.row_shape = key.row_shape
        self.image_px = key.image_px
        self.row_bytes = int(np.prod(self.row_shape)) * _FLOAT16.itemsize
        self._facts = {**key.facts, "row_shape": list(self.row_shape), "dtype": "float16, little-endian"}

    def rows(self) -> dict[str, int]:
        """sha256 -> row, for the rows that are whole on the disk."""
        return self._read_index()[0]

    def _read_index(self) -> tuple[dict[str, int], int]:
        """As `rows`, and how many bytes of the index are good: all before the first bad line."""
        rows: dict[str, int] = {}
        if not self.meta.is_file():
            return rows, 0
        found = _read_json(self.meta)
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
        """Add rows; the index hears of them only when they are on the disk."""
        assert features.shape == (len(hashes), *self.row_shape), (features.shape, self.row_shape)
        assert features.dtype == np.float16, features.dtype
        lines = [json.dumps({"sha256": sha, "row": row}) + "\n" for row, sha in enumerate(hashes, first_row)]
        with _explained(self.folder):
            _append(self.data, np.ascontiguousarray(features, _FLOAT16).data.cast("B"))
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


# ---- the network over what is missing ----


def _compute(
    store: _Store,
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
        ThreadPoolExecutor(_DECODERS) as pool,
        _bar(missing, "features", progress) as bar,
        contextlib.ExitStack() as at_end,
    ):
        group: list[tuple[str, np.ndarray]] = []
        loaded = _ahead(pool, lambda item: _load(*item, store.image_px), missing.items(), 4 * batch)
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


def _ahead(pool: ThreadPoolExecutor, work: Callable, items: Iterable, count: int) -> Iterator:
    """work(item) for each item, in order, up to `count` of them made ahead: the network never waits."""
    items = iter(items)
    waiting = deque(pool.submit(work, item) for item in islice(items, count))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(work, item) for item in islice(items, 1))


def _load(sha: str, path: Path, image_px: int) -> tuple[str, np.ndarray | None, str | None]:
    """The hash, the image uint8 [px, px], None; or the hash, None, and why it cannot be read."""
    try:
        pixels = read_image(path, image_px)
        if _hash(path)[0] != sha:  # or the row would be filed under what the file held before
            return sha, None, "changed while it was read; run again"
    except (InputError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return sha, None, reason.removeprefix(str(path)).lstrip(": ")
    return sha, pixels, None


def _check_room(store: _Store, count: int) -> None:
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


# ---- hashes of the image files ----


def _hashes(manifest: Manifest, root: Path, progress: bool) -> tuple[dict[Path, str], dict[Path, str]]:
    """File -> sha256, and file -> reason where it cannot be read.

    A file is read anew only where its size, times or inode are not those in `files.json`, as git does it.
    """
    known = _read_json(root / "files.json") or {}
    folder = root.parent.absolute()  # names are relative to it, so that the data set can move
    hashes: dict[Path, str] = {}
    problems: dict[Path, str] = {}
    changed: dict[Path, str] = {}
    for path in dict.fromkeys(path for path in manifest.images if path is not None):
        name = str(path.relative_to(folder) if path.is_relative_to(folder) else path)
        try:
            sha, *state = known.get(name, [None])
            if state == _state(path.stat()):
                hashes[path] = sha
            else:
                changed[path] = name
        except OSError as error:
            problems[path] = error.strerror
    with ThreadPoolExecutor(_DECODERS) as pool, _bar(changed, "hashing images", progress) as bar:
        for path, result in _ahead(pool, _try_hash, changed, 4 * _DECODERS):
            bar.update()
            if isinstance(result, str):
                problems[path] = result
                continue
            sha, state, settled = result
            hashes[path] = sha
            if settled:
                known[changed[path]] = [sha, *state]
    if changed:
        with contextlib.suppress(OSError):  # it only saves time; rows that cannot be written will say so
            files.write_text(root / "files.json", json.dumps(known))
    return hashes, problems


def _hash(path: Path) -> tuple[str, list[int], bool]:
    """sha256 of the file's bytes, its state, and whether a later change is sure to change the state."""
    now = time.time_ns()
    with path.open("rb") as file:
        state = _state(os.fstat(file.fileno()))
        return hashlib.sha256(file.read()).hexdigest(), state, max(state[1:3]) < now - _SETTLED_NS


def _try_hash(path: Path) -> tuple[Path, tuple[str, list[int], bool] | str]:
    try:
        return path, _hash(path)
    except OSError as error:
        return path, str(error.strerror)


def _state(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read_json(path: Path) -> dict | None:
    """The object in a file; None where there is no file or no JSON."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _bar(items: Sequence | dict, what: str, progress: bool) -> tqdm:
    return tqdm(total=len(items), desc=what, unit="image", disable=not (progress and items), file=sys.stderr)
