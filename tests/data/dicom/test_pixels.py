"""How the stored values of a DICOM file become grey from 0 to 255."""

import cv2
import numpy as np
import pytest

from tests.data.dicom.dicom_files import RAMP, dataset, stretched


def test_without_a_window_the_values_of_the_image_become_0_to_255(gray):
    pixels = RAMP // 2 + 300
    np.testing.assert_array_equal(gray(dataset(pixels)), stretched(pixels))


def test_monochrome1_is_inverted(gray):
    expected = 255 - stretched(RAMP).astype(int)
    for name in ("MONOCHROME1", "monochrome1"):
        np.testing.assert_allclose(gray(dataset(PhotometricInterpretation=name)), expected, atol=1)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_every_depth(gray, bits, signed):
    low = -(2 ** (bits - 1)) if signed else 0
    kind = np.dtype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    pixels = (np.linspace(0, 2**bits - 1, 35 * 21).round() + low).astype(kind).reshape(35, 21)
    np.testing.assert_array_equal(gray(dataset(pixels, bits)), stretched(pixels))


def test_one_value_only(gray):
    assert not gray(dataset(np.full((4, 4), 77, np.uint16))).any()


def test_colour(gray):
    rgb = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    expected = rgb @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(gray(dataset(rgb, bits=8)), expected, atol=1)
    deep = gray(dataset(rgb.astype(np.uint16) * 16, bits=12))
    np.testing.assert_allclose(deep, expected * (16 * 255 / 4095), atol=1)
    planes = dataset(rgb, bits=8, PlanarConfiguration=1)
    planes.PixelData = rgb.transpose(2, 0, 1).tobytes()
    np.testing.assert_allclose(gray(planes), expected, atol=1)


def test_ybr(gray):
    rgb = np.kron(np.random.default_rng(0).integers(60, 200, (6, 5, 3), np.uint8), np.ones((2, 2, 1), np.uint8))
    ybr = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[:, :, [0, 2, 1]]
    ds = dataset(ybr, bits=8, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_allclose(gray(ds), ybr[:, :, 0], atol=2)  # Y is the grey


def test_nothing_is_mirrored_or_turned(gray):
    pixels = np.zeros((30, 20), np.uint16)
    pixels[:5, :4] = 900
    film = gray(dataset(pixels, PatientOrientation=["R", "H"]))
    assert film[0, 0] == 255 and film.sum() == 255 * 20
