"""How the stored values of a DICOM file become grey from 0 to 255."""

import cv2
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

from tests.data.dicom.dicom_files import RAMP, dataset, eight, save, stretched
from tienet.data.dicom import pixels as dicom_pixels


def test_without_a_window_the_values_of_the_image_become_0_to_255(gray):
    pixels = RAMP // 2 + 300
    np.testing.assert_array_equal(gray(dataset(pixels)), stretched(pixels))


def test_monochrome1_is_inverted(gray):
    expected = 255 - stretched(RAMP).astype(int)
    np.testing.assert_allclose(gray(dataset(PhotometricInterpretation="MONOCHROME1")), expected, atol=1)


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2, -1024)])
@pytest.mark.parametrize("signed", [False, True])
def test_the_window_is_what_pydicom_makes_of_it(gray, function, slope, intercept, signed):
    pixels = (RAMP.astype(np.int32) - 2048).astype(np.int16) if signed else RAMP
    middle = slope * (0 if signed else 2048) + intercept
    ds = dataset(pixels, WindowCenter=middle + 100, WindowWidth=900 * slope, RescaleSlope=slope,
                 RescaleIntercept=intercept, VOILUTFunction=function)  # fmt: skip
    low, high = ((-2048, 2047) if signed else (0, 4095)) if slope == 1 else ((-5120, 3070) if signed else (-1024, 7166))
    shown = apply_windowing(apply_modality_lut(pixels, ds), ds)
    np.testing.assert_allclose(gray(ds), eight((shown - low) / (high - low)), atol=1)


def test_of_several_windows_the_first_counts(gray):
    one = gray(dataset(WindowCenter=1000, WindowWidth=500))
    np.testing.assert_array_equal(gray(dataset(WindowCenter=[1000, 3000], WindowWidth=[500, 50])), one)
    assert not np.array_equal(one, gray(dataset(WindowCenter=3000, WindowWidth=50)))


def test_a_window_of_width_1_is_a_threshold(gray):
    np.testing.assert_array_equal(gray(dataset(WindowCenter=2000, WindowWidth=1)), np.where(RAMP > 1999.5, 255, 0))


@pytest.mark.parametrize(
    "window", [{"WindowCenter": 5, "WindowWidth": 0}, {"WindowCenter": 90_000, "WindowWidth": 10}, {"WindowWidth": 9}]
)
def test_a_window_that_cannot_be_used_is_noted_and_the_whole_range_is_shown(reader, tmp_path, window):
    film = reader.read(save(tmp_path / "x.dcm", dataset(**window)))
    np.testing.assert_array_equal(film.pixels, stretched(RAMP))
    assert film.notes == (dicom_pixels.NO_WINDOW,)


def lut(entries: np.ndarray, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("u1" if bits == 8 else "<u2").tobytes())
    return item


def test_a_voi_lut_goes_before_the_window(gray):
    entries = (np.linspace(0, 1, 4000) ** 2 * 4095).astype(np.uint16)
    ds = dataset(WindowCenter=9, WindowWidth=9, VOILUTSequence=[lut(entries, 50, 12)])
    np.testing.assert_array_equal(gray(ds), eight(apply_voi_lut(RAMP, ds) / 4095))
    ds.VOILUTSequence[0].LUTDescriptor = [4000, 50, 16]  # what many machines write
    np.testing.assert_array_equal(gray(ds), eight(apply_voi_lut(RAMP, ds) / 4095))


def test_a_voi_lut_of_8_bits_with_more_than_256_entries(gray):
    entries = np.arange(4096) // 16
    np.testing.assert_array_equal(gray(dataset(VOILUTSequence=[lut(entries, 0, 8)])), RAMP // 16)


def test_a_modality_lut(gray):
    entries = np.arange(4096)[::-1] // 2
    ds = dataset(ModalityLUTSequence=[lut(entries, 0, 16)])
    np.testing.assert_array_equal(gray(ds), stretched(2047 - RAMP.astype(int) // 2))
    np.testing.assert_array_equal(gray(ds), stretched(apply_modality_lut(RAMP, ds)))


def test_padding_is_black_and_counts_in_no_range(gray):
    pixels = RAMP.copy()
    pixels[:3], pixels[RAMP > 4000] = 4095, 4000
    inside = pixels != 4095
    expected = np.where(inside, eight((pixels - float(pixels[inside].min())) / np.ptp(pixels[inside])), 0)
    np.testing.assert_array_equal(gray(dataset(pixels, PixelPaddingValue=4095)), expected)
    inverted = gray(dataset(pixels, PixelPaddingValue=4095, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(inverted, np.where(inside, 255 - expected.astype(int), 0), atol=1)
    limited = gray(dataset(pixels, PixelPaddingValue=4095, PixelPaddingRangeLimit=4001))
    np.testing.assert_array_equal(limited, expected)


def test_negative_padding_that_is_written_as_unsigned(gray):
    pixels = np.array([[-2000, 0], [50, 100]], np.int16)
    ds = dataset(pixels, bits=16)
    ds.add_new("PixelPaddingValue", "US", 65536 - 2000)
    assert gray(ds).tolist() == [[0, 0], [128, 255]]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_every_depth(gray, bits, signed):
    low = -(2 ** (bits - 1)) if signed else 0
    kind = np.dtype(f"{'i' if signed else 'u'}{1 if bits == 8 else 2}")
    pixels = (np.linspace(0, 2**bits - 1, 35 * 21).round() + low).astype(kind).reshape(35, 21)
    np.testing.assert_array_equal(gray(dataset(pixels, bits)), stretched(pixels))


def test_bits_above_those_stored_are_no_pixels(gray):
    """Old files keep an overlay there."""
    pixels = RAMP | np.uint16(1 << 14)
    pixels[::2] |= np.uint16(1 << 15)
    np.testing.assert_array_equal(gray(dataset(pixels)), stretched(RAMP))


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
