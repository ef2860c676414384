"""The paper's two tables: every figure in its place, and nothing that is not there; which files are written."""

import pytest

from tests.evaluation.paper.columns import MEANS, aucs, cells_of, column, entry, line_of, modes, reports, titles
from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.paper.layout import table_csv, table_text
from tienet.evaluation.paper.published import COLUMNS, PAPER_AUC, PAPER_CAPTIONS, PAPER_POSITIVES
from tienet.evaluation.paper.tables import table_1, table_2, write_tables
from tienet.labels import LABELS
from tienet.pages.plain_text import WIDTH

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


def test_only_the_papers_pooling_has_the_papers_figures_beside():
    """In whatever order the runs are given; the names come from the runs' settings."""
    mean = [column("I, mean pooling", "runs/m1", aucs(0.6)), column("I, mean pooling", "runs/m2", aucs(0.7))]
    table = table_1({"openi": [*mean, *modes()]}, {})
    assert titles(table)[3:] == ["I", "I, mean pooling (runs/m1)", "I, mean pooling (runs/m2)", "I+GR"]
    assert cells_of(table, "I")["AVG"].beside == PAPER_AUC["openi"]["I"]["AVG"]
    found = cells_of(table, "I, mean pooling (runs/m1)")
    assert found["Mass"].value == aucs(0.6)["auc"]["Mass"]["auc"]
    assert all(cell.beside is None for cell in found.values())
    notes = [note for note in table.blocks[0].notes if "baseline" in note]
    assert notes == [
        "The paper's I is its baseline [35], which pools by LSE with r = 10.",
        "I, mean pooling: another baseline than the paper's I, so that no figure of the paper is beside it.",
    ]
    assert '"openi I, mean pooling (runs/m1) lo"' in table_csv(table)
    alone = table_1({"openi": mean[:1]}, {})
    assert titles(alone) == ["#", "I, mean pooling"] and "paper" not in table_text(alone).splitlines()[4].split()[3:]
    assert not any("baseline" in note for note in table_1({"openi": [column("R", "r", aucs(0.5))]}, {}).blocks[0].notes)


def test_several_runs_as_one_model_stand_behind_the_single_ones():
    names = ("I, mean pooling, 2 runs together", "I, mean pooling", "I+GR", "I, 3 runs together", "I", "R")
    table = table_1({"openi": [column(name, name, aucs(0.5)) for name in names]}, {})
    assert titles(table) == [
        "#", "R", "I", "I, 3 runs together", "I, mean pooling", "I, mean pooling, 2 runs together", "I+GR",
    ]  # fmt: skip
    assert all(cell.beside is None for cell in cells_of(table, "I, 3 runs together").values())
    notes = [note for note in table.blocks[0].notes if "another baseline" in note]
    assert len(notes) == 1 and notes[0].startswith("I, mean pooling: another baseline")
    together = table_1({"openi": [column("R, 3 runs together", "a b c", aucs(0.5))]}, {})
    assert not any("baseline" in note for note in together.blocks[0].notes)


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


# ---- files ----


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
