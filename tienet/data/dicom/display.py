"""The brightness of stored values: the modality LUT or rescaling, then a VOI LUT or a window, or the whole range.

What only says how values are shown (VOI LUTs, windows, PixelPaddingValue) is passed over with a note if it is broken:
the next VOI LUT or window is used, and without any the whole range of the image's values. A modality LUT or a
rescaling that is broken is refused, because it may turn black into white, and because it is unknown in which values
the windows are given without it. Only the item of a modality LUT in which nothing is written is passed over.
"""

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
from pydicom import Dataset

from tienet.data.dicom.elements import (
    BROKEN,
    RefusedError,
    integer,
    items_of,
    number,
    numbers_of,
    parts_of,
    text_of,
    value_of,
)
from tienet.data.image import BIT_DEPTHS

NO_WINDOW = "has a window or VOI LUT that cannot be used; the whole range of its values is shown"
NEXT_WINDOW = "has a window or VOI LUT that cannot be used; the next one is used"
ODD_FUNCTION = "names a VOI LUT function that the standard does not have; its window is taken as linear"
NO_MODALITY_LUT = "has a modality LUT in which nothing is written; it is passed over"
NO_PADDING = "has a padding value that is no number; all pixels count as picture"

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def modality_values(ds: Dataset, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """float64: the values after the modality LUT or the rescaling, to which a window or a VOI LUT applies; and notes.

    Raises:
        RefusedError: The LUT or the rescaling cannot be used.
    """
    items = items_of(ds, "ModalityLUTSequence")
    written = [item for item in items if parts_of(item, "LUTDescriptor") or parts_of(item, "LUTData")]
    if written:
        return _mapped(ds, written[0], values)[0].astype(np.float64), []
    slope, intercept = number(ds, "RescaleSlope", 1.0), number(ds, "RescaleIntercept", 0.0)
    if not slope or not np.isfinite(slope * values + intercept).all():
        raise RefusedError(BROKEN, f"RescaleSlope {slope:g}, RescaleIntercept {intercept:g} leave no picture")
    return slope * values + intercept, [NO_MODALITY_LUT] if items else []


def displays(ds: Dataset, values: np.ndarray) -> Iterator[tuple[np.ndarray | None, list[str]]]:
    """Yield the brightness in [0, 1] of each value by each VOI LUT, then by each window, and notes.

    Instead of the brightness by one that is broken comes None.

    Args:
        ds: The header.
        values: What `modality_values` returns.
    """
    try:
        items = items_of(ds, "VOILUTSequence")
    except RefusedError:
        items = [Dataset()]
    for item in items:
        yield _by_voi_lut(ds, item, values), []
    function = _function(ds)
    notes = [] if function in _FUNCTIONS else [ODD_FUNCTION]
    windows = (_numbers_or_nan(ds, "WindowCenter"), _numbers_or_nan(ds, "WindowWidth"))
    for center, width in zip_longest(*windows, fillvalue=np.nan):
        yield _by_window(values, center, width, function), notes


def whole_range(values: np.ndarray, present: np.ndarray, padding: np.ndarray) -> np.ndarray:
    """Brightness in [0, 1] over the range of the values that are present and no padding; 0 if they are all equal."""
    counted = present & ~padding
    seen = values[counted if counted.any() else present]
    low, high = seen.min(), seen.max()
    return np.clip((values - low) / ((high - low) or 1), 0, 1)


def is_padding(ds: Dataset, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """bool: whether a value is PixelPaddingValue, or lies between it and PixelPaddingRangeLimit; and notes."""
    ends = _numbers_or_nan(ds, "PixelPaddingValue")[:1]
    if ends:
        ends += _numbers_or_nan(ds, "PixelPaddingRangeLimit")[:1]
    notes = [NO_PADDING] if np.isnan(ends).any() else []
    if not ends or notes:
        return np.zeros(len(values), bool), notes
    if integer(ds, "PixelRepresentation", 0):  # signed padding is often written as unsigned
        half = 2 ** (integer(ds, "BitsAllocated") - 1)
        ends = [end - 2 * half if end >= half else end for end in ends]
    return (min(ends) <= values) & (values <= max(ends)), []


def _numbers_or_nan(ds: Dataset, keyword: str) -> list[float]:
    """As `numbers_of`, but one nan for an element that cannot be read at all."""
    try:
        return numbers_of(ds, keyword)
    except RefusedError:
        return [np.nan]


def _function(ds: Dataset) -> str:
    try:
        return text_of(ds, "VOILUTFunction").upper() or "LINEAR"
    except RefusedError:
        return "?"


def _by_window(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray | None:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if not np.isfinite([center, width]).all() or width <= 0:
        return None
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -500, 500)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width <= 1:  # with LINEAR a window of width 1 is a threshold
        return (values > center - 0.5).astype(np.float64) if width == 1 else None
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _by_voi_lut(ds: Dataset, item: Dataset, values: np.ndarray) -> np.ndarray | None:
    try:
        shown, lut = _mapped(ds, item, np.floor(values))
    except RefusedError:
        return None
    # The number of bits in the descriptor is often 16 even if the entries have fewer.
    return shown / next(2**bits - 1 for bits in BIT_DEPTHS if lut.max() < 2**bits)


def _mapped(ds: Dataset, item: Dataset, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of a LUT for these values, and all entries; values outside of it take its first or last entry.

    Raises:
        RefusedError: The LUT is broken; one with fewer entries than its descriptor says is.
    """
    descriptor = numbers_of(item, "LUTDescriptor")
    if len(descriptor) != 3 or np.isnan(descriptor).any():
        raise RefusedError(BROKEN, "a LUT whose descriptor is not three numbers")
    count, first, bits = map(int, descriptor)
    count = count % 2**16 or 2**16  # some files write it as a signed number
    if first >= 2**15 and values.min() < 0:  # and this one, which is signed for such values, as an unsigned number
        first -= 2**16
    lut = _entries(ds, item, count, bits)
    if len(lut) < count:
        raise RefusedError(BROKEN, f"a LUT of {len(lut)} entries whose descriptor says {count}")
    lut = lut[:count]
    if lut.min() < 0 or lut.max() >= 2**16:
        raise RefusedError(BROKEN, "a LUT whose entries have more than 16 bits")
    return lut[np.clip(values - first, 0, count - 1).astype(np.int64)], lut


def _entries(ds: Dataset, item: Dataset, count: int, bits: int) -> np.ndarray:
    """int64: the entries of a LUT, all that are there."""
    data = value_of(item, "LUTData")
    if isinstance(data, bytes):
        order = "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"
        packed = bits <= 8 and len(data) in (count, count + count % 2)  # two entries in each word
        lut = np.frombuffer(data, "u1") if packed else np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
        return lut.astype(np.int64)
    entries = np.array(numbers_of(item, "LUTData"))
    if np.isnan(entries).any():
        raise RefusedError(BROKEN, "a LUT whose entries are no numbers")
    return entries.astype(np.int64)
