"""What asks viewers to turn an image is found wherever a PNG or JPEG may say it, and broken metadata ask nothing."""

import struct
import zlib

import pytest

from tienet.data.orientation import JPEG_SEGMENT, turn_asked_for

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description %s</rdf:RDF></x:xmpmeta>'
NAMESPACE = b'xmlns:%s="http://ns.adobe.com/tiff/1.0/"'


def tiff(orientation: int, order: str = "<", kind: str = "H", before: int = 0) -> bytes:
    """The directory of an EXIF: `before` other tags, and the orientation."""
    code = {"B": 1, "H": 3, "I": 4}[kind]
    tags = b"".join(struct.pack(order + "HHII", 0x010E + n, 4, 1, 7) for n in range(before))
    tags += struct.pack(order + "HHI" + kind, 0x0112, code, 1, orientation).ljust(12, b"\0")
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IH", 8, before + 1) + tags + bytes(4)


def exif(orientation: int, **how) -> bytes:
    return b"Exif\0\0" + tiff(orientation, **how)


def xmp(orientation: int) -> bytes:
    return XMP % (NAMESPACE % b"tiff" + b' tiff:Orientation="%d"/>' % orientation)


def profile(name: bytes, content: bytes) -> bytes:
    """A profile as ImageMagick writes it into the text chunks of a PNG."""
    digits = content.hex().encode()
    lines = b"\n".join(digits[n : n + 72] for n in range(0, len(digits), 72))
    return b"\n" + name + b"\n%8d\n" % len(content) + lines + b"\n"


def parts(orientation: int) -> dict[str, tuple[bytes | int, bytes]]:
    """Every way to say it: the type of the chunk or the marker of the segment, and its content."""
    packet, packed = xmp(orientation), zlib.compress(xmp(orientation))
    raw = b"Raw profile type "
    return {
        "JPEG, EXIF": (JPEG_SEGMENT, exif(orientation)),
        "JPEG, XMP": (JPEG_SEGMENT, b"http://ns.adobe.com/xap/1.0/\0" + packet),
        "JPEG, more XMP": (JPEG_SEGMENT, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + packet),
        "PNG, EXIF": (b"eXIf", tiff(orientation)),
        "PNG, EXIF as in a JPEG": (b"eXIf", exif(orientation)),
        "PNG, XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet),
        "PNG, XMP compressed": (b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0titre\0" + packed),
        "PNG, XMP as Latin-1": (b"tEXt", b"XML:com.adobe.xmp\0" + packet),
        "PNG, profile exif": (b"zTXt", raw + b"exif\0\0" + zlib.compress(profile(b"exif", exif(orientation)))),
        "PNG, profile APP1": (b"tEXt", raw + b"APP1\0" + profile(b"generic", exif(orientation))),
        "PNG, profile xmp": (b"iTXt", raw + b"xmp\0\0\0\0\0" + profile(b"xmp", packet)),
    }


@pytest.mark.parametrize("where", parts(1))
def test_every_way_to_say_it_is_found(where):
    for orientation in (2, 3, 6, 8):
        standard = "XMP" if "xmp" in where.lower() else "EXIF"
        assert turn_asked_for(*parts(orientation)[where]) == f"{standard} orientation {orientation}"
    for orientation in (0, 1, 9):
        assert turn_asked_for(*parts(orientation)[where]) is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["B", "H", "I"])
@pytest.mark.parametrize("before", [0, 3])
def test_every_form_of_the_tag_is_read(order, kind, before):
    assert turn_asked_for(b"eXIf", tiff(6, order=order, kind=kind, before=before)) == "EXIF orientation 6"


@pytest.mark.parametrize(
    "description",
    [
        b"tiff:Orientation='6'/>",
        b'tiff:Orientation = "6"/>',
        b"><tiff:Orientation>6</tiff:Orientation>",
        b'><tiff:Orientation rdf:about="">\n 6 </tiff:Orientation>',
        NAMESPACE % b"T1.a-b" + b' T1.a-b:Orientation="6"/>',
        b'tiff:Orientation="1"/><rdf:Description tiff:Orientation="6"/>',
    ],
)
def test_every_form_of_the_property_is_read(description):
    packet = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % description
    assert turn_asked_for(b"iTXt", packet) == "XMP orientation 6"


@pytest.mark.parametrize(
    ("part", "body"),
    [
        (0xE0, exif(6)),
        (b"IDAT", exif(6)),
        (b"tEXt", b"Comment\0" + xmp(6)),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP % b'camera:Orientation="6" Xtiff:Orientation="6"/>'),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0no zlib"),
        (b"iTXt", b"XML:com.adobe.xmp"),
        (b"zTXt", b"Raw profile type exif\0"),
        (b"tEXt", b"Raw profile type exif\0\nexif\n 3\nxyz"),
        (b"tEXt", b""),
        (b"eXIf", b""),
        (JPEG_SEGMENT, b"Exif\0"),
        (JPEG_SEGMENT, b""),
    ],
)
def test_what_says_something_else_or_is_broken_asks_for_nothing(part, body):
    assert turn_asked_for(part, body) is None


def test_a_cut_directory_asks_for_nothing():
    whole = exif(6, before=3)
    for length in range(len(whole) - 12):
        assert turn_asked_for(JPEG_SEGMENT, whole[:length]) is None


def test_a_text_that_unpacks_to_very_much_is_not_unpacked_to_its_end():
    bomb = zlib.compress(bytes(1 << 25), 9)
    assert turn_asked_for(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb) is None
