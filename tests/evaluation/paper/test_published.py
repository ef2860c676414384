"""The paper's figures, against its printed tables, and its means against its own cells."""

import csv

import pytest

from tienet.config import Config
from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.paper.published import (
    CAPTION_COLUMNS,
    CAPTION_DATA,
    COLUMNS,
    PAPER_AUC,
    PAPER_CAPTIONS,
    PAPER_POSITIVES,
    base_column,
    column_alone,
    column_of,
    column_together,
    paper_test_set,
)
from tienet.labels import FINDINGS, LABELS
from tienet.modes import MODES


def rows_of(path) -> list[dict]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def covered(data: str, column: str) -> list[str]:
    return [name for name in FINDINGS if PAPER_AUC[data][column][name] is not None]


def off(data: str, column: str, row: str) -> float:
    """The printed mean minus the mean of the printed cells."""
    cells, positives = PAPER_AUC[data][column], PAPER_POSITIVES[data]
    weights = {name: 1 if row == "AVG" else positives[name] for name in covered(data, column)}
    return cells[row] - sum(cells[name] * weight for name, weight in weights.items()) / sum(weights.values())


def test_table_1_is_the_printed_one(shared):
    rows = rows_of(shared / "paper" / "table1_auc.csv")
    printed = {
        (row["dataset"], column, row["finding"].replace("wAVG", "#wAVG")): float(row[column]) if row[column] else None
        for row in rows
        for column in COLUMNS
    }
    ours = {
        (data, column, row): value
        for data, columns in PAPER_AUC.items()
        for column, cells in columns.items()
        for row, value in cells.items()
    }
    assert ours == printed
    counts = {(row["dataset"], row["finding"]): int(row["positives"]) for row in rows if row["positives"]}
    assert {(data, label): n for data, of in PAPER_POSITIVES.items() for label, n in of.items()} == counts


def test_table_2_is_the_printed_one(shared):
    rows = rows_of(shared / "paper" / "table2_nlg.csv")
    for ours, theirs in {"Captioning": "captioning", "I+GR": "tienet_i_gr"}.items():
        assert PAPER_CAPTIONS[ours] == {row["metric"]: float(row[theirs]) for row in rows}


@pytest.mark.parametrize("data", PAPER_AUC)
def test_each_column_has_a_row_per_label_and_the_two_means(data):
    assert tuple(PAPER_AUC[data]) == COLUMNS
    for cells in PAPER_AUC[data].values():
        assert tuple(cells) == (*LABELS, "AVG", "#wAVG")
        assert all(value is None or 0.5 < value < 1 for value in cells.values())
    assert tuple(PAPER_POSITIVES[data]) == LABELS


def test_only_what_the_paper_leaves_out_has_no_figure():
    empty = {
        (data, column, row)
        for data, columns in PAPER_AUC.items()
        for column, cells in columns.items()
        for row, value in cells.items()
        if value is None
    }
    no_hernia = {("openi", column, "Hernia") for column in COLUMNS}
    assert empty == no_hernia | {(data, "I", "No_Finding") for data in PAPER_AUC}


def test_avg_is_the_mean_over_the_findings_but_for_one_cell():
    wrong = {(data, column) for data in PAPER_AUC for column in COLUMNS if abs(off(data, column, "AVG")) > 0.001}
    assert wrong == {("openi", "I+R")}
    assert off("openi", "I+R", "AVG") == pytest.approx(0.005, abs=0.0005)


def test_wavg_is_weighted_by_positives_but_for_the_hand_labeled_set_and_one_cell():
    wrong = {(data, column) for data in PAPER_AUC for column in COLUMNS if abs(off(data, column, "#wAVG")) > 0.001}
    assert wrong == {("openi", "I+R"), *(("hand-labeled", column) for column in COLUMNS)}
    assert off("openi", "I+R", "#wAVG") == pytest.approx(0.004, abs=0.0005)
    assert all(-0.047 < off("hand-labeled", column, "#wAVG") < -0.035 for column in COLUMNS)


@pytest.mark.parametrize(
    ("mode", "settings", "column"),
    [
        ("classify", {}, "I"),
        ("classify", {"pooling": "lse", "lse_r": 10.0}, "I"),
        ("classify", {"pooling": "lse", "lse_r": 3.0}, "I, LSE pooling with r = 3"),
        ("classify", {"pooling": "lse", "lse_r": 2.5}, "I, LSE pooling with r = 2.5"),
        ("classify", {"pooling": "mean"}, "I, mean pooling"),
        ("classify", {"pooling": "max", "lse_r": 3.0}, "I, max pooling"),
        ("report", {"pooling": "mean"}, "I+GR"),
        ("annotate", {"pooling": "max", "lse_r": 3.0}, "I+R"),
    ],
)
def test_a_run_of_classify_is_the_papers_i_only_if_it_pools_as_that(mode, settings, column):
    assert column_of(Config().replace(mode=mode, **settings)) == column
    together = column_together(column, 3)
    assert together == f"{column}, 3 runs together"
    assert base_column(column) == base_column(together) == MODES[mode].paper_name
    assert column_alone(column) == column_alone(together) == column


def test_columns_are_named_as_the_modes_are():
    assert {*COLUMNS, *CAPTION_COLUMNS} == {mode.paper_name for mode in MODES.values()}
    assert tuple(PAPER_CAPTIONS) == CAPTION_COLUMNS
    assert all(set(CAPTION_METRICS) - set(scores) == {"CIDEr"} for scores in PAPER_CAPTIONS.values())
    assert CAPTION_DATA in PAPER_AUC


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("chestxray14", "chestxray14"),
        ("hand-labeled", "hand-labeled"),
        ("openi", "openi"),
        ("openi-r2gen", "openi"),
        ("phantom", None),
        ("my-openi", None),
        ("chestxray14-half", None),
    ],
)
def test_which_test_set_a_data_set_is_compared_with(data, expected):
    assert paper_test_set(data) == expected
