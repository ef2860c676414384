"""The header of a DICOM file and its image in grey; `worker` runs this module in a process of its own.

Stored values become grey in the order that DICOM defines:

1. The modality LUT is applied, or the rescale slope and intercept.
2. The VOI LUT is applied; without one the first window; without a window the whole range of the image's values. The
   ends of the window (of the bits of the VOI LUT, of the range) become 0 and 255.
3. MONOCHROME1 is inverted.

Padding is not part of a range and becomes black. A window that cannot be used, or that leaves only one grey value, is
ignored with a note. Colours become grey by the weights of `tienet.data.image.read_gray`. Overlays are not drawn.

All this is computed on a table of the stored values, which has at most 65,536 entries, and not on the pixels.
"""

import mmap
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom import Dataset, config, uid
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array

from tienet.data.dicom.view import DESCRIPTIONS, orientation_of, view_of
from tienet.data.image import BIT_DEPTHS, MAX_PIXELS

BURNED_IN = "says that text is burned into the picture; look whether it names the patient"
FOR_PROCESSING = "holds detector values that were not made for viewing (FOR PROCESSING)"
NO_WINDOW = "has a window that cannot be used; the whole range of its values is shown"

NO_PIXELS = "DICOM without an image"
FRAMES = "DICOM of several frames"
FLOATS = "DICOM of floating-point values"
FORMAT = "DICOM of a format that is not read"
BROKEN = "DICOM that is broken"

_HEADER = (
    "PatientID", "StudyInstanceUID", "SOPInstanceUID", "AccessionNumber", "Modality", "ViewPosition",
    "ViewCodeSequence", "PatientOrientation", "SpecificCharacterSet", "BurnedInAnnotation", "PresentationIntentType",
    *DESCRIPTIONS,
)  # fmt: skip
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
_GRAYS = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
_STRIP = 1 << 20  # the number of pixels that are looked up at a time


class RefusedError(Exception):
    """A file that cannot be read as an image.

    The message is a line that may contain values of the file; `reason` is the kind of fault without any value.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def prepare() -> None:
    """Choose, for each transfer syntax, decoders that fail when data is missing."""
    warnings.simplefilter("ignore")
    config.settings.reading_validation_mode = config.IGNORE
    for syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1):
        decoder = get_decoder(syntax)
        decoder.remove_plugin("gdcm")
        decoder.add_plugin("gdcm", ("tienet.data.dicom.gdcm", "_decode_frame"))
    for syntax in (uid.JPEG2000, uid.JPEG2000Lossless):
        for plugin in ("gdcm", "pillow"):
            get_decoder(syntax).remove_plugin(plugin)
    for syntax in (uid.JPEGLSLossless, uid.JPEGLSNearLossless):
        get_decoder(syntax).remove_plugin("gdcm")


def read(path: Path, with_pixels: bool) -> tuple[dict[str, object], np.ndarray | None]:
    """Read the header (the attributes of `reader.Dicom`) and, if `with_pixels`, the image uint8 [H, W], 0 is black.

    Raises RefusedError if the file is of a kind that is not read, or pydicom's errors if it is broken.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not with_pixels:  # a memory map reads only the parts that are used
            return _header(pydicom.dcmread(content, stop_before_pixels=True, specific_tags=list(_HEADER))), None
        ds = pydicom.dcmread(content)
        header = _header(ds)
        _check(ds)
        stored = _decode(ds)
    pixels, notes = to_gray(ds, stored)
    header["notes"] += notes
    return header, pixels


def _header(ds: Dataset) -> dict[str, object]:
    notes = {
        BURNED_IN: _text(ds, "BurnedInAnnotation").upper() == "YES",
        FOR_PROCESSING: _text(ds, "PresentationIntentType").upper() == "FOR PROCESSING",
    }
    return {
        "patient_id": _text(ds, "PatientID"),
        "study_uid": _text(ds, "StudyInstanceUID"),
        "sop_uid": _text(ds, "SOPInstanceUID"),
        "accession": _text(ds, "AccessionNumber"),
        "modality": _text(ds, "Modality").upper(),
        "view": view_of(ds),
        "orientation": orientation_of(ds),
        "notes": [note for note, holds in notes.items() if holds],
    }


# ---- checks before anything is decoded ----


def _check(ds: Dataset) -> None:
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        raise RefusedError(FLOATS, "its pixels are floating-point numbers; X-rays have whole ones of 8 to 16 bits")
    if "PixelData" not in ds or not ds.PixelData:
        modality = _text(ds, "Modality") or "no image"
        raise RefusedError(NO_PIXELS, f"no pixel data in it ({modality}), or it was cut off before its end")
    frames = _integer(ds, "NumberOfFrames", 1)
    if frames > 1:
        raise RefusedError(FRAMES, f"{frames} frames; expected one image a file")
    rows, columns = _integer(ds, "Rows"), _integer(ds, "Columns")
    if rows < 1 or columns < 1:
        raise RefusedError(BROKEN, f"the header says {columns} x {rows} pixels")
    if rows * columns > MAX_PIXELS:
        raise RefusedError(FORMAT, f"{columns} x {rows} pixels; the most that is read is {MAX_PIXELS:,}")
    _check_format(ds)


def _check_format(ds: Dataset) -> None:
    photometric = _text(ds, "PhotometricInterpretation")
    samples = _integer(ds, "SamplesPerPixel", 1)
    if photometric not in (*_GRAYS, _PALETTE, *_COLOURS):
        raise RefusedError(FORMAT, f"PhotometricInterpretation {photometric!r}; expected MONOCHROME1 or MONOCHROME2")
    if samples != (3 if photometric in _COLOURS else 1):
        raise RefusedError(BROKEN, f"{photometric} with SamplesPerPixel {samples}")
    allocated = _integer(ds, "BitsAllocated")
    stored = _integer(ds, "BitsStored", allocated)
    if allocated not in (8, 16):
        raise RefusedError(FORMAT, f"BitsAllocated {allocated}; expected 8 or 16")
    if not 1 <= stored <= allocated:
        raise RefusedError(BROKEN, f"BitsStored {stored} of BitsAllocated {allocated}")
    if _integer(ds, "PixelRepresentation", 0) not in (0, 1):
        raise RefusedError(BROKEN, f"PixelRepresentation {ds.PixelRepresentation}; expected 0 or 1")
    for keyword, value in (("BitsStored", stored), ("PixelRepresentation", 0), ("SamplesPerPixel", samples)):
        if ds.get(keyword) is None:
            setattr(ds, keyword, value)


def _decode(ds: Dataset) -> np.ndarray:
    """The stored values: uint8, int8, uint16 or int16 [H, W], or [H, W, 3] (RGB)."""
    syntax = getattr(ds, "file_meta", Dataset()).get("TransferSyntaxUID")
    if not syntax:
        raise RefusedError(BROKEN, "its header names no transfer syntax")
    try:
        get_decoder(syntax)
    except NotImplementedError:
        raise RefusedError(
            FORMAT, f"transfer syntax {uid.UID(syntax).name} is not read; save it uncompressed"
        ) from None
    stored = pixel_array(ds, index=0)
    if stored.dtype.itemsize > 2 or stored.shape[:2] != (ds.Rows, ds.Columns):
        raise RefusedError(BROKEN, f"decoded to {stored.shape} of {stored.dtype}, which its header does not say")
    return stored


# ---- from stored values to grey ----


def to_gray(ds: Dataset, stored: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Convert stored values (see `_decode`) to grey: uint8 [H, W], 0 is black; and notes for the user."""
    if stored.ndim == 3:
        full = 2 ** int(ds.BitsStored) - 1
        gray = cv2.cvtColor(np.ascontiguousarray(stored), cv2.COLOR_RGB2GRAY)
        return _look_up(gray, 0, _eight_bits(np.arange(int(gray.max()) + 1) / full)), []
    low, high = int(stored.min()), int(stored.max())
    values = np.arange(low, high + 1)
    if ds.PhotometricInterpretation == _PALETTE:
        return _look_up(stored, low, _palette(ds, values)), []
    padding = _is_padding(ds, values)
    modality = _modality(ds, values)
    table, notes = _displayed(ds, modality), []
    if table is not None:
        gray = _look_up(stored, low, _finished(ds, table, padding))
        if low == high or gray.min() != gray.max():
            return gray, notes
    if table is not None or _first_number(ds, "WindowWidth") is not None:
        notes.append(NO_WINDOW)
    table = _whole_range(modality, _present(stored, low, len(values)), padding)
    return _look_up(stored, low, _finished(ds, table, padding)), notes


def _finished(ds: Dataset, table: np.ndarray, padding: np.ndarray) -> np.ndarray:
    shown = 1 - table if ds.PhotometricInterpretation == "MONOCHROME1" else table
    return _eight_bits(np.where(padding, 0.0, shown))


def _eight_bits(shown: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def _modality(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """float64: the values after the modality LUT or the rescaling, to which a window or a VOI LUT applies."""
    if ds.get("ModalityLUTSequence"):
        return _mapped(ds, ds.ModalityLUTSequence[0], values)[0].astype(np.float64)
    slope, intercept = _number(ds, "RescaleSlope", 1.0), _number(ds, "RescaleIntercept", 0.0)
    if not slope or not np.isfinite(slope * values + intercept).all():
        raise RefusedError(BROKEN, f"RescaleSlope {slope:g}, RescaleIntercept {intercept:g} leave no picture")
    return slope * values + intercept


def _displayed(ds: Dataset, values: np.ndarray) -> np.ndarray | None:
    """Brightness in [0, 1] of each value by the VOI LUT, else by the window; None if neither can be used."""
    if ds.get("VOILUTSequence"):
        shown, lut = _mapped(ds, ds.VOILUTSequence[0], np.floor(values))
        # The number of bits in the descriptor is often 16 even if the entries have fewer.
        return shown / next(2**bits - 1 for bits in BIT_DEPTHS if lut.max() < 2**bits)
    center, width = _first_number(ds, "WindowCenter"), _first_number(ds, "WindowWidth")
    function = _text(ds, "VOILUTFunction").upper() or "LINEAR"
    if center is None or width is None or not np.isfinite([center, width]).all() or width <= 0:
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -500, 500)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width <= 1:  # with LINEAR a window of width 1 is a threshold
        return (values > center - 0.5).astype(np.float64) if width == 1 else None
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _mapped(ds: Dataset, item: Dataset, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of a LUT for these values, and all entries; values outside of it take its first or last entry."""
    count, first, bits = map(int, item.LUTDescriptor)
    data, count = item.LUTData, count or 2**16
    if isinstance(data, bytes):
        order = "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"
        packed = bits <= 8 and len(data) in (count, count + count % 2)  # two entries in each word
        lut = np.frombuffer(data, "u1" if packed else f"{order}u2")
    else:
        lut = np.atleast_1d(np.asarray(data, dtype=np.int64))
    if len(lut) < count:
        raise RefusedError(BROKEN, f"a LUT of {len(lut)} entries whose descriptor says {count}")
    lut = lut[:count].astype(np.int64)
    return lut[np.clip(values - first, 0, count - 1).astype(np.int64)], lut


def _whole_range(values: np.ndarray, present: np.ndarray, padding: np.ndarray) -> np.ndarray:
    """Brightness in [0, 1] over the range of the values that are present and no padding; 0 if they are all equal."""
    counted = present & ~padding
    seen = values[counted if counted.any() else present]
    low, high = seen.min(), seen.max()
    return np.clip((values - low) / ((high - low) or 1), 0, 1)


def _palette(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """uint8: the grey of each index of the palette."""
    rgb = apply_color_lut(values[None], ds)[:, :, :3]
    full = 255 if rgb.dtype == np.uint8 else 65535
    return _eight_bits(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)[0] / full)


def _is_padding(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """bool: whether a value is PixelPaddingValue, or lies between it and PixelPaddingRangeLimit."""
    ends = [_number(ds, name, np.nan) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if np.isnan(ends[0]):
        return np.zeros(len(values), bool)
    if _integer(ds, "PixelRepresentation", 0):  # signed padding is often written as unsigned
        ends = [end - 2 ** int(ds.BitsAllocated) if end >= 2 ** (int(ds.BitsAllocated) - 1) else end for end in ends]
    low, high = np.nanmin(ends), np.nanmax(ends)
    return (low <= values) & (values <= high)


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, _STRIP // width)
    return (slice(start, start + rows) for start in range(0, height, rows))


def _present(stored: np.ndarray, low: int, count: int) -> np.ndarray:
    """bool [count]: which of the values low, low + 1, ... occur in the image."""
    present = np.zeros(count, bool)
    for strip in _strips(*stored.shape):
        present[stored[strip].astype(np.intp) - low] = True
    return present


def _look_up(stored: np.ndarray, low: int, table: np.ndarray) -> np.ndarray:
    """uint8 [H, W]: table[stored - low]."""
    gray = np.empty(stored.shape, np.uint8)
    for strip in _strips(*stored.shape):
        np.take(table, stored[strip].astype(np.intp) - low, out=gray[strip], mode="clip")  # mode "clip" is faster
    return gray


# ---- elements of the header ----


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    parts = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(part) for part in parts if part is not None).strip(" \0")


def _first_number(ds: Dataset, keyword: str) -> float | None:
    """The first number of an element; None if it has none."""
    value = ds.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if len(value) else None
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        raise RefusedError(BROKEN, f"{keyword} is {str(value)[:40]!r}; expected a number") from None


def _number(ds: Dataset, keyword: str, default: float) -> float:
    value = _first_number(ds, keyword)
    return default if value is None else value


def _integer(ds: Dataset, keyword: str, default: int | None = None) -> int:
    value = _first_number(ds, keyword)
    if value is None and default is not None:
        return default
    if value is None or not float(value).is_integer():
        raise RefusedError(BROKEN, f"{keyword} is {'missing' if value is None else value}")
    return int(value)
