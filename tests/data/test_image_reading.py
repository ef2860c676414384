"""Reading many images at once: the pixels of each alone, in order, by as many threads as there are cores."""

import threading

import cv2
import numpy as np
import pytest

from tienet.data import image_reading
from tienet.data.image import read_image
from tienet.data.image_reading import read_images
from tienet.errors import InputError


@pytest.fixture
def paths(tmp_path):
    """Grey images of 8 and of 16 bits, one in colour, and a JPEG, of several sizes."""
    random = np.random.default_rng(0)
    made = []
    for n, (name, shape, most) in enumerate(
        [("a.png", (70, 50), 255), ("b.png", (33, 64), 4095), ("c.png", (20, 20, 3), 255), ("d.jpg", (64, 64), 255)] * 4
    ):
        path = tmp_path / f"{n}{name}"
        kind = np.uint16 if most > 255 else np.uint8
        assert cv2.imwrite(str(path), random.integers(0, most + 1, shape).astype(kind))
        made.append(path)
    return made


@pytest.mark.usefixtures("four_cores")
def test_the_pixels_are_those_of_each_image_alone_in_order(paths):
    found = read_images(paths, 32)
    assert found.shape == (16, 32, 32) and found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.stack([read_image(path, 32) for path in paths]))
    np.testing.assert_array_equal(read_images(paths[3:4], 32), found[3:4])


@pytest.mark.usefixtures("four_cores")
def test_as_many_are_read_at_once_as_there_are_cores(paths, monkeypatch):
    together = threading.Barrier(4)

    def wait_for_the_others(path, image_px):
        together.wait(timeout=30)  # breaks, and so raises, if fewer than four are read at once
        return read_image(path, image_px)

    monkeypatch.setattr(image_reading, "read_image", wait_for_the_others)
    assert len(read_images(paths, 32)) == 16


@pytest.mark.usefixtures("four_cores")
def test_the_first_file_that_cannot_be_read_is_named(paths):
    paths[5].write_bytes(paths[5].read_bytes()[:40])
    paths[9].unlink()
    with pytest.raises(InputError, match=paths[5].name):
        read_images(paths, 32)
    assert len(read_images(paths[:5], 32)) == 5  # and the threads go on
