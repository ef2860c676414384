"""How far an image is from the training images: against plain loops, and what stands for what."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from tienet.data.features import image_distribution
from tienet.data.features.image_distribution import LIMIT, MAX_TRAINING, ImageDistribution, load, measure, note_on
from tienet.errors import InputError

C = 12


@pytest.fixture
def drawn() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def images(drawn):
    """Features of images whose channels depend on each other, of very different sizes; the last channel is always 0."""
    mixing = drawn.normal(size=(C, C)) * 10.0 ** drawn.integers(-2, 3, size=(C, 1))
    mixing[-1] = 0

    def make(count: int) -> np.ndarray:
        return (4 + drawn.normal(size=(count, C)) @ mixing.T * (np.arange(C) < C - 1)).astype(np.float32)

    return make


def test_the_distance_is_mahalanobis_with_a_shrunken_covariance(images):
    train, val, new = images(200), images(50), images(20)
    found = ImageDistribution.fit(train, val)
    mean = train.astype(np.float64).mean(0)
    std = np.maximum(train.astype(np.float64).std(0), 1e-6)
    precision = LedoitWolf().fit((train - mean) / std).precision_

    def distance(image):
        z = (image - mean) / std
        return sum(z[i] * precision[i, j] * z[j] for i in range(C) for j in range(C)) ** 0.5

    unit = np.quantile([distance(image) for image in val], 0.99)
    np.testing.assert_allclose(found.distances(new), [distance(image) / unit for image in new], rtol=2e-3)


def test_a_unit_holds_nearly_all_validation_images_and_other_images_are_far(images):
    train, val = images(500), images(200)
    found = ImageDistribution.fit(train, val)
    assert (found.distances(val) <= 1).mean() == pytest.approx(0.99, abs=0.005)
    turned = images(50)[:, ::-1]
    assert found.distances(turned).min() > LIMIT


def test_fewer_images_than_channels_will_do(images):
    found = ImageDistribution.fit(images(3), images(1))
    assert np.isfinite(found.distances(images(4))).all()


@pytest.mark.parametrize(("distance", "said"), [(0.2, False), (LIMIT - 0.01, False), (LIMIT, True), (np.inf, True)])
def test_there_is_a_note_on_an_image_past_the_limit(distance, said):
    assert (note_on(distance) is not None) is said
    assert not said or f"distance {distance:.2f}" in note_on(distance)


@pytest.mark.parametrize("count", [1, 17, MAX_TRAINING + 500])
def test_images_are_evenly_spaced_and_pooled(count):
    taken = []

    def features_of(positions):
        taken.extend(positions)
        return np.stack([np.full((2, 2, 3), position, np.float16) + [[[0], [1]], [[2], [3]]] for position in positions])

    pooled = measure(count, MAX_TRAINING, features_of)
    assert len(taken) == len(set(taken)) == min(count, MAX_TRAINING) == len(pooled)
    assert taken[0] == 0 and taken[-1] == count - 1
    np.testing.assert_allclose(pooled[0], 1.5)


def test_it_is_read_as_it_was_written_and_a_damaged_file_is_one_line(images, tmp_path):
    path = tmp_path / image_distribution.FILE_NAME
    assert load(path, C) is None
    written = ImageDistribution.fit(images(50), images(20))
    written.save(path)
    new = images(5)
    np.testing.assert_array_equal(load(path, C).distances(new), written.distances(new))
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"PK" + whole[2:500]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            load(path, C)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="another network"):
        load(path, C + 1)
