"""The feature cache: what is computed, what is reused, and what is refused."""

import errno
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.data.toys import KEY, ROW_BYTES, Network, expected, manifest_of, opened, toy_features, write_images
from tienet.data.features import cache as features_module
from tienet.data.features import store as store_module
from tienet.data.features.cache import FeatureKey, Features, open_features, require_images
from tienet.data.features.store import Store
from tienet.errors import InputError


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


@pytest.mark.usefixtures("four_cores")
def test_with_more_cores_several_threads_write_and_read_the_same(toy, monkeypatch):
    monkeypatch.setattr(store_module, "_PART", 1000)  # a row has 8192 bytes
    features, _ = opened(toy)
    np.testing.assert_array_equal(features.take([7, 0, 7, 9]), expected([toy.images[i] for i in (7, 0, 7, 9)]))
    assert (features.folder / "features.f16").stat().st_size == 10 * ROW_BYTES
    assert opened(toy)[0].reused_rows == 10


def test_tensorflow_takes_features_without_a_copy(toy):
    features, _ = opened(toy)
    for count in (1, 3, 10):
        assert features.take(range(count)).ctypes.data % 64 == 0


def test_pooled_is_mean_then_maximum(toy, monkeypatch):
    monkeypatch.setattr(features_module, "_ROWS_AT_ONCE", 3)
    x = expected(toy.images).astype(np.float32)
    pooled = opened(toy)[0].pooled()
    assert pooled.shape == (10, 2048) and pooled.dtype == np.float32
    np.testing.assert_allclose(pooled[:, :1024], x.mean((1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(pooled[:, 1024:], x.max((1, 2)))


def test_a_file_that_became_shorter_is_one_line(toy):
    features, _ = opened(toy)
    os.truncate(features.folder / "features.f16", 9 * features.row_bytes + 5)
    features.take(range(9))
    with pytest.raises(InputError, match=r"features\.f16: shorter than its index says; remove .* and run again"):
        features.take([9])


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


def test_rows_are_written_while_the_next_batch_is_computed(toy, monkeypatch):
    network, second, append = Network(), threading.Event(), Store.append

    def run(images):
        if network.images == 4:
            second.set()
        return Network.run(network, images)

    def write(store, hashes, features, first_row):
        assert first_row or second.wait(30)  # the first rows are not there before the second batch is computed
        append(store, hashes, features, first_row)

    network.run = run
    monkeypatch.setattr(Store, "append", write)
    found = open_features(toy, network, KEY, batch=4, progress=False)
    assert found.new_rows == 10
    np.testing.assert_array_equal(found.take(range(10)), opened(toy)[0].take(range(10)))


@pytest.mark.parametrize("first_row", [4, 8])
def test_rows_that_cannot_be_written_end_it_and_those_before_are_kept(toy, monkeypatch, first_row):
    append = Store.append

    def write(store, hashes, features, row):
        if row == first_row:  # 8: the last ones, after which nothing else is written
            raise OSError(errno.ENOSPC, "No space left on device", "disk")
        append(store, hashes, features, row)

    monkeypatch.setattr(Store, "append", write)
    with pytest.raises(OSError, match="No space left"):
        open_features(toy, Network(), KEY, batch=4, progress=False)
    monkeypatch.undo()
    assert opened(toy)[0].reused_rows == first_row


def test_need_is_said_before_it_starts(toy, capsys):
    opened(toy)
    assert "10 images need 0.00 GB" in capsys.readouterr().err
    opened(toy)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("second", "says"), [(30.0, True), (5.0, False)])
def test_a_long_time_is_said_once_after_the_first_batches(toy, monkeypatch, capsys, second, says):
    """Ten batches, of which each takes so many seconds of the clock."""
    clock = iter(np.arange(100) * second)
    monkeypatch.setattr(features_module.time, "perf_counter", lambda: next(clock))
    open_features(toy, Network(), KEY, batch=1, progress=False)
    note = "feature cache: about 5 minutes here, once; --features off takes as long in every epoch"
    assert capsys.readouterr().err.count(note) == says


def test_what_does_not_fit_is_refused_before_it_starts(toy, monkeypatch):
    usage = shutil.disk_usage(toy.path.parent)._replace(free=10 * ROW_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    network = Network()
    with pytest.raises(InputError, match=r"need 0\.00 GB in .*, where 0\.00 GB are free; .*--features off"):
        open_features(toy, network, KEY, progress=False)
    larger = FeatureKey("some weights", "res4f", 4096)  # 256 x 256 x 1024
    with pytest.raises(
        InputError, match=r"need 1\.34 GB .*--feature-dtype int8 needs 0\.67 GB, --features off needs none"
    ):
        open_features(toy, network, larger, progress=False)
    with pytest.raises(InputError, match=r"need 0\.67 GB .* free some space \(--features off needs none"):
        open_features(toy, network, replace(larger, dtype="int8"), progress=False)
    assert network.made == 0


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


# ---- several runs, memory ----


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
    store = Store(tmp_path / "key", (16, 16, 1024), {})
    store.folder.mkdir()
    with store.data.open("wb") as file:
        file.truncate(800 * store.row_bytes)  # sparse: takes no room on the disk
    features = Features(store, manifest_of(tmp_path, [None] * 800), np.arange(800), 0, 0.0)
    order = np.random.default_rng(0).permutation(800)
    before = resident_mb()
    for start in range(0, 800, 32):
        assert not features.take(order[start : start + 32]).any()
    assert resident_mb() - before < 80


def test_what_rows_were_computed_with_is_kept_and_a_mixture_is_said(toy, capsys):
    def network_of(arithmetic):
        def run(images):
            return toy_features(images)

        run.arithmetic = arithmetic
        return lambda: run

    few = replace(toy, images=[*toy.images[:6], *[None] * 4])
    folder = open_features(few, network_of("CPU"), KEY, batch=4, progress=False).folder
    assert json.loads((folder / "computed.json").read_text()) == {"CPU": 6}
    assert "note" not in capsys.readouterr().err
    open_features(toy, network_of("GPU, TF32"), KEY, batch=3, progress=False)
    assert json.loads((folder / "computed.json").read_text()) == {"CPU": 6, "GPU, TF32": 4}
    said = capsys.readouterr().err
    assert f"note: {folder}: of its rows 6 were computed with CPU, the new ones with GPU, TF32" in said
    open_features(toy, network_of("CPU"), KEY, progress=False)  # nothing is computed
    assert "note" not in capsys.readouterr().err


def test_a_cache_of_an_older_version_says_nothing_of_how_it_was_computed(toy, capsys):
    opened(toy)  # this network does not say what it computes with
    folder = opened(toy)[0].folder
    assert not (folder / "computed.json").exists()
    (folder / "computed.json").write_text('{"CPU": "many"')
    assert Store(folder, KEY.row_shape, KEY.facts).computed_with() == {} and "note" not in capsys.readouterr().err
