"""Reading images: what the pixels become, and which files are refused."""

import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tienet.data import image
from tienet.data.dicom import reader as dicom_reader
from tienet.data.image import read_gray, read_image
from tienet.errors import InputError

RAMP = np.linspace(0, 255, 48 * 64).astype(np.uint8).reshape(48, 64)


def encoded(pixels: np.ndarray, ending: str = ".png", *params: int) -> bytes:
    done, data = cv2.imencode(ending, pixels, params)
    assert done
    return data.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, colour: int, body: bytes, *between: bytes, bits: int = 8) -> bytes:
    """A PNG file made by hand; `body` holds the rows, each after a filter byte 0."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(between) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


@pytest.fixture
def save(tmp_path: Path):
    def save(content: bytes, name: str = "x.png") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return save


# ---- pixels ----


def test_gray_png_is_read_as_it_is(save):
    np.testing.assert_array_equal(read_gray(save(encoded(RAMP))), RAMP)


def test_the_name_does_not_matter(save):
    np.testing.assert_array_equal(read_gray(save(encoded(RAMP), "x.jpg")), RAMP)
    np.testing.assert_allclose(read_gray(save(encoded(RAMP, ".jpg"), "x.dcm")), RAMP, atol=6)


@pytest.mark.parametrize("progressive", [0, 1])
def test_jpeg(save, progressive):
    content = encoded(RAMP, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    np.testing.assert_allclose(read_gray(save(content)), RAMP, atol=4)
    np.testing.assert_allclose(read_gray(save(content + bytes(100))), RAMP, atol=4)  # padding after the end


def test_colour_becomes_grey_by_its_luminance(save):
    bgr = np.zeros((4, 3, 3), np.uint8)
    bgr[:, 0, 0], bgr[:, 1, 1], bgr[:, 2, 2] = 200, 200, 200
    expected = np.tile([0.114 * 200, 0.587 * 200, 0.299 * 200], (4, 1))
    np.testing.assert_allclose(read_gray(save(encoded(bgr))), expected, atol=1)
    with_alpha = np.dstack([bgr, np.full((4, 3), 7, np.uint8)])
    np.testing.assert_allclose(read_gray(save(encoded(with_alpha))), expected, atol=1)


def test_palette_and_grey_with_alpha(save):
    indices = b"".join(b"\0" + bytes([0, 1, 2]) for _ in range(2))
    palette = chunk(b"PLTE", bytes([10] * 3 + [90] * 3 + [250] * 3))
    np.testing.assert_array_equal(read_gray(save(png(3, 2, 3, indices, palette))), [[10, 90, 250]] * 2)
    gray_alpha = b"".join(b"\0" + bytes([10, 255, 90, 0, 250, 128]) for _ in range(2))
    np.testing.assert_array_equal(read_gray(save(png(3, 2, 4, gray_alpha))), [[10, 90, 250]] * 2)


@pytest.mark.parametrize(
    ("largest", "full"), [(255, 255), (256, 1023), (1023, 1023), (4095, 4095), (9000, 16383), (65535, 65535)]
)
def test_16_bits_are_scaled_by_the_smallest_depth_that_holds_them(save, largest, full):
    pixels = np.linspace(0, largest, 48 * 64).round().astype(np.uint16).reshape(48, 64)
    gray = read_gray(save(encoded(pixels)))
    assert gray.dtype == np.uint8
    np.testing.assert_array_equal(gray, np.round(pixels * (255 / full)).astype(np.uint8))


@pytest.mark.parametrize(
    ("named", "largest", "full"),
    [(12, 600, 4095), (12, 4095, 4095), (12, 5000, 16383), (16, 100, 65535), (8, 600, 1023), (200, 9, 65535)],
)
def test_the_bits_that_a_png_names_are_the_least(save, named, largest, full):
    """A dark exposure of a detector of 12 bits stays dark. Values above the named bits need more, as elsewhere."""
    values = np.array([[0, largest // 3, largest]], np.uint16)
    body = b"\0" + values.astype(">u2").tobytes()
    path = save(png(3, 1, 0, body, chunk(b"sBIT", bytes([named])), bits=16))
    np.testing.assert_array_equal(read_gray(path), np.round(values * (255 / full)))


def test_16_bit_colour(save):
    assert read_gray(save(encoded(np.full((4, 4, 3), 4095, np.uint16)))).tolist() == [[255] * 4] * 4


def test_resize_shrinks_by_areas_and_grows_linearly(save):
    checks = np.kron([[0, 200], [100, 40]], np.ones((8, 8))).astype(np.uint8)
    path = save(encoded(checks))
    np.testing.assert_array_equal(read_image(path, 2), [[0, 200], [100, 40]])
    assert read_image(path, 16).tolist() == checks.tolist()
    grown = read_image(path, 32)
    assert grown.shape == (32, 32) and grown.dtype == np.uint8 and grown[0, 0] == 0 and grown[-1, -1] == 40
    stripes = np.tile(np.array([0, 250], np.uint8), (4, 512))  # 4 x 1024: one side grows, the other shrinks
    np.testing.assert_allclose(read_image(save(encoded(stripes)), 64), 125, atol=1)


def test_nothing_is_mirrored(save):
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:8, :8] = 255
    small = read_image(save(encoded(pixels)), 4)
    assert small[0, 0] == 255 and small.sum() == 255


# ---- refused ----


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_truncated_at_any_place(save, ending):
    content = encoded(RAMP, ending)
    for length in range(len(content) - 2, 0, -max(1, len(content) // 150)):
        with pytest.raises(InputError, match=r"x\.png"):
            read_gray(save(content[:length]))


def test_truncated_jpeg_with_a_whole_thumbnail(save):
    """The end marker of the thumbnail is not that of the image."""
    content, thumbnail = encoded(RAMP, ".jpg"), encoded(RAMP[:8, :8], ".jpg")
    segment = b"Exif\0\0II*\0\x08\0\0\0\0\0" + thumbnail
    whole = content[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
    assert read_gray(save(whole)).shape == RAMP.shape
    with pytest.raises(InputError, match="truncated JPEG"):
        read_gray(save(whole[:-50]))


def test_a_damaged_png(save):
    content = bytearray(encoded(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)))
    content[len(content) // 2] ^= 4
    with pytest.raises(InputError, match=r"corrupted PNG \(checksum"):
        read_gray(save(bytes(content)))
    with pytest.raises(InputError, match="cannot be decoded"):  # right checksums, too few rows
        read_gray(save(png(8, 8, 0, bytes(9))))


@pytest.mark.parametrize("width", [200_000, 2**31 - 1])
def test_more_pixels_than_allowed_are_refused_before_decoding(save, width, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(InputError, match=f"{width} x 1000 pixels; the most"):
        read_gray(save(png(width, 1000, 0, b"")))


def test_no_pixels(save):
    with pytest.raises(InputError, match="0 x 5 pixels"):
        read_gray(save(png(0, 5, 0, b"")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"GIF89a..", "neither PNG nor JPEG"),
        (b"\x89PN", "neither"),
        (bytes(500), "neither"),
    ],
)
def test_files_that_are_no_image(save, content, said):
    with pytest.raises(InputError, match=said):
        read_gray(save(content))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist"):
        read_gray(tmp_path / "gone.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_gray(tmp_path)


def pillow(kind: str, **metadata) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, kind, **metadata)
    return file.getvalue()


def metadata_of(orientation: int, standard: str) -> dict[str, dict[str, object]]:
    """What Pillow needs to write the orientation into a PNG and into a JPEG."""
    if standard == "EXIF":
        exif = Image.Exif()
        exif[0x0112] = orientation
        return {"PNG": {"exif": exif.tobytes()}, "JPEG": {"exif": exif.tobytes()}}
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp, zip=True)
    return {"PNG": {"pnginfo": text}, "JPEG": {"xmp": xmp.encode()}}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("standard", ["EXIF", "XMP"])
def test_no_format_turns_or_ignores_an_orientation_in_silence(save, kind, standard):
    upright = pillow(kind, **metadata_of(1, standard)[kind])
    np.testing.assert_allclose(read_gray(save(upright)), RAMP, atol=0 if kind == "PNG" else 6)
    for orientation in range(2, 9):
        path = save(pillow(kind, **metadata_of(orientation, standard)[kind]))
        with pytest.raises(InputError, match=f"{standard} orientation {orientation} asks to turn or mirror it; store"):
            read_gray(path)


# ---- real files ----


def test_real_images(shared):
    paths = sorted((shared / "data/openi/images").glob("*.jpg"))[:200]
    start = time.process_time()
    for path in paths:
        assert image.read_image(path, 256).shape == (256, 256)
    assert (time.process_time() - start) / len(paths) < 0.01  # about 1 ms on an idle machine
    content = paths[0].read_bytes()
    assert image.file_format(content[:8]) == "JPEG"


def test_a_real_image_cut_short(shared, save):
    content = next((shared / "data/openi/images").glob("*.jpg")).read_bytes()
    for share in (0.02, 0.3, 0.7, 0.999):
        with pytest.raises(InputError):
            read_gray(save(content[: int(share * len(content))]))


# ---- files that were made to take long ----


def test_many_bytes_of_ff_in_a_scan_are_passed_in_one_step(save):
    content = encoded(RAMP, ".jpg")
    place = content.index(b"\xff\xda") + 20
    began = time.process_time()
    image._check_jpeg(content[:place] + b"\xff" * 60_000 + b"\0" + content[place:])
    assert time.process_time() - began < 1


def test_16_bits_take_no_more_memory_than_twice_the_image():
    gray = np.tile(np.arange(4096, dtype=np.uint16), (1000, 1))
    tracemalloc.start()
    shown = image._to_8_bits(gray)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(shown, np.round(gray * (255 / 4095)).astype(np.uint8))
    assert peak < 3 * gray.nbytes  # all at once as floats it would be more than eight times


def test_a_name_that_is_too_long_is_one_line(tmp_path):
    path = tmp_path / ("a" * 300 + ".png")
    for read in (read_gray, dicom_reader.read_gray):
        with pytest.raises(InputError) as told:
            read(path)
        assert str(told.value) == f"{path} cannot be read (File name too long)"
