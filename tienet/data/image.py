"""Reading of PNG and JPEG files as the network takes them: one grey channel of 8 bits.

Pixels are taken as they are stored and are never turned or mirrored, because in a chest X-ray that would swap the
sides of the patient. A file whose metadata ask viewers to turn it is therefore refused, whatever its format
and wherever they say it: see `tienet.data.orientation`.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tienet import files
from tienet.data import orientation
from tienet.errors import InputError

MAX_PIXELS = 100_000_000
SIGNATURE_BYTES = 8

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
BIT_DEPTHS = (8, 10, 12, 14, 16)  # the bit depths that X-ray detectors deliver
# The JPEG markers of frame headers (SOF) are C0 to CF without C4, C8 and CC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STRIP = 1 << 20  # pixels of 16 bits that are looked up at a time
_STANDALONE = frozenset([0x01, *range(0xD0, 0xD8)])
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not \xff+, which takes n * n steps for n bytes of FF


def file_format(start: bytes) -> str | None:
    """The format, "PNG", "JPEG" or None, that the first SIGNATURE_BYTES bytes of a file show."""
    if start.startswith(_PNG):
        return "PNG"
    return "JPEG" if start.startswith(_JPEG) else None


def read_gray(path: Path | str) -> np.ndarray:
    """Read a PNG or JPEG file as grey.

    - Colours, also those of palettes, become grey by cv2's weights .299 R + .587 G + .114 B; transparency is ignored.
    - Values of 16 bits become 8 bits: they are multiplied by 255 / (2^b - 1) and rounded, where b is the smallest of
      8, 10, 12, 14 and 16 bits that holds the maximum of the image, and not fewer than the bits that a PNG's chunk sBIT
      names. This is the full scale of the detector, so the brightness is kept.

    Returns:
        uint8 [H, W], 0 is black.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is empty, truncated or corrupted, is no PNG or JPEG, has more than MAX_PIXELS pixels, or
            has metadata (EXIF or XMP) that ask to turn or mirror it.
    """
    path = Path(path)
    content = _read(path)
    kind = file_format(content[:SIGNATURE_BYTES])
    if kind is None:
        raise InputError(f"{path} is neither PNG nor JPEG (it starts with {content[:SIGNATURE_BYTES]!r})")
    try:
        height, width = (_check_png if kind == "PNG" else _check_jpeg)(content)
    except (struct.error, IndexError):
        raise InputError(f"{path}: truncated {kind}; copy the file again") from None
    except _BrokenError as error:
        raise InputError(f"{path}: {error}") from None
    bits = _significant_bits(content) if kind == "PNG" else 0
    return _to_8_bits(_to_gray(_decode(path, content, kind, (height, width))), bits)


def read_image(path: Path | str, image_px: int) -> np.ndarray:
    """Read a file by `read_gray` and `resize` it: uint8 [image_px, image_px]. Raises as `read_gray`."""
    return resize(read_gray(path), image_px)


def resize(gray: np.ndarray, image_px: int) -> np.ndarray:
    """Resize a grey image to a square; the aspect ratio is not kept, as in the input of the paper's network.

    A side that becomes shorter is averaged over areas; a side that becomes longer is interpolated linearly.

    Args:
        gray: uint8 [H, W].
    Returns:
        uint8 [image_px, image_px].
    """
    height, width = gray.shape
    smaller = (min(width, image_px), min(height, image_px))
    if smaller != (width, height):
        gray = cv2.resize(gray, smaller, interpolation=cv2.INTER_AREA)
    if smaller != (image_px, image_px):
        gray = cv2.resize(gray, (image_px, image_px), interpolation=cv2.INTER_LINEAR)
    return gray


def write_png(path: Path, gray: np.ndarray) -> None:
    """Write a grey image, uint8 [H, W], as PNG, as a whole or not at all. Raises InputError if it cannot be encoded."""
    done, encoded = cv2.imencode(".png", gray)
    if not done:
        raise InputError(f"{path}: OpenCV could not encode the image")
    with files.replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def check_gray(image: np.ndarray, name: str) -> None:
    """Raise InputError, with the `name` of the image, unless it is uint8 [H, W] with 1 to MAX_PIXELS pixels."""
    if not isinstance(image, np.ndarray):
        raise InputError(f"{name}: a {type(image).__name__}, expected an array uint8 [H, W], 0 is black")
    if image.dtype != np.uint8 or image.ndim != 2:
        raise InputError(f"{name}: {image.dtype} {list(image.shape)}, expected uint8 [H, W], 0 is black")
    if not 0 < image.size <= MAX_PIXELS:
        raise InputError(f"{name}: {list(image.shape)} pixels, expected 1 to {MAX_PIXELS:,} of them")


class _BrokenError(Exception):
    """The bytes of a file are not a whole image; the message says what is wrong."""


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if not content:
        raise InputError(f"{path} is empty (0 bytes); expected a PNG or JPEG image")
    return content


def _decode(path: Path, content: bytes, kind: str, size: tuple[int, int]) -> np.ndarray:
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)  # turns nothing
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != size or pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: corrupted {kind}, it cannot be decoded; copy the file again")
    return pixels


def _to_gray(pixels: np.ndarray) -> np.ndarray:
    """[H, W], [H, W, 1], BGR or BGRA -> [H, W]."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] < 3:
        return pixels[:, :, 0]
    return cv2.cvtColor(np.ascontiguousarray(pixels[:, :, :3]), cv2.COLOR_BGR2GRAY)


def _to_8_bits(gray: np.ndarray, least_bits: int = 0) -> np.ndarray:
    """8 bits for values of as many bits as `BIT_DEPTHS` has for their maximum, but not fewer than `least_bits`."""
    if gray.dtype == np.uint8:
        return gray
    depths = [bits for bits in BIT_DEPTHS if bits >= min(least_bits, BIT_DEPTHS[-1])]
    top = next(2**bits - 1 for bits in depths if gray.max() < 2**bits)
    table = np.round(np.arange(top + 1) * (255 / top)).astype(np.uint8)
    out = np.empty(gray.shape, np.uint8)
    rows = max(1, _STRIP // gray.shape[1])  # indices take eight times the memory of the image
    for start in range(0, len(gray), rows):
        out[start : start + rows] = table[gray[start : start + rows]]
    return out


# ---- checks that the file is complete, because cv2 fills missing parts with grey and reports no error ----


def _check_pixels(height: int, width: int) -> tuple[int, int]:
    if not height or not width:
        raise _BrokenError(f"the header says {width} x {height} pixels")
    if height * width > MAX_PIXELS:
        raise _BrokenError(f"{width} x {height} pixels; the most that is read is {MAX_PIXELS:,}; make it smaller")
    return height, width


def _check_upright(part: bytes | int, body: bytes) -> None:
    """Refuse the file if this PNG chunk or JPEG segment asks to turn or mirror it."""
    asked = orientation.turn_asked_for(part, body)
    if asked is not None:
        raise _BrokenError(f"{asked} asks to turn or mirror it; store its pixels upright")


def _check_png(content: bytes) -> tuple[int, int]:
    """Check that all chunks of a PNG are there with the right checksums; returns (height, width)."""
    size, place, view = None, len(_PNG), memoryview(content)
    while True:
        length, kind = struct.unpack_from(">I4s", content, place)
        body = view[place + 4 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, place + 8 + length)
        if zlib.crc32(body) != checksum:
            raise _BrokenError(f"corrupted PNG (checksum of its chunk at byte {place}); copy the file again")
        if size is None:
            if kind != b"IHDR":
                raise _BrokenError("corrupted PNG, its header is not the first chunk; copy the file again")
            width, height = struct.unpack_from(">II", content, place + 8)
            size = _check_pixels(height, width)
        if kind in orientation.PNG_CHUNKS:
            _check_upright(kind, bytes(body[4:]))
        if kind == b"IEND":
            return size
        place += 12 + length


def _significant_bits(content: bytes) -> int:
    """The largest number of bits that the chunk sBIT of a whole PNG names for a channel; 0 without such a chunk."""
    place = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind in (b"IDAT", b"IEND"):
            return 0
        if kind == b"sBIT":
            return max(content[place + 8 : place + 8 + length], default=0)
        place += 12 + length


def _check_jpeg(content: bytes) -> tuple[int, int]:
    """Check that a JPEG continues to its end marker; returns (height, width)."""
    size = None
    for marker, start, end in _jpeg_segments(content):
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, start + 1)
            size = _check_pixels(height, width)
        if marker == orientation.JPEG_SEGMENT:
            _check_upright(marker, content[start:end])
    if size is None:
        raise _BrokenError("corrupted JPEG, it has no frame; copy the file again")
    return size


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start of the body, end of the body) of each segment up to the end marker.

    Raises IndexError if the file ends before its end marker.
    """
    place = 2
    while True:
        if content[place] != 0xFF:
            raise _BrokenError(f"corrupted JPEG (no marker at byte {place}); copy the file again")
        while content[place] == 0xFF:  # any number of fill bytes may stand before a marker
            place += 1
        marker = content[place]
        place += 1
        if marker == 0xD9:
            return
        if marker in _STANDALONE:
            continue
        (length,) = struct.unpack_from(">H", content, place)
        yield marker, place + 2, place + length
        place += length
        if marker == 0xDA:  # a scan: coded pixels follow, up to the next real marker
            found = _AFTER_SCAN.search(content, place)
            if not found:
                raise IndexError
            place = found.start()
