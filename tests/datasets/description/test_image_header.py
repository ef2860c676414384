"""Headers of image files, against Pillow; and files that are broken."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tienet.datasets.description.image_header import read_header
from tienet.errors import InputError

PNG_MODES = {"1": (1, "grey"), "L": (8, "grey"), "LA": (8, "grey with transparency"), "RGB": (8, "colour")} | {
    "RGBA": (8, "colour with transparency"), "P": (8, "palette"), "I;16": (16, "grey"),
}  # fmt: skip
JPEG_MODES = {"L": "grey", "RGB": "colour", "CMYK": "four colours"}


def content(kind: str, mode: str, size: tuple[int, int] = (33, 17), **options) -> bytes:
    file = io.BytesIO()
    image = Image.new("L", size, 77)
    (Image.new(mode, size) if mode == "I;16" else image.convert("RGB").convert(mode)).save(file, kind, **options)
    return file.getvalue()


def header_of(tmp_path, data: bytes):
    path = tmp_path / "image"
    path.write_bytes(data)
    return read_header(path)


def refused(tmp_path, data: bytes) -> str:
    with pytest.raises(InputError) as error:
        header_of(tmp_path, data)
    return str(error.value)


@pytest.mark.parametrize("mode", PNG_MODES)
def test_png_as_pillow_writes_it(tmp_path, mode):
    options = {"bits": 8} if mode == "P" else {}
    header = header_of(tmp_path, content("PNG", mode, **options))
    assert (header.format, header.width, header.height) == ("PNG", 33, 17)
    assert (header.bits, header.colours) == PNG_MODES[mode]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", JPEG_MODES)
def test_jpeg_as_pillow_writes_it_behind_a_large_profile(tmp_path, mode, progressive):
    exif = Image.Exif()
    exif[0x010E] = "x" * 50_000
    data = content("JPEG", mode, progressive=progressive, exif=exif, icc_profile=b"\xff\xc0" * 60_000)
    header = header_of(tmp_path, data)
    assert (header.kind, header.width, header.height) == (f"JPEG, 8 bits, {JPEG_MODES[mode]}", 33, 17)


def test_a_bit_is_one_bit(tmp_path):
    assert header_of(tmp_path, content("PNG", "1")).kind == "PNG, 1 bit, grey"


def test_fill_bytes_before_a_marker_are_passed_over(tmp_path):
    data = content("JPEG", "L")
    assert header_of(tmp_path, data[:2] + b"\xff" * 9 + data[2:]) == header_of(tmp_path, data)


def test_only_the_header_is_needed(tmp_path):
    assert header_of(tmp_path, content("PNG", "L")[:33]).width == 33
    done, jpeg = cv2.imencode(".jpg", np.zeros((17, 33), np.uint8))
    scan = jpeg.tobytes().index(b"\xff\xda")
    assert done and header_of(tmp_path, jpeg.tobytes()[:scan]).height == 17


def png(width: int, height: int, bits: int = 8, colours: int = 0) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither PNG nor JPEG"),
        (b"GIF89a", "neither PNG nor JPEG"),
        (png(4, 4)[:20], "truncated PNG header"),
        (png(4, 4)[:20] + b"!" + png(4, 4)[21:], "its checksum is wrong"),
        (png(0, 4), "the header says 0 x 4 pixels"),
        (png(4, 4, bits=3), "3 bits with colour type 0"),
        (png(4, 4, colours=9), "8 bits with colour type 9"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT" + bytes(17), "its first chunk is not IHDR"),
        (b"\xff\xd8\xff", "truncated JPEG header"),
        (b"\xff\xd8\xff\xe0\0\x10", "truncated JPEG header"),
        (b"\xff\xd8\xff\xe0\0\x01", "a segment of 1 bytes"),
        (b"\xff\xd8\xff\xe0\0\x02abcd", "no marker at byte 6"),
        (b"\xff\xd8\xff\xd9", "it has no frame"),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\x05\x01", "the header says 5 x 0 pixels"),
        (b"\xff\xd8" + b"\xff" * 5000, "more than 1024 fill bytes at byte 2"),
        (b"\xff\xd8" + (b"\xff\xe0\xff\xff" + bytes(0xFFFD)) * 300, "it has no frame"),
    ],
)
def test_what_is_broken_is_said(tmp_path, data, message):
    assert message in refused(tmp_path, data)


def test_a_file_that_is_gone_or_a_folder_is_said_too(tmp_path):
    for path, message in ((tmp_path / "no", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=message):
            read_header(path)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]), st.binary(max_size=60))
def test_any_bytes_give_a_header_or_a_reason(tmp_path_factory, start, rest):
    path = tmp_path_factory.getbasetemp() / "any-image"
    path.write_bytes(start + rest)
    try:
        header = read_header(path)
    except InputError:
        return
    assert header.width > 0 and header.height > 0
