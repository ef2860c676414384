"""Reading DICOM: what the header says, and which files are refused."""

import os

import cv2
import numpy as np
import pytest
from pydicom import uid

from tests.data.dicom.dicom_files import RAMP, dataset, save, stretched, with_frame, without_meta
from tienet.data.dicom import pixels
from tienet.data.dicom.reader import MAX_BYTES, PREAMBLE, DicomError, read_gray, starts_as_dicom
from tienet.errors import InputError

# ---- the header ----


def test_the_header(reader, tmp_path):
    ds = dataset(AccessionNumber="A9", PatientOrientation=["L", "F"], BurnedInAnnotation="YES",
                 PresentationIntentType="FOR PROCESSING")  # fmt: skip
    path = save(tmp_path / "x.dcm", ds)
    for film in (reader.read(path), reader.read_header(path)):
        assert (film.patient_id, film.study_uid, film.sop_uid, film.accession) == ("P7", "1.2.3", "1.2.3.4", "A9")
        assert (film.modality, film.view, film.orientation, film.upright) == ("DX", "PA", "L\\F", True)
        assert film.notes == (pixels.BURNED_IN, pixels.FOR_PROCESSING)
    assert film.pixels is None


def test_a_header_without_anything(reader, tmp_path):
    names = ("SOPInstanceUID", "StudyInstanceUID", "PatientID", "Modality", "ViewPosition")
    film = reader.read(save(tmp_path / "x.dcm", dataset(**dict.fromkeys(names))))
    assert (film.patient_id, film.study_uid, film.modality, film.view, film.upright) == ("", "", "", "", True)


# ---- without a preamble ----


def starts(path) -> dict[str, bytes]:
    """Files that lack the preamble, or group 0002 too, in each encoding that they may have."""
    found = {}
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian):
        content = save(path, dataset(syntax=syntax)).read_bytes()
        found[f"meta, {syntax.name}"] = content[PREAMBLE:]
        found[f"no meta, {syntax.name}"] = without_meta(content)
    found["meta, big endian"] = save(path, dataset(syntax=uid.ExplicitVRBigEndian)).read_bytes()[PREAMBLE:]
    found["meta, deflated"] = save(path, dataset(syntax=uid.DeflatedExplicitVRLittleEndian)).read_bytes()[PREAMBLE:]
    return found


def test_a_file_without_a_preamble_is_read(reader, tmp_path):
    path = tmp_path / "x.dcm"
    for name, content in starts(path).items():
        assert starts_as_dicom(content[:PREAMBLE]), name
        path.write_bytes(content)
        for film in (reader.read(path), reader.read_header(path)):
            assert (film.patient_id, film.view, film.notes) == ("P7", "PA", ()), name
        np.testing.assert_array_equal(read_gray(path), stretched(RAMP))


def test_no_transfer_syntax(reader, tmp_path):
    """Uncompressed pixels are read all the same; which kind of compression it is could only be guessed."""
    compressed = with_frame(dataset(np.tile(RAMP, (2, 3))), b"abcd", uid.JPEG2000Lossless)
    (tmp_path / "x.dcm").write_bytes(without_meta(save(tmp_path / "x.dcm", compressed).read_bytes()))
    with pytest.raises(DicomError, match=r"x\.dcm: its pixels are compressed, and its header names no transfer syntax"):
        reader.read(tmp_path / "x.dcm")


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\x08\x00",
        b"\x08\x00\x05\x00 a text with a control character in front",
        b"\x02\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00",  # group 0002 in implicit VR
        np.arange(8, 60, dtype="<i4").tobytes(),
        np.arange(8, 60, dtype="<i2").tobytes(),
        np.arange(2, 60, dtype="<i2").tobytes(),
        b"\x89PNG\r\n\x1a\n" + bytes(124),
        b"\xff\xd8\xff\xe0" + bytes(128),
        b"II*\x00\x08\x00\x00\x00" + bytes(124),
        bytes(132),
        b"%PDF-1.4 " + bytes(123),
    ],
)
def test_other_files_do_not_start_as_dicom(start):
    assert not starts_as_dicom(start)


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
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "RGB without PlanarConfiguration"),
        ({"RescaleSlope": 0, "RescaleIntercept": 5}, "RescaleSlope 0, RescaleIntercept 5 leave no picture"),
        ({"Rows": 41}, "less than expected"),
    ],
)
def test_a_header_that_cannot_be_right(reader, tmp_path, elements, said):
    with pytest.raises(DicomError, match=rf"x\.dcm: .*{said}"):
        reader.read(save(tmp_path / "x.dcm", dataset(**elements)))


def test_no_error_of_python_is_shown(reader, tmp_path):
    """The faults are those of the file, in words that its owner understands."""
    whole = np.tile(RAMP, (2, 3))
    faults = {
        "frame": with_frame(dataset(whole), b"no frame", uid.JPEG2000Lossless),
        "wide": with_frame(dataset(whole), b"\xff\xd8\xff\xf7", uid.JPEGLSLossless),
        "rle": with_frame(dataset(whole), bytes(64), uid.RLELossless),
        "palette": dataset(PhotometricInterpretation="PALETTE COLOR"),
        "several": dataset(BitsStored=[12, 12]),
        "rows": dataset(Rows=[40, 40]),
    }
    for name, ds in faults.items():
        with pytest.raises(DicomError) as error:
            reader.read(save(tmp_path / f"{name}.dcm", ds))
        said = str(error.value).replace(str(tmp_path), "")
        assert not any(word in said for word in ("Error", "object", "plugin", "argument", "0x", "'int'")), said


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
    os.truncate(path, MAX_BYTES + 1)
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
