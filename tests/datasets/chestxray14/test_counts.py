"""The counts of ChestX-ray14's label versions, and what is said of a table."""

import pandas as pd
import pytest

from tienet.datasets.chestxray14.counts import LATER, PAPER, TEST_IMAGES, TRAIN_VAL_IMAGES, describe, differences
from tienet.labels import LABELS

SIX = ["Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"]


def test_the_papers_counts_are_those_of_its_table(shared):
    paper = pd.read_csv(shared / "paper" / "table1_auc.csv").query("dataset == 'chestxray14'").set_index("finding")
    assert PAPER.test_positives == paper.positives.reindex(LABELS).astype(int).to_dict()


def test_the_later_counts_are_those_of_nihs_files(shared):
    nih = shared / "data" / "nih"
    table = pd.read_csv(nih / "Data_Entry_2017_v2020.csv.gz").set_index("Image Index")["Finding Labels"]
    test, train_val = ((nih / f"{name}_list.txt").read_text().split() for name in ("test", "train_val"))
    counts = table[test].str.get_dummies("|").sum().rename({"No Finding": "No_Finding"})
    assert LATER.test_positives == counts.reindex(LABELS).to_dict()
    assert (len(test), len(train_val)) == (TEST_IMAGES, TRAIN_VAL_IMAGES)


def test_six_findings_have_the_same_count_in_both_versions():
    differ = differences(LATER.test_positives, PAPER)
    assert [label for label in LABELS if label not in differ] == SIX
    assert differ["Pneumonia"] == (555, 477) and differ["No_Finding"] == (9861, 9912)
    assert differences(PAPER.test_positives, PAPER) == {}


@pytest.mark.parametrize("name", ["Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv", "mine.csv"])
@pytest.mark.parametrize("version", [PAPER, LATER])
def test_a_whole_table_is_told_by_its_counts_whatever_its_name(version, name):
    first, same, *lines = describe(version.test_positives, TEST_IMAGES, name)
    assert first.startswith(f"labels: {version.name}")
    assert (f"though the file is called {name}" in first) == (version is PAPER and "2020" in name)
    assert same == f"test positives as in the paper: {', '.join(SIX if version is LATER else LABELS)}"
    assert len(lines) == (9 if version is LATER else 0)
    if lines:
        assert "test positives of Pneumonia: 555, the paper has 477" in lines


def test_an_edited_table_is_near_a_version():
    edited = PAPER.test_positives | {"Mass": PAPER.test_positives["Mass"] + 2, "Hernia": 85}
    first, same, *lines = describe(edited, TEST_IMAGES, "mine.csv")
    assert f"nearest to {PAPER.name}, 3 test labels away" in first and "Hernia" not in same
    assert lines == ["test positives of Mass: 1,714, the paper has 1,712",
                     "test positives of Hernia: 85, the paper has 86"]  # fmt: skip


def test_a_part_of_the_test_list_can_only_be_told_by_name():
    nothing = dict.fromkeys(LABELS, 0)
    for name, said in (("Data_Entry_2017_v2020.csv.gz", LATER.name), ("Data_Entry_2017.csv", "either version")):
        (line,) = describe(nothing, 1234, name)
        assert f"labels: {said}, judging by the name {name}" in line and "1,234 test images" in line
