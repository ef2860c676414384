"""The figures, and the slope that they print."""

import numpy as np
import pytest

from benchmarks import plots
from benchmarks.results import Results


def test_pictures_are_drawn_even_of_one_point_or_none(filled, tmp_path):
    for n, some in enumerate((filled, Results(tmp_path / "none.json"))):
        plots.plot_shares(some, tmp_path / f"{n}a.png")
        plots.plot_growth(some, tmp_path / f"{n}b.png")
    assert all((tmp_path / name).read_bytes()[1:4] == b"PNG" for name in ("0a.png", "0b.png", "1a.png", "1b.png"))


def test_the_slope_is_the_exponent():
    x = np.array([1.0, 10.0, 100.0])
    assert plots.slope(x, 3 * x**1.5) == pytest.approx(1.5)
    assert np.isnan(plots.slope(x[:1], x[:1]))
