"""The outline of a map's peak: in the pixels of the stored image, whatever its shape."""

import numpy as np
import pytest

from tienet.clinical.region import outline


def a_map(*cells: tuple[int, int, float], side: int = 16) -> np.ndarray:
    a_ws = np.full((side, side), 0.001, np.float32)
    for row, column, value in cells:
        a_ws[row, column] = value
    return a_ws


@pytest.mark.parametrize(("row", "column"), [(4, 10), (0, 0), (15, 15), (15, 0), (8, 1)])
@pytest.mark.parametrize(("height", "width"), [(256, 256), (2048, 1600), (37, 61)])
def test_the_region_lies_around_the_peaks_cell(row, column, height, width):
    points = outline(a_map((row, column, 1)), height, width)
    assert np.array_equal(points[0], points[-1]) and len(points) >= 4
    assert (points >= 0).all() and (points <= (width, height)).all()
    shares = points / (width / 16, height / 16) - (column + 0.5, row + 0.5)  # in cells, from the middle of the cell
    assert np.abs(shares).max() <= 0.55  # bilinearly, half of the peak is half a cell away
    inner = [side for side, at in ((0, column), (1, row)) if 0 < at < 15]
    for side in inner:
        least, most = shares[:, side].min(), shares[:, side].max()
        assert least < -0.4 and most > 0.4 and least + most == pytest.approx(0, abs=1e-6)  # even to both sides


def test_regions_apart_and_scale_change_nothing():
    one = outline(a_map((4, 4, 1)), 160, 320)
    np.testing.assert_array_equal(outline(a_map((4, 4, 1), (12, 12, 0.9)), 160, 320), one)
    np.testing.assert_allclose(outline(7 * a_map((4, 4, 1)), 160, 320), one)
    two = outline(a_map((4, 4, 1), (4, 5, 0.9)), 160, 320)
    assert two[:, 0].max() > one[:, 0].max() + 15 and two[:, 1].max() < one[:, 1].max() + 2


def test_a_map_that_is_0_has_no_region_and_one_that_is_even_is_all_of_it():
    assert outline(np.zeros((16, 16), np.float32), 10, 10) is None
    points = outline(np.ones((16, 16), np.float32), 160, 160)
    assert points.min() < 1 and points.max() > 159
