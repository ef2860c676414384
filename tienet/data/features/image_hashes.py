"""The sha256 of the image files of a manifest; a file that did not change since the last time is not read again.

`files.json` keeps [sha256, size, mtime_ns, ctime_ns, inode] of each file, except those that were written just before.
It only saves time: if it is missing or damaged, all files are read.
"""

import contextlib
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from tienet import files
from tienet.data.manifest import Manifest
from tienet.progress import Progress

THREADS = 4  # cv2 and hashlib release the GIL

_SETTLED_NS = 2_000_000_000  # a file younger than this may change again without a change of its times


def hash_images(manifest: Manifest, root: Path, progress: bool) -> tuple[dict[Path, str], dict[Path, str]]:
    """The sha256 of each image file (file -> sha256), and the reason for each file that cannot be read.

    As in git, a file is read again only if its size, times or inode differ from those in `files.json`.

    Args:
        manifest: The studies; those without an image are skipped.
        root: The folder of `files.json`, in the folder of the manifest; if it cannot be written to, nothing is kept.
        progress: Whether to show a progress bar.
    """
    known = read_json(root / "files.json") or {}
    folder = root.parent.absolute()  # names are relative to it, so that the data set can be moved
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
    with ThreadPoolExecutor(THREADS) as pool, image_bar(changed, "hashing images", progress) as bar:
        for path, result in ahead(pool, _try_hash, changed, 4 * THREADS):
            bar.update()
            if isinstance(result, str):
                problems[path] = result
                continue
            sha, state, settled = result
            hashes[path] = sha
            if settled:
                known[changed[path]] = [sha, *state]
    if changed:
        with contextlib.suppress(OSError):  # the file only saves time, and writing the rows will report the error
            files.write_text(root / "files.json", json.dumps(known))
    return hashes, problems


def hash_file(path: Path) -> tuple[str, list[int], bool]:
    """The sha256 of a file, its state, and whether any later change of the file is sure to change the state."""
    now = time.time_ns()
    with path.open("rb") as file:
        state = _state(os.fstat(file.fileno()))
        return hashlib.sha256(file.read()).hexdigest(), state, max(state[1:3]) < now - _SETTLED_NS


def _try_hash(path: Path) -> tuple[Path, tuple[str, list[int], bool] | str]:
    try:
        return path, hash_file(path)
    except OSError as error:
        return path, str(error.strerror)


def _state(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def read_json(path: Path) -> dict | None:
    """The JSON object in a file; None if there is no file or no such object in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def image_bar(items: Sequence | dict, what: str, progress: bool) -> Progress:
    """The progress over images; it is hidden if there is nothing to do."""
    return Progress(len(items), what, "images", show=progress)


def ahead(pool: ThreadPoolExecutor, work: Callable, items: Iterable, count: int) -> Iterator:
    """Yield work(item) for each item, in order; up to `count` results are computed before the caller needs them."""
    items = iter(items)
    futures = deque(pool.submit(work, item) for item in islice(items, count))
    while futures:
        yield futures.popleft().result()
        futures.extend(pool.submit(work, item) for item in islice(items, 1))
