"""The stored values in the words of an image, by the header alone: native, RLE, JPEG, JPEG-LS and JPEG 2000 alike.

    value = (word >> (HighBit + 1 - BitsStored)) & (2^BitsStored - 1)

where 2^BitsStored is subtracted from values whose highest bit is set if PixelRepresentation is 1. The bits of a word
above HighBit, in which old files keep overlays, and those below the value are left out.

pydicom leaves HighBit out of account, and masks neither JPEG 2000 nor JPEG-LS. It is therefore told to change nothing,
and so is GDCM.
"""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset, uid
from pydicom.encaps import get_frame
from pydicom.pixels.utils import get_j2k_parameters

from tienet.data.dicom.elements import BROKEN, RefusedError, integer, numbers_of

HIGH_BITS = "has bits in use above those of its values, without an overlay; they are left out, so look at the picture"
HIGH_BIT = "has a HighBit that cannot be; its values are taken from the lowest bits"

UNCHANGED = {"correct_unused_bits": False, "apply_j2k_sign_correction": False, "apply_jls_sign_correction": False}
"""Options of pydicom's decoders with which they leave all bits as they are."""

_STRIP_ROWS = 256
_FRAME_HEADERS = frozenset([0xF7, *range(0xC0, 0xD0)]) - {0xC4, 0xC8, 0xCC}  # markers of JPEG and JPEG-LS


@dataclass(frozen=True)
class Coding:
    """How the samples of an image were coded.

    Attributes:
        bits: The bits of a sample: BitsAllocated or, in a compressed frame, the precision that the frame names.
        signed: Whether a sample has a sign.
    """

    bits: int
    signed: bool


def coding_of(ds: Dataset, syntax: str) -> Coding:
    """How the samples were coded. Raises RefusedError if they are wider than BitsAllocated."""
    allocated, signed = integer(ds, "BitsAllocated"), integer(ds, "PixelRepresentation", 0) == 1
    coding = Coding(allocated, signed)
    if syntax in uid.JPEG2000TransferSyntaxes:
        named = get_j2k_parameters(get_frame(ds.PixelData, 0, number_of_frames=1))
        coding = Coding(named.get("precision", allocated), named.get("is_signed", signed))
    elif syntax in (*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes):
        coding = Coding(jpeg_precision(get_frame(ds.PixelData, 0, number_of_frames=1)) or allocated, signed=False)
    if coding.bits > allocated:
        raise RefusedError(BROKEN, f"its samples have {coding.bits} bits, and its header allocates {allocated}")
    return coding


def stored_values(ds: Dataset, words: np.ndarray, coding: Coding) -> tuple[np.ndarray, list[str]]:
    """Take the stored values out of decoded words.

    Compressed samples of BitsStored bits or fewer that use bits below the place which HighBit gives to the values are
    the values themselves: the encoder took the values, and left the header as it was.

    Args:
        ds: The header; BitsStored is right.
        words: uint8, uint16 or, if PixelRepresentation is 1, int8 or int16 [H, W] or [H, W, 3]; they are changed.
        coding: How the samples were coded.
    Returns:
        The stored values, of the same type and shape; and notes for the user.
    """
    width, stored = 8 * words.dtype.itemsize, integer(ds, "BitsStored")
    high, notes = _high_bit(ds, stored)
    if coding.bits <= stored and np.bitwise_and(words, (1 << (high + 1 - stored)) - 1).any():
        high = stored - 1
    has_sign = words.dtype.kind == "i"
    if coding.bits < width and coding.signed != has_sign:  # above the sample is what the decoder put there
        np.bitwise_and(words, words.dtype.type((1 << coding.bits) - 1), out=words)
    if high + 1 < width and _has_bits_above(words, high) and not _has_overlay(ds):
        notes.append(HIGH_BITS)
    np.left_shift(words, width - 1 - high, out=words)
    np.right_shift(words, width - stored, out=words)  # of signed words it repeats the sign
    return words, notes


def _high_bit(ds: Dataset, stored: int) -> tuple[int, list[str]]:
    high = (numbers_of(ds, "HighBit") or [stored - 1])[0]
    if high in range(stored - 1, integer(ds, "BitsAllocated")):
        return int(high), []
    return stored - 1, [HIGH_BIT]


def _has_bits_above(words: np.ndarray, high: int) -> bool:
    """Whether any bit above `high` is set; in signed words these bits may also repeat the sign."""
    for start in range(0, len(words), _STRIP_ROWS):
        strip = words[start : start + _STRIP_ROWS]
        in_use = (strip >> (high + 1)) != 0
        if words.dtype.kind == "i":
            in_use &= (strip >> high) != -1
        if in_use.any():
            return True
    return False


def _has_overlay(ds: Dataset) -> bool:
    """Whether there is any element of an overlay, whose groups are 6000, 6002 and so on."""
    return any(tag.group & 0xFF01 == 0x6000 for tag in ds.keys())  # noqa: SIM118


def jpeg_precision(frame: bytes) -> int | None:
    """The bits of a sample by the frame header of a JPEG or JPEG-LS; None if there is none."""
    place = 2  # after the marker with which an image starts
    while place + 4 < len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker in _FRAME_HEADERS:
            return frame[place + 4]
        place += 1 if marker == 0xFF else 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return None
