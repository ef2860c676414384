"""Broken DICOM files give an image or an error of one line, in bounded time and memory, however they are broken."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydicom import uid

from tests.data.dicom import dicom_files
from tests.data.dicom.dicom_files import PYDICOM_FILES, dataset, save
from tienet.data import image
from tienet.data.dicom.reader import DicomError, Reader
from tienet.data.dicom.worker import MAX_MEMORY_BYTES

SOURCES = (
    "CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "examples_palette.dcm",
    "MR_small_RLE.dcm", "SC_rgb_rle.dcm", "JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "JPEGLSNearLossless_16.dcm", "MR_small_jp2klossless.dcm", "693_J2KI.dcm",
    "dicomdirtests/77654033/CR1/6154",
)  # fmt: skip
COMPRESSED = tuple(name for name in SOURCES[5:14])
HEADER_FIELDS = {  # group 0028
    0x0002: "SamplesPerPixel", 0x0008: "NumberOfFrames", 0x0010: "Rows", 0x0011: "Columns", 0x0100: "BitsAllocated",
    0x0101: "BitsStored", 0x0102: "HighBit", 0x0103: "PixelRepresentation", 0x0006: "PlanarConfiguration",
}  # fmt: skip
HUGE = (0, 1, 3, 7, 255, 4096, 32767, 65535)
SECONDS = 10.0


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(seconds=SECONDS) as reader:
        yield reader


def flipped(content: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(132, len(content), rng.integers(1, 30)):
        content[place] = rng.integers(256)
    return content


def truncated(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content[: rng.integers(132, len(content))]


def inserted(content: bytearray, rng: np.random.Generator) -> bytearray:
    place = int(rng.integers(132, len(content)))
    return content[:place] + rng.bytes(int(rng.integers(1, 2000))) + content[place:]


def with_another_header(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Change the value or the length of fields that say how large the image is."""
    for element in rng.choice(list(HEADER_FIELDS), 2):
        for tag in (struct.pack("<HH", 0x0028, element), struct.pack(">HH", 0x0028, element)):
            place = content.find(tag)
            if place > 0:
                struct.pack_into("<H", content, place + int(rng.choice([4, 6, 8])), int(rng.choice(HUGE)))
    return content


def with_other_pixels(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Flip bits in the second half of the file, which mostly holds the pixels, compressed or not."""
    for place in rng.integers(len(content) // 2, len(content), rng.integers(1, 10)):
        content[place] ^= 1 << rng.integers(8)
    return content


WAYS = (flipped, truncated, inserted, with_another_header, with_other_pixels)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_200_mutated_files(reader, tmp_path, way):
    """There are 40 files for each way to break them."""
    outcomes = {"read": 0, "refused": 0}
    for n in range(40):
        rng = np.random.default_rng([n, WAYS.index(way)])
        content = bytearray((PYDICOM_FILES / SOURCES[n % len(SOURCES)]).read_bytes())
        path = tmp_path / "x.dcm"
        path.write_bytes(way(content, rng))
        began = time.monotonic()
        try:
            pixels = reader.read(path).pixels
            assert pixels.dtype == np.uint8 and pixels.ndim == 2 and 0 < pixels.size <= image.MAX_PIXELS
            outcomes["read"] += 1
        except DicomError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error) and len(str(error)) < 600
            outcomes["refused"] += 1
        assert time.monotonic() - began < SECONDS + 5
        assert most_memory(reader) < MAX_MEMORY_BYTES
    assert outcomes["refused"]


def most_memory(reader: Reader) -> int:
    """The largest number of bytes that the process has had in memory; 0 if it has ended."""
    try:
        status = Path(f"/proc/{reader._process.pid}/status").read_text()
    except (FileNotFoundError, AttributeError):
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_file_cut_anywhere_gives_no_other_picture(reader, tmp_path, name):
    content = (PYDICOM_FILES / name).read_bytes()
    whole = reader.read(PYDICOM_FILES / name).pixels
    for length in range(len(content) - 1, 200, -max(1, len(content) // 25)):
        path = tmp_path / "x.dcm"
        path.write_bytes(content[:length])
        try:
            pixels = reader.read(path).pixels
        except DicomError:
            continue
        np.testing.assert_array_equal(pixels, whole)


def test_an_uncompressed_file_cut_anywhere_is_refused(reader, tmp_path):
    content = save(tmp_path / "whole.dcm", dataset()).read_bytes()
    for length in range(len(content) - 1, 132, -25):
        path = tmp_path / "x.dcm"
        path.write_bytes(content[:length])
        with pytest.raises(DicomError):
            reader.read(path)


def test_a_codestream_that_says_another_size_than_the_header(reader, tmp_path):
    """The JPEG 2000 codestream says 2^31 pixels, and the header says 64 x 64."""
    ds = dicom_files.read(PYDICOM_FILES / "MR_small_jp2klossless.dcm")
    content = bytearray((PYDICOM_FILES / "MR_small_jp2klossless.dcm").read_bytes())
    place = content.find(b"\xff\x4f\xff\x51")
    assert place > 0 and ds.file_meta.TransferSyntaxUID == uid.JPEG2000Lossless
    for at in (8, 24):  # image and tile
        struct.pack_into(">II", content, place + at, 46_000, 46_000)
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    with pytest.raises(DicomError):
        reader.read(path)
    assert most_memory(reader) < MAX_MEMORY_BYTES


@pytest.mark.parametrize("depth", [300, 20_000])
def test_deeply_nested_sequences(reader, tmp_path, depth):
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF)
    content = save(tmp_path / "x.dcm", dataset(PatientID=None)).read_bytes()
    place = content.find(struct.pack("<HH", 0x7FE0, 0x0010))
    path = tmp_path / "y.dcm"
    path.write_bytes(content[:place] + (sequence + item) * depth)
    with pytest.raises(DicomError):
        reader.read(path)


def test_nothing_is_left_running():
    before = {child.pid for child in psutil.Process().children()}
    with Reader() as reader:
        reader.read(PYDICOM_FILES / "CT_small.dcm")
    assert {child.pid for child in psutil.Process().children()} <= before
