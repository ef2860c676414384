"""Which files' headers are read, and what is counted of them."""

import cv2
import numpy as np
import pytest

from tienet.data.image import MAX_PIXELS
from tienet.datasets.description.image_survey import survey_images


@pytest.fixture
def images(tmp_path):
    paths = []
    for n in range(30):
        paths.append(tmp_path / f"{n}.{'png' if n % 2 else 'jpg'}")
        cv2.imwrite(str(paths[-1]), np.zeros((8, 10 + n % 3), np.uint8))
    return paths


def test_all_files_are_counted_once(images):
    found = survey_images([*images, None, images[0]], 5000, 0, progress=False)
    assert (found.files, found.read) == (30, 30)
    assert found.sizes == {(10, 8): 10, (11, 8): 10, (12, 8): 10}
    assert found.kinds == {"PNG, 8 bits, grey": 15, "JPEG, 8 bits, grey": 15} and not found.broken


def test_a_sample_is_drawn_by_the_seed(images):
    for n, path in enumerate(images):
        cv2.imwrite(str(path), np.zeros((8, 10 + n), np.uint8))
    draws = [survey_images(images, 20, seed, progress=False) for seed in (0, 0, 1)]
    assert {(found.files, found.read, found.sizes.total()) for found in draws} == {(30, 20, 20)}
    assert all(count == 1 for found in draws for count in found.sizes.values())
    assert draws[0].sizes == draws[1].sizes != draws[2].sizes


def test_broken_files_are_named_and_counted_in_no_size(images, tmp_path):
    images[3].write_bytes(images[3].read_bytes()[:20])
    images[4].unlink()
    found = survey_images(images, 5000, 0, progress=False)
    assert list(found.broken) == [images[3], images[4]]
    assert "truncated PNG" in found.broken[images[3]] and "No such file" in found.broken[images[4]]
    assert found.sizes.total() == found.kinds.total() == 28


def test_a_picture_that_is_too_large_to_be_read_is_named(tmp_path):
    path = tmp_path / "wide.png"
    cv2.imwrite(str(path), np.zeros((1, 50_000), np.uint8))
    frame = bytearray(cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes())
    place = frame.index(b"\xff\xc0") + 5
    frame[place : place + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "large.jpg").write_bytes(frame)
    found = survey_images([path, tmp_path / "large.jpg"], 9, 0, progress=False)
    assert found.sizes == {(50_000, 1): 1}
    assert found.broken == {
        tmp_path / "large.jpg": f"65535 x 65535 pixels; the most that is read is {MAX_PIXELS:,}",
    }


def test_no_image_at_all():
    found = survey_images([None, None], 9, 0, progress=True)
    assert (found.files, found.read, found.sizes, found.broken) == (0, 0, {}, {})
