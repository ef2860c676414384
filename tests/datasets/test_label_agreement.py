"""Agreement of two sources of labels, against counts by hand and kappa from its definition."""

import warnings

import numpy as np
import pytest

from tienet.datasets.label_agreement import agreement, describe, disagreements
from tienet.labels import LABELS


def source(finding: str, values: dict[str, float]) -> dict[str, dict[str, float]]:
    """Labels of reports that differ in one finding only."""
    return {uid: dict.fromkeys(LABELS, 0.0) | {finding: value} for uid, value in values.items()}


def kappa(a: list[int], b: list[int]) -> float:
    """(p_o - p_e) / (1 - p_e), from its definition."""
    n = len(a)
    p_o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    p_e = sum(a.count(k) / n * b.count(k) / n for k in (0, 1))
    return (p_o - p_e) / (1 - p_e)


def test_counts_and_kappa_of_one_finding():
    a, b = [1, 1, 1, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0, 1, 1]
    table = agreement(*(source("Mass", {str(n): value for n, value in enumerate(values)}) for values in (a, b)))
    assert list(table.index) == list(LABELS)
    mass = table.loc["Mass"]
    assert mass[["reports", "ours", "theirs", "differ"]].tolist() == [8, 4, 4, 2]
    assert mass.agree == 0.75 and mass.kappa == pytest.approx(kappa(a, b)) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_its_definition(seed):
    draw = np.random.default_rng(seed)
    a = draw.integers(0, 2, 50)
    b = np.where(draw.random(50) < 0.3, 1 - a, a)
    ours, theirs = (source("Edema", {str(n): float(v) for n, v in enumerate(values)}) for values in (a, b))
    assert agreement(ours, theirs).kappa["Edema"] == pytest.approx(kappa(a.tolist(), b.tolist()))
    assert agreement(theirs, ours).kappa["Edema"] == pytest.approx(kappa(a.tolist(), b.tolist()))


def test_kappa_of_the_same_of_the_opposite_and_of_one_value_only():
    ours = source("Mass", {"1": 1.0, "2": 0.0})
    theirs = source("Mass", {"1": 0.0, "2": 1.0})
    assert agreement(ours, ours).kappa["Mass"] == 1 and agreement(ours, theirs).kappa["Mass"] == -1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(agreement(ours, ours).kappa["Edema"])
    assert agreement(ours, ours).agree["Edema"] == 1
    nobody = source("Mass", {"1": 0.0, "2": 0.0})
    assert agreement(ours, nobody).kappa["Mass"] == 0


def test_unknown_labels_and_reports_of_one_source_are_not_compared():
    ours = source("Mass", {"1": 1.0, "2": np.nan, "3": 0.0, "4": 1.0})
    theirs = source("Mass", {"5": 1.0, "3": np.nan, "2": 1.0, "1": 0.0})
    table = agreement(ours, theirs)
    assert table.loc["Mass", ["reports", "ours", "theirs", "differ"]].tolist() == [1, 1, 0, 1]
    assert table.reports["Edema"] == 3
    assert [tuple(row) for row in disagreements(ours, theirs).itertuples(index=False)] == [
        ("1", "Mass", "1", "0"),
        ("4", "all", "labels", ""),
        ("5", "all", "", "labels"),
    ]


def test_nothing_in_common():
    ours, theirs = source("Mass", {"1": 1.0}), source("Mass", {"2": 1.0})
    table = agreement(ours, theirs)
    assert (table.reports == 0).all() and table[["agree", "kappa"]].isna().all(axis=None)
    text = "\n".join(describe(table, disagreements(ours, theirs)))
    assert "undefined" in text and "nan" not in text
    assert "0 labels differ, in 0 reports" in text and "kappa is" not in text
    assert agreement({}, {}).reports.sum() == 0 and disagreements({}, {}).empty


def test_disagreements_are_in_the_order_of_labels_then_of_ours():
    ours = source("Edema", {"10": 1.0, "9": 1.0}) | source("Mass", {"1": 1.0})
    theirs = source("Mass", {"1": 0.0, "9": 0.0, "10": 0.0})
    listed = disagreements(ours, theirs)
    assert list(zip(listed.finding, listed.uid, strict=True)) == [("Mass", "1"), ("Edema", "10"), ("Edema", "9")]


def test_low_kappa_is_named_where_there_are_cases_enough():
    uids = [str(n) for n in range(40)]
    ours = {uid: dict.fromkeys(LABELS, 0.0) | {"Mass": float(n < 20), "Edema": 1.0 * (n < 20), "Nodule": 1.0 * (n < 19)}
            for n, uid in enumerate(uids)}  # fmt: skip
    theirs = {uid: dict(of_report) | {"Edema": 0.0, "Nodule": 0.0} for uid, of_report in ours.items()}
    lines = describe(agreement(ours, theirs), disagreements(ours, theirs))
    assert (
        "kappa is above 0.9 for the 2 findings with 20 cases or more, except Edema (0.000; ours 20, theirs 0)" in lines
    )
    assert "39 labels differ, in 20 reports" in lines
    assert "kappa is above 0.9 for the 3 findings" not in lines
    same = describe(agreement(ours, ours), disagreements(ours, ours))
    assert "kappa is above 0.9 for the 2 findings with 20 cases or more" in same
