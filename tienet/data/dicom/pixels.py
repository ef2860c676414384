"""A DICOM file's header and its image in grey; `dicom_worker` runs this in a process of its own.

From stored values to grey, in DICOM's order: modality LUT or rescale slope and intercept; then VOI LUT, else window
(the first one), else the whole range that the image's values have; then MONOCHROME1 is inverted. The ends of the
window (of the VOI LUT's bits, of the range) become 0 and 255. Padding counts in no range and becomes black.
A window that cannot be used, or that leaves one grey value, is passed over with a note. Colour becomes grey by the
weights of `image.read_gray`. Overlays are not drawn.

All this is done on a table of the stored values, at most 65,536, not on the pixels.
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
_STRIP = 1 << 20  # pixels worked on at a time


class RefusedError(Exception):
    """What is wrong with a file: a line with its values, and the kind of fault without them."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def prepare() -> None:
    """Choose the decoders: those that fail where data is missing, for each transfer syntax."""
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
    """The header (see `dicom.Dicom`), and uint8 [H, W], 0 is black, if it is asked for."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not with_pixels:  # a map reads what it is asked for, and never more than there is
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


# ---- what is refused before anything is decoded ----


def _check(ds: Dataset) -> None:
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        raise RefusedError(FLOATS, "its pixels are floating-point numbers; X-rays have whole ones of 8 to 16 bits")
    if "PixelData" not in ds or not ds.PixelData:
        what = _text(ds, "Modality") or "no image"
        raise RefusedError(NO_PIXELS, f"no pixel data in it ({what}), or it was cut off before its end")
    frames = _whole(ds, "NumberOfFrames", 1)
    if frames > 1:
        raise RefusedError(FRAMES, f"{frames} frames; expected one image a file")
    rows, columns = _whole(ds, "Rows"), _whole(ds, "Columns")
    if rows < 1 or columns < 1:
        raise RefusedError(BROKEN, f"the header says {columns} x {rows} pixels")
    if rows * columns > MAX_PIXELS:
        raise RefusedError(FORMAT, f"{columns} x {rows} pixels; the most that is read is {MAX_PIXELS:,}")
    _check_format(ds)


def _check_format(ds: Dataset) -> None:
    photometric = _text(ds, "PhotometricInterpretation")
    samples = _whole(ds, "SamplesPerPixel", 1)
    if photometric not in (*_GRAYS, _PALETTE, *_COLOURS):
        raise RefusedError(FORMAT, f"PhotometricInterpretation {photometric!r}; expected MONOCHROME1 or MONOCHROME2")
    if samples != (3 if photometric in _COLOURS else 1):
        raise RefusedError(BROKEN, f"{photometric} with SamplesPerPixel {samples}")
    allocated = _whole(ds, "BitsAllocated")
    stored = _whole(ds, "BitsStored", allocated)
    if allocated not in (8, 16):
        raise RefusedError(FORMAT, f"BitsAllocated {allocated}; expected 8 or 16")
    if not 1 <= stored <= allocated:
        raise RefusedError(BROKEN, f"BitsStored {stored} of BitsAllocated {allocated}")
    if _whole(ds, "PixelRepresentation", 0) not in (0, 1):
        raise RefusedError(BROKEN, f"PixelRepresentation {ds.PixelRepresentation}; expected 0 or 1")
    for keyword, value in (("BitsStored", stored), ("PixelRepresentation", 0), ("SamplesPerPixel", samples)):
        if ds.get(keyword) is None:
            setattr(ds, keyword, value)


def _decode(ds: Dataset) -> np.ndarray:
    """uint8, int8, uint16 or int16 [H, W], or [H, W, 3] (RGB)."""
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


# ---- stored values to grey ----


def to_gray(ds: Dataset, stored: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """uint8 [H, W] of the stored values, and notes."""
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
    if table is not None or _first(ds, "WindowWidth") is not None:
        notes.append(NO_WINDOW)
    table = _whole_range(modality, _present(stored, low, len(values)), padding)
    return _look_up(stored, low, _finished(ds, table, padding)), notes


def _finished(ds: Dataset, table: np.ndarray, padding: np.ndarray) -> np.ndarray:
    shown = 1 - table if ds.PhotometricInterpretation == "MONOCHROME1" else table
    return _eight_bits(np.where(padding, 0.0, shown))


def _eight_bits(shown: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def _modality(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """float64: the values that a window and a VOI LUT are about."""
    if ds.get("ModalityLUTSequence"):
        return _mapped(ds, ds.ModalityLUTSequence[0], values)[0].astype(np.float64)
    slope, intercept = _number(ds, "RescaleSlope", 1.0), _number(ds, "RescaleIntercept", 0.0)
    if not slope or not np.isfinite(slope * values + intercept).all():
        raise RefusedError(BROKEN, f"RescaleSlope {slope:g}, RescaleIntercept {intercept:g} leave no picture")
    return slope * values + intercept


def _displayed(ds: Dataset, values: np.ndarray) -> np.ndarray | None:
    """0 to 1 for each value by the VOI LUT, else by the window; None where there is none that can be used."""
    if ds.get("VOILUTSequence"):
        shown, lut = _mapped(ds, ds.VOILUTSequence[0], np.floor(values))
        # The descriptor's bits are often 16 whatever the entries are.
        return shown / next(2**bits - 1 for bits in BIT_DEPTHS if lut.max() < 2**bits)
    center, width = _first(ds, "WindowCenter"), _first(ds, "WindowWidth")
    function = _text(ds, "VOILUTFunction").upper() or "LINEAR"
    if center is None or width is None or not np.isfinite([center, width]).all() or width <= 0:
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -500, 500)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width <= 1:  # LINEAR of width 1 is a threshold
        return (values > center - 0.5).astype(np.float64) if width == 1 else None
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _mapped(ds: Dataset, item: Dataset, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of a LUT for these values, those outside taking its ends; and all its entries."""
    count, first, bits = (int(part) for part in item.LUTDescriptor)
    data, count = item.LUTData, count or 2**16
    if isinstance(data, bytes):
        order = "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"
        packed = bits <= 8 and len(data) in (count, count + count % 2)  # two entries to a word
        lut = np.frombuffer(data, "u1" if packed else f"{order}u2")
    else:
        lut = np.atleast_1d(np.asarray(data, dtype=np.int64))
    if len(lut) < count:
        raise RefusedError(BROKEN, f"a LUT of {len(lut)} entries whose descriptor says {count}")
    lut = lut[:count].astype(np.int64)
    return lut[np.clip(values - first, 0, count - 1).astype(np.int64)], lut


def _whole_range(values: np.ndarray, present: np.ndarray, padding: np.ndarray) -> np.ndarray:
    """0 to 1 over the values that are present and no padding; 0 where they are all the same."""
    counted = present & ~padding
    seen = values[counted if counted.any() else present]
    low, high = seen.min(), seen.max()
    return np.clip((values - low) / ((high - low) or 1), 0, 1)


def _palette(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """uint8: the grey of each index."""
    rgb = apply_color_lut(values[None], ds)[:, :, :3]
    full = 255 if rgb.dtype == np.uint8 else 65535
    return _eight_bits(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)[0] / full)


def _is_padding(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """bool: PixelPaddingValue, or from it to PixelPaddingRangeLimit."""
    ends = [_number(ds, name, np.nan) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if np.isnan(ends[0]):
        return np.zeros(len(values), bool)
    if _whole(ds, "PixelRepresentation", 0):  # often written as unsigned
        ends = [end - 2 ** int(ds.BitsAllocated) if end >= 2 ** (int(ds.BitsAllocated) - 1) else end for end in ends]
    low, high = np.nanmin(ends), np.nanmax(ends)
    return (low <= values) & (values <= high)


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, _STRIP // width)
    return (slice(start, start + rows) for start in range(0, height, rows))


def _present(stored: np.ndarray, low: int, count: int) -> np.ndarray:
    """bool [count]: which of the values from `low` on the image has."""
    present = np.zeros(count, bool)
    for strip in _strips(*stored.shape):
        present[stored[strip].astype(np.intp) - low] = True
    return present


def _look_up(stored: np.ndarray, low: int, table: np.ndarray) -> np.ndarray:
    """uint8 [H, W]: table[stored - low]."""
    gray = np.empty(stored.shape, np.uint8)
    for strip in _strips(*stored.shape):
        np.take(table, stored[strip].astype(np.intp) - low, out=gray[strip], mode="clip")  # faster than "raise"
    return gray


# ---- elements ----


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    parts = value if isinstance(value, MultiValue) else [value]
    return "\\".join(str(part) for part in parts if part is not None).strip(" \0")


def _first(ds: Dataset, keyword: str) -> float | None:
    """The first of an element's numbers; None where there is none."""
    value = ds.get(keyword)
    if isinstance(value, MultiValue):
        value = value[0] if len(value) else None
    try:
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        raise RefusedError(BROKEN, f"{keyword} is {str(value)[:40]!r}; expected a number") from None


def _number(ds: Dataset, keyword: str, otherwise: float) -> float:
    value = _first(ds, keyword)
    return otherwise if value is None else value


def _whole(ds: Dataset, keyword: str, otherwise: int | None = None) -> int:
    value = _first(ds, keyword)
    if value is None and otherwise is not None:
        return otherwise
    if value is None or not float(value).is_integer():
        raise RefusedError(BROKEN, f"{keyword} is {'missing' if value is None else value}")
    return int(value)
