"""The label order and the data sets' spellings."""

import csv

import pytest

from tienet.labels import FINDINGS, LABELS, NO_FINDING, K, canonical


def test_order_is_table_1s(shared):
    with (shared / "paper" / "table1_auc.csv").open() as table:
        names = [row["finding"] for row in csv.DictReader(table) if row["dataset"] == "openi"]
    assert tuple(names[:K]) == LABELS
    assert (*FINDINGS, NO_FINDING) == LABELS


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("No Finding", "No_Finding"),
        ("normal", "No_Finding"),
        ("Pleural_Thickening", "Pleural_Thickening"),
        ("Pleural Thickening", "Pleural_Thickening"),
        (" edema ", "Edema"),
        ("Pleural Effusion", "Effusion"),
        ("Fracture", None),
    ],
)
def test_spellings(spelling, label):
    assert canonical(spelling) == label
