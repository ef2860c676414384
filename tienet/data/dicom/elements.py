"""Elements of a DICOM header, in which a wrong kind of value, or none at all, is a fault of the file like any other.

pydicom converts a value when it is looked at, and raises errors of many kinds if it cannot. Here these become
RefusedError or, where an element may be passed over, a value that says so.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

BROKEN = "DICOM that is broken"


class RefusedError(Exception):
    """A file that cannot be read as an image.

    The message is a line that may contain values of the file; `reason` is the kind of fault without any value.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def value_of(ds: "Dataset", keyword: str) -> object:
    """The value as pydicom gives it; None if it is missing. Raises RefusedError if pydicom cannot read it."""
    try:
        return ds.get(keyword)
    except MemoryError:
        raise
    except Exception:
        raise RefusedError(BROKEN, f"{keyword} is broken, or was cut off before its end") from None


def parts_of(ds: "Dataset", keyword: str) -> list[object]:
    """The values of an element that may have several. Raises as `value_of`."""
    value = value_of(ds, keyword)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return list(value)
    return [] if value is None or value in ("", b"") else [value]


def text_of(ds: "Dataset", keyword: str) -> str:
    """The text, where a backslash separates several values; empty if it is missing. Raises as `value_of`."""
    return "\\".join(str(part) for part in parts_of(ds, keyword) if part is not None).strip(" \0")


def items_of(ds: "Dataset", keyword: str) -> list["Dataset"]:
    """The items of a sequence. Raises RefusedError if the element is no sequence."""
    items = parts_of(ds, keyword)
    if not all(hasattr(item, "get_item") for item in items):
        raise RefusedError(BROKEN, f"{keyword} is no sequence of items")
    return items


def numbers_of(ds: "Dataset", keyword: str) -> list[float]:
    """The numbers of an element; nan in the place of each value that is no finite number. Raises as `value_of`."""
    return [_finite(part) for part in parts_of(ds, keyword)]


def number(ds: "Dataset", keyword: str, default: float | None = None) -> float | None:
    """The first number of an element. Raises RefusedError if its first value is no finite number."""
    parts = parts_of(ds, keyword)
    if not parts or parts[0] is None or parts[0] == "":
        return default
    first = _finite(parts[0])
    if math.isnan(first):
        raise RefusedError(BROKEN, f"{keyword} is {str(parts[0])[:40]!r}; expected a number")
    return first


def integer(ds: "Dataset", keyword: str, default: int | None = None) -> int:
    """As `number`, but whole. Raises RefusedError also if it is missing and there is no default."""
    value = number(ds, keyword, default)
    if value is None or not float(value).is_integer():
        raise RefusedError(BROKEN, f"{keyword} is {'missing' if value is None else value}")
    return int(value)


def _finite(part: object) -> float:
    try:
        value = float(part)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return value if math.isfinite(value) else math.nan
