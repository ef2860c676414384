"""The paper's two tables: every figure in its place, in all four forms, and nothing that is not there."""

import copy
import csv
import io
import json
from html.parser import HTMLParser

import pytest

from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.paper.layout import table_text
from tienet.evaluation.paper.published import COLUMNS, PAPER_AUC, PAPER_CAPTIONS, PAPER_POSITIVES
from tienet.evaluation.paper.tables import Column, table_1, table_2, write_tables
from tienet.labels import LABELS
from tienet.pages.plain_text import WIDTH

MEANS = {"avg": "AVG", "wavg": "#wAVG", "avg10": "AVG10"}
NO_AUC = {"auc": None, **{f"{key}{end}": None for key in MEANS for end in ("", "_lo", "_hi")}}
NO_REPORTS = {"captions": None, "reports": None, "report_findings": None}


def aucs(start: float, undefined: tuple[str, ...] = ()) -> dict:
    """The AUC part of metrics.json: figures that differ everywhere and need rounding."""
    auc = {}
    for k, label in enumerate(LABELS):
        value = start + k / 977
        there = label not in undefined
        ends = (value, value - 0.01234567, value + 0.01234567) if there else (None,) * 3
        auc[label] = dict(zip(("auc", "lo", "hi"), ends, strict=True)) | {"positives": 10 + k if there else 0}
    means = {}
    for m, key in enumerate(MEANS):
        means |= {key: start + 0.1 + m / 991, f"{key}_lo": start + 0.09, f"{key}_hi": start + 0.12}
    covered = 14 - len(undefined)
    return {"auc": auc, **means, "findings_covered": covered, "avg10_findings": covered}


def reports(start: float, labeller: bool = True, java: bool = True) -> dict:
    """The part of metrics.json on written reports."""
    captions = {name: start + i / 983 for i, name in enumerate(CAPTION_METRICS)} | {"empty": 0, "studies": 37}
    if not java:
        captions["METEOR"] = None
    f1 = {"f1": start + 0.111, "f1_lo": start + 0.05, "f1_hi": start + 0.2, "findings_covered": 13}
    return {
        "captions": captions,
        "reports": {
            "distinct": 3,
            "distinct_share": start + 0.0123,
            "words_mean": 20.26,
            "true_words_mean": 33.31,
            "unwritten_share": start + 0.0456,
        },
        "report_findings": {"micro": f1, "macro": f1 | {"f1": start + 0.222}} if labeller else None,
    }


def column(name: str, run: str, *parts: dict, controls: dict | None = None, data: str = "openi-r2gen") -> Column:
    metrics = {"mode": name, "data": data, "split": "test", "studies": 40, **NO_AUC, **NO_REPORTS}
    for part in parts:
        metrics |= part
    return Column(name, run, metrics | {"controls": controls or {}, "differs": []})


def modes(start: float = 0.5, **kwargs) -> list[Column]:
    """One column of each mode, in an order that is not the paper's."""
    return [
        column("I+GR", "runs/igr", aucs(start), reports(0.1), **kwargs),
        column("I+R", "runs/ir", aucs(start + 0.1), **kwargs),
        column("Captioning", "runs/cap", reports(0.2), **kwargs),
        column("I", "runs/i", aucs(start + 0.05), **kwargs),
        column("R", "runs/r", aucs(start + 0.15), **kwargs),
    ]


def entry(difference: float | None, p: float | None = 0.5) -> dict:
    low, high = (None, None) if difference is None else (difference - 0.01, difference + 0.01)
    return {"difference": difference, "lo": low, "hi": high, "p": p}


def titles(table, block: int = 0) -> list[str]:
    return [head.title for head in table.blocks[block].results.heads]


def cells_of(table, title: str, block: int = 0) -> dict:
    grid = table.blocks[block].results
    c = [head.title for head in grid.heads].index(title)
    return {row.name: row.cells[c] for row in grid.rows}


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{name}  "))


# ---- Table 1 ----


def test_columns_come_in_the_papers_order_then_the_controls_once():
    controls = {"tfidf_logistic": aucs(0.6), "constant_report": reports(0.1)}
    table = table_1({"openi-r2gen": modes(controls=controls)}, {})
    assert titles(table) == ["#", "R", "I+R", "I", "I+GR", "tfidf logistic"]
    assert [row.name for row in table.blocks[0].results.rows] == [*LABELS, *MEANS.values()]


def test_controls_that_only_some_runs_have_are_there():
    columns = [
        column("R", "r", aucs(0.5), controls={"tfidf_logistic": aucs(0.6)}),
        column("I", "i", aucs(0.5), controls={"pooled_logistic": aucs(0.7)}),
    ]
    table = table_1({"phantom": columns}, {})
    assert titles(table)[-2:] == ["tfidf logistic", "pooled logistic"]
    assert cells_of(table, "pooled logistic")["Mass"].value == aucs(0.7)["auc"]["Mass"]["auc"]


def test_each_figure_and_the_papers_beside_it():
    table = table_1({"openi-r2gen": modes()}, {})
    for name in COLUMNS:
        metrics = next(one.metrics for one in modes() if one.paper_name == name)
        cells = cells_of(table, name)
        for label in LABELS:
            ours = metrics["auc"][label]
            found = cells[label]
            assert (found.value, found.lo, found.hi) == (ours["auc"], ours["lo"], ours["hi"])
            assert found.beside == PAPER_AUC["openi"][name][label]
        for key, title in MEANS.items():
            found = cells[title]
            assert (found.value, found.lo, found.hi) == (metrics[key], metrics[f"{key}_lo"], metrics[f"{key}_hi"])
            assert found.beside == PAPER_AUC["openi"][name].get(title)
    counts = cells_of(table, "#")
    assert [(counts[label].value, counts[label].beside) for label in LABELS] == [
        (10 + k, PAPER_POSITIVES["openi"][label]) for k, label in enumerate(LABELS)
    ]
    assert counts["AVG"] is None


def test_a_data_set_that_the_paper_has_not_has_nothing_beside():
    table = table_1({"phantom": modes(controls={"tfidf_logistic": aucs(0.6)})}, {})
    assert not any(cell and cell.beside for row in table.blocks[0].results.rows for cell in row.cells)
    text = table_text(table)
    assert "The paper has no figures on this data set." in text
    assert "ours" not in text and " paper" not in text.replace("The paper", "")


def test_controls_have_no_figure_of_the_paper_beside():
    table = table_1({"openi": modes(controls={"tfidf_logistic": aucs(0.6)})}, {})
    assert all(cell.beside is None for cell in cells_of(table, "tfidf logistic").values())


def test_two_runs_of_a_mode_are_told_apart_and_others_are_not():
    columns = [*modes(), column("R", "runs/r2", aucs(0.8))]
    table = table_1({"openi": columns, "phantom": modes()}, {})
    assert titles(table, 0)[1:4] == ["R (runs/r)", "R (runs/r2)", "I+R"]
    assert titles(table, 1)[1:3] == ["R", "I+R"]
    assert cells_of(table, "R (runs/r2)")["Edema"].value == aucs(0.8)["auc"]["Edema"]["auc"]
    text = table_text(table)
    assert "runs/r2" in text and "runs/ir" not in text


def test_a_run_without_auc_does_not_make_another_a_twin():
    table = table_1({"openi": [column("I+GR", "a", aucs(0.5)), column("I+GR", "b", reports(0.1))]}, {})
    assert titles(table) == ["#", "I+GR"]


def test_undefined_is_written_out_and_never_0():
    table = table_1({"openi": [column("R", "r", aucs(0.5, ("Hernia",)))]}, {})
    assert line_of(table_text(table), "Hernia").split() == ["Hernia", "0", "0", "undefined"]
    assert cells_of(table, "R")["Hernia"].value is None
    text = " ".join(table_text(table).split())
    assert "AVG and #wAVG (weighted by positives) are over 13 of 14 findings (undefined: Hernia), without" in text
    assert "AVG10 over the 13 with at least 10 positives" in text


def test_columns_that_cover_different_findings_are_named():
    columns = [column("R", "r", aucs(0.5)), column("I", "i", aucs(0.5, ("Hernia", "Mass")))]
    notes = table_1({"phantom": columns}, {}).blocks[0].notes
    assert notes[0].startswith("R: AVG and #wAVG (weighted by positives) are over 14 of 14 findings,")
    assert notes[1].startswith("I: ") and "12 of 14 findings (undefined: Mass, Hernia)" in notes[1]
    assert "cannot be compared" in notes[2]
    same = table_1({"phantom": columns[:1]}, {}).blocks[0].notes
    assert same[0].startswith("AVG and") and not any("compared" in note for note in same)


def test_the_means_with_the_true_reports_are_a_note():
    given = {"true_reports_read": {"avg": 0.9514, "wavg": 0.96, "avg10": None}}
    table = table_1({"openi": [column("I+GR", "igr", aucs(0.5), given)]}, {})
    assert any("AVG .951, #wAVG .960, AVG10 undefined" in note for note in table.blocks[0].notes)


def test_paired_differences_have_their_sign_interval_and_p():
    pair = {"avg": entry(0.0234, 0.0002), "wavg": entry(-0.0156, 0.25), "avg10": entry(None, None)}
    table = table_1({"openi": modes(), "phantom": modes()}, {"openi": {("I+R", "R"): pair}})
    assert table.blocks[1].tests is None
    shown = line_of(table_text(table), "I+R - R").split("  ")
    assert [part.strip() for part in shown if part.strip()] == [
        "I+R - R",
        "+.023 +.013 to +.033 <.001",
        "-.016 -.026 to -.006  .250".replace("  ", " "),
        "undefined",
    ]


@pytest.mark.parametrize("columns", [[], [column("Captioning", "c", reports(0.1))]])
def test_no_column_no_table(columns):
    assert table_1({"openi": columns}, {}) is None
    assert table_1({}, {}) is None
    assert table_2({"openi": [column("R", "r", aucs(0.5))]}) is None


def test_a_data_set_without_a_column_has_no_block():
    table = table_1({"openi": [column("Captioning", "c", reports(0.1))], "phantom": modes()}, {})
    assert [block.data for block in table.blocks] == ["phantom"]


# ---- Table 2 ----


def test_captions_come_in_the_papers_order_with_its_figures_and_the_controls():
    controls = {"constant_report": reports(0.3), "nearest_report": reports(0.4), "tfidf_logistic": aucs(0.6)}
    table = table_2({"openi": modes(controls=controls)})
    assert titles(table) == ["Captioning", "I+GR", "constant report", "nearest report"]
    for title, start in (("Captioning", 0.2), ("I+GR", 0.1), ("nearest report", 0.4)):
        cells = cells_of(table, title)
        for name in CAPTION_METRICS:
            assert cells[name].value == reports(start)["captions"][name]
            assert cells[name].beside == PAPER_CAPTIONS.get(title, {}).get(name)
        shown = [cells[name] for name in ("distinct reports, share", "true words never written, share")]
        assert [cell.value for cell in shown] == [start + 0.0123, start + 0.0456]
        micro, macro = cells["micro F1 of findings"], cells["macro F1 of findings"]
        assert (micro.value, micro.lo, micro.hi, macro.value) == (
            start + 0.111,
            start + 0.05,
            start + 0.2,
            start + 0.222,
        )
    text = table_text(table)
    assert line_of(text, "BLEU-1").split()[1:5] == [".2000", ".2391", ".1000", ".2860"]
    assert line_of(text, "words written, mean").split()[3:] == ["20.3"] * 4
    assert line_of(text, "words of the true report, mean").split()[-4:] == ["33.3"] * 4
    assert "Over 37 studies with a true report." in text
    assert "so on other studies than these" in text


def test_the_papers_captions_stand_beside_its_data_sets_only():
    assert "paper" not in table_text(table_2({"phantom": modes()})).replace("The paper has no figures", "")
    notes = table_2({"chestxray14": modes()}).blocks[0].notes
    assert "paper: its Table 2, on chestxray14; it has no CIDEr." in notes


def test_without_java_or_labeller():
    table = table_2({"phantom": [column("I+GR", "r", reports(0.1, labeller=False, java=False))]})
    text = table_text(table)
    assert line_of(text, "METEOR").split() == ["METEOR", "undefined"]
    assert "METEOR needs Java" in text
    assert "F1" not in text


def test_empty_reports_are_counted():
    written = reports(0.1)
    written["captions"]["empty"] = 5
    assert "I+GR: 5 written reports are empty" in table_text(table_2({"phantom": [column("I+GR", "r", written)]}))


# ---- text, files ----


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


def test_text_says_how_runs_differ_and_which_table_is_missing(tmp_path):
    notes = ["R (runs/r): " + "image_px is 256, the paper's 512; " * 8]
    text = write_tables(tmp_path, table_1({"openi": modes()}, {}), None, notes)
    assert "Table 1" in text and "Table 2 is not written" in text
    assert "How the runs differ from the paper:\nR (runs/r): image_px" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    alone = (tmp_path / "table1.txt").read_text()
    assert alone in text or all(line in text for line in alone.splitlines())
    assert "R (runs/r): image_px" in alone


def test_files_of_an_earlier_table_are_removed(tmp_path):
    both = table_1({"openi": modes()}, {}), table_2({"openi": modes()})
    write_tables(tmp_path / "new", *both, [])
    names = {f"table{n}.{end}" for n in (1, 2) for end in ("txt", "csv", "json")} | {"tables.html"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == names
    write_tables(tmp_path / "new", both[0], None, [])
    assert {path.name for path in (tmp_path / "new").iterdir()} == {n for n in names if not n.startswith("table2")}
    text = write_tables(tmp_path / "none", None, None, [])
    assert text.count("is not written") == 2
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["tables.html"]


# ---- HTML ----


class Reader(HTMLParser):
    """Tables as the number of columns of each row and its cells' texts; tags that load something; open tags."""

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
    page = Reader(text)
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
    assert Reader(text).open == []
