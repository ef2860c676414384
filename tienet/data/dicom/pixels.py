"""The header of a DICOM file and its image in grey; `worker` runs this module in a process of its own.

Stored values become grey in the order that DICOM defines:

1. The modality LUT is applied, or the rescale slope and intercept.
2. The first VOI LUT is applied; without one the first window; without a window the whole range of the image's values.
   The ends of the window (of the bits of the VOI LUT, of the range) become 0 and 255.
3. MONOCHROME1 is inverted.

Padding is not part of a range and becomes black. A VOI LUT or window that cannot be used, or that leaves only one grey
value, is passed over with a note, and the next one is used. Colours become grey by the weights of
`tienet.data.image.read_gray`. Overlays are not drawn. `bits` says which bits are a stored value, and `display` how
stored values become bright.

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
from pydicom.pixels import apply_color_lut, convert_color_space, get_decoder

from tienet.data.dicom.bits import UNCHANGED, coding_of, stored_values
from tienet.data.dicom.display import NEXT_WINDOW, NO_WINDOW, displays, is_padding, modality_values, whole_range
from tienet.data.dicom.elements import BROKEN, RefusedError, integer, text_of, value_of
from tienet.data.dicom.subject import other_body_part
from tienet.data.dicom.view import DESCRIPTIONS, orientation_of, view_of
from tienet.data.image import MAX_PIXELS

BURNED_IN = "says that text is burned into the picture; look whether it names the patient"
FOR_PROCESSING = "holds detector values that were not made for viewing (FOR PROCESSING)"

NO_PIXELS = "DICOM without an image"
FRAMES = "DICOM of several frames"
FLOATS = "DICOM of floating-point values"
FORMAT = "DICOM of a format that is not read"

_HEADER = (
    "PatientID", "StudyInstanceUID", "SOPInstanceUID", "AccessionNumber", "Modality", "ViewPosition",
    "ViewCodeSequence", "PatientOrientation", "BodyPartExamined", "AnatomicRegionSequence", "SpecificCharacterSet",
    "BurnedInAnnotation", "PresentationIntentType", *DESCRIPTIONS,
)  # fmt: skip
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
_GRAYS = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
_YBR = ("YBR_FULL", "YBR_FULL_422")
_STRIP = 1 << 20  # the number of pixels that are looked up at a time


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

    Raises RefusedError if the file is of a kind that is not read, or broken.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if not with_pixels:  # a memory map reads only the parts that are used
            return _header(_parse(content, stop_before_pixels=True, specific_tags=list(_HEADER))), None
        ds = _parse(content)
        header = _header(ds)
        _check(ds)
        stored, notes = _decode(ds)
    pixels, more = to_gray(ds, stored)
    header["notes"] += notes + more
    return header, pixels


def _parse(content: mmap.mmap, **options: object) -> Dataset:
    try:
        return pydicom.dcmread(content, force=True, **options)  # force: the reader knows that it is DICOM
    except MemoryError:
        raise
    except Exception:
        raise RefusedError(BROKEN, "its header is broken, or was cut off before its end") from None


def _header(ds: Dataset) -> dict[str, object]:
    notes = {
        BURNED_IN: text_of(ds, "BurnedInAnnotation").upper() == "YES",
        FOR_PROCESSING: text_of(ds, "PresentationIntentType").upper() == "FOR PROCESSING",
    }
    return {
        "patient_id": text_of(ds, "PatientID"),
        "study_uid": text_of(ds, "StudyInstanceUID"),
        "sop_uid": text_of(ds, "SOPInstanceUID"),
        "accession": text_of(ds, "AccessionNumber"),
        "modality": text_of(ds, "Modality").upper(),
        "view": view_of(ds),
        "orientation": orientation_of(ds),
        "body_part": other_body_part(ds),
        "notes": [note for note, holds in notes.items() if holds],
    }


# ---- checks before anything is decoded ----


def _check(ds: Dataset) -> None:
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        raise RefusedError(FLOATS, "its pixels are floating-point numbers; X-rays have whole ones of 8 to 16 bits")
    if not value_of(ds, "PixelData"):
        modality = text_of(ds, "Modality") or "no image"
        raise RefusedError(NO_PIXELS, f"no pixel data in it ({modality}), or it was cut off before its end")
    frames = integer(ds, "NumberOfFrames", 1)
    if frames > 1:
        raise RefusedError(FRAMES, f"{frames} frames; expected one image a file")
    rows, columns = integer(ds, "Rows"), integer(ds, "Columns")
    if rows < 1 or columns < 1:
        raise RefusedError(BROKEN, f"the header says {columns} x {rows} pixels")
    if rows * columns > MAX_PIXELS:
        raise RefusedError(FORMAT, f"{columns} x {rows} pixels; the most that is read is {MAX_PIXELS:,}")
    _check_format(ds)


def _check_format(ds: Dataset) -> None:
    photometric = text_of(ds, "PhotometricInterpretation").upper()
    samples = integer(ds, "SamplesPerPixel", 1)
    if photometric not in (*_GRAYS, _PALETTE, *_COLOURS):
        raise RefusedError(FORMAT, f"PhotometricInterpretation {photometric!r}; expected MONOCHROME1 or MONOCHROME2")
    if samples != (3 if photometric in _COLOURS else 1):
        raise RefusedError(BROKEN, f"{photometric} with SamplesPerPixel {samples}")
    if samples == 3 and integer(ds, "PlanarConfiguration", -1) not in (0, 1):
        raise RefusedError(BROKEN, f"{photometric} without PlanarConfiguration 0 or 1, the order of its colours")
    allocated = integer(ds, "BitsAllocated")
    stored = integer(ds, "BitsStored", allocated)
    if allocated not in (8, 16):
        raise RefusedError(FORMAT, f"BitsAllocated {allocated}; expected 8 or 16")
    if not 1 <= stored <= allocated:
        raise RefusedError(BROKEN, f"BitsStored {stored} of BitsAllocated {allocated}")
    if integer(ds, "PixelRepresentation", 0) not in (0, 1):
        raise RefusedError(BROKEN, f"PixelRepresentation {ds.PixelRepresentation}; expected 0 or 1")
    ds.PhotometricInterpretation = photometric
    for keyword, value in (("BitsStored", stored), ("PixelRepresentation", 0), ("SamplesPerPixel", samples)):
        if ds.get(keyword) is None:
            setattr(ds, keyword, value)


def _decode(ds: Dataset) -> tuple[np.ndarray, list[str]]:
    """The stored values: uint8, int8, uint16 or int16 [H, W], or [H, W, 3] (RGB); and notes for the user."""
    syntax = _transfer_syntax(ds)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise RefusedError(FORMAT, f"transfer syntax {syntax.name} is not read; save it uncompressed") from None
    if not decoder.is_available:
        raise RefusedError(FORMAT, f"no decoder for {syntax.name} is installed; save the file uncompressed")
    if not syntax.is_encapsulated:
        _check_length(ds)
    try:
        words, described = decoder.as_array(ds, index=0, raw=True, **UNCHANGED)
        coding = coding_of(ds, syntax)
    except (MemoryError, RefusedError):
        raise
    except Exception:
        raise RefusedError(BROKEN, f"its pixels ({syntax.name}) cannot be decoded; copy the file again") from None
    if words.dtype.itemsize > 2 or words.shape[:2] != (ds.Rows, ds.Columns):
        raise RefusedError(BROKEN, f"decoded to {words.shape} of {words.dtype}, which its header does not say")
    stored, notes = stored_values(ds, words.astype(words.dtype.newbyteorder("="), copy=False), coding)
    return (_to_rgb(stored) if described["photometric_interpretation"] in _YBR else stored), notes


def _transfer_syntax(ds: Dataset) -> uid.UID:
    """The transfer syntax; in a file that names none, the uncompressed one in which its elements were found."""
    syntax = ds.file_meta.get("TransferSyntaxUID")
    if syntax:
        return uid.UID(syntax)
    if ds["PixelData"].is_undefined_length:
        raise RefusedError(BROKEN, "its pixels are compressed, and its header names no transfer syntax")
    is_implicit, is_little_endian = ds.original_encoding
    explicit = uid.ExplicitVRLittleEndian if is_little_endian else uid.ExplicitVRBigEndian
    ds.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if is_implicit else explicit
    return ds.file_meta.TransferSyntaxUID


def _check_length(ds: Dataset) -> None:
    """Raise RefusedError unless there are as many bytes of uncompressed pixels as the header says, or more."""
    samples = 2 if ds.PhotometricInterpretation == "YBR_FULL_422" else integer(ds, "SamplesPerPixel")
    expected = integer(ds, "Rows") * integer(ds, "Columns") * samples * integer(ds, "BitsAllocated") // 8
    if len(ds.PixelData) < expected:
        raise RefusedError(BROKEN, f"{len(ds.PixelData):,} bytes of pixels, less than expected ({expected:,})")


def _to_rgb(ybr: np.ndarray) -> np.ndarray:
    if ybr.dtype != np.uint8:
        raise RefusedError(FORMAT, f"YBR colours of {ybr.dtype}; expected 8 bits")
    return convert_color_space(ybr, "YBR_FULL", "RGB")


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
    padding, of_padding = is_padding(ds, values)
    modality, of_modality = modality_values(ds, values)
    notes = of_padding + of_modality
    passed_over = 0
    for table, of_display in displays(ds, modality):
        if table is not None:
            gray = _look_up(stored, low, _finished(ds, table, padding))
            if low == high or gray.min() != gray.max():
                return gray, notes + of_display + ([NEXT_WINDOW] if passed_over else [])
        passed_over += 1
    table = whole_range(modality, _present(stored, low, len(values)), padding)
    return _look_up(stored, low, _finished(ds, table, padding)), notes + ([NO_WINDOW] if passed_over else [])


def _finished(ds: Dataset, table: np.ndarray, padding: np.ndarray) -> np.ndarray:
    shown = 1 - table if ds.PhotometricInterpretation == "MONOCHROME1" else table
    return _eight_bits(np.where(padding, 0.0, shown))


def _eight_bits(shown: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def _palette(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """uint8: the grey of each index of the palette."""
    try:
        rgb = apply_color_lut(values[None], ds)[:, :, :3]
    except Exception:
        raise RefusedError(BROKEN, "its palette is broken or missing") from None
    full = 255 if rgb.dtype == np.uint8 else 65535
    return _eight_bits(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)[0] / full)


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
