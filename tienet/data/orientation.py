"""Which way up the metadata of a PNG or JPEG file say that its pixels are stored: one rule for all of them.

An orientation is a number from 1 to 8. It is 1 if the pixels are stored upright; the others ask viewers to turn or
mirror the image. It is the tag 0x0112 of EXIF, and tiff:Orientation in XMP. Both are found in

- the segments APP1 of a JPEG file,
- the chunk eXIf of a PNG file, and its text chunks "XML:com.adobe.xmp" and "Raw profile type ...", compressed or not.
"""

import re
import struct
import zlib

PNG_CHUNKS = frozenset([b"eXIf", b"tEXt", b"zTXt", b"iTXt"])
"""The types of the chunks in which a PNG file may say it."""

JPEG_SEGMENT = 0xE1
"""The marker of the segments in which a JPEG file may say it: APP1."""

_TAG = 0x0112
_FORMATS = {1: "B", 3: "H", 4: "I"}  # by the type of an EXIF value: BYTE, SHORT, LONG
_EXIF = re.compile(rb"Exif\0.", re.DOTALL)
_XMP_KEYWORD, _PROFILE_KEYWORD = b"XML:com.adobe.xmp", b"Raw profile type "
_TIFF_PREFIX = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["']http://ns\.adobe\.com/tiff/1\.0/["']""")
_XMP_ORIENTATION = re.compile(
    rb"""(?<![\w.-])([\w.-]{1,64}):Orientation(?:\s*=\s*["']|(?:\s[^<>]{0,256})?>)\s*(\d{1,3})\b"""
)
_MAX_TEXT_BYTES = 1 << 24  # of a text chunk, unpacked; the rest is not read


def turn_asked_for(part: bytes | int, body: bytes) -> str | None:
    """What asks viewers to turn or mirror the image, such as "EXIF orientation 6"; None: nothing in this part does.

    Metadata that cannot be read ask for nothing.

    Args:
        part: The type of a PNG chunk, or the marker of a JPEG segment.
        body: The content of the chunk or segment.
    """
    if part not in PNG_CHUNKS and part != JPEG_SEGMENT:
        return None
    metadata = body if part in (b"eXIf", JPEG_SEGMENT) else _metadata_in_text(part, body)
    exif = _EXIF.match(metadata)
    if exif or part == b"eXIf":
        standard, orientations = "EXIF", [_exif_orientation(metadata[exif.end() if exif else 0 :])]
    else:
        standard, orientations = "XMP", _xmp_orientations(metadata)
    return next((f"{standard} orientation {value}" for value in orientations if 2 <= value <= 8), None)


def _metadata_in_text(chunk: bytes, body: bytes) -> bytes:
    """The EXIF or XMP that a text chunk of a PNG holds; b"" if it holds something else."""
    keyword, _, text = body.partition(b"\0")
    if keyword != _XMP_KEYWORD and not keyword.startswith(_PROFILE_KEYWORD):
        return b""
    packed = chunk == b"zTXt"
    if chunk == b"iTXt":  # two bytes say whether and how it is compressed; then come its language and a translation
        packed, text = text[:1] == b"\1", text[2:].split(b"\0", 2)[-1]
    elif packed:
        text = text[1:]  # how it is compressed
    try:
        text = zlib.decompressobj().decompress(text, _MAX_TEXT_BYTES) if packed else text[:_MAX_TEXT_BYTES]
        if keyword == _XMP_KEYWORD:
            return text
        return bytes.fromhex(b"".join(text.split(None, 2)[2:]).decode("ascii"))  # after its name and its length
    except (zlib.error, ValueError):
        return b""


def _exif_orientation(tiff: bytes) -> int:
    """The tag 0x0112 of the first image directory; 1 (upright) if it is missing or cannot be read."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for place in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(order + "HH", tiff, place)
            if tag == _TAG:
                return struct.unpack_from(order + _FORMATS.get(kind, "H"), tiff, place + 8)[0]
    except struct.error:
        pass
    return 1


def _xmp_orientations(packet: bytes) -> list[int]:
    """All values of tiff:Orientation, as attributes and as elements, under any prefix of its namespace."""
    if b":Orientation" not in packet:
        return []
    prefixes = {b"tiff", *_TIFF_PREFIX.findall(packet)}
    return [int(value) for prefix, value in _XMP_ORIENTATION.findall(packet) if prefix in prefixes]
