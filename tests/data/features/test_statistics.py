"""The channel statistics equal those of NumPy over all values."""

import numpy as np
import pytest

from tienet.data.features import statistics as feature_statistics
from tienet.errors import InputError


@pytest.fixture
def features(random):
    return (random.standard_normal((37, 4, 4, 5)) * [1, 2, 3, 4, 0] + [0, 1, 2, 3, 4]).astype(np.float16)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_mean_and_std_over_images_and_locations(features):
    mean, std = feature_statistics.channel_statistics(37, features.__getitem__)
    values = features.astype(np.float64).reshape(-1, 5)
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std[:4], values.std(0)[:4], rtol=1e-5)
    assert std[4] == np.float32(1e-3)  # a channel that never changes


def test_of_many_images_evenly_spaced_ones_are_looked_at(monkeypatch):
    monkeypatch.setattr(feature_statistics, "MAX_IMAGES", 5)
    seen = []
    feature_statistics.channel_statistics(41, lambda indices: seen.extend(indices) or np.ones((len(indices), 1, 1, 2)))
    assert seen == [0, 10, 20, 30, 40]


def test_saved_and_loaded(tmp_path, features):
    statistics = feature_statistics.channel_statistics(37, features.__getitem__)
    feature_statistics.save(tmp_path / "a.npy", statistics)
    np.testing.assert_array_equal(feature_statistics.load(tmp_path / "a.npy", 5), statistics)
    with pytest.raises(InputError, match=r"expected \(2, 6\)"):
        feature_statistics.load(tmp_path / "a.npy", 6)
    with pytest.raises(InputError, match="put it back"):
        feature_statistics.load(tmp_path / "b.npy", 5)
    (tmp_path / "c.npy").write_bytes(b"not an array")
    with pytest.raises(InputError, match="not a NumPy array of numbers, or a damaged one; put it back"):
        feature_statistics.load(tmp_path / "c.npy", 5)
    np.save(tmp_path / "c.npy", np.full((2, 5), np.nan))
    with pytest.raises(InputError, match="has a number that is not finite; put it back"):
        feature_statistics.load(tmp_path / "c.npy", 5)
