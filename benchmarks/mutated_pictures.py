"""Ways to break PNG, JPEG and DICOM files that know their format, so that what is inside is reached: checksums and
lengths still hold.

A way raises, whatever the exception, if the content is not of its format any more; `mutate` in
`benchmarks/mutated_bytes.py` expects that.
"""

import random
import re
import struct
import zlib

from benchmarks.mutated_bytes import BYTES, NUMBERS, RUN, Way, mutate, text

PNG = b"\x89PNG\r\n\x1a\n"
DEPTH = 300  # of nested sequences

# ---- PNG and JPEG ----

_SIDES = (0, 1, 3, 255, 9999, 10_000, 10_001, 65_535, 2**31 - 1, 2**32 - 1)
_PNG_TYPES = (
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"iCCP",
    b"eXIf",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"acTL",
    b"fcTL",
)


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """The type and the body of each chunk of a PNG file."""
    chunks, place = [], len(PNG)
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        chunks.append((kind, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return chunks


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of these chunks."""
    return PNG + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def png_header(content: bytes, rng: random.Random) -> bytes:
    """Change the size, the bits, the colours or the order of lines in a PNG's header."""
    chunks = png_chunks(content)
    width, height, *fields = struct.unpack(">IIBBBBB", chunks[0][1])
    width, height = rng.choice(((width, rng.choice(_SIDES)), (rng.choice(_SIDES), height), (width, height)))
    if rng.random() < 0.7:
        fields[rng.randrange(5)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", width, height, *fields))
    return png_of(chunks)


def png_chunk(content: bytes, rng: random.Random) -> bytes:
    """Break the body of a chunk, or leave the chunk out, write it twice or elsewhere, or give it another type."""
    chunks = png_chunks(content)
    n = rng.randrange(len(chunks))
    kind, body = chunks[n]
    what = rng.randrange(5)
    if what == 0:
        del chunks[n]
    elif what == 1:
        chunks.insert(rng.randrange(len(chunks) + 1), chunks[n])
    elif what == 2:
        chunks[n] = (rng.choice((*_PNG_TYPES, rng.randbytes(4))), body)
    elif kind == b"IDAT" and what == 3:
        chunks[n] = (kind, zlib.compress(mutate(zlib.decompress(body), BYTES, rng)[0], 1))
    else:
        chunks[n] = (kind, mutate(body, BYTES, rng)[0])
    return png_of(chunks)


def png_new_chunk(content: bytes, rng: random.Random) -> bytes:
    """Insert a chunk of metadata, of colours or of an animation."""
    chunks = png_chunks(content)
    words = text(rng).encode("utf-8", "surrogatepass")
    body = rng.choice((
        words, rng.randbytes(26), exif(rng), b"XML:com.adobe.xmp\0\0\0\0\0" + words,
        b"Raw profile type exif\0\0" + words,
        b"XML:com.adobe.xmp\0\0" + zlib.compress(words), struct.pack(">II", rng.choice(NUMBERS) % 2**32, 0),
        b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(10 * RUN)),
    ))  # fmt: skip
    chunks.insert(rng.randrange(1, len(chunks) + 1), (rng.choice(_PNG_TYPES), body))
    return png_of(chunks)


def exif(rng: random.Random) -> bytes:
    """EXIF whose directory has an orientation, and numbers that may be extreme."""
    order, name = rng.choice((("<", b"II"), (">", b"MM")))
    entries, place = rng.choice((1, 1, 65_535)), rng.choice((8, 8, 0, 2**32 - 1))
    kind, value = rng.choice((3, 3, 1, 4, 255)), rng.choice((1, 1, 6, 65_535))
    directory = struct.pack(f"{order}HHHIHH", entries, 0x0112, kind, 1, value, 0)
    return b"Exif\0\0" + name + struct.pack(f"{order}HI", 42, place) + directory


def jpeg_segments(content: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The marker and the body of each segment of a JPEG file up to its first scan, and the rest."""
    segments, place = [], 2
    while content[place + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", content, place + 2)
        segments.append((content[place + 1], content[place + 4 : place + 2 + length]))
        place += 2 + length
    return segments, content[place:]


def jpeg_of(segments: list[tuple[int, bytes]], rest: bytes) -> bytes:
    """A JPEG file of these segments."""
    parts = (struct.pack(">BBH", 0xFF, marker, (len(body) + 2) % 2**16) + body for marker, body in segments)
    return b"\xff\xd8" + b"".join(parts) + rest


def jpeg_frame(content: bytes, rng: random.Random) -> bytes:
    """Change the size, the bits, the components or the kind of a JPEG's frame."""
    segments, rest = jpeg_segments(content)
    n = next(n for n, (marker, _) in enumerate(segments) if 0xC0 <= marker <= 0xC2)
    marker, body = segments[n]
    bits, height, width, components = struct.unpack_from(">BHHB", body)
    sides = [side % 2**16 for side in _SIDES]
    height, width = rng.choice(((rng.choice(sides), width), (height, rng.choice(sides)), (height, width)))
    if rng.random() < 0.3:
        bits, components = rng.choice((bits, 0, 12, 255)), rng.choice((components, 0, 2, 4, 255))
    marker = rng.choice((marker, marker, rng.randrange(0xC0, 0xD0)))
    body = struct.pack(">BHHB", bits, height, width, components) + body[6:]
    if rng.random() < 0.3:
        body = mutate(body, BYTES, rng)[0]
    segments[n] = (marker, body)
    return jpeg_of(segments, rest)


def jpeg_segment(content: bytes, rng: random.Random) -> bytes:
    """Break a segment, leave it out, write it twice or elsewhere, or insert one with metadata."""
    segments, rest = jpeg_segments(content)
    n, words = rng.randrange(len(segments)), text(rng).encode("utf-8", "surrogatepass")[:65_000]
    what = rng.randrange(5)
    if what == 0:
        del segments[n]
    elif what == 1:
        segments.insert(rng.randrange(len(segments) + 1), segments[n])
    elif what == 2:
        segments[n] = (segments[n][0], mutate(segments[n][1], BYTES, rng)[0])
    elif what == 3:
        segments[n] = (rng.randrange(256), segments[n][1])
    else:
        xmp = b"http://ns.adobe.com/xap/1.0/\0<x xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='"
        segments.insert(n, (rng.choice((0xE1, 0xE2, 0xFE)), rng.choice((exif(rng), xmp + words))))
    return jpeg_of(segments, rest)


def jpeg_scan(content: bytes, rng: random.Random) -> bytes:
    """Insert markers, or what is none, into the coded pixels."""
    place = rng.randrange(content.index(b"\xff\xda") + 12, len(content))
    run = rng.choice(
        (b"\xff" * RUN + b"\0", b"\xff\0" * RUN, b"\xff\xd0" * 1000, b"\xff" + rng.randbytes(1), b"\xff\xd9")
    )
    return content[:place] + run + content[place:]


# ---- DICOM ----

_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"))
_VRS = (b"AE", b"CS", b"DS", b"IS", b"LO", b"OB", b"OW", b"SQ", b"SS", b"UI", b"UL", b"UN", b"US", b"UT", b"PN", b"??")
_NEW = (  # what says how pixels are stored and shown
    (0x0028, 0x1050, b"DS"), (0x0028, 0x1051, b"DS"), (0x0028, 0x1052, b"DS"), (0x0028, 0x1053, b"DS"),
    (0x0028, 0x0004, b"CS"), (0x0028, 0x0008, b"IS"), (0x0028, 0x0106, b"US"), (0x0028, 0x0120, b"US"),
    (0x0028, 0x0121, b"US"), (0x0028, 0x1056, b"CS"), (0x0028, 0x3000, b"SQ"), (0x0028, 0x3010, b"SQ"),
    (0x0028, 0x1101, b"US"), (0x0028, 0x1201, b"OW"), (0x0020, 0x0020, b"CS"), (0x0008, 0x0005, b"CS"),
    (0x0018, 0x5101, b"CS"), (0x0054, 0x0220, b"SQ"), (0x6000, 0x0102, b"US"), (0x7FE0, 0x0001, b"OV"),
)  # fmt: skip


class DicomParts:
    """The bytes before the data set of a DICOM file, and its elements: [group, element, VR, length or None, value].

    A length that is None is that of the value. An element of undefined length has the rest of the file as its value.
    """

    def __init__(self, content: bytes) -> None:
        start = 144 + int.from_bytes(content[140:144], "little")
        self.head, body = content[:start], content[start:]
        syntax = re.search(rb"\x02\x00\x10\x00UI..([\d.]+)", self.head, re.DOTALL)[1]
        self.deflated = syntax == b"1.2.840.10008.1.2.1.99"
        self.implicit = syntax == b"1.2.840.10008.1.2"
        self.order = ">" if syntax == b"1.2.840.10008.1.2.2" else "<"
        self.elements = self._parse(zlib.decompress(body, -15) if self.deflated else body)

    def _parse(self, body: bytes) -> list[list]:
        elements, place = [], 0
        while place + 8 <= len(body):
            group, element = struct.unpack_from(f"{self.order}HH", body, place)
            vr = b"" if self.implicit else body[place + 4 : place + 6]
            if self.implicit or vr in _LONG_VRS:
                start = place + (8 if self.implicit else 12)
                (length,) = struct.unpack_from(f"{self.order}I", body, start - 4)
            else:
                start = place + 8
                (length,) = struct.unpack_from(f"{self.order}H", body, place + 6)
            end = len(body) if length == 0xFFFFFFFF else start + length
            elements.append([group, element, vr, length if length == 0xFFFFFFFF else None, body[start:end]])
            place = end
        return elements

    def to_bytes(self) -> bytes:
        """The file."""
        body = b"".join(map(self._element, self.elements))
        if self.deflated:
            deflater = zlib.compressobj(1, wbits=-15)
            body = deflater.compress(body) + deflater.flush()
            body += b"\0" * (len(body) % 2)
        return self.head + body

    def _element(self, parts: list) -> bytes:
        group, element, vr, length, value = parts
        value += b"\0" * (len(value) % 2)
        length = len(value) if length is None else length
        start = struct.pack(f"{self.order}HH", group, element)
        if self.implicit:
            return start + struct.pack(f"{self.order}I", length % 2**32) + value
        if vr in _LONG_VRS:
            return start + vr + b"\0\0" + struct.pack(f"{self.order}I", length % 2**32) + value
        return start + vr + struct.pack(f"{self.order}H", length % 2**16) + value

    def insert(self, parts: list) -> None:
        """Insert an element where the order of its tag puts it."""
        place = next((n for n, other in enumerate(self.elements) if other[:2] > parts[:2]), len(self.elements))
        self.elements.insert(place, parts)

    def nested(self, depth: int, defined: bool) -> bytes:
        """The value of a sequence with as many sequences in one another, of defined or of undefined lengths."""
        value = self._element([0x0008, 0x0100, b"SH", None, b"CODE"])
        for level in range(depth):
            length = len(value) if defined else 0xFFFFFFFF
            value = struct.pack(f"{self.order}HHI", 0xFFFE, 0xE000, length) + value
            if not defined:
                value += struct.pack(f"{self.order}HHI", 0xFFFE, 0xE00D, 0)
                value += struct.pack(f"{self.order}HHI", 0xFFFE, 0xE0DD, 0)
            if level < depth - 1:
                value = self._element([0x0040, 0xA730, b"SQ", None if defined else 0xFFFFFFFF, value])
        return value


def with_nested_sequences(content: bytes, depth: int = DEPTH, defined: bool = True) -> bytes:
    """A DICOM file with as many sequences in one another."""
    parts = DicomParts(content)
    parts.insert([0x0040, 0xA730, b"SQ", None if defined else 0xFFFFFFFF, parts.nested(depth, defined)])
    return parts.to_bytes()


def dicom_element(content: bytes, rng: random.Random) -> bytes:
    """Give one or two elements another value, length or kind; leave one out, write it twice or elsewhere."""
    parts = DicomParts(content)
    for _ in range(rng.choice((1, 2))):
        n = rng.randrange(len(parts.elements))
        chosen, what = parts.elements[n], rng.randrange(7)
        if what == 0:
            del parts.elements[n]
        elif what == 1:
            parts.elements.insert(rng.randrange(len(parts.elements)), list(chosen))
        elif what == 2:
            chosen[3] = rng.choice((*NUMBERS, 2**32 - 1, 2**32 - 2))
        elif what == 3 and chosen[2]:
            chosen[2] = rng.choice(_VRS)
        else:
            chosen[4] = _dicom_value(parts, chosen[4], rng)
    return parts.to_bytes()


def dicom_new_element(content: bytes, rng: random.Random) -> bytes:
    """Insert elements that say how pixels are stored or shown."""
    parts = DicomParts(content)
    for _ in range(rng.choice((1, 2, 4))):
        group, element, vr = rng.choice(_NEW)
        parts.insert([group, element, b"" if parts.implicit else vr, None, _dicom_value(parts, b"12", rng)])
    return parts.to_bytes()


def dicom_nesting(content: bytes, rng: random.Random) -> bytes:
    """Insert sequences in one another, up to 20,000 deep, whole or cut off."""
    depth, defined = rng.choice((3, 100, DEPTH, 3000, 20_000)), rng.random() < 0.5
    if depth > 3000:
        parts = DicomParts(content)
        item = struct.pack(f"{parts.order}HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        value = (item + parts._element([0x0040, 0xA730, b"SQ", 0xFFFFFFFF, b""])) * depth
        parts.insert([0x0040, 0xA730, b"SQ", 0xFFFFFFFF, value])
        return parts.to_bytes()
    return with_nested_sequences(content, depth, defined)


def _dicom_value(parts: DicomParts, value: bytes, rng: random.Random) -> bytes:
    number = rng.choice(NUMBERS) % 2**16
    return rng.choice((
        struct.pack(f"{parts.order}H", number), struct.pack(f"{parts.order}H", number), b"",
        text(rng).encode("utf-8", "surrogatepass")[:60_000], f"{rng.choice(NUMBERS)}\\{rng.choice(NUMBERS)}".encode(),
        rng.randbytes(rng.randint(1, 64)), mutate(value, BYTES, rng)[0][:60_000], parts.nested(3, True),
        struct.pack(f"{parts.order}HHH", number, rng.choice(NUMBERS) % 2**16, rng.choice((8, 12, 16, 255))),
    ))  # fmt: skip


OF_PNG: tuple[Way, ...] = (*BYTES, *(png_header, png_chunk, png_new_chunk) * 4)
OF_JPEG: tuple[Way, ...] = (*BYTES, *(jpeg_frame, jpeg_segment, jpeg_scan) * 4)
OF_DICOM: tuple[Way, ...] = (*BYTES, *(dicom_element, dicom_element, dicom_new_element) * 4, dicom_nesting)
