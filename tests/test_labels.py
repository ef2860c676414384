"""The label order and the data sets' spellings."""

import csv

import numpy as np
import pytest

from tienet.labels import FINDINGS, LABELS, NO_FINDING, K, canonical, name_labels


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


def test_a_label_is_named_from_its_threshold_on_and_no_finding_only_alone():
    """Against a loop over studies and labels."""
    random = np.random.default_rng(0)
    probabilities = random.random((40, K)).astype(np.float32) ** 3
    thresholds = random.random(K).astype(np.float32)
    probabilities[0] = thresholds  # reached
    probabilities[1] = 0
    probabilities[1, -1] = 1  # no finding at all
    for without in ((), (3,), (K - 1,)):
        thresholds[list(without)] = np.nan
        named = name_labels(probabilities, thresholds)
        for p, row in zip(probabilities, named, strict=True):
            expected = [np.nan if np.isnan(t) else float(x >= t) for x, t in zip(p, thresholds, strict=True)]
            if 1 in expected[: K - 1] and expected[-1] == 1:
                expected[-1] = 0.0
            np.testing.assert_array_equal(row, expected)
            np.testing.assert_array_equal(name_labels(p, thresholds), expected)
