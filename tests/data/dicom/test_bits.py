"""Which bits of a word are the stored value, compared with NumPy from the header, in every way to store pixels."""

import jpeg_ls
import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom import Dataset, uid

from tests.data.dicom.dicom_files import RAMP, dataset, eight, save, stretched, with_frame
from tienet.data.dicom import bits
from tienet.data.dicom.reader import DicomError

VALUES = np.tile(RAMP, (2, 3))  # 12 bits; the encoder of JPEG 2000 takes no small images
WAYS = ("native", "big endian", "deflated", "RLE", "JPEG 2000", "JPEG-LS")
JUNK = np.random.default_rng(0).integers(0, 1 << 16, VALUES.shape).astype(np.uint16)


def values_of(words: np.ndarray, ds: Dataset) -> np.ndarray:
    """The stored values of words, by the header alone."""
    values = (words.astype(int) >> (ds.HighBit + 1 - ds.BitsStored)) % 2**ds.BitsStored
    is_negative = ds.PixelRepresentation * (values >= 2 ** (ds.BitsStored - 1))
    return values - is_negative * 2**ds.BitsStored


def image(way: str, words: np.ndarray, stored: int, high: int, signed: bool = False, **elements: object) -> Dataset:
    """A file with these words, uint8 or uint16; compressed ones keep all the bits."""
    native = {"big endian": uid.ExplicitVRBigEndian, "deflated": uid.DeflatedExplicitVRLittleEndian}
    syntax = native.get(way, uid.ExplicitVRLittleEndian)
    ds = dataset(words, stored, syntax, HighBit=high, PixelRepresentation=int(signed), **elements)
    if way == "RLE":
        ds.compress(uid.RLELossless, generate_instance_uid=False)
    elif way == "JPEG 2000":
        frame = encode_array(words, bits_stored=8 * words.dtype.itemsize, photometric_interpretation=2)
        with_frame(ds, bytes(frame), uid.JPEG2000Lossless)
    elif way == "JPEG-LS":
        with_frame(ds, bytes(jpeg_ls.encode_array(words)), uid.JPEGLSLossless)
    return ds


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 15), (12, 13), (10, 9), (10, 15), (14, 15), (16, 15)])
def test_the_value_ends_at_the_high_bit(gray, way, signed, stored, high):
    low = high + 1 - stored
    words = ((VALUES >> (12 - min(stored, 12))) << low).astype(np.uint16)
    ds = image(way, words, stored, high, signed)
    np.testing.assert_array_equal(gray(ds), stretched(values_of(words, ds)))
    ds.WindowCenter, ds.WindowWidth = 300, 900
    np.testing.assert_array_equal(gray(ds), eight((values_of(words, ds) - 299.5) / 899 + 0.5))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_other_bits_are_no_part_of_the_value(gray, way, signed, high):
    low = high - 11
    words = ((VALUES << low) | (JUNK & ~np.uint16(0xFFF << low))).astype(np.uint16)
    ds = image(way, words, 12, high, signed)
    expected = VALUES - 4096 * (signed * (VALUES >= 2048))
    np.testing.assert_array_equal(values_of(words, ds), expected)
    np.testing.assert_array_equal(gray(ds), stretched(expected))


@pytest.mark.parametrize("way", WAYS)
def test_bytes_have_a_high_bit_too(gray, way):
    words = ((VALUES >> 6) << 2).astype(np.uint8) | np.uint8(1)
    ds = image(way, words, 6, 7)
    np.testing.assert_array_equal(gray(ds), stretched(VALUES >> 6))


@pytest.mark.parametrize("way", WAYS)
def test_an_overlay_in_the_highest_bit_is_no_part_of_the_film(reader, tmp_path, way):
    marker = np.zeros(VALUES.shape, np.uint16)
    marker[2:6, 2:12] = 1 << 15
    ds = image(way, VALUES | marker, 12, 11)
    ds.add_new(0x60000100, "US", 16), ds.add_new(0x60000102, "US", 15)
    film = reader.read(save(tmp_path / "x.dcm", ds))
    np.testing.assert_array_equal(film.pixels, stretched(VALUES))
    assert film.notes == ()
    del ds[0x60000100], ds[0x60000102]
    film = reader.read(save(tmp_path / "x.dcm", ds))
    np.testing.assert_array_equal(film.pixels, stretched(VALUES))
    assert film.notes == (bits.HIGH_BITS,)


@pytest.mark.parametrize("way", WAYS)
def test_a_sign_that_is_repeated_above_is_no_bit_in_use(reader, tmp_path, way):
    values = VALUES.astype(int) - 2048
    for words in (values.astype(np.int16).view(np.uint16), (values & 0xFFF).astype(np.uint16)):
        film = reader.read(save(tmp_path / "x.dcm", image(way, words, 12, 11, signed=True)))
        np.testing.assert_array_equal(film.pixels, stretched(values))
        assert film.notes == ()
    words = (values & 0x7FFF).astype(np.uint16)  # bits 12 to 14 repeat the sign, and bit 15 does not
    assert reader.read(save(tmp_path / "x.dcm", image(way, words, 12, 11, signed=True))).notes == (bits.HIGH_BITS,)


def test_a_jpeg_2000_frame_with_a_sign(reader, tmp_path):
    values = (VALUES.astype(int) - 2048).astype(np.int16)
    for precision in (12, 16):
        frame = bytes(encode_array(values, bits_stored=precision, photometric_interpretation=2))
        for signed, expected in ((1, values), (0, values.astype(int) & 0xFFF)):
            ds = with_frame(dataset(values, PixelRepresentation=signed), frame, uid.JPEG2000Lossless)
            np.testing.assert_array_equal(reader.read(save(tmp_path / "x.dcm", ds)).pixels, stretched(expected))


@pytest.mark.parametrize(("way", "syntax"), [("JPEG 2000", uid.JPEG2000Lossless), ("JPEG-LS", uid.JPEGLSLossless)])
def test_samples_of_as_many_bits_as_are_stored_are_the_values(gray, way, syntax):
    """The encoder took the 12 bits of the value, and the header is still that of the words at the top of 16 bits."""
    if way == "JPEG-LS":
        frame = jpeg_ls.encode_pixel_data(
            VALUES.tobytes(), rows=VALUES.shape[0], columns=VALUES.shape[1], samples_per_pixel=1, bits_stored=12
        )
    else:
        frame = encode_array(VALUES, bits_stored=12, photometric_interpretation=2)
    ds = with_frame(dataset(VALUES, 12, HighBit=15, WindowCenter=2000, WindowWidth=3000), bytes(frame), syntax)
    np.testing.assert_array_equal(gray(ds), eight((VALUES - 1999.5) / 2999 + 0.5))


def test_samples_wider_than_the_header_allocates_are_refused(reader, tmp_path):
    frame = encode_array(VALUES, bits_stored=12, photometric_interpretation=2)
    ds = with_frame(dataset((VALUES >> 4).astype(np.uint8), 8), bytes(frame), uid.JPEG2000Lossless)
    with pytest.raises(DicomError, match="its samples have 12 bits, and its header allocates 8"):
        reader.read(save(tmp_path / "x.dcm", ds))


@pytest.mark.parametrize("high", [0, 10, 16, 255])
def test_a_high_bit_that_cannot_be(reader, tmp_path, high):
    film = reader.read(save(tmp_path / "x.dcm", dataset(VALUES, HighBit=high)))
    np.testing.assert_array_equal(film.pixels, stretched(VALUES))
    assert film.notes == (bits.HIGH_BIT,)


def test_no_high_bit(reader, tmp_path):
    film = reader.read(save(tmp_path / "x.dcm", dataset(VALUES, HighBit=None)))
    np.testing.assert_array_equal(film.pixels, stretched(VALUES))
    assert film.notes == ()


def test_colours_have_a_high_bit_too(gray):
    rgb = np.random.default_rng(0).integers(0, 4096, (12, 10, 3)).astype(np.uint16)
    ds = dataset(rgb << 4 | 9, 12, HighBit=15)
    np.testing.assert_allclose(gray(ds), rgb @ [0.299, 0.587, 0.114] * (255 / 4095), atol=1)
