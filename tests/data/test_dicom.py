"""Reading DICOM: what stored values become, what the header says, and which files are refused."""

import os
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import gdcm
import numpy as np
import pydicom
import pytest
from pydicom import Dataset, uid
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, apply_windowing, pixel_array

from tests.data import dicom_files
from tests.data.dicom_files import PYDICOM_FILES, RAMP, dataset, save, with_frame
from tienet.data import dicom, dicom_pixels
from tienet.data.dicom import DicomError, Reader, read_dicom, read_gray
from tienet.data.dicom_view import is_upright, view_of
from tienet.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reader():
    with Reader() as reader:
        yield reader


@pytest.fixture
def gray(reader, tmp_path):
    def gray(ds: Dataset) -> np.ndarray:
        return reader.read(save(tmp_path / "x.dcm", ds)).pixels

    return gray


def eight(shown: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    return eight((values - values.min()) / (values.max() - values.min()))


# ---- stored values to grey ----


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


def by_gdcm(ds: Dataset, syntax: str, path: Path) -> Dataset:
    """The dataset in a syntax that pydicom does not write."""
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


def test_baseline_jpeg(gray):
    pixels = (RAMP >> 4).astype(np.uint8)
    frame = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    ds = with_frame(dataset(pixels, 8), frame, uid.JPEGBaseline8Bit)
    np.testing.assert_allclose(gray(ds), pixels, atol=4)


def test_jpeg_of_12_bits(reader):
    """Two values that pydicom's authors know, by the decoder of the IJG."""
    film = reader.read(PYDICOM_FILES / "JPGExtended.dcm").pixels  # its values are 0 to 264
    assert [film[420, 140], film[230, 120]] == [round(244 * 255 / 264), round(95 * 255 / 264)]


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_gdcm_gives_the_same_300_times(reader, name):
    """It frees what Python frees too, unless told not to: a crash in a hundred files."""
    first = reader.read(PYDICOM_FILES / name).pixels
    for _ in range(300):
        np.testing.assert_array_equal(reader.read(PYDICOM_FILES / name).pixels, first)


def test_a_syntax_that_is_not_read_is_named(reader, tmp_path):
    path = save(tmp_path / "x.dcm", with_frame(dataset(), b"abcd", uid.MPEG4HP41))
    with pytest.raises(DicomError, match=r"transfer syntax MPEG-4.*is not read; save it uncompressed"):
        reader.read(path)


# ---- the files that come with pydicom ----

REFUSED = {
    r"NoMeta\.dcm|no_meta\.dcm|rtstruct\.dcm|README|\.(txt|icc|dump|json|gz)$": "no DICM at byte 128",
    r"DICOMDIR|TINY_ALPHA.*IM|UN_sequence|empty_charset|group_length|reportsi|test-SR|rtplan|waveform|^priv_SQ":
        "no pixel data in it",
    r"2frame|rtdose(_expb|_rle)?\.dcm|examples_ybr_color": r"\d+ frames; expected one",
    r"rtdose\w*_1frame|32bit\.dcm": "BitsAllocated 32; expected 8 or 16",
    r"liver": "BitsAllocated 1;",
    r"badVR": "NumberOfFrames is '1A'",
    r"MR_truncated": "less than expected",
    r"embedded-sequence-delimiter|meta_missing|nested_priv": "cannot be decoded|Rows is missing",
}  # fmt: skip
"""Part of a name -> what is said; all others are read."""

LEFT_TO_OTHERS = r"JPG-?Extended|JPEG-lossy|JPGExtended"  # pydicom decodes them with no other plugin


def oracle(ds: Dataset) -> np.ndarray:
    """Grey by pydicom's functions on the pixels and by the decoders that `dicom` does not use."""
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


# ---- the header ----


def test_the_header(reader, tmp_path):
    ds = dataset(AccessionNumber="A9", PatientOrientation=["L", "F"], BurnedInAnnotation="YES",
                 PresentationIntentType="FOR PROCESSING")  # fmt: skip
    path = save(tmp_path / "x.dcm", ds)
    for film in (reader.read(path), reader.read_header(path)):
        assert (film.patient_id, film.study_uid, film.sop_uid, film.accession) == ("P7", "1.2.3", "1.2.3.4", "A9")
        assert (film.modality, film.view, film.orientation, film.upright) == ("DX", "PA", "L\\F", True)
        assert film.notes == (dicom_pixels.BURNED_IN, dicom_pixels.FOR_PROCESSING)
    assert film.pixels is None


def test_a_header_without_anything(reader, tmp_path):
    names = ("SOPInstanceUID", "StudyInstanceUID", "PatientID", "Modality", "ViewPosition")
    film = reader.read(save(tmp_path / "x.dcm", dataset(**dict.fromkeys(names))))
    assert (film.patient_id, film.study_uid, film.modality, film.view, film.upright) == ("", "", "", "", True)


def code(value: str, meaning: str = "") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = value, meaning
    return [item]


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "ap "}, "AP"),
        ({"ViewPosition": "LL"}, "LATERAL"),
        ({"ViewPosition": "LATERAL"}, "LATERAL"),
        ({"ViewPosition": "AP AXIAL"}, "AP"),
        ({"ViewPosition": "LAO"}, "OTHER"),
        ({"ViewPosition": "PA", "SeriesDescription": "lateral"}, "PA"),
        ({"ViewPosition": "", "ViewCodeSequence": code("R-10214")}, "PA"),
        ({"ViewCodeSequence": code("399348003")}, "AP"),
        ({"ViewCodeSequence": code("R-10236")}, "LATERAL"),
        ({"ViewCodeSequence": code("99", "postero-anterior oblique")}, ""),
        ({"ViewCodeSequence": code("99", "Right lateral")}, "LATERAL"),
        ({"SeriesDescription": "W033 Chest PA"}, "PA"),
        ({"SeriesDescription": "CHEST_AP_PORTABLE"}, "AP"),
        ({"SeriesDescription": "Thorax lat."}, "LATERAL"),
        ({"SeriesDescription": "Chest PA and lateral"}, ""),
        ({"SeriesDescription": "map of the spa", "ProtocolName": "p.a."}, ""),
        ({"SeriesDescription": "Chest", "AcquisitionDeviceProcessingDescription": "CHEST,LAT"}, "LATERAL"),
        ({"PatientOrientation": ["A", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["L", "F"]}, ""),
        ({}, ""),
    ],
)
def test_the_view(elements, view):
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    assert view_of(ds) == view


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [("L\\F", True), ("R\\F", False), ("L\\H", False), ("F\\L", False), ("LF\\FR", True), ("", True), ("?\\x", True)],
)
def test_the_orientation(orientation, upright):
    assert is_upright(orientation) is upright


# ---- refused ----


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "60000 x 60000 pixels; the most"),
        ({"Rows": 0}, "30 x 0 pixels"),
        ({"Rows": None}, "Rows is missing"),
        ({"NumberOfFrames": 2_000_000_000}, "2000000000 frames; expected one image a file"),
        ({"BitsAllocated": 32}, "BitsAllocated 32; expected 8 or 16"),
        ({"BitsStored": 17}, "BitsStored 17 of BitsAllocated 16"),
        ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation 'HSV'"),
        ({"SamplesPerPixel": 3}, "MONOCHROME2 with SamplesPerPixel 3"),
        ({"RescaleSlope": 0, "RescaleIntercept": 5}, "RescaleSlope 0, RescaleIntercept 5 leave no picture"),
        ({"Rows": 41}, "less than expected"),
    ],
)
def test_a_header_that_cannot_be_right(reader, tmp_path, elements, said):
    with pytest.raises(DicomError, match=rf"x\.dcm: .*{said}"):
        reader.read(save(tmp_path / "x.dcm", dataset(**elements)))


def test_floating_point_pixels(reader, tmp_path):
    ds = dataset()
    del ds.PixelData
    ds.FloatPixelData = np.zeros((40, 30), np.float32).tobytes()
    with pytest.raises(DicomError, match="floating-point numbers"):
        reader.read(save(tmp_path / "x.dcm", ds))


def test_files_that_cannot_be_opened(reader, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.dcm does not exist"):
        reader.read(tmp_path / "gone.dcm")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DicomError, match="is not a file"):
            reader.read(path)
    (tmp_path / "empty.dcm").touch()
    with pytest.raises(DicomError, match="is no DICOM file"):
        reader.read(tmp_path / "empty.dcm")


def test_a_file_larger_than_allowed_is_not_read(reader, tmp_path):
    path = tmp_path / "huge.dcm"
    path.write_bytes(bytes(128) + b"DICM")
    os.truncate(path, dicom.MAX_BYTES + 1)
    with pytest.raises(DicomError, match="the most that is read"):
        reader.read(path)


def test_read_gray_reads_png_jpeg_and_dicom(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), RAMP >> 4)
    np.testing.assert_array_equal(read_gray(tmp_path / "x.png"), RAMP >> 4)
    np.testing.assert_array_equal(read_gray(save(tmp_path / "no-ending", dataset())), stretched(RAMP))
    with pytest.raises(FileNotFoundError):
        read_gray(tmp_path / "gone.png")
    (tmp_path / "x.txt").write_text("no image")
    with pytest.raises(InputError, match="neither PNG nor JPEG"):
        read_gray(tmp_path / "x.txt")


# ---- the process ----


def test_a_process_that_dies_gives_one_line_and_the_next_file_is_read(tmp_path):
    path = save(tmp_path / "x.dcm", dataset())
    with Reader() as reader:
        reader.read(path)
        first = reader._process
        os.kill(first.pid, signal.SIGSTOP)
        os.kill(first.pid, signal.SIGSEGV)
        os.kill(first.pid, signal.SIGCONT)
        with pytest.raises(DicomError, match=r"x\.dcm: the decoder stopped on it \(SIGSEGV\)"):
            reader.read(path)
        assert reader.read(path).pixels.shape == RAMP.shape and reader._process.pid != first.pid


def test_a_file_that_takes_too_long(tmp_path):
    big = dataset(np.zeros((3000, 3000), np.uint16))
    big.compress(uid.RLELossless, generate_instance_uid=False)
    path = save(tmp_path / "x.dcm", big)
    with Reader(seconds=0.001) as reader, pytest.raises(DicomError, match="decoding took more than"):
        reader.read(path)


def test_a_deflate_bomb(tmp_path):
    path = save(tmp_path / "x.dcm", dataset(syntax=uid.DeflatedExplicitVRLittleEndian))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")  # the end of the meta header
    million = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(content[:start] + 3000 * million + packer.flush())
    began = time.monotonic()
    with Reader() as reader, pytest.raises(DicomError, match="more than 2 GB of memory"):
        reader.read(path)
    assert time.monotonic() - began < 30


def test_the_process_imports_neither_tensorflow_nor_the_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\nimport sys\nfrom tienet.data.dicom import Reader\n"
        "reader = Reader()\nprint(reader.read(sys.argv[1]).pixels.shape)\n"
        "maps = open(f'/proc/{reader._process.pid}/maps').read()\n"
        "print('tensorflow' in maps, 'pydicom' in sys.modules)\n"
    )
    path = save(tmp_path / "x.dcm", dataset())
    done = subprocess.run(
        [sys.executable, str(script), str(path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == ["once", "(40, 30)", "False False"] and done.stderr == ""


def test_the_default_reader_survives_a_fork(tmp_path):
    path = save(tmp_path / "x.dcm", dataset())
    read_dicom(path)
    child = os.fork()
    if not child:
        os._exit(0 if read_dicom(path).pixels.shape == RAMP.shape else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert read_dicom(path).pixels.shape == RAMP.shape


def test_more_than_20_files_a_second(reader, tmp_path):
    path = save(tmp_path / "x.dcm", dataset(np.tile(RAMP, (25, 30))))  # 1000 x 900
    reader.read(path)
    began = time.process_time()
    wall = time.monotonic()
    for _ in range(20):
        reader.read(path)
    assert time.process_time() - began < 1
    assert time.monotonic() - wall < 4  # about 0.4 s on an idle machine
