"""The ways in which DICOM stores pixels, and the files that come with pydicom."""

import re

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, uid
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_windowing, pixel_array

from tests.data.dicom import dicom_files
from tests.data.dicom.dicom_files import PYDICOM_FILES, RAMP, dataset, eight, save, stretched, with_frame
from tienet.data.dicom.reader import DicomError

# ---- transfer syntaxes ----


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
def test_uncompressed_and_deflated(gray, syntax):
    np.testing.assert_array_equal(gray(dataset(syntax=syntax)), stretched(RAMP))


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_syntaxes_that_pydicom_writes(gray, syntax, bits):
    ramp = np.tile(RAMP, (2, 3))  # the encoder of JPEG 2000 takes no small ones
    pixels = (ramp >> 4).astype(np.uint8) if bits == 8 else ramp << (bits - 12)
    ds = dataset(pixels, bits)
    ds.compress(syntax, generate_instance_uid=False)
    np.testing.assert_array_equal(gray(ds), stretched(pixels))


def test_a_syntax_that_is_not_read_is_named(reader, tmp_path):
    path = save(tmp_path / "x.dcm", with_frame(dataset(), b"abcd", uid.MPEG4HP41))
    with pytest.raises(DicomError, match=r"transfer syntax MPEG-4.*is not read; save it uncompressed"):
        reader.read(path)


# ---- the files that come with pydicom ----

REFUSED = {
    r"BigEndNoMeta\.dcm|no_meta\.dcm|README|\.(txt|icc|dump|json|gz)$": "no DICM at byte 128",
    r"LitEndNoMeta\.dcm|rtstruct\.dcm|DICOMDIR|TINY_ALPHA.*IM|UN_sequence|empty_charset|group_length|reportsi|test-SR|rtplan|waveform|^priv_SQ":
        "no pixel data in it",
    r"2frame|rtdose(_expb|_rle)?\.dcm|examples_ybr_color": r"\d+ frames; expected one",
    r"rtdose\w*_1frame|32bit\.dcm": "BitsAllocated 32; expected 8 or 16",
    r"liver": "BitsAllocated 1;",
    r"badVR": "NumberOfFrames is '1A'",
    r"MR_truncated": "less than expected",
    r"embedded-sequence-delimiter|meta_missing|nested_priv": "cannot be decoded|Rows is missing",
}  # fmt: skip
"""Maps a part of the name of a file that is refused to the message; all other files are read."""

LEFT_TO_OTHERS = r"JPG-?Extended|JPEG-lossy|JPGExtended"  # pydicom has no second decoder for these files


def oracle(ds: Dataset) -> np.ndarray:
    """The grey image by pydicom's functions on the pixels and by decoders that `tienet.data.dicom` does not use."""
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax in (*uid.JPEG2000TransferSyntaxes, *uid.JPEGLSTransferSyntaxes, *uid.JPEGTransferSyntaxes):
        stored = pixel_array(ds, decoding_plugin="gdcm")
    else:
        stored = pixel_array(ds)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, ds) / 257
        return np.round(stored @ [0.299, 0.587, 0.114])
    if stored.ndim == 3:
        return np.round(stored @ [0.299, 0.587, 0.114] * (255 / (2**ds.BitsStored - 1)))
    values = apply_modality_lut(stored, ds).astype(np.float64)
    if "WindowWidth" in ds:
        lowest = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0
        ends = apply_modality_lut(np.array([lowest, lowest + 2**ds.BitsStored - 1]), ds)
        shown = (apply_windowing(values, ds) - ends[0]) / (ends[1] - ends[0])
        if np.ptp(eight(shown)):
            return eight(1 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown)
    padding = values == apply_modality_lut(np.array([ds.get("PixelPaddingValue", 10**6)]), ds)[0]
    low, high = values[~padding].min(), values[~padding].max()
    return np.where(padding, 0, eight((values - low) / (high - low)))


@pytest.mark.parametrize("path", dicom_files.pydicom_files(), ids=lambda path: str(path.relative_to(PYDICOM_FILES)))
def test_pydicoms_files_give_the_right_picture_or_one_line(reader, path):
    name = str(path.relative_to(PYDICOM_FILES))
    said = next((said for names, said in REFUSED.items() if re.search(names, name)), None)
    if said:
        with pytest.raises(DicomError, match=said) as error:
            reader.read(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
        return
    ds, film = pydicom.dcmread(path), reader.read(path)
    assert film.pixels.shape == (ds.Rows, ds.Columns) and film.pixels.dtype == np.uint8
    if not re.search(LEFT_TO_OTHERS, path.name):
        lossy = ds.file_meta.TransferSyntaxUID in (uid.JPEGBaseline8Bit, uid.JPEG2000)
        np.testing.assert_allclose(film.pixels, oracle(ds), atol=3 if lossy else 1)
