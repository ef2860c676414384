"""`tienet prepare folder`: what it joins, converts and leaves out, and that it gives no patient away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.data.dicom.dicom_files import PYDICOM_FILES, RAMP
from tests.datasets.folder.toy_folder import SALT, film, load, png, reasons, refused
from tienet.data.dicom import reader
from tienet.data.image import read_gray
from tienet.data.splits import by_hash
from tienet.datasets.folder.pseudonyms import Pseudonyms

# ---- joining ----


def test_png_jpeg_and_dicom_with_texts_beside_them(run, source, capsys):
    png(source / "a.png", 10), png(source / "sub/b.jpg", 20), film(source / "sub/c", "1.2.1", PatientID="P1")
    for name, text in (("a.txt", "Clear  lungs.\n"), ("sub/b.txt", "\ufeffEffusion."), ("sub/c.txt", "Mass.")):
        (source / name).write_text(text, encoding="utf-8")
    status, out = run()
    said = capsys.readouterr()
    m = load(out)
    assert status == 0 and sorted(m.reports) == ["Clear lungs.", "Effusion.", "Mass."]
    pictures = dict(zip(m.reports, (read_gray(path) for path in m.images), strict=True))
    assert pictures["Clear lungs."].tolist() == [[10] * 8] * 8 and abs(int(pictures["Effusion."][0, 0]) - 20) < 3
    np.testing.assert_array_equal(pictures["Mass."], reader.read_gray(source / "sub/c"))
    assert set(m.splits) == {"test"} and np.isnan(m.labels).all() and reasons(out) == []
    assert "without --labels all labels are unknown" in said.err
    assert "2 images come without a patient" in said.err and "view of 1 DICOM images: PA 1" in said.err


def test_labels_patients_and_splits(run, source, capsys):
    for n in range(4):
        png(source / f"{n}.png", n)
    table = source / "table.csv"
    table.write_text("image,report,who,split,Mass,Effusion\n0.png,a,A,train,1,0\n1.png,b,A,train,0,\n"
                     "2.png,c,B,val,0,1\n3.png,d,C,test,0,0\n")  # fmt: skip
    status, out = run("--patients", "who", "--split", "column", reports=table, labels=table)
    m = load(out)
    by_report = {report: n for n, report in enumerate(m.reports)}
    order = [by_report[report] for report in "abcd"]
    assert status == 0 and [m.splits[n] for n in order] == ["train", "train", "val", "test"]
    assert len(set(m.patient_ids)) == 3 and m.patient_ids[order[0]] == m.patient_ids[order[1]]
    assert [m.labels[n, 4] for n in order] == [1, 0, 0, 0] and np.isnan(m.labels[order[1], 2])
    assert "without a patient" not in capsys.readouterr().err


# ---- left out ----


def test_each_thing_that_is_left_out_is_counted_and_named(run, source, capsys):
    png(source / "ok.png"), png(source / "twice.png"), png(source / "twice.jpg"), png(source / "silent.png")
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for name, elements in {
        "pa": {}, "lateral": {"ViewPosition": "LL"}, "oblique": {"ViewPosition": "RAO"}, "ct": {"Modality": "CT"},
        "odd": {"Modality": "DOE"}, "mirrored": {"PatientOrientation": ["R", "F"]}, "unknown": {"ViewPosition": ""},
        "frames": {"NumberOfFrames": 3}, "short": {"Rows": 90},
    }.items():  # fmt: skip
        film(source / f"{name}.dcm", f"1.2.{len(name)}.{ord(name[0])}", **elements)
        (source / f"{name}.txt").write_text("x")
    (source / "copy.dcm").write_bytes((source / "pa.dcm").read_bytes())
    for name in ("ok", "twice", "broken", "gone", "copy"):
        (source / f"{name}.txt").write_text("x")
    (source / "latin.txt").write_bytes(b"\xe9t\xe9"), (source / "notes.md").touch(), (source / ".hidden").touch()
    status, out = run()
    said = capsys.readouterr()
    assert status == 0 and len(load(out)) == 4
    expected = ["DICOM of several frames", "DICOM that is broken", "copy of another image (SOP instance UID)",
                "image file that cannot be read", "image without a report", "lateral view",
                "modality CT, no X-ray of the chest", "modality that is not known, no X-ray of the chest",
                "report without an image", "second image file of one name",
                "stored mirrored or turned (PatientOrientation)", "text file that is not UTF-8, or too long",
                "view that is neither frontal nor lateral"]  # fmt: skip
    assert reasons(out) == sorted(expected)
    assert "1 x lateral view" in said.out and f"left out: {source / 'frames.dcm'}: 3 frames" in said.err
    assert "passed over, no image and no text: .md 1" in said.err and "PA 1, not known 1" in said.err
    _, out = run("--keep", "lateral", "mirrored", "modality", "no-report")
    assert len(load(out)) == 10 and "lateral view" not in reasons(out)


def test_strict_refuses_faults_but_not_views(run, source, capsys):
    film(source / "pa.dcm", "1.2.1"), film(source / "lat.dcm", "1.2.2", ViewPosition="LATERAL")
    assert run("--strict")[0] == 0
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    capsys.readouterr()
    status, _ = run("--strict")
    assert status == 2
    assert "--strict: left out would be 1 x image file that cannot be read; the first is" in capsys.readouterr().err


# ---- nobody is given away ----

SECRETS = {"PatientName": "Doe^Jane", "PatientID": "MRN-5551234", "PatientBirthDate": "19610203",
           "AccessionNumber": "ACC-778", "StudyDate": "20190807", "InstitutionName": "Mercy Hospital"}  # fmt: skip
UIDS = ("1.2.840.99.1", "1.2.840.99.2")


def planted(source: Path) -> list[bytes]:
    film(source / "Doe_Jane/MRN-5551234_pa.dcm", UIDS[0], **SECRETS)
    film(source / "Doe_Jane/lat.dcm", UIDS[1], ViewPosition="LL", **SECRETS)
    film(source / "Doe_Jane/cut.dcm", "1.2.840.99.3", Rows=77, Columns=7777, **SECRETS)
    png(source / "Roe_Richard.png"), png(source / "Roe_Richard.jpg")
    exif = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes()
    comment = b"Artist Roe"
    (source / "exif.jpg").write_bytes(
        exif[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + exif[2:]
    )
    (source / "reports.csv").write_text(f"study,report,mrn\n{UIDS[0]}.9,Clear.,MRN-1\nRoe_Richard,Clear too.,MRN-2\n"
                                        "exif,Clear as well.,MRN-3\nKowalski,No image.,MRN-4\n")  # fmt: skip
    words = [*SECRETS.values(), "Doe", "Jane", "MRN", "Roe", "Richard", "Artist", "Kowalski", "1.2.840", str(source)]
    return [word.encode() for word in words]


def written(out: Path) -> bytes:
    paths = sorted(out.rglob("*"))
    return b"\n".join(str(path.relative_to(out)).encode() + b"\n" + (path.read_bytes() if path.is_file() else b"")
                      for path in paths)  # fmt: skip


def test_no_file_that_is_written_names_a_patient(run, source):
    secrets = planted(source)
    for flags in ({}, {"patients": "mrn"}, {"salt": None}):
        status, out = run(reports=source / "reports.csv", **flags)
        content = written(out)
        assert status == 0 and len(load(out)) == 3 and len(reasons(out)) == 4
        assert [secret for secret in secrets if secret.lower() in content.lower()] == []
        for path in (out / "images").iterdir():
            assert set(chunk_names(path.read_bytes())) == {b"IHDR", b"IDAT", b"IEND"}


def chunk_names(content: bytes) -> list[bytes]:
    names, place = [], 8
    while place < len(content):
        names.append(content[place + 4 : place + 8])
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return names


def test_the_key_of_names_goes_where_it_is_asked_for(run, source, tmp_path, capsys):
    film(source / "a.dcm", "1.2.1"), film(source / "lat.dcm", "1.2.2", ViewPosition="LL")
    _, out = run(names=tmp_path / "key.csv")
    key = pd.read_csv(tmp_path / "key.csv").set_index("file").name
    assert key[str(source / "a.dcm")] == load(out).study_ids[0]
    assert key[str(source / "lat.dcm")] == pd.read_csv(out / "left_out.csv").name[0]
    (out / "manifest.csv").unlink()
    assert "is inside --out; it leads back" in refused(run, capsys, names=out / "key.csv")


def test_keep_ids(run, source):
    planted(source)
    status, out = run("--keep-ids", reports=source / "reports.csv")
    m = load(out)
    assert status == 0 and sorted(m.study_ids) == ["MRN-5551234_pa", "Roe_Richard", "exif"]
    images = dict(zip(m.study_ids, m.images, strict=True))
    assert images["Roe_Richard"] == source / "Roe_Richard.png"
    assert images["MRN-5551234_pa"] == out / "images/MRN-5551234_pa.png"
    assert set(m.patient_ids) == {"MRN-5551234", "Roe_Richard", "exif"}
    assert "Doe_Jane/lat" in set(pd.read_csv(out / "left_out.csv").name)


def test_hashed_images_do_not_go_beside_named_ones(run, source, capsys):
    planted(source)
    _, out = run("--keep-ids", reports=source / "reports.csv")
    (out / "manifest.csv").unlink()
    assert "1 files under other names than hashes" in refused(run, capsys, reports=source / "reports.csv")


# ---- again, stopped, refused ----


def test_ctrl_c_stops_it_and_the_next_run_goes_on(source, tmp_path):
    for n in range(60):
        film(source / f"{n}.dcm", f"1.2.{n}", np.tile(RAMP, (20, 25)))
    out = tmp_path / "own"
    command = [sys.executable, "data_prep/from_folder.py", "--images", str(source), "--out", str(out), "--workers", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(list(out.glob("images/*.png"))) < 3:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the children too
    assert process.communicate(timeout=20)[1].strip().endswith("interrupted") and process.returncode == 130
    done = {path: path.stat().st_mtime_ns for path in out.glob("images/*.png")}
    assert 3 <= len(done) < 60 and not (out / "manifest.csv").exists()
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    assert len(load(out)) == 60 and all(path.stat().st_mtime_ns == when for path, when in done.items())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"images": "gone"}, "--images gone: there is no such folder"),
        ({"reports": "gone.csv"}, "gone.csv does not exist"),
        ({"labels": "gone.csv"}, "gone.csv does not exist"),
        ({"salt": "short"}, "--salt has 5 characters"),
        ({"workers": 0}, "--workers 0: expected 1 or more"),
        ({"patients": "who"}, "need a CSV"),
    ],
)
def test_one_line_for_what_cannot_be_right(run, source, capsys, flags, said):
    png(source / "4.png")
    assert by_hash_with(source) == "train"
    assert said in refused(run, capsys, **flags)


def by_hash_with(source: Path) -> str:
    return by_hash(Pseudonyms(SALT.encode()).of("image", "4"))


def test_a_folder_without_an_image_and_tables_that_do_not_fit(run, source, capsys):
    assert "no PNG, JPEG or DICOM file in it" in refused(run, capsys)
    png(source / "1.png"), png(source / "2.png")
    (source / "r.csv").write_text("image,report,who,split\n1,a,A,train\n2,b,A,test\n")
    assert "no column nobody" in refused(run, capsys, "--patients", "nobody", reports=source / "r.csv")
    (source / "l.csv").write_text("image,Mass\n1,1\n2,1\n")
    both = {"reports": source / "r.csv", "labels": source / "l.csv"}
    assert "its patient is in" in refused(run, capsys, "--patients", "who", "--split", "column", **both)
    (source / "twice.csv").write_text("image,report\n1.png,a\n1.dcm,b\n")
    assert "'1.dcm' is there already, at row 2" in refused(run, capsys, reports=source / "twice.csv")
    (source / "none.csv").write_text("image,report\n7,a\n")
    assert "none.csv: none of the names in it (1) is that of" in refused(run, capsys, reports=source / "none.csv")
    (source / "empty.csv").write_text("image,report\n1,\n7,a\n")
    said = refused(run, capsys, reports=source / "empty.csv")
    assert "no image is left; left out: 2 x image without a report; 1 x report without an image" in said


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
@pytest.mark.parametrize("flag", ["reports", "labels"])
def test_a_table_with_another_separator(run, source, capsys, flag, separator, name):
    png(source / "1.png")
    (source / "t.csv").write_text(
        separator.join(("image", "report", "Mass")) + f"\n1.png{separator}Clear.{separator}0\n"
    )
    said = refused(run, capsys, **{flag: source / "t.csv"})
    assert f"t.csv, row 1: the header has one cell only: are cells separated by commas? The header has {name}" in said


def test_a_report_that_is_too_long_is_passed_over(run, source, capsys):
    for n in (1, 2, 3):
        png(source / f"{n}.png", n)
    reports = {1: "The lungs are clear. " * 9000, 2: "No pneumothorax.", 3: "x" * 100_000}
    for n, report in reports.items():
        (source / f"{n}.txt").write_text(report)
    status, out = run()
    said = capsys.readouterr()
    assert status == 0 and sorted(map(len, load(out).reports)) == [16, 100_000]
    assert reasons(out) == ["image without a report", "report of more than 100,000 characters"]
    assert "left out: 1: report of more than 100,000 characters" in said.err
    table = source / "r.csv"
    table.write_text("image,report\n" + "".join(f"{n},{report}\n" for n, report in reports.items()))
    _, out = run("--keep", "no-report", reports=table)
    assert sorted(map(len, load(out).reports)) == [0, 16, 100_000]
    assert reasons(out) == ["report of more than 100,000 characters"]


LATIN1 = os.fsdecode(b"r\xf6ntgen")


def test_file_names_that_are_not_utf8(run, source, tmp_path, capsys):
    png(source / "ok.png", 1), png(source / "1.png", 2), film(source / "2.dcm", "1.2.2")
    (source / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for name in ("1.png", "2.dcm", "broken.png"):
        (source / name).rename(source / (LATIN1 + name))
    for name in ("ok", LATIN1 + "1", LATIN1 + "2", LATIN1 + "gone", LATIN1 + "broken"):
        (source / f"{name}.txt").write_text(f"Clear {len(name)}.")
    status, out = run(names=tmp_path / "key.csv")
    said = capsys.readouterr()
    assert status == 0 and sorted(load(out).reports) == ["Clear 2.", "Clear 8.", "Clear 8."]
    assert reasons(out) == ["image file that cannot be read", "report without an image"]
    assert rf"{source}/r\xf6ntgenbroken.png" in said.err
    assert rf"{source}/r\xf6ntgen1.png" in list(pd.read_csv(tmp_path / "key.csv").file)


def test_true_names_that_are_not_utf8_are_passed_over_before_the_work(run, source, tmp_path, capsys):
    test_file_names_that_are_not_utf8(run, source, tmp_path, capsys)
    status, out = run("--keep-ids", out=tmp_path / "named")
    said = capsys.readouterr()
    assert status == 0 and load(out).study_ids == ["ok"]
    assert "3 images are passed over, file name that is not UTF-8, which --keep-ids cannot write" in said.err
    left_out = pd.read_csv(out / "left_out.csv")
    assert r"r\xf6ntgen1" in list(left_out.name[left_out.what == "image"])
    (source / "ok.png").unlink()
    assert "rename them, or leave out --keep-ids" in refused(run, capsys, "--keep-ids", out=tmp_path / "none")


def test_true_names_that_would_be_the_same_are_refused_before_the_work(run, source, capsys):
    png(source / "a_b/c.png", 1), png(source / "a/b_c.png", 2), png(source / "x/c.png", 3), png(source / "x/b_c.png", 4)
    said = refused(run, capsys, "--keep-ids")
    assert f"{source / 'a/b_c.png'} and {source / 'a_b/c.png'} would both be a_b_c; rename one" in said


def test_images_that_lie_in_the_output_are_not_touched(run, source, capsys):
    png(source / "images/mine.png")
    assert "choose another --out" in refused(run, capsys, images=source / "images", out=source)
    assert (source / "images/mine.png").exists()


def test_pydicoms_files(run, capsys):
    status, out = run("--keep", "modality", "lateral", "mirrored", images=PYDICOM_FILES)
    assert status == 0 and len(load(out)) > 60 and "OT 1" in capsys.readouterr().err
