"""A table's four forms: text that fits the terminal, CSV and JSON with all digits, HTML that is whole."""

import copy
import csv
import io
import json
from html.parser import HTMLParser

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


# ---- HTML ----


class TableParser(HTMLParser):
    """For each table the number of columns of each row, the texts of all cells, tags that load something, open tags."""

    def __init__(self, text: str):
        super().__init__()
        self.widths: list[list[int]] = []
        self.rows: list[list[str]] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.loads += [f"{tag} {name}" for name in values if name in ("src", "href")]
        self.loads += [tag] if tag in ("script", "link", "img") else []
        if tag != "meta":
            self.open.append(tag)
        if tag == "table":
            self.widths.append([])
        if tag == "tr":
            self.widths[-1].append(0)
            self.rows.append([])
        if tag in ("td", "th"):
            self.widths[-1][-1] += int(values.get("colspan", 1))
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += text


def test_html_is_whole_loads_nothing_and_has_the_figures_of_the_text(tmp_path):
    pair = {key: entry(0.02) for key in MEANS}
    controls = {"tfidf_logistic": aucs(0.6), "constant_report": reports(0.3)}
    data = {"openi": [*modes(controls=controls), column("R", "r2", aucs(0.7, ("Hernia",)))], "phantom": modes()}
    one = table_1(data, {"openi": {("I+R", "R (r2)"): pair}})
    write_tables(tmp_path, one, table_2(data), ["R (runs/r): as the paper"])
    text = (tmp_path / "tables.html").read_text()
    page = TableParser(text)
    assert page.open == [] and page.loads == []
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    assert len(page.widths) == 5  # two tables on two data sets, and the paired differences
    assert all(len(set(widths)) == 1 for widths in page.widths)
    of_text = table_text(one).split("\n\nphantom, split")[0].splitlines()
    for name in (*LABELS, *MEANS.values()):
        words = [word for line in of_text if line.startswith(f"{name} ") for word in line.split()[1:]]
        assert " ".join(next(row for row in page.rows if row[0] == name)).split() == [name, *words]
    assert "<li>R (runs/r): as the paper</li>" in text


def test_html_escapes_what_users_name(tmp_path):
    name = "<script>&"
    columns = [column("R", f"{name}{i}", aucs(0.5)) for i in range(2)]
    pair = {(f"R ({name}0)", f"R ({name}1)"): {key: entry(0.0001, 0.0001) for key in MEANS}}
    write_tables(tmp_path, table_1({name: columns}, {name: pair}), None, [f"R ({name}): as the paper"])
    text = (tmp_path / "tables.html").read_text()
    assert "<script" not in text and "&lt;script&gt;&amp;0" in text
    assert "&lt;.001" in text
    assert TableParser(text).open == []
