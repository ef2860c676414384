"""NIH's tables and those of users: what is read, and what is refused."""

import gzip
import time
from pathlib import Path

import numpy as np
import pytest

from tienet.data import image_names
from tienet.datasets.chestxray14.tables import read_boxes, read_entries, read_hand_labels, read_reports, stem
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING

HEADER = ("Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
          "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]")  # fmt: skip


def put(tmp_path: Path, *lines: str, name: str = "table.csv") -> Path:
    path = tmp_path / name
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def refused(read, path: Path) -> str:
    with pytest.raises(InputError) as told:
        read(path)
    message = str(told.value)
    assert str(path) in message and "\n" not in message
    return message


def positive(row) -> list[str]:
    return [label for label in LABELS if row[label] == 1]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("00000001_000.png", "00000001_000"),
        (" 1_0.JPG ", "1_0"),
        ("images_001/images/1_0.jpeg", "1_0"),
        (r"C:\images_001\1_0.png", "1_0"),
        ("1_0", "1_0"),
        ("1.5_0.png", "1.5_0"),
    ],
)
def test_stem(image, name):
    assert stem(image) == name


# ---- entries ----


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
@pytest.mark.parametrize("end", ["", ","])
def test_entries_of_both_versions(tmp_path, name, end):
    """The older file ends each line with a comma, has ages such as 058Y, and may be sorted in its own way."""
    age = "058Y" if end else "58"
    path = put(tmp_path, HEADER + end, f"1_0.png,Cardiomegaly|Pleural_Thickening,0,1,{age},M,PA,1,2,.1,.1{end}",
               f"2_0.png,No Finding,0,2,{age},M,AP,1,2,.1,.1{end}", name=name)  # fmt: skip
    entries = read_entries(path)
    assert list(entries.index) == ["1_0", "2_0"] and list(entries.patient_id) == ["1", "2"]
    assert list(entries["view"]) == ["PA", "AP"]
    assert [positive(row) for _, row in entries.iterrows()] == [["Cardiomegaly", "Pleural_Thickening"], [NO_FINDING]]
    assert set(np.unique(entries[list(LABELS)])) == {0.0, 1.0}


def test_entries_without_a_view(tmp_path):
    path = put(tmp_path, "Image Index,Finding Labels,Patient ID", "1_0.png,Mass,1")
    assert list(read_entries(path)["view"]) == [""]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["1_0.png,Mass|Tumour,1"], "row 2, column Finding Labels: 'Tumour' is no label"),
        (["1_0.png,,1"], "row 2, column Finding Labels: '' is no label"),
        (["1_0.png,Mass,1", "2_0.png,Mass|,1"], "row 3, column Finding Labels: '' is no label"),
        (
            ["1_0.png,Mass,1", "2_0.png,Mass,2", "1_0.jpg,Mass,1"],
            "row 4, column Image Index: '1_0.jpg' is there alread",
        ),
        (["1_0.png,Mass, "], "row 2, column Patient ID: is empty"),
        ([".png,Mass,1"], "row 2, column Image Index: is empty"),
        (["1_0.png,Mass"], "row 2: 2 cells where the header has 3"),
        ([], "there is no row under the header"),
    ],
)
def test_bad_entries_are_named_by_row(tmp_path, rows, said):
    assert said in refused(read_entries, put(tmp_path, "Image Index,Finding Labels,Patient ID", *rows))


@pytest.mark.parametrize("column", ["Image Index", "Finding Labels", "Patient ID"])
def test_entries_without_a_column(tmp_path, column):
    header = "Image Index,Finding Labels,Patient ID".replace(column, "Other")
    assert f"row 1: column {column} is missing" in refused(read_entries, put(tmp_path, header, "1_0.png,Mass,1"))


# ---- reports ----


@pytest.mark.parametrize("image", ["image", "study", "study_id", "Image Index"])
@pytest.mark.parametrize("text", ["report", "text", "Report"])
def test_reports_by_image_or_study(tmp_path, image, text):
    path = put(tmp_path, f"{image},{text}", '1_0.png,"Clear.\n\n  Normal heart. "', "2_0, ", "3_0.jpg,Mass.")
    assert read_reports(path) == {"1_0": "Clear. Normal heart.", "3_0": "Mass."}


def test_reports_in_sections(tmp_path):
    path = put(tmp_path, "image,findings,impression", "1,Clear.,Normal.", "2,,Mass.", "3,,")
    assert read_reports(path) == {"1": "findings : Clear. impression : Normal.", "2": "impression : Mass."}
    assert read_reports(put(tmp_path, "image,impression", "1,Mass.")) == {"1": "impression : Mass."}


def test_reports_under_other_names_and_with_empty_ones(tmp_path):
    path = put(tmp_path, "image,report", r"C:\a\1.png,One.", "b/1.png,", "2.dcm,Two.")
    assert read_reports(path, image_names.plain) == {"/a/1": "One.", "2": "Two."}
    assert read_reports(path, image_names.plain, with_empty=True) == {"/a/1": "One.", "b/1": "", "2": "Two."}
    assert "'b/1.png' is there already, at row 2" in refused(read_reports, path)


@pytest.mark.parametrize("read", [read_entries, read_reports, read_hand_labels, read_boxes])
def test_a_table_with_another_separator(tmp_path, read):
    assert "The header has semicolons; save" in refused(read, put(tmp_path, "image;report;Mass", "1;Mass, large;1"))
    both = "image;report;findings, impression"
    assert "The header has semicolons; save" in refused(read, put(tmp_path, both, "1;2;3,4"))


def test_a_cell_that_stands_for_nothing_is_no_report(tmp_path, capsys):
    path = put(tmp_path, "image,report", "1,NaN", "2,Clear.", "3,None", "4, #N/A ", "5,None seen.", "6,None")
    assert read_reports(path) == {"2": "Clear.", "5": "None seen."}
    said = (
        f"note: {path}, column report: cells that stand for nothing are no reports: 2 x 'None', 1 x 'NaN', 1 x '#N/A'"
    )
    assert capsys.readouterr().err == f"{said}\n"
    path = put(tmp_path, "image,findings,impression", "1,nan,Normal.", "2,nan,NULL")
    assert read_reports(path) == {"1": "impression : Normal."}


def test_bad_reports(tmp_path):
    assert "no column that names the image" in refused(read_reports, put(tmp_path, "name,report", "1,x"))
    assert "no column report or text" in refused(read_reports, put(tmp_path, "image,words", "1,x"))
    assert "row 3, column image: '1' is there already, at row 2" in refused(
        read_reports, put(tmp_path, "image,text", "1.png,a", "1,b")
    )


# ---- labels by hand ----


def test_hand_labels_in_columns(tmp_path):
    path = put(tmp_path, "Image Index,Mass,Pleural Effusion,Fracture", "1.png,1,NO,x", "2.png,0,,x", "3.png,yes,1.0,x")
    labels, notes = read_hand_labels(path)
    assert list(labels.index) == ["1", "2", "3"] and list(labels.columns) == list(LABELS)
    np.testing.assert_array_equal(labels.Mass, [1, 0, 1])
    np.testing.assert_array_equal(labels.Effusion, [0, np.nan, 1])
    assert labels[[name for name in FINDINGS if name not in ("Mass", "Effusion")]].isna().all(axis=None)
    np.testing.assert_array_equal(labels[NO_FINDING], [0, np.nan, 0])
    assert notes == [f"{path}: columns that are not used: Fracture"]


def test_no_finding_follows_from_all_14_unless_it_has_a_column(tmp_path):
    header = ",".join(("image", *FINDINGS))
    rows = ("1" + ",0" * 14, "2" + ",0" * 13 + ",1", "3,1" + ",0" * 12 + ",", "4," + ",0" * 13)
    labels, notes = read_hand_labels(put(tmp_path, header, *rows))
    np.testing.assert_array_equal(labels[NO_FINDING], [1, 0, 0, np.nan])
    assert notes == []
    labels, _ = read_hand_labels(put(tmp_path, header + ",normal", *(row + ",0" for row in rows)))
    np.testing.assert_array_equal(labels[NO_FINDING], 0)


def test_hand_labels_in_one_column(tmp_path):
    labels, _ = read_hand_labels(put(tmp_path, "image,Finding Labels", "1.png,Mass|Hernia", "2.png,No Finding"))
    assert [positive(row) for _, row in labels.iterrows()] == [["Mass", "Hernia"], [NO_FINDING]]
    assert not labels.isna().any(axis=None)


def test_columns_of_findings_go_before_mined_labels(tmp_path):
    labels, notes = read_hand_labels(put(tmp_path, "image,Finding Labels,Mass", "1.png,Hernia,0"))
    assert labels.Mass["1"] == 0 and np.isnan(labels.Hernia["1"]) and "Finding Labels" in notes[0]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["image,Fracture", "1,0"], "no column for a finding"),
        (["image,normal", "1,0"], "no column for a finding"),
        (["Mass", "0"], "no column that names the image"),
        (["image,Mass", "1,maybe"], "row 2, column Mass: 'maybe'; expected 1, 0, yes, no or empty"),
        (["image,Mass,mass", "1,0,1"], "columns Mass and mass are both Mass"),
        (["image,Mass", "1,0", "1.png,1"], "row 3, column image: '1.png' is there already"),
    ],
)
def test_bad_hand_labels(tmp_path, lines, said):
    assert said in refused(read_hand_labels, put(tmp_path, *lines))


# ---- boxes ----

BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


@pytest.mark.parametrize("end", ["", ",,,", "\r"])
@pytest.mark.parametrize("header", [BOXES, "Image Index,Finding Label,x,y,w,h"])
def test_boxes_whatever_commas_follow(tmp_path, header, end):
    path = put(
        tmp_path, header + end.strip(","), f"1.png,Infiltrate,1.5,2,30,40{end}", f"1.png,Mass,0,0,1024,1024{end}"
    )
    rows = [tuple(row) for row in read_boxes(path).itertuples(index=False)]
    assert rows == [("1", "Infiltration", 1.5, 2, 30, 40), ("1", "Mass", 0, 0, 1024, 1024)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1.png,Tumour,1,2,3,4", "column Finding Label: 'Tumour'"),
        ("1.png,No Finding,1,2,3,4", "column Finding Label: 'No Finding'"),
        ("1.png,Mass,1,2,3,four", "column h: 'four'; expected a number"),
        ("1.png,Mass,nan,2,3,4", "column x: 'nan'; expected a number"),
        ("1.png,Mass,1,inf,3,4", "column y: 'inf'; expected a number"),
        ("1.png,Mass,1000,2,30,4", "x 1000, y 2, w 30, h 4 is not inside"),
        ("1.png,Mass,1,2,0,4", "is not inside"),
        ("1.png,Mass,-1,2,3,4", "is not inside"),
        ("1.png,Mass,1,2,3", "5 cells where the header has 6"),
    ],
)
def test_bad_boxes(tmp_path, row, said):
    message = refused(read_boxes, put(tmp_path, BOXES, row))
    assert "row 2" in message and said in message


def test_nihs_boxes(shared):
    boxes = read_boxes(shared / "data" / "nih" / "BBox_List_2017.csv.gz")
    assert len(boxes) == 984 and boxes.study_id.nunique() == 880
    assert boxes.finding.value_counts()["Infiltration"] == 123
    assert tuple(boxes.iloc[0])[:2] == ("00013118_008", "Atelectasis") and abs(boxes.w[0] - 86.78) < 0.01


def test_commas_at_the_end_of_a_row_are_removed_in_one_pass(tmp_path):
    commas = "," * 60_000
    path = put(tmp_path, "Image Index,Finding Label,Bbox [x,y,w,h],,,", f"1_0.png,Mass,1,2,30,40{commas}")
    assert len(read_boxes(path)) == 1
    path = put(tmp_path, "Image Index,Finding Label,Bbox [x,y,w,h],,,", f"1_0.png,Mass,1,2,30,40{commas}x")
    began = time.process_time()
    assert "60006 cells where the header has 6" in refused(read_boxes, path)
    assert time.process_time() - began < 1
