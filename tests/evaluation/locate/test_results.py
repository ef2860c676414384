"""Rows, CSV and text, of maps whose peaks are where they are put."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tienet.data.manifest import Manifest
from tienet.evaluation.locate.cases import Case, Cases
from tienet.evaluation.locate.maps import RunMaps
from tienet.evaluation.locate.results import CONTROLS, CSV_COLUMNS, SHOWN, rows_of, to_csv, to_text
from tienet.evaluation.metrics.localisation import METRICS

D = 8


def map_of(box):
    """A map that is 1 in the cells of a box whose edges lie between cells."""
    left, upper, right, lower = np.rint(D * np.array(box)).astype(int)
    map_ = np.zeros((D, D))
    map_[upper:lower, left:right] = 1
    return map_


LEFT, RIGHT = [0.125, 0.25, 0.375, 0.5], [0.625, 0.25, 0.875, 0.5]


@pytest.fixture
def cases() -> Cases:
    """Nodules in eleven patients, on the right in the last one alone, who has a mass, too."""
    ids = [f"s{n}" for n in range(11)]
    facts = [ids, [f"p{n}" for n in range(11)], [Path("a.png")] * 11, [""] * 11]
    studies = Manifest("x", Path("manifest.csv"), *facts, np.array(["test"] * 11), np.zeros((11, 15), np.float32))
    nodules = [Case(n, "Nodule", np.array([LEFT if n < 10 else RIGHT])) for n in range(11)]
    return Cases(studies, [Case(10, "Mass", np.array([RIGHT])), *nodules], Path("boxes.csv"), 3, of_nih=True)


@pytest.fixture
def run(cases) -> RunMaps:
    right = [map_of(case.boxes[0]) for case in cases.cases]
    return RunMaps("r", "classify", right, [map_of([0, 0, 1, 0.125])] * len(right))


def row_of(rows, finding, metric):
    (row,) = [row for row in rows if (row["finding"], row["metric"]) == (finding, metric)]
    return row


def test_there_is_a_row_for_each_finding_and_metric(cases, run):
    rows = rows_of(run, cases, 50, 0)
    assert [(row["finding"], row["metric"]) for row in rows] == [
        (finding, metric) for finding in ("all", "Mass", "Nodule") for metric in METRICS
    ]
    everything, nodules = row_of(rows, "all", "pointing"), row_of(rows, "Nodule", "pointing")
    assert (everything["n"], everything["patients"]) == (12, 11) and (nodules["n"], nodules["patients"]) == (11, 11)
    assert everything["value"] == 1 and (everything["lo"], everything["hi"]) == (1, 1)
    assert row_of(rows, "all", "iou")["value"] > 0.6 and row_of(rows, "all", "t_iou")["value"] == 1


def test_controls_stand_beside(cases, run):
    nodules = row_of(rows_of(run, cases, 50, 0), "Nodule", "pointing")
    assert nodules["random"] == pytest.approx(1 / 16) and nodules["centre"] == 0 and nodules["untrained"] == 0
    # the mean of ten boxes of which nine or more are on the left, and on the last case of ten on the left
    assert nodules["mean_box"] == pytest.approx(10 / 11)
    assert nodules["random_lo"] == pytest.approx(15 / 16) and nodules["untrained_hi"] == 1


def test_the_mean_box_is_of_other_patients(cases, run):
    mass = row_of(rows_of(run, cases, 50, 0), "Mass", "iou")
    assert mass["mean_box"] is None and mass["mean_box_lo"] is None and mass["centre"] is not None
    assert mass["lo"] is None  # of one patient


def test_another_study_of_the_same_patient_is_no_other(cases, run):
    cases.studies.patient_ids[9] = "p10"  # who has nodules on the right in one study, and on the left in another
    nodules = row_of(rows_of(run, cases, 50, 0), "Nodule", "pointing")
    assert (nodules["n"], nodules["patients"]) == (11, 10)
    assert nodules["mean_box"] == pytest.approx(10 / 11)
    cases.studies.patient_ids[:10] = ["p10"] * 10
    nodules = row_of(rows_of(run, cases, 50, 0), "Nodule", "pointing")
    assert nodules["patients"] == 1 and nodules["mean_box"] is None


def test_what_was_published_stands_at_its_metric_alone(cases, run):
    rows = rows_of(run, cases, 50, 0)
    published = {(row["finding"], row["metric"]): row["published"] for row in rows if row["published"] is not None}
    assert published == {("Nodule", "any_t_iobb"): 0.16}
    rows = rows_of(run, replace(cases, of_nih=False), 50, 0)
    assert not any(row["published"] for row in rows)
    assert "Wang et al. 2017  " not in to_text(rows, [run], cases, "test")


def test_the_csv_has_every_row(cases, run):
    rows = rows_of(run, cases, 50, 0)
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert tuple(read[0]) == CSV_COLUMNS and len(read) == len(rows)
    assert {name for name in CSV_COLUMNS if name in CONTROLS} == set(CONTROLS)
    for row, cells in zip(rows, read, strict=True):
        for column in CSV_COLUMNS:
            value, cell = row[column], cells[column]
            same = cell == "" if value is None else cell == value if isinstance(value, str) else float(cell) == (
                pytest.approx(value, abs=1e-6))  # fmt: skip
            assert same, column


def test_the_text_has_a_table_for_each_finding(cases, run):
    text = to_text(rows_of(run, cases, 50, 0), [run], cases, "test")
    assert all(len(line) <= 120 for line in text.splitlines())
    titles = [line for line in text.splitlines() if ", x, test: " in line]
    assert titles == [
        "All findings, x, test: 12 boxes in 12 cases of 11 patients",
        "Mass, x, test: 1 box in 1 case of 1 patient",
        "Nodule, x, test: 11 boxes in 11 cases of 11 patients",
    ]
    assert text.count("Wang et al. 2017  ") == 1 and "3 further boxes in boxes.csv" in text
    (line,) = re.findall(r"^Nodule  .*\n.*\n(r  .*)$", text, re.MULTILINE)
    assert line.split()[:3] == ["r", "1.0", "1.0-1.0"] and len(line.split()) == 1 + 2 * len(SHOWN)


def test_a_sign_says_which_is_better_if_there_are_patients_enough(cases, run):
    def line_of(text, finding, control):
        (block,) = re.findall(rf"^{finding}, x, test.*?\n\n", text, re.MULTILINE | re.DOTALL)
        return re.search(rf"^  {control} .*$", block, re.MULTILINE).group().removeprefix(f"  {control}").split()

    text = to_text(rows_of(run, cases, 50, 0), [run], cases, "test")
    assert line_of(text, "Nodule", "untrained")[:2] == [".00", "+"]
    assert line_of(text, "Mass", "untrained")[:2] == [".00", ".00"]
    worse = RunMaps("r", "classify", run.untrained, run.maps)
    assert line_of(to_text(rows_of(worse, cases, 50, 0), [worse], cases, "test"), "Nodule", "untrained")[:2] == [
        "1.0",
        "-",
    ]
