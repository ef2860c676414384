"""DICOM files for tests: some are made here, and others come with pydicom."""

import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset, FileMetaDataset, uid
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.encaps import encapsulate

PYDICOM_FILES = Path(find_spec("pydicom").origin).parent / "data" / "test_files"
RAMP = np.linspace(0, 4095, 40 * 30).round().astype(np.uint16).reshape(40, 30)


def dataset(pixels: np.ndarray = RAMP, bits: int = 12, syntax: str = uid.ExplicitVRLittleEndian, **elements) -> Dataset:
    """A DX image with these stored values; an element that is None is left out."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    defaults = {
        "SOPInstanceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3", "PatientID": "P7", "Modality": "DX",
        "ViewPosition": "PA", "PhotometricInterpretation": "MONOCHROME2",
        "SamplesPerPixel": 3 if pixels.ndim == 3 else 1, "Rows": pixels.shape[0], "Columns": pixels.shape[1],
        "BitsAllocated": 8 * pixels.dtype.itemsize, "BitsStored": bits, "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }  # fmt: skip
    if pixels.ndim == 3:
        defaults |= {"PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    for keyword, value in (defaults | elements).items():
        if value is not None:
            setattr(ds, keyword, value)
    little = "<" if syntax != uid.ExplicitVRBigEndian else ">"
    content = pixels.astype(pixels.dtype.newbyteorder(little)).tobytes()
    ds.PixelData = content + b"\0" * (len(content) % 2)
    ds["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    return ds


def save(path: Path, ds: Dataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def save_with_texts(path: Path, ds: Dataset, **texts: str) -> Path:
    """Save a dataset with these texts in elements that are of another kind, as broken programs write them."""
    for keyword, text in texts.items():
        ds.add_new(keyword, "LO", text)
    content = save(path, ds).read_bytes()
    for keyword in texts:
        tag = struct.pack("<HH", *divmod(tag_for_keyword(keyword), 1 << 16))
        assert content.count(tag + b"LO") == 1
        content = content.replace(tag + b"LO", tag + dictionary_VR(keyword)[:2].encode())
    path.write_bytes(content)
    return path


def without_meta(content: bytes) -> bytes:
    """A file without the preamble and group 0002."""
    return content[144 + int.from_bytes(content[140:144], "little") :]


def with_frame(ds: Dataset, frame: bytes, syntax: str) -> Dataset:
    """Replace the pixels of a dataset by a compressed frame."""
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def pydicom_files() -> list[Path]:
    return sorted(path for path in PYDICOM_FILES.rglob("*") if path.is_file())


def read(path: Path) -> Dataset:
    return pydicom.dcmread(path)


def eight(shown: np.ndarray) -> np.ndarray:
    """Brightness in [0, 1] as uint8 from 0 to 255."""
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    """The values as uint8, where the smallest becomes 0 and the largest 255."""
    values = values.astype(np.float64)
    return eight((values - values.min()) / (values.max() - values.min()))
