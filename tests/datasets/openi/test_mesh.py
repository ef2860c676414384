"""Which findings follow from MeSH majors."""

import pytest

from tienet.datasets.openi import mesh
from tienet.labels import FINDINGS, LABELS


def found(*majors: str) -> set[str]:
    labels = mesh.findings(majors)
    assert list(labels) == list(LABELS)
    return {name for name, value in labels.items() if value}


def test_every_finding_has_a_rule():
    assert tuple(mesh.RULES) == FINDINGS


@pytest.mark.parametrize(
    ("major", "finding"),
    [
        ("Cardiomegaly/mild", "Cardiomegaly"),
        ("Pulmonary Atelectasis/base/left", "Atelectasis"),
        ("Pleural Effusion", "Effusion"),
        ("Infiltrate/lung/base/left/mild", "Infiltration"),
        ("Mass/right/paratracheal", "Mass"),
        ("Bullous Emphysema", "Emphysema"),
        ("Thickening/pleura/apex/bilateral", "Pleural_Thickening"),
        ("Hernia, Hiatal/large ", "Hernia"),
        (" pulmonary edema", "Edema"),
        ("Pulmonary  Edema / mild", "Edema"),
        ("Mass/breast/lung", "Mass"),
    ],
)
def test_headings(major, finding):
    assert found(major, "Spine/degenerative") == {finding}


@pytest.mark.parametrize(
    "major",
    ["normal", "Pericardial Effusion", "Thickening/bronchovascular", "Thickening/heart ventricles", "Mass/breast/large",
     "Subcutaneous Emphysema", "Subcutaneous  Emphysema", "Mediastinal Emphysema", "Cystic Fibrosis", "Pneumonectomy",
     "Opacity/lung/base", "Lung/hypoinflation", "Cardiac Shadow/enlarged", "/", "/pneumonia"],
)  # fmt: skip
def test_headings_that_are_no_finding(major):
    assert found(major) == {"No_Finding"}


@pytest.mark.parametrize(
    ("label", "majors", "matter"),
    [
        ("Effusion", ["Spine", "Pleural Effusion/left", "Pericardial Effusion"], ["Pleural Effusion/left"]),
        ("Effusion", ["Spine", "Pericardial Effusion"], ["Pericardial Effusion"]),
        ("Pleural_Thickening", ["Mass/pleura", "Thickening/bronchi"], ["Thickening/bronchi"]),
        ("Atelectasis", ["Pulmonary Edema", "Spine"], ["Pulmonary Edema", "Spine"]),
        ("No_Finding", ["Spine", "Pneumonia", "Hernia, Hiatal"], ["Pneumonia", "Hernia, Hiatal"]),
        ("No_Finding", ["normal"], ["normal"]),
        ("all", ["No Indexing"], ["No Indexing"]),
        ("Mass", [], []),
    ],
)
def test_the_majors_that_a_person_should_look_at(label, majors, matter):
    assert mesh.relevant_majors(label, majors) == matter


def test_two_in_one_heading():
    assert found("Hydropneumothorax/right") == {"Effusion", "Pneumothorax"}


@pytest.mark.parametrize("majors", [(), ("",), ("No Indexing",), (" no  indexing", "Pneumonia")])
def test_reports_that_nobody_indexed(majors):
    assert mesh.findings(majors) is None
