"""Channel statistics against NumPy on all values, from the cache and from images."""

import types

import numpy as np
import pytest

from tienet.data.features import statistics as feature_statistics
from tienet.errors import InputError


class FakeStudies:
    def __init__(self, arrays, cached):
        self.arrays, self.features = arrays, (types.SimpleNamespace() if cached else None)

    def __len__(self):
        return len(self.arrays)

    def pictures(self, indices):
        return self.arrays[indices]


@pytest.fixture
def features(random):
    return (random.standard_normal((37, 4, 4, 5)) * [1, 2, 3, 4, 0] + [0, 1, 2, 3, 4]).astype(np.float16)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_mean_and_std_over_images_and_locations(features):
    def never():
        raise AssertionError("the cache has the features")

    mean, std = feature_statistics.channel_statistics(FakeStudies(features, cached=True), never)
    values = features.astype(np.float64).reshape(-1, 5)
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(std[:4], values.std(0)[:4], rtol=1e-5)
    assert std[4] == np.float32(1e-3)  # a channel that never changes


def test_images_go_through_the_backbone(features):
    images = np.arange(37, dtype=np.uint8)[:, None, None]
    statistics = feature_statistics.channel_statistics(
        FakeStudies(images, cached=False), lambda: lambda batch: features[batch[:, 0, 0]]
    )
    cached = feature_statistics.channel_statistics(FakeStudies(features, cached=True), None)
    np.testing.assert_array_equal(statistics, cached)


def test_saved_and_loaded(tmp_path, features):
    statistics = feature_statistics.channel_statistics(FakeStudies(features, cached=True), None)
    feature_statistics.save(tmp_path / "a.npy", statistics)
    np.testing.assert_array_equal(feature_statistics.load(tmp_path / "a.npy", 5), statistics)
    with pytest.raises(InputError, match=r"expected \(2, 6\)"):
        feature_statistics.load(tmp_path / "a.npy", 6)
    with pytest.raises(InputError, match="put it back"):
        feature_statistics.load(tmp_path / "b.npy", 5)
    (tmp_path / "c.npy").write_bytes(b"not an array")
    with pytest.raises(InputError, match="not a NumPy array"):
        feature_statistics.load(tmp_path / "c.npy", 5)
