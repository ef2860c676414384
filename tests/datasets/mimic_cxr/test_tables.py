"""MIMIC-CXR-JPG's tables: what is read, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from tienet.datasets.mimic_cxr import tables
from tienet.datasets.mimic_cxr.tables import COLUMNS, UNCERTAIN, find_table, read_labels, read_split, read_views
from tienet.errors import InputError
from tienet.labels import LABELS, NO_FINDING

SPLIT = "dicom_id,study_id,subject_id,split"
METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
CHEXPERT = f"subject_id,study_id,{','.join(COLUMNS)}"
KNOWN = ("Atelectasis", "Cardiomegaly", "Effusion", "Pneumonia", "Pneumothorax", "Consolidation", "Edema", NO_FINDING)


def put(tmp_path: Path, *lines: str, name: str = "table.csv") -> Path:
    path = tmp_path / name
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def labels_row(subject: str, study: str, **cells: str) -> str:
    return ",".join((subject, study, *(cells.get(name.replace(" ", "_"), "") for name in COLUMNS)))


def refused(read, path: Path, *args) -> str:
    with pytest.raises(InputError) as told:
        read(path, *args)
    message = str(told.value)
    assert str(path) in message
    return message


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_split(tmp_path, name):
    frame = read_split(put(tmp_path, SPLIT, "a-1,50,10,train", "b-2,50,10,train", "c,51,11,validate", "d,52,12,test",
                           name=name))  # fmt: skip
    assert list(frame.index) == ["a-1", "b-2", "c", "d"] and frame.index.name == "dicom_id"
    assert list(frame.split) == ["train", "train", "val", "test"]
    assert list(frame.study_id) == ["50", "50", "51", "52"] and list(frame.subject_id) == ["10", "10", "11", "12"]


def test_views(tmp_path):
    frame = read_views(put(tmp_path, METADATA, "a,10,50,CHEST (PA AND LAT),PA,3056,2544,21800506,213014.5,x,y,Erect",
                           "b,10,50,CHEST (PA AND LAT),,3056,2544,21800506,213014.5,x,y,",
                           'c,10,50,"CHEST, AP",lateral,3056,2544,21800506,213014.5,x,y,'))  # fmt: skip
    assert list(frame["view"]) == ["PA", "", "LATERAL"] and list(frame.study_id) == ["50"] * 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a,50,10,train", "a,51,11,train"], "row 3, column dicom_id: 'a' is there already, at row 2"),
        (["a,50,10,dev"], "row 2, column split: 'dev'; expected train, validate, test"),
        (["a,50.0,10,train"], "row 2, column study_id: '50.0'; expected digits such as 50414267"),
        (["a,50,p10,train"], "row 2, column subject_id: 'p10'; expected digits"),
        (["../a,50,10,train"], "row 2, column dicom_id: '../a'; expected a name"),
        (["..,50,10,train"], "row 2, column dicom_id: '..'; expected a name"),
        (["\u00e9,50,10,train"], "row 2, column dicom_id: '\u00e9'; expected a name"),
        ([",50,10,train"], "row 2, column dicom_id: ''; expected a name"),
        (["a,\u0665,10,train"], "row 2, column study_id: '\u0665'; expected digits"),
        (["a,50,10,train", "b,50,10,test"], "row 3, column split: 'test' where an image of the same study, 50, has "
         "'train' at row 2"),
        (["a,50,10,train", "b,50,11,train"], "row 3, column subject_id: '11' where an image of the same study, 50"),
        (["a,50,10"], "row 2: 3 cells where the header has 4"),
    ],
)  # fmt: skip
def test_bad_splits_are_named_by_row(tmp_path, rows, said):
    assert said in refused(read_split, put(tmp_path, SPLIT, *rows))


def test_tables_without_a_column(tmp_path):
    assert "column subject_id is missing" in refused(read_split, put(tmp_path, "dicom_id,study_id,split", "a,1,train"))
    assert "column ViewPosition is missing" in refused(
        read_views, put(tmp_path, "dicom_id,subject_id,study_id", "a,1,2")
    )
    header = CHEXPERT.replace(",Edema", "")
    row = "10,50" + "," * 13
    assert "column Edema is missing" in refused(read_labels, put(tmp_path, header, row), 0.0)


# ---- labels ----


def test_which_labels_a_labeler_knows_and_what_becomes_of_its_cells(tmp_path):
    path = put(tmp_path, CHEXPERT, labels_row("10", "50", Edema="1.0", Pneumonia="-1.0", Pleural_Effusion="0.0"),
               labels_row("10", "51", No_Finding="1.0"), labels_row("11", "52", Pleural_Effusion="1"))  # fmt: skip
    found = read_labels(path, UNCERTAIN["unknown"])
    assert list(found.table.columns) == ["subject_id", *LABELS] and list(found.table.index) == ["50", "51", "52"]
    for label in LABELS:
        assert found.table[label].isna().all() == (label not in KNOWN)
    np.testing.assert_array_equal(found.table.Edema, [1, 0, 0])
    np.testing.assert_array_equal(found.table.Pneumonia, [np.nan, 0, 0])
    np.testing.assert_array_equal(found.table.Effusion, [0, 0, 1])
    np.testing.assert_array_equal(found.table[NO_FINDING], [0, 1, 0])
    assert found.uncertain == {"Pneumonia": 1}


def test_columns_that_are_none_of_our_labels_are_never_used(tmp_path):
    others = ("Enlarged_Cardiomediastinum", "Fracture", "Lung_Lesion", "Lung_Opacity", "Pleural_Other",
              "Support_Devices")  # fmt: skip
    path = put(tmp_path, CHEXPERT, labels_row("10", "50", **dict.fromkeys(others, "1.0")))
    found = read_labels(path, 0.0)
    assert found.unused == [name.replace("_", " ") for name in others]
    assert found.table[list(KNOWN)].to_numpy().sum() == 0
    assert found.table[[label for label in LABELS if label not in KNOWN]].isna().all(axis=None)


@pytest.mark.parametrize(("policy", "value"), [("positive", 1.0), ("negative", 0.0), ("unknown", np.nan)])
def test_what_uncertain_becomes(tmp_path, policy, value):
    path = put(tmp_path, CHEXPERT, labels_row("10", "50", Edema="-1.0"), labels_row("10", "51", Edema="-1"))
    found = read_labels(path, UNCERTAIN[policy])
    np.testing.assert_array_equal(found.table.Edema, [value, value])
    assert found.uncertain == {"Edema": 2}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([labels_row("10", "50", Edema="2")], "row 2, column Edema: '2'; expected 1.0, 0.0, -1.0 or empty"),
        ([labels_row("10", "50"), labels_row("10", "50")], "row 3, column study_id: '50' is there already, at row 2"),
        ([labels_row("", "50")], "row 2, column subject_id: ''"),
    ],
)
def test_bad_labels(tmp_path, rows, said):
    assert said in refused(read_labels, put(tmp_path, CHEXPERT, *rows), 0.0)


def test_two_columns_for_one_label(tmp_path):
    path = put(tmp_path, f"{CHEXPERT},Effusion", labels_row("10", "50") + ",1")
    assert "columns Pleural Effusion and Effusion are both Effusion" in refused(read_labels, path, 0.0)


# ---- where they are ----


def test_the_first_folder_the_packed_file_the_latest_version(tmp_path):
    one, two = tmp_path / "one", tmp_path / "[two]"
    for folder in (one, two):
        folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"mimic-cxr-2\.0\.0-split\.csv\.gz \(or \.csv\) in .*one nor in"):
        find_table([one, two], "split")
    names = ("2.0.0-split.csv", "2.0.0-split.csv.gz", "2.1.0-split.csv.gz", "2.0.0-chexpert.csv")
    for name in names:
        put(two, "x", name=f"mimic-cxr-{name}")
    assert find_table([one, two], "split") == two / "mimic-cxr-2.1.0-split.csv.gz"
    assert find_table([one, two], "chexpert").name == "mimic-cxr-2.0.0-chexpert.csv"
    put(one, "x", name="mimic-cxr-2.0.0-split.csv")
    assert find_table([one, two], "split").parent == one


def test_both_labelers_have_files_of_one_form():
    assert tables.LABELERS == ("chexpert", "negbio") and len(COLUMNS) == 14
