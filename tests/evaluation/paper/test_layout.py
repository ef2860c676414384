"""A table as text that fits the terminal, and as CSV and JSON with all digits."""

import copy
import csv
import io
import json

import pytest

from tests.evaluation.paper.columns import MEANS, aucs, column, entry, line_of, modes, reports
from tienet.evaluation.paper.layout import figure_text, table_text
from tienet.evaluation.paper.published import COLUMNS, PAPER_AUC
from tienet.evaluation.paper.tables import table_1, table_2, write_tables
from tienet.labels import LABELS
from tienet.pages.plain_text import UNDEFINED, WIDTH


@pytest.mark.parametrize(
    ("value", "signed", "expected"),
    [
        (0.12345, False, ".123"),
        (0.12345, True, "+.123"),
        (-0.5, True, "-.500"),
        (0.99996, False, "1.00"),
        (2.5, False, "2.500"),
        (7, False, "7"),
        (None, False, UNDEFINED),
    ],
)
def test_figures_are_written_as_in_the_paper(value, signed, expected):
    assert figure_text(value, 3, signed) == expected


# ---- text, CSV, JSON ----


def test_four_modes_fit_side_by_side_even_where_figures_round_to_1():
    columns = copy.deepcopy(modes())
    for one in columns:
        for label in LABELS if one.metrics["auc"] else ():
            one.metrics["auc"][label] |= {"auc": 0.99996, "lo": 0.9996, "hi": 1.0, "positives": 2789}
    text = table_text(table_1({"openi": columns}, {}))
    assert text.count("\nMass") == 1
    assert line_of(text, "Mass").split()[3:6] == ["1.00", "1.00-1.00", ".959"]
    assert max(map(len, text.splitlines())) <= WIDTH


@pytest.mark.parametrize("length", range(16, 26))
def test_what_does_not_fit_goes_on_below_and_nothing_is_lost(length):
    columns = [column(name, f"{'long' * 9:.{length}}{i}", aucs(0.5 + i / 30)) for i in range(3) for name in COLUMNS]
    table = table_1({"openi": columns}, {})
    text = table_text(table)
    assert max(map(len, text.splitlines())) <= WIDTH
    shown = " ".join(line for line in text.splitlines() if line.startswith("Edema")).split()
    for one in columns:
        assert f"{one.metrics['auc']['Edema']['auc']:.3f}"[1:] in shown
        assert one.run in text
    assert shown.count("Edema") > 1


def test_lines_of_a_panel_end_alike():
    text = table_text(table_1({"openi": [column("R", "r", aucs(0.5, ("Hernia",)))]}, {}))
    lines = text.split("\n\n")[1].splitlines()[1:]
    ends = {len(line) for line in lines if line.startswith(("Mass", "Finding", "---", "Edema"))}
    assert len(ends) == 1
    without_paper = ends.pop() - len(" paper")
    assert len(line_of(text, "Hernia")) == len(line_of(text, "AVG10")) == without_paper


def test_csv_has_a_line_per_row_unrounded(tmp_path):
    one = table_1({"openi": modes(), "phantom": modes(0.4)}, {})
    write_tables(tmp_path, one, table_2({"openi": modes(), "phantom": modes()}), [])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "table1.csv").read_text())))
    assert [row["Finding"] for row in rows] == [*LABELS, *MEANS.values()]
    edema = next(row for row in rows if row["Finding"] == "Edema")
    ours = aucs(0.65)["auc"]["Edema"]
    shown = [float(edema[f"openi R{end}"]) for end in ("", " lo", " hi", " paper")]
    assert shown == [ours["auc"], ours["lo"], ours["hi"], PAPER_AUC["openi"]["R"]["Edema"]]
    assert float(edema["phantom R"]) == aucs(0.4 + 0.15)["auc"]["Edema"]["auc"]
    assert "phantom R paper" not in edema
    assert (edema["openi #"], edema["openi # paper"], rows[-1]["openi #"]) == ("19", "40", "")
    captions = list(csv.DictReader(io.StringIO((tmp_path / "table2.csv").read_text())))
    assert float(captions[3]["openi I+GR"]) == reports(0.1)["captions"]["BLEU-4"]


def test_csv_leaves_rows_blank_that_a_data_set_has_not(tmp_path):
    bare = [column("I+GR", "r", reports(0.1, labeller=False))]
    write_tables(tmp_path, None, table_2({"phantom": bare, "openi": modes()}), [])
    rows = {row["Reports"]: row for row in csv.DictReader((tmp_path / "table2.csv").read_text().splitlines())}
    assert rows["micro F1 of findings"]["phantom I+GR"] == ""
    assert float(rows["micro F1 of findings"]["openi I+GR"]) == 0.1 + 0.111


def test_json_has_everything_unrounded(tmp_path):
    pair = {"avg": entry(0.02), "wavg": entry(0.03), "avg10": entry(None, None)}
    columns = [column("R", "runs/r", aucs(0.5, ("Hernia",)))]
    write_tables(tmp_path, table_1({"openi": columns}, {"openi": {("I+R", "R"): pair}}), None, ["R: as the paper"])
    found = json.loads((tmp_path / "table1.json").read_text())
    (data,) = found["data"]
    assert data["columns"] == [{"name": "#", "run": None}, {"name": "R", "run": "runs/r"}]
    rows = {row["name"]: row["cells"] for row in data["rows"]}
    ours = aucs(0.5)["auc"]["Mass"]
    assert rows["Mass"][1] == {"value": ours["auc"], "lo": ours["lo"], "hi": ours["hi"], "paper": 0.959}
    assert rows["Hernia"][1] == {"value": None, "lo": None, "hi": None, "paper": None}
    assert rows["AVG"][0] is None
    (test,) = data["tests"]["rows"]
    assert test["name"] == "I+R - R"
    assert test["cells"][0] == {"value": 0.02, "lo": 0.02 - 0.01, "hi": 0.02 + 0.01, "p": 0.5}
    assert found["runs"] == ["R: as the paper"]
    assert (data["split"], data["studies"]) == ("test", 40)
