"""Rows of `benchmarks.gpu` that start from image files, or go from a data set to its tables.

Each function runs in a process of its own (`gpu_process`) and yields a row as soon as it is measured. The pictures are
made by the first row that needs them, in a folder that all rows share.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from benchmarks.case import ROOT, FailedError
from benchmarks.gpu_process import Row, memory_of_arrays
from benchmarks.measuring import repeat
from tienet import cli, devices
from tienet.config import Config, preset

V, E = 1457, 200
MS = 1e3
_AT_ONCE = 64  # images that are computed at once where nothing is read or written


def pictures(folder: Path, count: int, px: int, ending: str) -> list[Path]:
    """Grey pictures of px * px that are as large as a chest X-ray's: smooth, with a detector's noise.

    They are made by all cores, unless the folder has them already.

    Args:
        ending: "png" or "jpg".
    """
    own = folder / f"{ending}-{px}"
    own.mkdir(parents=True, exist_ok=True)
    paths = [own / f"{n}.{ending}" for n in range(count)]
    missing = [path for path in paths if not path.is_file()]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda path: _make(path, px), missing))
    return paths


def _make(path: Path, px: int) -> None:
    random = np.random.default_rng(int(path.stem))
    smooth = cv2.resize(random.uniform(40, 215, (8, 8)).astype(np.float32), (px, px), interpolation=cv2.INTER_CUBIC)
    noisy = smooth + 2 * random.standard_normal((px, px), np.float32)
    written = cv2.imencode(path.suffix, np.clip(noisy, 0, 255).astype(np.uint8))[1]
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(written.tobytes())
    unfinished.replace(path)


# ---- the feature cache ----


def features(
    folder: str,
    images: int = 1024,
    kinds: Sequence[tuple[int, str]] = ((256, "res4f"), (512, "res5c")),
    batches: Sequence[int] = (16, 64, 128),
    dtype: str = "float32",
) -> Iterator[Row]:
    """Images a second from JPEG files to rows of the cache, for each side and end of the backbone.

    Reading, hashing, decoding, computing and writing are in it; building the network and its first batch are not. What
    bounds it is seen by rows of decoding alone, by all cores, and of computing alone, of arrays, two batches at once.

    Args:
        batches: Besides the batch that the program takes, these are measured for the first kind.
        dtype: What the backbone computes in.
    """
    cli.start_tensorflow()
    from tienet.data.features.cache import FeatureKey
    from tienet.modeling.backbone import FeatureExtractor
    from tienet.modeling.backbone_weights import RANDOM, fingerprint, weights_for

    name = "features" if dtype == "float32" else dtype
    for n, (px, end) in enumerate(kinds):
        paths = pictures(Path(folder), images, px, "jpg")
        weights = weights_for(RANDOM, end, 0)
        key = FeatureKey(fingerprint(weights), end, px)
        with FeatureExtractor(weights, end, px, dtype=dtype) as network:
            for batch in (None, *(batches if n == 0 else ())):
                start = time.perf_counter()
                _fill(key, network, paths[: batch or images // 4], batch)  # the network compiles for this batch
                first = time.perf_counter() - start
                start = time.perf_counter()
                _fill(key, network, paths, batch)
                taken = time.perf_counter() - start
                what = f"{name}/{px} px JPEG to {end}" + (f", batch {batch}" if batch else "")
                yield Row(what, images / taken, "images/s", first, f"{images} images in {taken:.2f} s")
            yield _decoding(f"{name}/decoding {px} px JPEG alone", paths, px)
            yield _computing(f"{name}/computing {px} px to {end} alone", network, images, px)
    yield from memory_of_arrays(name)


def _computing(name: str, network: Callable[[np.ndarray], np.ndarray], images: int, px: int) -> Row:
    """Images a second of the network alone, two batches at once."""
    batches = [np.zeros((min(images, _AT_ONCE), px, px), np.uint8)] * max(2, images // _AT_ONCE)
    with ThreadPoolExecutor(2) as pool:
        (taken,) = repeat(lambda: list(pool.map(network, batches)), 1, 1)
    return Row(name, sum(map(len, batches)) / taken, "images/s")


def _decoding(name: str, paths: list[Path], px: int) -> Row:
    """Images a second of decoding files to squares of px * px, by all cores."""
    from tienet.data.image import read_image

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        (taken,) = repeat(lambda: list(pool.map(lambda path: read_image(path, px), paths)), 1, 0)
    return Row(name, len(paths) / taken, "images/s", note=f"{len(paths)} {paths[0].suffix} files, all cores")


def _fill(key, network, paths: list[Path], batch: int | None) -> None:
    """Fill a cache beside the images, which must not be there yet, and delete it."""
    from benchmarks.training import manifest_of
    from tienet.data.features.cache import open_features

    class Extractor:
        """The network, which stays open for the next cache."""

        arithmetic = getattr(network, "arithmetic", None)

        def __call__(self, gray: np.ndarray) -> np.ndarray:
            return network(gray)

    root = paths[0].parent / "features"
    shutil.rmtree(root, ignore_errors=True)
    chosen = {} if batch is None else {"batch": batch}
    found = open_features(manifest_of(paths), Extractor, key, progress=False, **chosen)
    assert found.new_rows == len(paths), f"{found.new_rows} rows of {len(paths)} were new"
    shutil.rmtree(root)


def bfloat16(folder: str, images: int = 1024, px: int = 256, end: str = "res4f", compared: int = 64) -> Iterator[Row]:
    """The backbone in bfloat16: images a second to the cache, and how far its features are from those in float32.

    The difference is the largest of all features, as a share of the largest feature, for random weights.
    """
    yield from features(folder, images, ((px, end),), (), "bfloat16")
    from tienet.data.image_reading import read_images
    from tienet.modeling.backbone import FeatureExtractor
    from tienet.modeling.backbone_weights import RANDOM, weights_for

    gray = read_images(pictures(Path(folder), compared, px, "jpg"), px)
    weights = weights_for(RANDOM, end, 0)
    with FeatureExtractor(weights, end, px) as network, FeatureExtractor(weights, end, px, dtype="bfloat16") as other:
        exact, rough = (extract(gray).astype(np.float32) for extract in (network, other))
    mean = abs(rough - exact).mean() / exact.mean()
    yield Row("bfloat16/difference", float(abs(rough - exact).max() / exact.max()), "", note=f"{mean:.1e} in the mean")


# ---- training and predicting from images ----


def classify(
    folder: str, images: int = 1024, px: int = 1024, settings: dict[str, object] | None = None
) -> Iterator[Row]:
    """Images a second of updates of `classify` from PNG files, and of decoding alone, with all cores."""
    cli.start_tensorflow()
    from benchmarks import training

    config = Config().replace(mode="classify", features="off", **(settings or {}))
    paths = pictures(Path(folder), images, px, "png")
    yield _decoding("classify/decoding alone", paths, config.image_px)
    seconds = training.train(training.studies_with_images(config, paths), 3, first_steps=5)
    note = f"the last of the epochs, in which no batch waited at the start: {', '.join(f'{s:.1f}' for s in seconds)} s"
    yield Row("classify/training", images / seconds[-1], "images/s", seconds[0], note)
    yield from memory_of_arrays("classify")


def one_image(
    folder: str, px: int = 1024, words: int = 60, repeats: int = 20, settings: dict[str, object] | None = None
) -> Iterator[Row]:
    """The time from one image's pixels to its labels and its report of so many words, in a warm process."""
    cli.start_tensorflow()
    from tienet.data.image import read_gray
    from tienet.inference.reporter import Reporter
    from tienet.modeling.decoding import Decoding

    (path,) = pictures(Path(folder), 1, px, "png")
    pixels = read_gray(path)
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        untrained_run(run, preset("openi", "report").replace(**(settings or {})))
        with Reporter.load(run, Decoding(max_words=words)) as reporter:
            first = sum(repeat(lambda: reporter.report([pixels]), 2, 0))
            written = len(reporter.report([pixels])[0].words) - 1
            assert written == words, f"the report has {written} words, not {words}"
            taken = sorted(repeat(lambda: reporter.report([pixels]), repeats, 1))
    note = f"{taken[0] * MS:.1f} to {taken[-1] * MS:.1f} in {len(taken)} calls; the picture has {px} px"
    yield Row("one image to its report", taken[len(taken) // 2] * MS, "ms", first, note)
    yield from memory_of_arrays("one image")


def untrained_run(folder: Path, config: Config) -> None:
    """Make a run's folder with random weights, which never write <END>."""
    import tensorflow as tf
    from tensorpack.tfutils.tower import PredictTowerContext

    from benchmarks.network import NEVER
    from tienet.checkpoint.entries import TrainingState
    from tienet.checkpoint.run_folder import create_run
    from tienet.checkpoint.save import save
    from tienet.data.features import statistics
    from tienet.data.text import END, IMPRESSION, SPECIALS, Vocab
    from tienet.grid import ENDS
    from tienet.labels import K
    from tienet.modeling.backbone_weights import RANDOM, save_weights, weights_for
    from tienet.modeling.model import TieNet

    tf1 = tf.compat.v1
    names = [IMPRESSION, ":", *(f"w{n}" for n in range(V - len(SPECIALS) - 2))]
    create_run(folder, config, Vocab([*SPECIALS, *names]), {"word_dim": E, "data": "made-up"}, {})
    measured = np.ones((2, ENDS[config.backbone_end][1]), np.float32)
    statistics.save(folder / "feature_norm.npy", measured)
    save_weights(folder / "backbone.npz", weights_for(RANDOM, config.backbone_end, 0), config.backbone_end)
    with tf.Graph().as_default():
        tf1.set_random_seed(0)
        model = TieNet(config, V, E, feature_statistics=measured)
        inputs = [tf1.placeholder(spec.dtype, spec.shape, spec.name) for spec in model.study_inputs()]
        with PredictTowerContext(""):
            model.build_graph(*inputs)
        with tf1.Session(config=devices.session_config()) as session:
            session.run(tf1.global_variables_initializer())
            (bias,) = (variable for variable in tf1.trainable_variables() if variable.op.name == "word_softmax/b")
            bias.load(np.where(np.arange(V) == END, NEVER, 0.0).astype(np.float32), session)
            state = TrainingState(1, 1, 0.5, 1)
            save(folder, session, tf1.train.Saver(tf1.trainable_variables()), state, [0.5] * K, best=True)


# ---- a whole data set ----


def data_set(data: str, backbone_weights: str, flags: Sequence[str] = ()) -> Iterator[Row]:
    """Features, all five modes with preset `openi`, and their tables: the seconds of each command, and of all.

    The trainings that do not go on from each other run at once, as `make -j3 openi` does.

    Args:
        data: The data set's folder.
        flags: Further flags of each training.
    """
    folder, name = Path(data).resolve().parent, Path(data).name
    source = ["--data", name, "--data-root", str(folder)]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        runs = {mode: str(Path(temporary) / mode) for chain in CHAINS for mode in chain}

        def training(mode: str) -> list[str]:
            more = [] if mode == "annotate-text" else ["--backbone-weights", backbone_weights]
            if mode == "caption":
                more += ["--load", runs["classify"]]
            if mode == "report":
                more += ["--load", f"{runs['caption']}/checkpoints/checkpoint", "--vocab", runs["caption"], *OF_REPORT]
            return ["train", *source, "--mode", mode, "--preset", "openi", "--logdir", runs[mode], *more, *flags]

        sizes = ["--backbone-end", "res4f", "--image-px", "256"]
        yield _command("features", ["features", *source, "--backbone-weights", backbone_weights, *sizes])
        yield from _at_once([[(mode, training(mode)) for mode in chain] for chain in CHAINS])
        tables = ["--out", str(Path(temporary) / "tables"), "--no-java"]
        yield _command("tables", ["evaluate", "--load", *runs.values(), *source, *tables])
        total = time.perf_counter() - start
        table = (Path(temporary) / "tables" / "table1.txt").read_text(encoding="utf-8").splitlines()
        columns, means = (next(line for line in table if text in line) for text in (" R ", "AVG "))
        yield Row("openi/all", total, "s", note=f"{' '.join(columns.split())}: {' '.join(means.split())}")


CHAINS = (("annotate-text",), ("annotate",), ("classify", "caption", "report"))
"""The modes: each one of a chain goes on from what the one before has learnt, as in the Makefile."""

OF_REPORT = ["--set", "alpha=0.25", "--set", "writer_rate=0.1", "--epochs", "8"]


def _at_once(chains: Sequence[Sequence[tuple[str, list[str]]]]) -> Iterator[Row]:
    """Run chains of commands, with their names, side by side; yields a row as soon as a command has ended.

    Raises:
        FailedError: A command failed; the others of its chain were not started.
    """
    done: queue.Queue[Row | FailedError | None] = queue.Queue()

    def run(chain: Sequence[tuple[str, list[str]]]) -> None:
        try:
            for name, command in chain:
                done.put(_command(name, command))
        except FailedError as error:
            done.put(error)
        finally:
            done.put(None)

    failed = None
    with ThreadPoolExecutor(len(chains)) as pool:
        for chain in chains:
            pool.submit(run, chain)
        going = len(chains)
        while going:
            row = done.get()
            if row is None:
                going -= 1
            elif isinstance(row, Row):
                yield row
            else:
                failed = failed or row
    if failed:
        raise failed


def _command(what: str, command: list[str]) -> Row:
    """Run a command of the program; returns its seconds, with the first line that it prints.

    Raises:
        FailedError: It failed; the message has the last line of its errors.
    """
    start = time.perf_counter()
    program = [sys.executable, "-m", "tienet", *command]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise FailedError(f"{what}: {lines[-1]}")
    said = ended.stdout.partition("\n")[0] if what == "features" else ""
    return Row(f"openi/{what}", time.perf_counter() - start, "s", note=said)
