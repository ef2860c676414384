"""`tienet prepare mimic-cxr` on a small tree in PhysioNet's layout: what it joins, leaves out and refuses."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tests.conftest import ROOT
from tienet.data import manifest as manifests
from tienet.datasets.mimic_cxr import prepare
from tienet.datasets.mimic_cxr.tables import COLUMNS
from tienet.labels import LABELS, NO_FINDING

SPLIT = "dicom_id,study_id,subject_id,split"
METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
PRE = "02aa804e-bde0afdd-112c0b34-7bc16630-4e3840"
IMAGES = {  # dicom_id: subject, study, split, view
    f"{PRE}11": ("10000032", "50414267", "train", "PA"),
    f"{PRE}12": ("10000032", "50414267", "train", "AP"),
    f"{PRE}13": ("10000032", "50414267", "train", "LATERAL"),
    f"{PRE}21": ("10000032", "50414268", "train", "AP"),
    f"{PRE}31": ("11000111", "50414269", "validate", "PA"),
    f"{PRE}41": ("19000222", "50414270", "test", "PA"),
    f"{PRE}42": ("19000222", "50414270", "test", ""),
}
LABELS_OF = {
    "50414267": ("10000032", {"Edema": "1.0", "Pneumonia": "-1.0", "Lung Lesion": "1.0"}),
    "50414268": ("10000032", {"No Finding": "1.0"}),
    "50414269": ("11000111", {"Pleural Effusion": "1.0", "Edema": "0.0"}),
    "50414270": ("19000222", {"Cardiomegaly": "1.0"}),
}
REPORTS = {
    "50414267": " FINDINGS: \n \n Mild\n edema.\n \n IMPRESSION: \n \n Edema.\n",
    "50414268": " IMPRESSION:  Normal.\n",
    "50414269": " HISTORY:  Pain.\n \n AP chest: left effusion.\n",
    "50414270": " Large heart. ___\n",
}


def jpg(path: Path, gray: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(cv2.imencode(".jpg", np.full((8, 8), gray, np.uint8))[1]))


class Source:
    """A small MIMIC-CXR: reports in one folder; images and tables in another."""

    def __init__(self, folder: Path) -> None:
        self.reports, self.jpg = folder / "mimic-cxr", folder / "mimic-cxr-jpg"
        for study, text in REPORTS.items():
            self.report(study, "                                 FINAL REPORT\n" + text)
        for n, dicom in enumerate(IMAGES):
            jpg(self.image(dicom), 20 * n)
        self.tables()

    def tables(self, images=IMAGES, metadata=None, labels=LABELS_OF, labeler: str = "chexpert") -> None:
        split = [f"{dicom},{study},{subject},{split}" for dicom, (subject, study, split, _) in images.items()]
        views = [
            f"{dicom},{subject},{study},CHEST (PA AND LAT),{view},3056,2544,21800506,213014.531,CHEST (PA AND LAT),"
            f"postero-anterior,Erect"
            for dicom, (subject, study, _, view) in (images if metadata is None else metadata).items()
        ]
        rows = [
            ",".join([subject, study, *(cells.get(name, "") for name in COLUMNS)])
            for study, (subject, cells) in labels.items()
        ]
        self.table("split", SPLIT, *split)
        self.table("metadata", METADATA, *views)
        self.table(labeler, f"subject_id,study_id,{','.join(COLUMNS)}", *rows)

    def table(self, what: str, *lines: str) -> Path:
        path = self.jpg / f"mimic-cxr-2.0.0-{what}.csv.gz"
        path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode()))
        return path

    def image(self, dicom: str) -> Path:
        subject, study, _, _ = IMAGES[dicom]
        return self.jpg / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}" / f"{dicom}.jpg"

    def report_path(self, study: str) -> Path:
        subject = LABELS_OF[study][0]
        return self.reports / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}.txt"

    def report(self, study: str, text: str) -> None:
        path = self.report_path(study)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "physionet")


@pytest.fixture
def run(source, tmp_path):
    def run(*switches: str, **flags: object) -> tuple[int, Path]:
        """Run the command; a flag given as None is left out."""
        values = {"root": source.reports, "jpg": source.jpg, "labels": "chexpert", "out": tmp_path / "out"} | flags
        args = [part for name, value in values.items() if value is not None for part in (f"--{name}", str(value))]
        return tienet("prepare", "mimic-cxr", *args, *switches), Path(str(values["out"]))

    return run


def refused(run, capsys, *switches: str, **flags: object) -> str:
    """Run what must fail; what it says, where bars are overwritten lines."""
    status, out = run(*switches, **flags)
    said = capsys.readouterr()
    assert status == 2 and said.out == "" and not (out.is_dir() and any(out.iterdir()))
    assert "Traceback" not in said.err
    return said.err


def load(out: Path) -> manifests.Manifest:
    return manifests.load(str(out / "manifest.csv"))


def left_out(out: Path) -> set[tuple[str, str, str]]:
    table = pd.read_csv(out / "left_out.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == ["image", "split", "reason"]
    return {tuple(row) for row in table.itertuples(index=False)}


OTHER_VIEWS = {(f"{PRE}13", "train", prepare.NOT_FRONTAL), (f"{PRE}42", "test", prepare.NO_VIEW)}


# ---- what it makes ----


def test_joins_tables_images_and_reports(run, source, capsys):
    status, out = run()
    assert status == 0
    m = load(out)
    assert m.study_ids == [f"{PRE}{n}" for n in (11, 12, 21, 31, 41)]
    assert m.patient_ids == ["p10000032"] * 3 + ["p11000111", "p19000222"]
    assert m.splits.tolist() == ["train"] * 3 + ["val", "test"]
    assert m.images == [source.image(dicom) for dicom in m.study_ids]
    assert m.reports == ["findings : Mild edema. impression : Edema."] * 2 + [
        "impression : Normal.", "findings : AP chest: left effusion.", "findings : Large heart. ___"]  # fmt: skip
    assert left_out(out) == OTHER_VIEWS
    said = capsys.readouterr()
    assert manifests.counts_table(m) in said.out and said.out.endswith("manifest.csv\n")
    assert "view position: PA 3, AP 2; other views are left out" in said.out
    assert "1 reports have more than one frontal image here" in said.out
    assert "1 x view that is not PA or AP (train 1); 1 x image without a view position (test 1)" in said.out
    assert "2 cut at findings or impression (the first is s50414267); 1 without both" in said.out
    assert "1 without these too, so the whole text (the first is s50414270)" in said.out


def test_labels_and_what_is_said_of_them(run, capsys):
    _, out = run()
    m = load(out)
    names = [[LABELS[k] for k in np.flatnonzero(row == 1)] for row in m.labels]
    assert names == [["Edema"], ["Edema"], [NO_FINDING], ["Effusion"], ["Cardiomegaly"]]
    unknown = {"Infiltration", "Mass", "Nodule", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"}
    for k, label in enumerate(LABELS):
        assert np.isnan(m.labels[2:, k]).all() == (label in unknown)
    assert np.isnan(m.labels[0, LABELS.index("Pneumonia")])
    said = capsys.readouterr().err
    assert "chexpert does not know Infiltration, Mass, Nodule, Emphysema, Fibrosis, Pleural_Thickening, Hernia" in said
    assert "not used: Enlarged Cardiomediastinum, Fracture, Lung Lesion, Lung Opacity, Pleural Other" in said
    assert "now unknown (--uncertain): Pneumonia 1" in said


@pytest.mark.parametrize(("policy", "value"), [("positive", 1), ("negative", 0)])
def test_the_policy_for_uncertain_labels(run, policy, value):
    _, out = run(uncertain=policy)
    assert load(out).labels[0, LABELS.index("Pneumonia")] == value


def test_negbios_labels(run, source):
    source.tables(labels={study: (subject, {"Consolidation": "1.0"}) for study, (subject, _) in LABELS_OF.items()},
                  labeler="negbio")  # fmt: skip
    _, out = run(labels="negbio")
    assert (load(out).labels[:, LABELS.index("Consolidation")] == 1).all()


def test_everything_in_one_folder_with_unpacked_tables(run, source):
    _, out = run()
    expected = load(out)
    for path in source.reports.rglob("*.txt"):
        path.rename(source.jpg / path.relative_to(source.reports))
    for path in source.jpg.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    status, out = run(root=source.jpg, jpg=None)
    assert status == 0 and load(out).fingerprint() == expected.fingerprint()


def test_the_files_folders_themselves_may_be_given(run, source):
    for path in source.jpg.glob("*.gz"):
        path.rename(source.jpg / "files" / path.name)
    status, out = run(root=source.reports / "files", jpg=source.jpg / "files")
    assert status == 0 and len(load(out)) == 5


def test_images_inside_the_data_set_get_relative_paths(run, source):
    _, out = run(out=source.jpg)
    image = pd.read_csv(out / "manifest.csv").image[0]
    assert image == f"files/p10/p10000032/s50414267/{PRE}11.jpg"


def test_images_behind_a_link_get_their_real_paths(run, source, tmp_path):
    (tmp_path / "link").symlink_to(source.jpg)
    _, out = run(jpg=tmp_path / "link")
    assert pd.read_csv(out / "manifest.csv").image[0] == str(source.image(f"{PRE}11").resolve())


def test_a_report_is_read_once(run, monkeypatch):
    read = []
    real = prepare._read_report
    monkeypatch.setattr(prepare, "_read_report", lambda path: read.append(path.name) or real(path))
    run()
    assert sorted(read) == [f"s{study}.txt" for study in sorted(REPORTS)]


# ---- what is not there ----


def test_images_and_studies_that_are_not_there_are_named(run, source, capsys):
    source.image(f"{PRE}12").unlink()
    images = IMAGES | {f"{PRE}99": ("10000032", "50414268", "train", "PA")}
    metadata = dict(IMAGES) | {f"{PRE}98": ("10000032", "50414268", "", "PA")}
    source.tables(images, metadata, {study: row for study, row in LABELS_OF.items() if study != "50414269"})
    status, out = run()
    assert status == 0
    assert left_out(out) == OTHER_VIEWS | {
        (f"{PRE}12", "train", prepare.NO_FILE),
        (f"{PRE}99", "train", prepare.NO_METADATA),
        (f"{PRE}98", "", prepare.NO_SPLIT),
        (f"{PRE}31", "val", prepare.NO_LABELS),
    }
    assert load(out).study_ids == [f"{PRE}{n}" for n in (11, 21, 41)]
    said = capsys.readouterr().out
    for reason in (prepare.NO_FILE, prepare.NO_METADATA, prepare.NO_SPLIT, prepare.NO_LABELS):
        assert f"1 x {reason}" in said


def test_an_image_without_a_report_stays(run, source):
    source.report_path("50414268").unlink()
    source.report("50414270", "   FINAL REPORT\n \n")
    status, out = run()
    assert status == 0
    assert left_out(out) == OTHER_VIEWS | {
        (f"{PRE}21", "train", prepare.NO_REPORT),
        (f"{PRE}41", "test", prepare.NO_TEXT),
    }
    m = load(out)
    assert len(m) == 5 and [not text for text in m.reports] == [False, False, True, False, True]


def test_a_report_that_is_too_long_is_not_taken_and_its_image_stays(run, source):
    source.report("50414270", "FINDINGS: " + "The lungs are clear. " * 9000)
    status, out = run()
    m = load(out)
    assert status == 0 and m.reports[m.study_ids.index(f"{PRE}41")] == ""
    assert (f"{PRE}41", "test", prepare.TOO_LONG) in left_out(out)


def test_hidden_files_are_not_looked_at(run, source):
    run()
    before = load(run()[1])
    for folder in (source.reports, source.jpg):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert load(run()[1]).fingerprint() == before.fingerprint()


def test_reports_only(run, source):
    for path in source.jpg.rglob("*.jpg"):
        path.unlink()
    source.report_path("50414268").unlink()
    status, out = run("--no-images")
    assert status == 0
    m = load(out)
    assert m.images == [None] * 4 and all(m.reports)
    assert (f"{PRE}21", "train", prepare.NEITHER) in left_out(out) and len(left_out(out)) == 3


def test_images_only(run, source, capsys):
    for path in source.reports.rglob("*.txt"):
        path.unlink()
    status, out = run("--no-reports", root=source.jpg, jpg=None)
    assert status == 0 and load(out).reports == [""] * 5 and left_out(out) == OTHER_VIEWS
    assert "only --mode classify can be trained on it" in capsys.readouterr().out


def test_strict_refuses_what_is_not_there_but_not_other_views(run, source, capsys):
    assert run("--strict")[0] == 0
    capsys.readouterr()
    source.image(f"{PRE}12").unlink()
    out = source.jpg.parent / "strict"
    said = refused(run, capsys, "--strict", out=out)
    assert f"--strict: left out would be 1 x {prepare.NO_FILE} (train 1); the first is {PRE}12" in said


# ---- what it refuses ----


def test_wrong_folders(run, source, capsys, tmp_path):
    gone, empty = tmp_path / "gone", tmp_path / "empty"
    empty.mkdir()
    assert f"--root {gone}: there is no such folder" in refused(run, capsys, root=gone)
    assert f"--jpg {empty}: no folder files in it" in refused(run, capsys, jpg=empty)
    assert "none of the 4 reports is there; is --root" in refused(run, capsys, root=source.jpg)
    said = refused(run, capsys, jpg=source.reports)
    assert "no mimic-cxr-2.0.0-split.csv.gz (or .csv) in" in said
    for path in source.jpg.glob("*.gz"):
        path.rename(source.reports / path.name)
    said = refused(run, capsys, jpg=None)
    assert "none of the tables' 5 frontal images is there; is it the right folder? (--jpg DIR" in said
    assert "no mimic-cxr-2.0.0-negbio.csv.gz" in refused(run, capsys, labels="negbio")


@pytest.mark.parametrize(
    ("switches", "flags", "said"),
    [
        ((), {"labels": None}, "--labels"),
        ((), {"labels": "vinbig"}, "chexpert"),
        ((), {"uncertain": "maybe"}, "positive"),
        (("--no-images", "--no-reports"), {}, "together leave nothing"),
    ],
)
def test_wrong_flags(run, capsys, switches, flags, said):
    line = refused(run, capsys, *switches, **flags)
    assert said in line and line.count("\n") == 1


@pytest.mark.parametrize("place", [0, 1])
def test_tables_that_disagree(run, source, capsys, place):
    other = list(IMAGES[f"{PRE}31"])
    other[place] = "12345678"
    source.tables(metadata=IMAGES | {f"{PRE}31": tuple(other)})
    said = refused(run, capsys)
    assert f"image {PRE}31 has {'subject_id' if place == 0 else 'study_id'} 12345678, where" in said


def test_labels_of_another_patient(run, source, capsys):
    source.tables(labels=LABELS_OF | {"50414269": ("12345678", {})})
    assert "study 50414269 has subject_id 12345678, where the split table has 11000111" in refused(run, capsys)


def test_a_study_in_two_splits(run, source, capsys):
    source.tables(IMAGES | {f"{PRE}13": ("10000032", "50414267", "test", "LATERAL")})
    assert "an image of the same study, 50414267, has 'train'" in refused(run, capsys)


def test_a_patient_in_two_splits(run, source, capsys):
    source.tables(IMAGES | {f"{PRE}21": ("10000032", "50414268", "test", "AP")})
    status, _ = run()
    assert status == 2 and "patient 'p10000032' is in test here and in train" in capsys.readouterr().err


def test_nothing_left(run, source, capsys):
    source.tables(labels={"1": ("1", {})})
    assert f"no image is left; 5 x {prepare.NO_LABELS} (train 3, val 1, test 1)" in refused(run, capsys)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"FINDINGS: \xff", "not UTF-8 text at byte 10"), (b"x" * 1_000_001, "more than 1,000,000 bytes")],
)
def test_bad_reports(run, source, capsys, content, said):
    source.report_path("50414268").write_bytes(content)
    line = refused(run, capsys)
    assert "s50414268.txt: " in line and said in line


def test_a_broken_table(run, source, capsys):
    path = source.jpg / "mimic-cxr-2.0.0-metadata.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert "metadata.csv.gz: not a whole gzip file" in refused(run, capsys)


def test_an_out_that_cannot_be_written(run, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be written to" in refused(run, capsys, out=tmp_path / "file" / "mimic")


def test_the_script_is_the_same_command(source, tmp_path):
    command = [sys.executable, "data_prep/mimic_cxr.py", "--root", source.reports, "--jpg", source.jpg,
               "--labels", "chexpert", "--out", tmp_path / "mimic-cxr"]  # fmt: skip
    env = {"PYTHONPATH": str(ROOT), "PATH": os.defpath}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "mimic-cxr").name == "mimic-cxr"
