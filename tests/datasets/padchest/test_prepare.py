"""`tienet prepare padchest` on a small table in PadChest's form: what it maps, splits, leaves out and refuses."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tienet.commands.main import dispatch
from tienet.data import manifest as manifests
from tienet.data.image import write_png
from tienet.data.splits import by_hash
from tienet.datasets.padchest.findings import PADCHEST_LABELS, findings_of, labels_from
from tienet.errors import InputError
from tienet.labels import FINDINGS, NO_FINDING

HEADER = ("", "ImageID", "ImageDir", "PatientID", "Projection", "ReportID", "Report", "MethodLabel", "Labels")


def text_in(split: str, n: int = 0) -> str:
    """The n-th made-up report that lies in a split."""
    found = (f"hallazg {k} ." for k in range(1000) if by_hash(f"hallazg {k} .") == split)
    return next(text for place, text in enumerate(found) if place == n)


TRAIN, VAL, TEST = (text_in(split) for split in ("train", "val", "test"))
ROWS = [  # image, patient, projection, report, text, method, labels
    ("a1.png", "p1", "L", "1", TRAIN, "Physician", "['pleural effusion', 'goiter', 'nodule']"),
    ("a2.png", "p1", "AP", "1", TRAIN, "Physician", "['pleural effusion', 'goiter', 'nodule']"),
    ("a3.png", "p1", "PA", "1", TRAIN, "Physician", "['pleural effusion', 'goiter', 'nodule']"),
    ("b1.png", "p2", "PA", "2", f" {TRAIN} ", "Physician", "['normal']"),
    ("c1.png", "p3", "PA", "3", TEST, "RNN_model", "['normal']"),
    ("d1.png", "p4", "PA", "4", VAL, "Physician", "[' hydropneumothorax ', '']"),
    ("e1.png", "p5", "L", "5", TEST, "Physician", "['laminar atelectasis', 'kerley lines']"),
    ("f1.png", "p6", "PA", "6", "", "Physician", "['normal']"),
    ("g1.png", "p7", "PA", "7", text_in("test", 1), "Physician", "['exclude']"),
    ("h1.png", "p8", "PA", "8", text_in("train", 1), "Physician", "[]"),
    ("h2.png", "p8", "PA", "9", text_in("train", 2), "Physician", "['unchanged']"),
    ("h3.png", "p8", "PA", "10", text_in("test", 2), "Physician", "['nodule']"),
]


def write_table(path: Path, rows=ROWS) -> Path:
    cells = [(n, image, 0, patient, view, *rest) for n, (image, patient, view, *rest) in enumerate(rows)]
    content = pd.DataFrame(cells, columns=list(HEADER)).to_csv(index=False)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())
    return path


def prepare(tmp_path: Path, *more: str, rows=ROWS, name: str = "table.csv.gz") -> Path:
    table = write_table(tmp_path / name, rows)
    assert dispatch(["prepare", "padchest", "--table", str(table), "--out", str(tmp_path / "out"), *more]) == 0
    return tmp_path / "out"


def test_reports_of_physicians_with_their_findings(tmp_path, capsys):
    out = prepare(tmp_path)
    manifest = manifests.load(str(out / "manifest.csv"))
    assert manifest.study_ids == ["1", "2", "4", "5", "8", "9"]
    assert manifest.reports[:3] == [TRAIN, TRAIN, VAL] and manifest.images == [None] * 6
    assert list(manifest.splits) == ["train", "train", "val", "test", "train", "train"]
    named = [
        [name for name, value in zip((*FINDINGS, NO_FINDING), row, strict=True) if value] for row in manifest.labels
    ]
    assert named == [
        ["Effusion", "Nodule"], [NO_FINDING], ["Effusion", "Pneumothorax"], ["Atelectasis"], [NO_FINDING], [NO_FINDING],
    ]  # fmt: skip
    left = pd.read_csv(out / "left_out.csv", dtype=str)
    assert dict(zip(left.report_id, left.reason, strict=True)) == {
        "6": "report without text",
        "7": "report that PadChest excludes",
        "10": "report in another split than most of its patient's",
    }
    mapped = pd.read_csv(out / "mapped.csv", index_col="padchest_label", keep_default_na=False)
    assert mapped.findings["hydropneumothorax"] == "Effusion Pneumothorax" and mapped.findings["kerley lines"] == ""
    assert mapped.reports["nodule"] == 2  # of the whole table of physicians
    assert "5 texts in 6 reports" in capsys.readouterr().out
    again = (out / "manifest.csv").read_bytes()
    assert prepare(tmp_path) == out and (out / "manifest.csv").read_bytes() == again


def test_the_first_frontal_image_of_a_report(tmp_path):
    images = tmp_path / "images"
    (images / "0").mkdir(parents=True)
    for n, name in enumerate(("a2.png", "a3.png", "0/b1.png", "h1.png")):
        write_png(images / name, np.full((8, 8), 10 * n, np.uint8))
    out = prepare(tmp_path, "--images", str(images))
    manifest = manifests.load(str(out / "manifest.csv"))
    assert [path.name for path in manifest.images] == ["a3.png", "b1.png", "h1.png"]
    reasons = pd.read_csv(out / "left_out.csv", dtype=str).set_index("report_id").reason
    assert reasons["5"] == "report without a frontal image" and reasons["4"].endswith("images are not there")


def test_every_finding_is_mapped_and_folds_go_by_the_text(tmp_path):
    assert set(PADCHEST_LABELS) == set(FINDINGS)
    for finding in FINDINGS:
        assert all(finding in findings_of(label) for label in PADCHEST_LABELS[finding])
        assert labels_from({PADCHEST_LABELS[finding][0]})[finding] == 1
    assert findings_of("goiter") == [] and labels_from({"goiter"})[NO_FINDING] == 1
    rows = [
        (f"{n}.png", f"p{n}", "PA", str(n), f"text {n % 20} .", "Physician", f"{['nodule', 'goiter'][n % 2 :]}")
        for n in range(60)
    ]
    manifest = manifests.load(str(prepare(tmp_path, "--split", "fold=2/3", rows=rows) / "manifest.csv"))
    assert all(len(set(manifest.splits[n::20])) == 1 for n in range(20)) and set(manifest.splits) > {"train", "test"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Labels": "normal"}, "row 2, column Labels: 'normal'; expected a list such as"),
        ({"Labels": "{1: 2}"}, "row 2, column Labels"),
        ({"PatientID": ""}, "row 2, column ReportID: it or PatientID is empty"),
        ({"PatientID": "p9"}, "row 3, column ReportID: 1 has other patient_id"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, change, message):
    path = write_table(tmp_path / "table.csv", ROWS[:3])
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name, value in change.items():
        table.loc[0, name] = value
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        dispatch(["prepare", "padchest", "--table", str(path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_what_is_no_such_table_is_one_line(tmp_path, capsys):
    other = write_table(tmp_path / "other.csv", [(*row[:5], "RNN_model", row[6]) for row in ROWS])
    for words, said in (
        (["--table", str(other)], "no row has the MethodLabel Physician"),
        (["--table", str(tmp_path / "none.csv")], "does not exist"),
        (["--table", str(other), "--split", "r2gen.json"], "expected hash, or fold=K/N"),
        (["--table", str(other), "--images", str(tmp_path / "none")], "there is no such folder"),
    ):
        assert tienet("prepare", "padchest", *words, "--out", tmp_path / "out") == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and said in lines[0]
