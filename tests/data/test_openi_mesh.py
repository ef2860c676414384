"""MeSH majors -> findings."""

import pytest

from tienet.data import openi_mesh
from tienet.labels import FINDINGS, LABELS


def found(*majors: str) -> set[str]:
    labels = openi_mesh.findings(majors)
    assert list(labels) == list(LABELS)
    return {name for name, value in labels.items() if value}


def test_every_finding_has_a_rule():
    assert tuple(openi_mesh.RULES) == FINDINGS


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
    ],
)
def test_headings(major, finding):
    assert found(major, "Spine/degenerative") == {finding}


@pytest.mark.parametrize(
    "major",
    ["normal", "Pericardial Effusion", "Thickening/bronchovascular", "Mass/breast/large", "Subcutaneous Emphysema",
     "Cystic Fibrosis", "Pneumonectomy", "Opacity/lung/base", "Lung/hypoinflation"],
)  # fmt: skip
def test_headings_that_are_no_finding(major):
    assert found(major) == {"No_Finding"}


def test_two_in_one_heading():
    assert found("Hydropneumothorax/right") == {"Effusion", "Pneumothorax"}


@pytest.mark.parametrize("majors", [(), ("",), ("No Indexing",)])
def test_reports_that_nobody_indexed(majors):
    assert openi_mesh.findings(majors) is None
