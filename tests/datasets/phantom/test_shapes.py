"""Soft shapes: their places and areas, in shares of the side of the image."""

import numpy as np
import pytest

from tienet.datasets.phantom.shapes import Grid, blob, ellipse, noise_field, strokes, toward


def centre(mask: np.ndarray, grid: Grid) -> tuple[float, float]:
    return float((grid.x * mask).sum() / mask.sum()), float((grid.y * mask).sum() / mask.sum())


@pytest.mark.parametrize("px", [64, 200])
def test_an_ellipse_has_the_place_and_the_area_that_were_asked_for(px):
    grid = Grid(px)
    mask = ellipse(grid, 0.4, 0.6, 0.2, 0.1)
    assert centre(mask, grid) == pytest.approx((0.4, 0.6), abs=0.002)
    assert mask.mean() == pytest.approx(np.pi * 0.2 * 0.1, rel=0.05)
    assert mask[int(0.6 * px), int(0.4 * px)] > 0.99 and mask[0, 0] < 0.01


def test_an_ellipse_is_turned_clockwise_as_seen():
    grid = Grid(100)
    mask = ellipse(grid, 0.5, 0.5, 0.3, 0.05, angle=45)
    assert mask[60, 60] > 0.99 > 0.01 > mask[40, 60]  # y points down, so the right end of the ellipse goes down
    upright = ellipse(grid, 0.5, 0.5, 0.05, 0.3)
    np.testing.assert_allclose(ellipse(grid, 0.5, 0.5, 0.3, 0.05, angle=90), upright, atol=1e-4)


def test_a_blob_is_1_in_its_middle_and_1_in_e_at_its_radius():
    mask = blob(Grid(101), 0.5, 0.5, 0.2, 0.1)
    assert mask[50, 50] == pytest.approx(1) and mask.argmax() == 50 * 101 + 50
    assert blob(Grid(10), 0.55, 0.55, 0.2, 0.1)[5, 7] == pytest.approx(np.exp(-1), rel=1e-4)


def test_an_image_takes_the_brightness_where_the_mask_is_1():
    image = np.array([0.2, 0.2, 0.2])
    np.testing.assert_allclose(toward(image, 0.8, np.array([0, 0.5, 1])), [0.2, 0.5, 0.8])


def test_noise_is_in_0_to_1_and_drawn_by_the_seed():
    first, same, other = (noise_field(50, 6, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == (50, 50) and first.min() >= 0 and first.max() <= 1 and first.std() > 0.1
    assert (first == same).all() and (first != other).any()


def test_a_stroke_has_its_length_and_width():
    mask = strokes(100, [((0.2, 0.5), (0.8, 0.5), 0.04)])
    assert mask.dtype == np.float32 and mask.shape == (100, 100) and 0 <= mask.min() < mask.max() == 1
    assert mask.mean() == pytest.approx(0.6 * 0.04, rel=0.3)
    assert mask[50, 30:70].min() == 1 and mask[40].max() == mask[:, 5].max() == 0
