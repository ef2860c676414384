"""Reading DICOM: what the header says, and which files are refused."""

import os

import cv2
import numpy as np
import pytest

from tests.data.dicom.dicom_files import RAMP, dataset, save, stretched
from tienet.data.dicom import pixels
from tienet.data.dicom.reader import MAX_BYTES, DicomError, read_gray
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
