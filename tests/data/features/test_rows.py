"""Features as they lie on the disk: bit for bit in float16, in 8 bits as near as 255 levels of each channel are."""

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from tests.data.toys import CHANNELS, KEY, Network, manifest_of, toy_features, write_images
from tienet.data.features.cache import PREPROCESSING, FeatureKey, open_features
from tienet.data.features.rows import FORMATS, dequantized, quantized
from tienet.data.image import read_image
from tienet.errors import InputError

INT8 = FeatureKey(KEY.weights_fingerprint, KEY.end, KEY.image_px, "int8")


@pytest.fixture
def features():
    """Of three images, with a channel that is 0, one that is tiny and one that ends where float16 does."""
    random = np.random.default_rng(0)
    x = np.maximum(random.standard_normal((3, 4, 5, 7)) * random.lognormal(0, 2, 7), 0)
    x[..., 0], x[..., 1], x[0, 0, 0, 2] = 0, x[..., 1] * 1e-6, np.finfo(np.float16).max
    return x.astype(np.float16)


def test_float16_is_kept_bit_for_bit(features):
    kept = FORMATS["float16"]
    rows = kept.encode(features)
    assert rows.shape == (3, kept.row_bytes((4, 5, 7))) and rows.dtype == np.uint8
    np.testing.assert_array_equal(kept.decode(rows, (4, 5, 7)), features)


def test_eight_bits_are_the_nearest_of_255_levels_of_a_channel(features):
    """Against a loop over the numbers, and within half a level of what was kept."""
    rows = quantized(features)
    assert rows.shape == (3, FORMATS["int8"].row_bytes((4, 5, 7))) and rows.dtype == np.uint8
    found = dequantized(rows, (4, 5, 7))
    assert found.dtype == np.float16 and found.shape == features.shape
    for n, y, x, c in np.ndindex(features.shape):
        scale = float(np.float32(features[n, :, :, c].max()) / np.float32(255))
        value = float(features[n, y, x, c])
        expected = round(value / scale) * scale if scale else 0.0
        assert float(found[n, y, x, c]) == pytest.approx(expected, rel=1e-3, abs=1e-7)
        assert abs(float(found[n, y, x, c]) - value) <= scale / 2 + 1e-3 * value + 1e-7
    assert not found[..., 0].any() and found.max() == features.max()
    np.testing.assert_array_equal(quantized(features[1:2]), rows[1:2])  # whatever the other images are


def test_what_is_below_0_is_refused(features):
    features[1, 2, 3, 4] = -0.5
    with pytest.raises(InputError, match=r"-0\.5 is below 0, so that it cannot be kept as int8"):
        quantized(features)


def test_a_cache_of_8_bits_lies_beside_that_of_16_and_is_half_as_large(tmp_path):
    images = write_images(tmp_path / "images", 6)
    manifest, network = manifest_of(tmp_path, images), Network()
    opened = {key.dtype: open_features(manifest, network, key, batch=4, progress=False) for key in (KEY, INT8)}
    expected = toy_features(np.stack([read_image(path, 32) for path in images]))
    np.testing.assert_array_equal(opened["float16"].take(range(6)), expected)
    found = opened["int8"].take([4, 0, 4])
    assert found.dtype == np.float16 and found.shape == (3, 2, 2, len(CHANNELS))
    np.testing.assert_allclose(found, expected[[4, 0, 4]], atol=float(expected.max()) / 500, rtol=1e-3)
    assert not np.array_equal(found, expected[[4, 0, 4]])
    assert (opened["int8"].folder / "features.u8").stat().st_size == 6 * (4 + 2 * 2) * 1024
    sizes = {name: kept.row_bytes((16, 16, 1024)) for name, kept in FORMATS.items()}
    assert sizes == {"float16": 512 * 1024, "int8": 260 * 1024}
    assert opened["int8"].folder != opened["float16"].folder and network.made == 2
    again = open_features(manifest, network, INT8, batch=2, progress=False)
    assert again.new_rows == 0 and network.made == 2
    np.testing.assert_array_equal(again.take(range(6)), opened["int8"].take(range(6)))


def test_the_folder_of_float16_is_named_as_before():
    facts = {"weights": "some weights", "end": "res4f", "image_px": 32, "preprocessing": PREPROCESSING}
    assert KEY.facts == facts and KEY.name == sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    assert INT8.facts == {**KEY.facts, "kept_as": "int8"} and INT8.row_shape == KEY.row_shape


def test_the_features_of_a_backbone_in_bfloat16_have_a_folder_of_their_own():
    other = replace(KEY, backbone_dtype="bfloat16")
    assert other.facts == {**KEY.facts, "backbone_dtype": "bfloat16"} and other.row_shape == KEY.row_shape
    assert len({key.name for key in (KEY, other, INT8, replace(INT8, backbone_dtype="bfloat16"))}) == 4
