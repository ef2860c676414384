"""The counts of the paper's Table 1, and what is said of a data set."""

import numpy as np
import pandas as pd
import pytest

from tienet.datasets import paper_counts
from tienet.datasets.paper_counts import CHESTXRAY14, OPENI, describe, describe_openi, differences
from tienet.labels import LABELS


@pytest.mark.parametrize(("name", "counts"), [("chestxray14", CHESTXRAY14), ("openi", OPENI)])
def test_counts_are_those_of_the_papers_table(shared, name, counts):
    table = pd.read_csv(shared / "paper" / "table1_auc.csv").query("dataset == @name").set_index("finding")
    assert counts == table.positives.reindex(LABELS).astype(int).to_dict()


def test_the_same_counts_differ_nowhere():
    assert differences(OPENI, OPENI) == {}
    assert describe(OPENI, OPENI, "positives") == [f"positives as in the paper: {', '.join(LABELS)}"]


def test_each_difference_has_a_line():
    here = OPENI | {"Hernia": 44, "No_Finding": 2680}
    assert differences(here, OPENI) == {"Hernia": (44, 0), "No_Finding": (2680, 2789)}
    first, *lines = describe(here, OPENI, "cases")
    assert first == f"cases as in the paper: {', '.join(LABELS[:-2])}"
    assert lines == ["cases of Hernia: 44, the paper has 0", "cases of No_Finding: 2,680, the paper has 2,789"]


def test_nothing_is_the_same():
    here = {label: count + 1 for label, count in OPENI.items()}
    assert describe(here, OPENI, "positives")[0] == "positives as in the paper: none"


def test_openi_counts_reports_and_passes_over_unknown_labels():
    unknown, none = dict.fromkeys(LABELS, np.nan), dict.fromkeys(LABELS, 0.0)
    labels = {"1": none | {"Mass": 1.0}, "2": none | {"Hernia": 1}, "3": unknown, "4": unknown | {"Mass": 1.0}}
    first, same, *lines = describe_openi(labels)
    assert first == f"4 reports with a frontal view and labels; the paper has {paper_counts.OPENI_REPORTS:,}"
    assert same == "positives as in the paper: none" and len(lines) == len(LABELS)
    assert "positives of Mass: 2, the paper has 14" in lines and "positives of Hernia: 1, the paper has 0" in lines


def test_openi_without_reports():
    first, same, *_ = describe_openi({})
    assert first.startswith("0 reports") and same == "positives as in the paper: Hernia"
