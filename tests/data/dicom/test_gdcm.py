"""JPEG files of 8, 12 and 16 bits, which GDCM decodes."""

from pathlib import Path

import cv2
import gdcm
import numpy as np
import pydicom
import pytest
from pydicom import Dataset, uid

from tests.data.dicom.dicom_files import PYDICOM_FILES, RAMP, dataset, save, stretched, with_frame
from tienet.data.dicom.reader import Reader


def by_gdcm(ds: Dataset, syntax: str, path: Path) -> Dataset:
    """Write a dataset in a transfer syntax that pydicom cannot write."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(save(path, ds)))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return pydicom.dcmread(path)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1])
def test_lossless_jpeg(gray, tmp_path, syntax, bits):
    pixels = (RAMP >> 4).astype(np.uint8) if bits == 8 else RAMP << (bits - 12)
    ds = by_gdcm(dataset(pixels, bits), syntax, tmp_path / "gdcm.dcm")
    assert ds.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(gray(ds), stretched(pixels))


@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_the_bits_of_a_lossless_jpeg_are_those_that_the_header_names(gray, tmp_path, syntax, high):
    """All 16 bits of the words are coded, of which the header then names 12."""
    low = high - 11
    others = np.random.default_rng(0).integers(0, 1 << 16, RAMP.shape) & ~(0xFFF << low)
    ds = by_gdcm(dataset(((RAMP.astype(int) << low) | others).astype(np.uint16), 16), syntax, tmp_path / "gdcm.dcm")
    ds.BitsStored, ds.HighBit = 12, high
    np.testing.assert_array_equal(gray(ds), stretched(RAMP))


def test_baseline_jpeg(gray):
    pixels = (RAMP >> 4).astype(np.uint8)
    frame = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    ds = with_frame(dataset(pixels, 8), frame, uid.JPEGBaseline8Bit)
    np.testing.assert_allclose(gray(ds), pixels, atol=4)


def test_jpeg_of_12_bits(reader):
    """Two pixels have the values that the decoder of the IJG gives, according to the authors of pydicom."""
    film = reader.read(PYDICOM_FILES / "JPGExtended.dcm").pixels  # its values are 0 to 264
    assert [film[420, 140], film[230, 120]] == [round(244 * 255 / 264), round(95 * 255 / 264)]


@pytest.mark.parametrize("kind", ["12 bits", "colour"])
def test_gdcm_gives_the_same_300_times(tmp_path, kind):
    """GDCM and Python must not both free the image, which crashes some processes at their first file.

    The 12-bit image is small: with it such a process crashed each time, with JPGExtended.dcm once in three times.
    """
    path = PYDICOM_FILES / "SC_rgb_jpeg_gdcm.dcm"
    if kind == "12 bits":
        path = tmp_path / "x.dcm"
        assert by_gdcm(dataset(), uid.JPEGExtended12Bit, path).file_meta.TransferSyntaxUID == uid.JPEGExtended12Bit
    with Reader() as reader:
        first = reader.read(path).pixels
        for _ in range(300):
            np.testing.assert_array_equal(reader.read(path).pixels, first)
