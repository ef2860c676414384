"""The brightness of stored values: LUTs, windows and padding, and what is passed over because it is broken."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

from tests.data.dicom.dicom_files import RAMP, dataset, eight, save, save_with_texts, stretched
from tienet.data.dicom import display
from tienet.data.dicom.reader import DicomError


def windowed(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, as uint8."""
    return eight((values - (center - 0.5)) / (width - 1) + 0.5)


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


# ---- what is broken ----

GOOD = {"WindowCenter": 2000, "WindowWidth": 3000}
TEXTS = ("2000,5", "n/a", "", "inf", "nan", "1e999", "-", "2000;3000", "wide")


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": 5, "WindowWidth": -20},
        {"WindowCenter": 90_000, "WindowWidth": 10},
        {"WindowWidth": 9},
        {"WindowCenter": 9},
    ],
)
def test_a_window_that_cannot_be_used_is_noted_and_the_whole_range_is_shown(reader, tmp_path, window):
    film = reader.read(save(tmp_path / "x.dcm", dataset(**window)))
    np.testing.assert_array_equal(film.pixels, stretched(RAMP))
    assert film.notes == (display.NO_WINDOW,)


@pytest.mark.parametrize("text", TEXTS)
def test_a_window_that_is_no_number(reader, tmp_path, text):
    film = reader.read(save_with_texts(tmp_path / "x.dcm", dataset(WindowWidth=3000), WindowCenter=text))
    np.testing.assert_array_equal(film.pixels, stretched(RAMP))
    assert film.notes == (display.NO_WINDOW,)


@pytest.mark.parametrize("text", TEXTS)
def test_the_next_window_is_used_instead_of_one_that_is_broken(reader, tmp_path, text):
    texts = {"WindowCenter": rf"500\{text}\2000", "WindowWidth": r"0\100\3000"}
    film = reader.read(save_with_texts(tmp_path / "x.dcm", dataset(), **texts))
    np.testing.assert_array_equal(film.pixels, windowed(RAMP, 2000, 3000))
    assert film.notes == (display.NEXT_WINDOW,)


def test_the_next_window_is_used_instead_of_one_that_leaves_one_grey_value(reader, tmp_path):
    ds = dataset(WindowCenter=[90_000, 2000], WindowWidth=[10, 3000])
    film = reader.read(save(tmp_path / "x.dcm", ds))
    np.testing.assert_array_equal(film.pixels, windowed(RAMP, 2000, 3000))
    assert film.notes == (display.NEXT_WINDOW,)


def item(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        ds.add_new(keyword, "OW" if keyword == "LUTData" and isinstance(value, (bytes, type(None))) else "US", value)
    return ds


ENTRIES = np.arange(4096, dtype="<u2")
BROKEN_LUTS = {
    "nothing is written": item(),
    "both are empty": item(LUTDescriptor=None, LUTData=None),
    "no data": item(LUTDescriptor=[4096, 0, 12]),
    "empty data": item(LUTDescriptor=[4096, 0, 12], LUTData=b""),
    "no descriptor": item(LUTData=ENTRIES.tobytes()),
    "a descriptor of two": item(LUTDescriptor=[4096, 0], LUTData=ENTRIES.tobytes()),
    "too short": item(LUTDescriptor=[4096, 0, 12], LUTData=ENTRIES[:4000].tobytes()),
    "too short as numbers": item(LUTDescriptor=[4096, 0, 12], LUTData=ENTRIES[:4000].tolist()),
    "one grey value": item(LUTDescriptor=[4096, 0, 12], LUTData=(ENTRIES * 0 + 7).tobytes()),
}


@pytest.mark.parametrize("broken", BROKEN_LUTS.values(), ids=BROKEN_LUTS)
def test_a_broken_voi_lut_is_passed_over(reader, tmp_path, broken):
    film = reader.read(save(tmp_path / "x.dcm", dataset(VOILUTSequence=[broken], **GOOD)))
    np.testing.assert_array_equal(film.pixels, windowed(RAMP, 2000, 3000))
    assert film.notes == (display.NEXT_WINDOW,)
    film = reader.read(save(tmp_path / "x.dcm", dataset(VOILUTSequence=[broken])))
    np.testing.assert_array_equal(film.pixels, stretched(RAMP))
    assert film.notes == (display.NO_WINDOW,)
    whole = lut(4095 - ENTRIES, 0, 12)
    film = reader.read(save(tmp_path / "x.dcm", dataset(VOILUTSequence=[broken, whole], **GOOD)))
    np.testing.assert_array_equal(film.pixels, eight((4095 - RAMP.astype(int)) / 4095))
    assert film.notes == (display.NEXT_WINDOW,)


def test_a_voi_lut_that_is_no_sequence(reader, tmp_path):
    path = tmp_path / "x.dcm"
    ds = dataset(**GOOD)
    ds.add_new("VOILUTSequence", "LO", "no sequence")
    film = reader.read(save(path, ds))
    np.testing.assert_array_equal(film.pixels, windowed(RAMP, 2000, 3000))
    assert film.notes == (display.NEXT_WINDOW,)


def test_the_descriptor_of_a_lut_with_another_sign_than_it_should_have(gray, reader, tmp_path):
    """A count is never negative, and the first value is signed where the values are."""
    pixels = np.linspace(0, 59_999, 1200).round().astype(np.uint16).reshape(40, 30)
    whole = lut(np.arange(60_000, dtype=np.uint16), 0, 16)
    path = save(tmp_path / "y.dcm", dataset(pixels, 16, VOILUTSequence=[whole]))
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x02\x30US", b"\x28\x00\x02\x30SS"))
    np.testing.assert_array_equal(reader.read(path).pixels, eight(pixels / 65_535))
    signed = (RAMP.astype(int) - 2048).astype(np.int16)
    entries = lut(ENTRIES, 65_536 - 2048, 12)
    np.testing.assert_array_equal(gray(dataset(signed, 16, VOILUTSequence=[entries])), eight(RAMP / 4095))


def test_a_modality_lut_in_which_nothing_is_written(reader, tmp_path):
    for nothing in (item(), item(LUTDescriptor=None, LUTData=None)):
        ds = dataset(ModalityLUTSequence=[nothing], RescaleSlope=2, RescaleIntercept=-100, **GOOD)
        film = reader.read(save(tmp_path / "x.dcm", ds))
        np.testing.assert_array_equal(film.pixels, windowed(2 * RAMP.astype(int) - 100, 2000, 3000))
        assert film.notes == (display.NO_MODALITY_LUT,)


@pytest.mark.parametrize("name", ["no data", "no descriptor", "a descriptor of two", "too short"])
def test_a_broken_modality_lut_is_refused(reader, tmp_path, name):
    """It may turn black into white, and a window counts in the values that it gives."""
    with pytest.raises(DicomError, match=r"x\.dcm: a LUT"):
        reader.read(save(tmp_path / "x.dcm", dataset(ModalityLUTSequence=[BROKEN_LUTS[name]], **GOOD)))


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("text", ["1,0", "n/a", "inf"])
def test_a_broken_rescaling_is_refused(reader, tmp_path, keyword, text):
    with pytest.raises(DicomError, match=rf"x\.dcm: {keyword} is '{text}'; expected a number"):
        reader.read(save_with_texts(tmp_path / "x.dcm", dataset(**GOOD), **{keyword: text}))


def test_a_voi_lut_function_that_is_not_known(reader, tmp_path):
    film = reader.read(save(tmp_path / "x.dcm", dataset(VOILUTFunction="SAMPLED", **GOOD)))
    np.testing.assert_array_equal(film.pixels, windowed(RAMP, 2000, 3000))
    assert film.notes == (display.ODD_FUNCTION,)


def test_padding_that_is_no_number(reader, tmp_path):
    ds = dataset(**GOOD)
    ds.add_new("PixelPaddingValue", "LO", "none")
    film = reader.read(save(tmp_path / "x.dcm", ds))
    np.testing.assert_array_equal(film.pixels, windowed(RAMP, 2000, 3000))
    assert film.notes == (display.NO_PADDING,)
