"""The size, bits and colours of a PNG or JPEG file, from its header alone; no pixels are read."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tienet.data.image import SIGNATURE_BYTES, file_format
from tienet.errors import InputError

MAX_HEADER_BYTES = 16_000_000
"""The frame header of a JPEG lies before this position, after thumbnails and colour profiles."""

_PNG_COLOURS = {
    0: ("grey", (1, 2, 4, 8, 16)),
    2: ("colour", (8, 16)),
    3: ("palette", (1, 2, 4, 8)),
    4: ("grey with transparency", (8, 16)),
    6: ("colour with transparency", (8, 16)),
}
_JPEG_COLOURS = {1: "grey", 3: "colour", 4: "four colours"}
_STANDALONE = frozenset([0x01, *range(0xD0, 0xD8)])  # markers without a length
_MAX_FILL = 1024
_NO_FRAMES = frozenset([0xC4, 0xC8, 0xCC])  # these markers from C0 to CF do not start a frame


@dataclass(frozen=True)
class Header:
    """What the header of an image file says.

    Attributes:
        format: "PNG" or "JPEG".
        width, height: The size in pixels, above 0.
        bits: The number of bits of each channel.
        colours: The colours in words, such as "grey".
    """

    format: str
    width: int
    height: int
    bits: int
    colours: str

    @property
    def kind(self) -> str:
        """The format, bits and colours in words, such as "PNG, 8 bits, grey"."""
        return f"{self.format}, {self.bits} bit{'s' if self.bits > 1 else ''}, {self.colours}"


def read_header(path: Path | str) -> Header:
    """Read the header of a PNG or JPEG file.

    Raises:
        InputError: The file cannot be read, is no PNG or JPEG, or its header is truncated or corrupted. The message
            does not name the file.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(SIGNATURE_BYTES)
            kind = file_format(start)
            if kind is None:
                raise InputError(f"neither PNG nor JPEG (it starts with {start!r})")
            header = (_png if kind == "PNG" else _jpeg)(file)
    except struct.error:
        raise InputError(f"truncated {kind} header") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})") from None
    if not header.width or not header.height:
        raise InputError(f"the header says {header.width} x {header.height} pixels")
    return header


def _png(file: BinaryIO) -> Header:
    """Read the header of a PNG whose signature has been read."""
    length, kind = struct.unpack(">I4s", file.read(8))
    if kind != b"IHDR" or length != 13:
        raise InputError("corrupted PNG header (its first chunk is not IHDR)")
    body = file.read(13)
    width, height, bits, colours, *_ = struct.unpack(">IIBBBBB", body)
    (checksum,) = struct.unpack(">I", file.read(4))
    if zlib.crc32(kind + body) != checksum:
        raise InputError("corrupted PNG header (its checksum is wrong)")
    name, depths = _PNG_COLOURS.get(colours, ("", ()))
    if bits not in depths:
        raise InputError(f"corrupted PNG header ({bits} bits with colour type {colours})")
    return Header("PNG", width, height, bits, name)


def _jpeg(file: BinaryIO) -> Header:
    """Read the frame header of a JPEG; the segments before it are skipped."""
    file.seek(2)
    while (place := file.tell()) < MAX_HEADER_BYTES:
        fill, marker = struct.unpack(">BB", file.read(2))
        if fill != 0xFF:
            raise InputError(f"corrupted JPEG header (no marker at byte {place})")
        for _ in range(_MAX_FILL):  # any number of fill bytes may come first
            if marker != 0xFF:
                break
            (marker,) = struct.unpack(">B", file.read(1))
        if marker == 0xFF:
            raise InputError(f"corrupted JPEG header (more than {_MAX_FILL} fill bytes at byte {place})")
        if marker in _STANDALONE:
            continue
        if marker in (0xD9, 0xDA):  # the end of the image, or the start of its pixels
            break
        (length,) = struct.unpack(">H", file.read(2))
        if length < 2:
            raise InputError(f"corrupted JPEG header (a segment of {length} bytes at byte {place})")
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            bits, height, width, channels = struct.unpack(">BHHB", file.read(6))
            return Header("JPEG", width, height, bits, _JPEG_COLOURS.get(channels, f"{channels} channels"))
        file.seek(length - 2, 1)
    raise InputError("corrupted JPEG header (it has no frame)")
