"""Cases: the feature cache, reading images, and the batches of training without the training."""

import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import synthetic
from benchmarks.measuring import Measured, peak_memory
from tienet import cpu
from tienet.config import Config
from tienet.data.features.store import Store
from tienet.data.image import read_image
from tienet.data.image_reading import read_images

BATCH = 32


def cache_write(rows: int = 1000) -> Measured:
    """Adding rows to the feature cache, 16 at a time; after each time they are on the disk."""
    with tempfile.TemporaryDirectory() as temporary:
        cache = synthetic.store(Path(temporary) / "cache", _config())
        seconds = 0.0
        with cache.writing():
            for first, features in synthetic.random_rows(cache.row_shape, rows):
                names = synthetic.hashes(first, len(features))
                start = time.perf_counter()
                cache.append(names, features, first)
                seconds += time.perf_counter() - start
        return Measured(seconds, peak_memory(), more=_rate(rows * cache.row_bytes, seconds))


def cache_read(rows: int = 1000) -> Measured:
    """Reading all rows once in shuffled batches, while the system still has the file in memory.

    `from_disk_mb_s` is the rate just after the system was asked to drop the file from its memory.
    """
    with tempfile.TemporaryDirectory() as temporary:
        cache = synthetic.store(Path(temporary) / "cache", _config())
        synthetic.fill(cache, rows)
        features = synthetic.studies(cache, _config()).features
        forget(cache)
        seconds = []
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(rows)
            start = time.perf_counter()
            for first in range(0, rows, BATCH):
                features.take(order[first : first + BATCH])
            seconds.append(time.perf_counter() - start)
        size, again = rows * cache.row_bytes, statistics.median(seconds[1:])
        more = _rate(size, again) | {"from_disk_mb_s": round(size / seconds[0] / 1e6)}
        return Measured(again, peak_memory(), more=more)


def data_flow(rows: int = 1000, words: int = 64) -> Measured:
    """Seconds for one of training's batches (32 studies with reports) from cached rows; nothing trains on them.

    The time is the mean over the second epoch. `from_disk_s` is the mean over the first epoch, before which the system
    was asked to drop the file from its memory.
    """
    from tienet.data.dataflow import TrainingBatches

    with tempfile.TemporaryDirectory() as temporary:
        cache = synthetic.store(Path(temporary) / "cache", _config())
        synthetic.fill(cache, rows)
        batches = TrainingBatches(synthetic.studies(cache, _config(), words), BATCH, seed=0)
        endless = iter(batches)
        next(endless)
        forget(cache)
        seconds = []
        for _ in range(2 * batches.steps_per_epoch):
            start = time.perf_counter()
            next(endless)
            seconds.append(time.perf_counter() - start)
        half = len(seconds) // 2
        first, second = statistics.fmean(seconds[:half]), statistics.fmean(seconds[half:])
        return Measured(second, peak_memory(), more={"from_disk_s": round(first, 4)})


def image_read(images: int = 64, px: int = 1024, rounds: int = 3) -> Measured:
    """Seconds for an image of ChestX-ray14's kind, a PNG of `px` pixels, read for `--features off` in batches of 32.

    `ratio` is how many times as fast that is as one image after the other, in the same run, by turns.
    """
    with tempfile.TemporaryDirectory() as temporary:
        paths = synthetic.pngs(Path(temporary), images, px)
        batches = [paths[first : first + BATCH] for first in range(0, images, BATCH)]
        alone, together = [], []
        for _ in range(rounds):
            start = time.perf_counter()
            for path in paths:
                read_image(path, 512)
            middle = time.perf_counter()
            for batch in batches:
                read_images(batch, 512)
            alone.append(middle - start)
            together.append(time.perf_counter() - middle)
    seconds, of_one = statistics.median(together), statistics.median(alone)
    more = {"images_s": round(images / seconds), "ratio": round(of_one / seconds, 2), "cores": cpu.cores()}
    return Measured(seconds / images, peak_memory(), more=more)


def forget(cache: Store) -> None:
    """Ask the system to drop the cache's data from its memory, where the system can be asked."""
    if hasattr(os, "posix_fadvise"):
        with cache.data.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _config() -> Config:
    return Config().replace(mode="report", backbone_end="res4f", image_px=256)


def _rate(size: int, seconds: float) -> dict[str, object]:
    return {"mb": round(size / 1e6, 1), "mb_s": round(size / seconds / 1e6)}
