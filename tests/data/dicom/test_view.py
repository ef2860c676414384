"""Which view a DICOM header names, and whether the image is stored the way a film hangs."""

import pytest
from pydicom import Dataset

from tienet.data.dicom.view import is_upright, view_of


def code(value: str, meaning: str = "") -> list[Dataset]:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = value, meaning
    return [item]


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"ViewPosition": "PA"}, "PA"),
        ({"ViewPosition": "ap "}, "AP"),
        ({"ViewPosition": "LL"}, "LATERAL"),
        ({"ViewPosition": "LATERAL"}, "LATERAL"),
        ({"ViewPosition": "AP AXIAL"}, "AP"),
        ({"ViewPosition": "LAO"}, "OTHER"),
        ({"ViewPosition": "PA", "SeriesDescription": "lateral"}, "PA"),
        ({"ViewPosition": "", "ViewCodeSequence": code("R-10214")}, "PA"),
        ({"ViewCodeSequence": code("399348003")}, "AP"),
        ({"ViewCodeSequence": code("R-10236")}, "LATERAL"),
        ({"ViewCodeSequence": code("99", "postero-anterior oblique")}, ""),
        ({"ViewCodeSequence": code("99", "Right lateral")}, "LATERAL"),
        ({"SeriesDescription": "W033 Chest PA"}, "PA"),
        ({"SeriesDescription": "CHEST_AP_PORTABLE"}, "AP"),
        ({"SeriesDescription": "Thorax lat."}, "LATERAL"),
        ({"SeriesDescription": "Chest PA and lateral"}, ""),
        ({"SeriesDescription": "map of the spa", "ProtocolName": "p.a."}, ""),
        ({"SeriesDescription": "Chest", "AcquisitionDeviceProcessingDescription": "CHEST,LAT"}, "LATERAL"),
        ({"PatientOrientation": ["A", "F"]}, "LATERAL"),
        ({"PatientOrientation": ["L", "F"]}, ""),
        ({}, ""),
    ],
)
def test_the_view(elements, view):
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    assert view_of(ds) == view


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [("L\\F", True), ("R\\F", False), ("L\\H", False), ("F\\L", False), ("LF\\FR", True), ("", True), ("?\\x", True)],
)
def test_the_orientation(orientation, upright):
    assert is_upright(orientation) is upright
