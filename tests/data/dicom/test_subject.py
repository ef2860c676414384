"""Which part of the body a DICOM header names, and whether the picture is an X-ray."""

import pytest
from pydicom import Dataset

from tienet.data.dicom.subject import is_no_x_ray, other_body_part


def region(meaning: str) -> list[Dataset]:
    item = Dataset()
    item.CodeMeaning = meaning
    return [item]


@pytest.mark.parametrize(
    ("elements", "part"),
    [
        ({"BodyPartExamined": "CHEST"}, ""),
        ({"BodyPartExamined": "CHESTABDOMEN"}, ""),
        ({"BodyPartExamined": "RIB"}, ""),
        ({"BodyPartExamined": "Thorax", "StudyDescription": "after a fall on the knee"}, ""),
        ({"BodyPartExamined": "KNEE"}, "knee"),
        ({"BodyPartExamined": "HIP", "StudyDescription": "chest and hip"}, "hip"),
        ({"BodyPartExamined": "TSPINE"}, "spine"),
        ({"BodyPartExamined": "THORACIC SPINE"}, "spine"),
        ({"BodyPartExamined": "EXTREMITY"}, "limb"),
        ({"BodyPartExamined": "BREAST"}, "breast"),
        ({"BodyPartExamined": "PORT"}, ""),
        ({"BodyPartExamined": "PORT", "StudyDescription": "XR KNEE"}, ""),
        ({"AnatomicRegionSequence": region("Hand")}, "hand"),
        ({"AnatomicRegionSequence": region("Structure of thorax")}, ""),
        ({"StudyDescription": "Röntgen Knie rechts"}, "knee"),
        ({"StudyDescription": "Thorax p.a.", "SeriesDescription": "Schulter"}, ""),
        ({"SeriesDescription": "XR^ANKLE_3_VIEWS"}, "foot"),
        ({"StudyDescription": "Abdomen stehend"}, "abdomen"),
        ({"StudyDescription": "chip removal, shipment, armada, cardinal"}, ""),
        ({}, ""),
    ],
)
def test_the_part_of_the_body(elements, part):
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    assert other_body_part(ds) == part


def test_an_element_that_is_broken_counts_as_empty():
    ds = Dataset()
    ds.add_new("AnatomicRegionSequence", "LO", "no sequence")
    ds.StudyDescription = "hip"
    assert other_body_part(ds) == "hip"


@pytest.mark.parametrize(
    ("modality", "no"),
    [("CR", False), ("DX", False), ("", False), ("OT", False), ("CT", True), ("MG", True), ("SC", False)],
)
def test_the_modality(modality, no):
    assert is_no_x_ray(modality) is no
