"""Elements of a DICOM header whose values are of another kind than they should be."""

import math

import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from tienet.data.dicom import elements
from tienet.data.dicom.elements import RefusedError


def with_bytes(keyword: str, representation: str, content: bytes) -> Dataset:
    """A dataset as it is read from a file: its element is converted when it is looked at."""
    tag = Tag(keyword)
    ds = Dataset()
    ds._dict[tag] = RawDataElement(tag, representation, len(content), content, 0, False, True)
    return ds


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (b"", []),
        (b"2000", [2000]),
        (b"1e3\\ 4 ", [1000, 4]),
        (b"\\5", [math.nan, 5]),
        (b"2000,5", [math.nan]),
        (b"n/a\\7", [math.nan, 7]),
        (b"inf\\nan\\1e999", [math.nan] * 3),
        (b"\xff\xfe", [math.nan]),
    ],
)
def test_numbers(content, numbers):
    found = elements.numbers_of(with_bytes("WindowCenter", "DS", content), "WindowCenter")
    assert found == pytest.approx(numbers, nan_ok=True)


def test_one_number():
    slope = with_bytes("RescaleSlope", "DS", b"2\\n/a")
    assert elements.number(slope, "RescaleSlope") == 2 and elements.number(slope, "RescaleIntercept", 7.0) == 7
    with pytest.raises(RefusedError, match=r"^RescaleSlope is '1,0'; expected a number$"):
        elements.number(with_bytes("RescaleSlope", "DS", b"1,0"), "RescaleSlope")
    with pytest.raises(RefusedError, match=r"^Rows is missing$"):
        elements.integer(Dataset(), "Rows")
    with pytest.raises(RefusedError, match=r"^Rows is 2\.5$"):
        elements.integer(with_bytes("Rows", "DS", b"2.5"), "Rows")


@pytest.mark.parametrize(("representation", "content"), [("US", b"\x01"), ("ZZ", b"12"), ("FD", b"123")])
def test_what_pydicom_cannot_read_is_refused_in_our_words(representation, content):
    ds = with_bytes("Rows", representation, content)
    for read in (elements.number, elements.integer, elements.items_of):
        with pytest.raises(RefusedError, match=r"^Rows is "):
            read(ds, "Rows")


def test_items():
    inner = Dataset()
    inner.PatientID = "1"
    ds = Dataset()
    ds.VOILUTSequence = [inner]
    ds.PatientID = "1"
    assert elements.items_of(ds, "VOILUTSequence") == [inner] and elements.items_of(ds, "ModalityLUTSequence") == []
    with pytest.raises(RefusedError, match=r"^PatientID is no sequence of items$"):
        elements.items_of(ds, "PatientID")
