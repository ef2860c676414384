"""Which image files are read again, and that a change is never missed."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from tests.data.toys import expected, manifest_of, opened, write_images
from tienet.data.features import image_hashes


def trust_young_files(monkeypatch):
    monkeypatch.setattr(image_hashes, "_SETTLED_NS", -(10**12))


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
    monkeypatch.setattr(image_hashes, "hash_file", lambda path: read.append(path))
    assert opened(toy)[0].reused_rows == 10 and read == []


def test_data_set_can_move(tmp_path, monkeypatch):
    trust_young_files(monkeypatch)
    paths = write_images(tmp_path / "before" / "images", 3)
    opened(manifest_of(tmp_path / "before", paths))
    (tmp_path / "before").rename(tmp_path / "after")
    monkeypatch.chdir(tmp_path)  # the manifest's path may be relative, its images are absolute
    monkeypatch.setattr(image_hashes, "hash_file", None)
    moved = [tmp_path / "after" / "images" / path.name for path in paths]
    assert opened(manifest_of(Path("after"), moved))[0].reused_rows == 3


def test_young_files_are_read_again(toy):
    opened(toy)
    known = toy.path.parent / "features" / "files.json"
    assert json.loads(known.read_text()) == {}
    known.write_text("{ half a fi")  # nothing depends on it
    assert opened(toy)[0].reused_rows == 10
