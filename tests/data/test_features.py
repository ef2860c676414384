"""The feature cache: what is computed, what is reused, and what is left by runs that die."""

import contextlib
import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tienet import cli
from tienet.data import features as features_module
from tienet.data.features import FeatureKey, Features, open_features, require_images
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.labels import K

KEY = FeatureKey("some weights", "res4f", 32)  # rows of 2 x 2 x 1024, 8 KB
ROW_BYTES = 2 * 2 * 1024 * 2
CHANNELS = np.arange(1024, dtype=np.float32)


def manifest_of(folder: Path, images: list[Path | None]) -> Manifest:
    ids = [f"s{n}" for n in range(len(images))]
    labels = np.zeros((len(images), K), np.float32)
    return Manifest(
        name="toy", path=folder / "manifest.csv", study_ids=ids, patient_ids=ids, images=images,
        reports=[""] * len(images), splits=np.array(["train"] * len(images)), labels=labels, notes=[],
    )  # fmt: skip


def write_images(folder: Path, count: int) -> list[Path]:
    """Different grey images of 40 x 40 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"{n}.png" for n in range(count)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 40), dtype=np.uint8))
    return paths


def toy_features(images: np.ndarray) -> np.ndarray:
    """uint8 [B, 32, 32] -> float16 [B, 2, 2, 1024]: block means, another scale in each channel."""
    means = images.reshape(len(images), 2, 16, 2, 16).astype(np.float32).mean((2, 4))
    return (means[..., None] * (1 + CHANNELS / 1024)).astype(np.float16)


class Network:
    """A cheap stand-in for the backbone that counts how often it is made and what goes through it."""

    def __init__(self) -> None:
        self.made = self.images = 0

    def __call__(self):
        self.made += 1
        return self.run

    def run(self, images: np.ndarray) -> np.ndarray:
        self.images += len(images)
        return toy_features(images)


def opened(manifest: Manifest, key: FeatureKey = KEY, batch: int = 4) -> tuple[Features, Network]:
    network = Network()
    return open_features(manifest, network, key, batch=batch, progress=False), network


def expected(paths: list[Path]) -> np.ndarray:
    from tienet.data.image import read_image

    return toy_features(np.stack([read_image(path, 32) for path in paths]))


@pytest.fixture
def toy(tmp_path: Path) -> Manifest:
    return manifest_of(tmp_path, write_images(tmp_path / "images", 10))


def test_features_are_those_of_the_studies(toy):
    features, network = opened(toy)
    assert features.shape == (10, 2, 2, 1024) and len(features) == 10
    assert (features.new_rows, features.reused_rows, network.images) == (10, 0, 10)
    np.testing.assert_array_equal(features.take([7, 0, 7]), expected([toy.images[i] for i in (7, 0, 7)]))
    assert features.take([]).shape == (0, 2, 2, 1024)
    assert features.take([3]).dtype == np.float16 and features.compute_s > 0


def test_second_opening_computes_nothing_and_makes_no_network(toy):
    first, _ = opened(toy)
    second, network = opened(toy)
    assert network.made == 0 and (second.new_rows, second.reused_rows) == (0, 10)
    np.testing.assert_array_equal(first.take(range(10)), second.take(range(10)))


def test_position_is_that_of_the_given_manifest(toy):
    opened(toy)
    backwards = manifest_of(toy.path.parent, toy.images[::-1])
    features, network = opened(backwards)
    assert network.made == 0
    np.testing.assert_array_equal(features.take([0, 9]), expected([toy.images[9], toy.images[0]]))


def test_pooled_is_mean_then_maximum(toy, monkeypatch):
    monkeypatch.setattr(features_module, "_ROWS_AT_ONCE", 3)
    x = expected(toy.images).astype(np.float32)
    pooled = opened(toy)[0].pooled()
    assert pooled.shape == (10, 2048) and pooled.dtype == np.float32
    np.testing.assert_allclose(pooled[:, :1024], x.mean((1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(pooled[:, 1024:], x.max((1, 2)))


def trust_young_files(monkeypatch):
    monkeypatch.setattr(features_module, "_SETTLED_NS", -(10**12))


def test_changed_image_is_computed_anew_and_touched_one_is_not(toy, monkeypatch):
    trust_young_files(monkeypatch)
    opened(toy)
    os.utime(toy.images[2])
    assert opened(toy)[1].images == 0
    before = toy.images[3].stat()
    shutil.copy(toy.images[4], toy.images[3])
    os.utime(toy.images[3], ns=(before.st_atime_ns, before.st_mtime_ns))  # as cp -p and rsync -t do
    cv2.imwrite(str(toy.images[5]), np.full((40, 40), 77, np.uint8))
    features, network = opened(toy)
    assert network.images == 1  # the 5th; the 3rd is now equal to the 4th
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))


def test_unchanged_files_are_not_read_again(toy, monkeypatch):
    trust_young_files(monkeypatch)
    opened(toy)
    read = []
    monkeypatch.setattr(features_module, "_hash", lambda path: read.append(path))
    assert opened(toy)[0].reused_rows == 10 and read == []


def test_data_set_can_move(tmp_path, monkeypatch):
    trust_young_files(monkeypatch)
    paths = write_images(tmp_path / "before" / "images", 3)
    opened(manifest_of(tmp_path / "before", paths))
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.chdir(tmp_path)  # the manifest's path may be relative, its images are absolute
    monkeypatch.setattr(features_module, "_hash", None)
    moved = [tmp_path / "after" / "images" / path.name for path in paths]
    assert opened(manifest_of(Path("after"), moved))[0].reused_rows == 3


def test_young_files_are_read_again(toy):
    opened(toy)
    known = toy.path.parent / "features" / "files.json"
    assert json.loads(known.read_text()) == {}
    known.write_text("{ half a fi")  # nothing depends on it
    assert opened(toy)[0].reused_rows == 10


def test_added_image_only_adds_a_row(toy):
    first, _ = opened(manifest_of(toy.path.parent, toy.images[:7]))
    before = first.take(range(7))
    features, network = opened(toy)
    assert (features.new_rows, features.reused_rows, network.images) == (3, 7, 3)
    np.testing.assert_array_equal(features.take(range(7)), before)


def test_equal_images_share_a_row(tmp_path):
    paths = write_images(tmp_path / "images", 3)
    copy = tmp_path / "copy.png"
    shutil.copy(paths[1], copy)
    features, network = opened(manifest_of(tmp_path, [*paths, copy, paths[0]]))
    assert network.images == 3 and features.reused_rows == 0
    np.testing.assert_array_equal(features.take([3, 4]), expected([paths[1], paths[0]]))


@pytest.mark.parametrize("other", [FeatureKey("other weights", "res4f", 32), FeatureKey("some weights", "res4f", 48)])
def test_other_weights_or_size_have_another_folder(toy, other):
    first, _ = opened(toy)
    network = Network()
    network.run = lambda images: np.zeros((len(images), *other.row_shape), np.float16)
    second = open_features(toy, network, other, progress=False)
    assert network.made == 1 and second.new_rows == 10 and second.folder != first.folder
    np.testing.assert_array_equal(opened(toy)[0].take(range(10)), expected(toy.images))


def test_other_preprocessing_has_another_folder(toy, monkeypatch):
    first, _ = opened(toy)
    monkeypatch.setattr(features_module, "PREPROCESSING", features_module.PREPROCESSING + 1)
    assert opened(toy)[0].folder != first.folder


def test_meta_says_what_it_is_and_is_checked(toy):
    features, _ = opened(toy)
    meta = features.folder / "meta.json"
    facts = json.loads(meta.read_text())
    assert (facts["weights"], facts["row_shape"], facts["image_px"]) == ("some weights", [2, 2, 1024], 32)
    meta.write_text(json.dumps({**facts, "end": "res5c"}))
    with pytest.raises(InputError, match=r"meta\.json: expected .* delete"):
        opened(toy)


# ---- runs that die ----

KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from test_features import KEY, Path, manifest_of, open_features, toy_features

def slow(images):
    time.sleep(.1)
    return toy_features(images)

folder = Path({folder!r})
manifest = manifest_of(folder, sorted((folder / "images").iterdir()))
open_features(manifest, lambda: slow, KEY, batch=2, progress=False)
"""


def test_killed_run_is_continued(tmp_path):
    paths = sorted(write_images(tmp_path / "images", 60))
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    index = tmp_path / "features" / KEY.name / "index.jsonl"
    while not index.exists() or index.stat().st_size < 500:
        assert child.poll() is None, "the child ended by itself"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    features, network = opened(manifest_of(tmp_path, paths))
    assert 0 < features.reused_rows < 60 and network.images == 60 - features.reused_rows
    np.testing.assert_array_equal(features.take(range(60)), expected(paths))


def line(row: int, sha: str = "a" * 64) -> bytes:
    return json.dumps({"sha256": sha, "row": row}).encode() + b"\n"


@pytest.mark.parametrize(
    ("data_bytes", "lines", "tail", "kept"),
    [
        (7 * ROW_BYTES + 100, 7, b"", 7),  # killed while rows were written
        (9 * ROW_BYTES, 7, b"", 7),  # killed between the rows and their lines
        (10 * ROW_BYTES, 7, b'{"sha256": "12ab', 7),  # killed while lines were written
        (5 * ROW_BYTES + 1, 10, b"", 5),  # data lost after a power cut
        (10 * ROW_BYTES, 4, b"\0" * 300, 4),  # the same, for the index
        (10 * ROW_BYTES, 4, line(7), 4),  # a line for another row
        (10 * ROW_BYTES, 4, b"[]\n", 4),
        (0, 0, b"", 0),
    ],
)
def test_torn_tails_are_cut_off(toy, data_bytes, lines, tail, kept):
    folder = opened(toy)[0].folder
    os.truncate(folder / "features.f16", data_bytes)
    index = folder / "index.jsonl"
    index.write_bytes(b"".join(index.read_bytes().splitlines(keepends=True)[:lines]) + tail)
    features, network = opened(toy)
    assert (features.reused_rows, network.images) == (kept, 10 - kept)
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))
    assert (folder / "features.f16").stat().st_size == 10 * ROW_BYTES
    assert [json.loads(text)["row"] for text in index.read_text().splitlines()] == list(range(10))


def test_hash_that_comes_twice_ends_the_good_part(toy):
    folder = opened(toy)[0].folder
    index = folder / "index.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    lines[6] = lines[2].replace(b'"row": 2', b'"row": 6')
    index.write_bytes(b"".join(lines))
    features, _ = opened(toy)
    assert features.new_rows == 4
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))


def test_ctrl_c_keeps_finished_batches(toy):
    network = Network()

    def interrupted(images):
        if network.images == 4:
            raise KeyboardInterrupt
        return Network.run(network, images)

    network.run = interrupted
    with pytest.raises(KeyboardInterrupt):
        open_features(toy, network, KEY, batch=4, progress=False)
    assert opened(toy)[0].reused_rows == 4


# ---- disks ----


def test_need_is_said_before_it_starts(toy, capsys):
    opened(toy)
    assert "10 images need 0.00 GB" in capsys.readouterr().err
    opened(toy)
    assert capsys.readouterr().err == ""


def test_what_does_not_fit_is_refused_before_it_starts(toy, monkeypatch):
    usage = shutil.disk_usage(toy.path.parent)._replace(free=10 * ROW_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    network = Network()
    with pytest.raises(InputError, match=r"need 0\.00 GB in .*, where 0\.00 GB are free; .*--features off"):
        open_features(toy, network, KEY, progress=False)
    assert network.made == 0


def test_disk_that_fills_up_is_one_line_and_keeps_rows(toy, monkeypatch, capsys):
    """ENOSPC at fsync, as delayed allocation gives it: the third batch's rows fail."""
    fsync, calls = os.fsync, []
    data = toy.path.parent / "features" / KEY.name / "features.f16"

    def full(descriptor):
        if data.exists() and os.fstat(descriptor).st_ino == data.stat().st_ino:
            calls.append(descriptor)
            if len(calls) == 3:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(os, "fsync", full)
        cli.run(lambda: opened(toy) and 0)
    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert str(toy.path.parent / "features" / KEY.name) in last and "disk full" in last
    features, network = opened(toy)
    assert (features.reused_rows, network.images) == (8, 2)
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))


def test_half_written_batch_is_done_again(toy):
    """A real short write: the kernel lets a file grow to a limit and no further."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6 * ROW_BYTES + 5, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as stopped:
            opened(toy)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder = toy.path.parent / "features" / KEY.name
    assert stopped.value.filename == str(folder)
    assert (folder / "features.f16").stat().st_size == 6 * ROW_BYTES + 5
    assert opened(toy)[0].reused_rows == 4


@contextlib.contextmanager
def small_disk(folder: Path, size: int):
    """A tmpfs of `size` bytes on `folder`, or a skipped test where mounting is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs (root); ENOSPC is also tested without one")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_for_real(tmp_path, monkeypatch, capsys):
    paths = write_images(tmp_path / "images", 10)
    disk = tmp_path / "disk"
    with small_disk(disk, 64 * 1024):
        manifest = manifest_of(disk, paths)
        with pytest.raises(InputError, match="--features off"):
            opened(manifest)
        usage = shutil.disk_usage(tmp_path)
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
            patch.setattr(shutil, "disk_usage", lambda path: usage)  # it fills up after the check
            cli.run(lambda: opened(manifest, batch=1) and 0)
        assert stopped.value.code == 2 and "disk full" in capsys.readouterr().err.splitlines()[-1]
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        features, _ = opened(manifest)
        assert 0 < features.reused_rows < 10
        np.testing.assert_array_equal(features.take(range(10)), expected(paths))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        np.testing.assert_array_equal(opened(manifest)[0].take([4]), expected(paths[4:5]))  # reading goes on
        with pytest.raises(InputError, match=r"cannot write .*Read-only.*--features off"):
            opened(manifest, FeatureKey("other weights", "res4f", 32))


def test_folder_that_cannot_be_written_is_one_line(toy):
    (toy.path.parent / "features").write_text("a file is in the way")
    with pytest.raises(InputError, match=r"cannot write the feature cache here .*--features off"):
        opened(toy)


# ---- images ----


def test_unreadable_images_are_all_named_and_the_others_kept(toy):
    whole = cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 256, (200, 200), np.uint8))[1].tobytes()
    truncated = toy.path.parent / "images" / "truncated.jpg"
    truncated.write_bytes(whole[: len(whole) // 2])
    empty = toy.path.parent / "images" / "empty.png"
    empty.touch()
    gone = toy.path.parent / "images" / "gone.png"
    images = [truncated, *toy.images[:5], empty, *toy.images[5:], gone, empty]
    manifest = manifest_of(toy.path.parent, images)
    with pytest.raises(InputError) as stopped:
        opened(manifest)
    first, *lines = str(stopped.value).splitlines()
    assert first.startswith("4 of 14 studies")
    assert [text.split(":")[0].strip() for text in lines] == [
        "study s0",
        "study s6",
        "study s12",
        "study s13",
    ]
    for text, path in zip(lines, (truncated, empty, gone, empty), strict=True):
        assert text.count(str(path)) == 1
    assert opened(toy)[0].reused_rows == 10


def test_image_that_changes_while_it_is_read_gets_no_row(toy, monkeypatch):
    read_image = features_module.read_image

    def racing(path, image_px):
        pixels = read_image(path, image_px)
        if path == toy.images[6]:
            cv2.imwrite(str(path), np.zeros((40, 40), np.uint8))
        return pixels

    with monkeypatch.context() as patch, pytest.raises(InputError, match=r"study s6: .*6\.png: changed"):
        patch.setattr(features_module, "read_image", racing)
        opened(toy)
    features, network = opened(toy)
    assert network.images == 1
    np.testing.assert_array_equal(features.take(range(10)), expected(toy.images))


def test_studies_without_an_image(toy):
    manifest = manifest_of(toy.path.parent, [toy.images[0], None, toy.images[1]])
    features, _ = opened(manifest)
    np.testing.assert_array_equal(features.take([2, 0]), expected([toy.images[1], toy.images[0]]))
    with pytest.raises(InputError, match="study s1 has no image"):
        features.take([0, 1])
    with pytest.raises(InputError, match=r"1 of 3 studies have no image .*s1.*mode annotate "):
        require_images(manifest, "annotate")
    require_images(toy, "annotate")
    with pytest.raises(InputError, match="no study has an image"):
        opened(manifest_of(toy.path.parent, [None, None]))


def test_network_is_closed_at_the_end(toy):
    class Closing:
        closed = 0

        def __call__(self, images):
            assert not self.closed
            return toy_features(images)

        def close(self):
            self.closed += 1

    network = Closing()
    open_features(toy, lambda: network, KEY, batch=3, progress=False)
    assert network.closed == 1


# ---- several readers and writers, memory ----


def test_second_writer_waits_and_says_so(toy, capsys):
    folder = opened(manifest_of(toy.path.parent, toy.images[:5]))[0].folder
    results = []
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiter = threading.Thread(target=lambda: results.append(opened(toy)))
        waiter.start()
        waiter.join(0.5)
        assert waiter.is_alive() and results == []
        assert opened(manifest_of(toy.path.parent, toy.images[:5]))[0].reused_rows == 5  # readers do not wait
    waiter.join(10)
    assert f"another run is writing to {folder}; waiting" in capsys.readouterr().err
    np.testing.assert_array_equal(results[0][0].take(range(10)), expected(toy.images))


def test_rows_written_while_waiting_are_not_computed_twice(toy, capsys):
    images = toy.images
    started, go_on = threading.Event(), threading.Event()

    def first_network():
        started.set()
        go_on.wait(10)
        return toy_features

    first = threading.Thread(target=open_features, args=(toy, first_network, KEY), kwargs={"progress": False})
    first.start()
    started.wait(10)
    results = []
    second = threading.Thread(target=lambda: results.append(opened(manifest_of(toy.path.parent, images))))
    second.start()
    second.join(0.3)
    go_on.set()
    first.join(10)
    second.join(10)
    features, network = results[0]
    assert network.made == 0 and features.new_rows == 0
    np.testing.assert_array_equal(features.take(range(10)), expected(images))


def resident_mb() -> float:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_reading_does_not_fill_memory(tmp_path):
    """400 MB read in random order leave less than a fifth of it in this process's resident memory."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc/self/statm")
    store = features_module._Store(tmp_path, FeatureKey("some weights", "res4f", 256))
    store.folder.mkdir()
    with store.data.open("wb") as file:
        file.truncate(800 * store.row_bytes)  # sparse: takes no room on the disk
    features = Features(store, manifest_of(tmp_path, [None] * 800), np.arange(800), 0, 0.0)
    order = np.random.default_rng(0).permutation(800)
    before = resident_mb()
    for start in range(0, 800, 32):
        assert not features.take(order[start : start + 32]).any()
    assert resident_mb() - before < 80
