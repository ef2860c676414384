"""`tienet prepare chestxray14`: what it joins, what it leaves out, and what it refuses."""

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
from tienet.datasets.chestxray14 import prepare
from tienet.datasets.chestxray14.counts import LATER
from tienet.datasets.chestxray14.splits import train_or_val
from tienet.datasets.phantom.prepare import BOX_COLUMNS
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING

HEADER = ("Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
          "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]")  # fmt: skip
ROWS = {
    "00000001_000.png": ("Cardiomegaly", "PA"),
    "00000001_001.png": ("Cardiomegaly|Pleural_Thickening", "AP"),
    "00000002_000.png": ("No Finding", "PA"),
    "00000009_000.png": ("Hernia", "PA"),  # patient 9 is in val
    "00000004_000.png": ("Mass|Nodule", "AP"),
    "00000005_000.png": ("No Finding", "PA"),
}
TEST = ("00000004_000.png", "00000005_000.png")


def png(path: Path, height: int = 8, width: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = ".jpg" if path.suffix == ".jpg" else ".png"
    pixels = np.random.default_rng(list(path.stem.encode())).integers(0, 256, (height, width), dtype=np.uint8)
    path.write_bytes(bytes(cv2.imencode(ending, pixels)[1]))


class Source:
    """A small ChestX-ray14 on disk: two of NIH's folders, a .jpg, and one image that was not downloaded (2)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries(ROWS)
        self.write("train_val_list.txt", *(name for name in ROWS if name not in TEST))
        self.write("test_list.txt", *TEST)
        for name in ("images_001/images/00000001_000.png", "images_001/images/00000001_001.jpg",
                     "images_001/images/00000009_000.png", "images_002/images/00000004_000.png",
                     "images_002/images/00000005_000.png"):  # fmt: skip
            png(folder / "images" / name)

    def entries(self, rows: dict[str, tuple[str, str]]) -> None:
        lines = [f"{name},{labels},0,{int(name[:8])},57,M,{view},2682,2749,.143,.143"
                 for name, (labels, view) in rows.items()]  # fmt: skip
        self.write("entry.csv", HEADER, *lines)

    def write(self, name: str, *lines: str) -> Path:
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n")
        return path


@pytest.fixture
def source(tmp_path: Path) -> Source:
    folder = tmp_path / "source"
    folder.mkdir()
    return Source(folder)


@pytest.fixture
def run(source, tmp_path):
    def run(*switches: str, **flags: object) -> tuple[int, Path]:
        """Run the command; a flag given as None is left out."""
        folder = source.folder
        names = {"entry": "entry.csv", "images": "images", "train_val_list": "train_val_list.txt",
                 "test_list": "test_list.txt"}  # fmt: skip
        values = (
            {flag: folder / name for flag, name in names.items()} | {"out": tmp_path / "out" / "chestxray14"} | flags
        )
        args = [part for name, value in values.items() if value is not None
                for part in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
        return tienet("prepare", "chestxray14", *args, *switches), Path(str(values["out"]))

    return run


def refused(run, capsys, *switches: str, **flags: object) -> str:
    """Run what must fail; the one line it says."""
    status, out = run(*switches, **flags)
    said = capsys.readouterr()
    assert status == 2 and said.out == "" and not (out.is_dir() and any(out.iterdir()))
    (line,) = said.err.splitlines()
    return line


def load(out: Path) -> manifests.Manifest:
    return manifests.load(str(out / "manifest.csv"))


def left_out(out: Path) -> set[tuple[str, str, str]]:
    table = pd.read_csv(out / "left_out.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == ["image", "split", "reason"]
    return {tuple(row) for row in table.itertuples(index=False)}


# ---- the manifest ----


def test_joins_table_lists_and_images(run, source, capsys):
    status, out = run()
    assert status == 0
    m = load(out)
    assert m.study_ids == ["00000001_000", "00000001_001", "00000009_000", "00000004_000", "00000005_000"]
    assert m.patient_ids == ["1", "1", "9", "4", "5"]
    assert m.splits.tolist() == ["train", "train", "val", "test", "test"]
    assert [path.name for path in m.images][:2] == ["00000001_000.png", "00000001_001.jpg"]
    assert m.reports == [""] * 5
    names = [[LABELS[k] for k in np.flatnonzero(row)] for row in m.labels]
    assert names == [["Cardiomegaly"], ["Cardiomegaly", "Pleural_Thickening"], ["Hernia"], ["Mass", "Nodule"],
                     [NO_FINDING]]  # fmt: skip
    said = capsys.readouterr()
    assert manifests.counts_table(m) in said.out and said.out.endswith("manifest.csv\n")
    assert "view position: PA 3, AP 2; all are kept" in said.out
    assert "only --mode classify can be trained" in said.err


def test_names_what_it_leaves_out_and_counts_it_by_split(run, source, capsys):
    (source.folder / "images" / "images_002" / "images" / "00000005_000.png").unlink()
    png(source.folder / "images" / "77_000.png")
    source.write("test_list.txt", *TEST, "00000006_000.png")
    status, out = run()
    assert status == 0
    assert left_out(out) == {
        ("00000002_000", "train", prepare.NO_FILE),
        ("00000005_000", "test", prepare.NO_FILE),
        ("00000006_000", "", prepare.NO_ENTRY),
        ("77_000", "", prepare.UNKNOWN_FILE),
    }
    said = capsys.readouterr().out
    assert f"2 x {prepare.NO_FILE} (train 1, test 1); 1 x {prepare.NO_ENTRY}; 1 x " in said


def test_strict_refuses_what_would_be_left_out_and_nothing_else(run, source, capsys):
    line = refused(run, capsys, "--strict")
    assert f"--strict: left out would be 1 x {prepare.NO_FILE} (train 1); the first is 00000002_000" in line
    png(source.folder / "images" / "images_001" / "images" / "00000002_000.png")
    status, out = run("--strict")
    assert status == 0 and len(load(out)) == 6 and left_out(out) == set()


@pytest.mark.parametrize("layout", ["", "images", "images_003", "images_003/images"])
def test_any_layout_of_the_image_folder(run, source, tmp_path, layout):
    for name in ROWS:
        png(tmp_path / "other" / layout / name.upper().replace("PNG", "JPG" if "9" in name else "PNG"))
    status, out = run("--strict", images=tmp_path / "other")
    assert status == 0 and len(load(out)) == 6


def test_folders_that_are_links_and_a_png_before_a_jpg(run, source, tmp_path):
    (tmp_path / "other").mkdir()
    for n in (1, 2):
        (tmp_path / "other" / f"images_00{n}").symlink_to(source.folder / "images" / f"images_00{n}")
    png(tmp_path / "other" / "00000001_001.png")
    status, out = run(images=tmp_path / "other")
    assert status == 0 and load(out).images[1].name == "00000001_001.png" and len(load(out)) == 5


def test_hidden_files_and_folders_are_skipped(run, source):
    folder = source.folder / "images"
    (folder / "._00000001_000.png").write_bytes(b"\0\5\x16\7")
    (folder / "images_001/images/._00000001_000.png").write_bytes(b"\0\5\x16\7")
    png(folder / ".Trash/00000002_000.png")
    status, out = run()
    assert status == 0 and len(load(out)) == 5
    assert left_out(out) == {("00000002_000", "train", prepare.NO_FILE)}


def test_two_pictures_of_one_name_are_refused_but_copies_are_not(run, source, capsys):
    copy, first = (source.folder / f"images/{name}/00000004_000.png" for name in ("small", "images_002/images"))
    png(copy, 4, 4)
    assert f"{first} and {copy} are different pictures of one name; keep one" in refused(run, capsys)
    copy.write_bytes(first.read_bytes())
    assert run()[0] == 0


def test_an_image_file_whose_name_is_not_utf8(run, source):
    png(source.folder / "images" / "7.png")
    (source.folder / "images" / "7.png").rename(source.folder / "images" / os.fsdecode(b"r\xf6ntgen.png"))
    status, out = run()
    assert status == 0 and (r"r\xf6ntgen", "", prepare.UNKNOWN_FILE) in left_out(out)


def test_images_below_out_get_relative_paths(run, source):
    status, out = run(out=source.folder)
    assert status == 0
    assert pd.read_csv(out / "manifest.csv").image[0] == "images/images_001/images/00000001_000.png"
    assert load(out).images[0].is_file()


def test_no_images_is_for_counting(run, capsys):
    status, out = run("--no-images", images=None)
    said = capsys.readouterr()
    assert status == 0 and left_out(out) == set()
    table = pd.read_csv(out / "manifest.csv")
    assert len(table) == 6 and table.image.isna().all() and table.Cardiomegaly.sum() == 2
    assert "is for counting" in said.err and "studies" in said.out
    with pytest.raises(InputError, match="a study needs one of them"):
        load(out)


def test_gzipped_tables_give_the_same_manifest(run, source):
    _, out = run()
    plain = (out / "manifest.csv").read_bytes()
    flags = {}
    for flag, name in (("entry", "entry.csv"), ("test_list", "test_list.txt")):
        flags[flag] = source.folder / f"{name}.gz"
        flags[flag].write_bytes(gzip.compress((source.folder / name).read_bytes()))
    status, out = run(**flags)
    assert status == 0 and (out / "manifest.csv").read_bytes() == plain


# ---- reports ----


def test_reports_are_joined_and_those_that_match_nothing_are_named(run, source, capsys):
    rows = ("00000001_000.png,Big  heart.", "00000004_000,Mass.", "00000002_000.png,No image here.",
            "00000088_000.png,Nobody.", "00000005_000.png,")  # fmt: skip
    reports = source.write("reports.csv", "image,report", *rows)
    status, out = run(reports=reports)
    assert status == 0 and load(out).reports == ["Big heart.", "", "", "Mass.", ""]
    assert ("00000088_000", "", prepare.UNKNOWN_REPORT) in left_out(out)
    said = capsys.readouterr().err
    assert "2 of 5 studies have a report; 2 reports have no study here" in said and "without --reports" not in said


def test_a_report_that_is_too_long_is_left_out(run, source):
    rows = (f"00000001_000.png,{'The lungs are clear. ' * 9000}", rf"C:\x\00000004_000.png,{'x' * 100_000}")
    status, out = run(reports=source.write("reports.csv", "image,report", *rows))
    assert status == 0 and [len(report) for report in load(out).reports] == [0, 0, 0, 100_000, 0]
    assert ("00000001_000", "", prepare.TOO_LONG) in left_out(out)


def test_reports_alone_make_a_data_set(run, source):
    lines = [f"{name},Report {n}." for n, name in enumerate(ROWS)]
    status, out = run("--no-images", images=None, reports=source.write("reports.csv", "study,text", *lines))
    assert status == 0 and load(out).reports == [f"Report {n}." for n in range(6)]


# ---- hand labels ----


def test_hand_labels_are_a_test_set_beside_the_first(run, source, capsys):
    hand = source.write("hand.csv", "Image Index,Mass,Hernia", "00000004_000.png,0,1", "00000001_000.png,1,",
                        "00000002_000.png,0,0", "00000088_000.png,0,0")  # fmt: skip
    reports = source.write("reports.csv", "image,report", "00000004_000.png,Hernia.")
    status, out = run(hand_labels=hand, reports=reports)
    m = load(out.parent / "hand-labeled")
    assert status == 0 and len(load(out)) == 5
    assert m.name == "hand-labeled" and m.study_ids == ["00000004_000", "00000001_000"]
    assert m.patient_ids == ["4", "1"] and set(m.splits) == {"test"} and m.reports == ["Hernia.", ""]
    assert [path.name for path in m.images] == ["00000004_000.png", "00000001_000.png"]
    expected = np.full((2, 15), np.nan)
    expected[:, LABELS.index("Mass")], expected[0, LABELS.index("Hernia")] = [0, 1], 1
    expected[:, LABELS.index(NO_FINDING)] = 0
    np.testing.assert_array_equal(m.labels, expected)
    assert left_out(m.path.parent) == {
        ("00000002_000", "test", prepare.NO_FILE),
        ("00000088_000", "", prepare.NO_HAND_ENTRY),
    }
    said = capsys.readouterr().err
    assert "warning: 2 of the 4 hand-labelled images are not in NIH's test list (train 2)" in said


def test_no_warning_where_all_hand_labels_are_of_the_test_list(run, source, capsys):
    status, _ = run(hand_labels=source.write("hand.csv", "image,Finding Labels", *(f"{name},Mass" for name in TEST)))
    assert status == 0 and "warning" not in capsys.readouterr().err


def test_hand_labels_of_no_image(run, source, capsys):
    hand = source.write("hand.csv", "image,Mass", "00000002_000.png,0")
    assert f"--hand-labels: no image of it is left; 1 x {prepare.NO_FILE}" in refused(run, capsys, hand_labels=hand)
    line = refused(run, capsys, hand_labels=hand, out=source.folder.parent / "hand-labeled")
    assert "choose another name" in line


# ---- boxes ----


def test_boxes_are_in_pixels_of_the_image_files(run, source, capsys):
    png(source.folder / "images" / "images_002" / "images" / "00000004_000.png", 256, 512)
    rows = ("00000004_000.png,Mass,100,200,40,80", "00000004_000.png,Infiltrate,0,0,1024,1024",
            "00000002_000.png,Mass,1,2,3,4")  # fmt: skip
    boxes = source.write("boxes.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,", *rows)
    status, out = run(boxes=boxes)
    table = pd.read_csv(out / "boxes.csv")
    assert status == 0 and list(table.columns) == list(BOX_COLUMNS)
    rows = [tuple(row) for row in table[list(BOX_COLUMNS[:6])].itertuples(index=False)]
    assert rows == [("00000004_000", "Mass", 50, 50, 20, 20), ("00000004_000", "Infiltration", 0, 0, 512, 256)]
    assert ("00000002_000", "", prepare.NO_BOX_IMAGE) in left_out(out)
    assert f"1 x {prepare.NO_BOX_IMAGE}" in capsys.readouterr().out
    run()
    assert not (out / "boxes.csv").exists(), "boxes of an earlier run may fit other images"


def test_boxes_without_images_keep_nihs_pixels(run, source):
    boxes = source.write("boxes.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,", "00000002_000.png,Mass,1,2,3,4")
    status, out = run("--no-images", images=None, boxes=boxes)
    assert status == 0 and pd.read_csv(out / "boxes.csv").loc[0, ["x", "y", "w", "h"]].tolist() == [1, 2, 3, 4]


def test_no_box_is_left(run, source):
    boxes = source.write("boxes.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,", "00000002_000.png,Mass,1,2,3,4")
    status, out = run(boxes=boxes)
    assert status == 0 and (out / "boxes.csv").read_text() == ",".join(BOX_COLUMNS) + "\n"


# ---- what it refuses ----


@pytest.mark.parametrize(
    "flag", ["entry", "images", "train_val_list", "test_list", "reports", "hand_labels", "boxes"]
)  # fmt: skip
def test_missing_input(run, capsys, tmp_path, flag):
    line = refused(run, capsys, **{flag: tmp_path / "gone"})
    assert line.startswith("tienet prepare chestxray14: ") and str(tmp_path / "gone") in line


@pytest.mark.parametrize("flag", ["entry", "train_val_list", "test_list", "reports", "hand_labels", "boxes"])
@pytest.mark.parametrize(("name", "content"), [("x.csv", b""), ("x.csv.gz", b"Image Index\n"), ("x.csv", b"\x1f\x8bx")])
def test_a_file_that_is_empty_or_no_gzip(run, capsys, tmp_path, flag, name, content):
    (tmp_path / name).write_bytes(content)
    line = refused(run, capsys, **{flag: tmp_path / name})
    assert str(tmp_path / name) in line and ("is empty" in line or "gzip" in line)


@pytest.mark.parametrize("flag", ["entry", "images", "train_val_list", "test_list"])
def test_missing_flag(run, capsys, flag):
    assert f"--{flag.replace('_', '-')}" in refused(run, capsys, **{flag: None})


def test_contradicting_lists_and_entries(run, source, capsys):
    source.write("test_list.txt", *TEST, "00000002_000.png")
    assert "image 00000002_000 is in --train-val-list and in --test-list" in refused(run, capsys)
    source.write("test_list.txt", TEST[0])
    assert "image 00000005_000 is in --entry and in neither list" in refused(run, capsys)
    source.write("test_list.txt", "Image Index,Finding Labels", *TEST)
    assert "test_list.txt: 1 of 3 lines are no image's file name" in refused(run, capsys)
    source.write("test_list.txt", *TEST, "00000001_001.png")
    source.write("train_val_list.txt", *(name for name in ROWS if name not in (*TEST, "00000001_001.png")))
    assert "patient 1 is in --train-val-list and in --test-list" in refused(run, capsys)


def test_bad_entries(run, source, capsys):
    source.entries(ROWS | {"00000005_000.png": ("Tumour", "PA")})
    assert "entry.csv, row 7, column Finding Labels: 'Tumour' is no label" in refused(run, capsys)
    source.entries(ROWS)
    path = source.folder / "entry.csv"
    path.write_text(path.read_text().replace("Patient ID", "Patient"))
    assert f"{path}, row 1: column Patient ID is missing" in refused(run, capsys)


def test_no_image_of_the_table(run, source, capsys, tmp_path):
    (tmp_path / "none").mkdir()
    assert "no .png or .jpg file in it" in refused(run, capsys, images=tmp_path / "none")
    png(tmp_path / "none" / "x.png")
    assert "no image of the entry table's 6 is there" in refused(run, capsys, images=tmp_path / "none")


def test_an_image_file_that_is_none_is_named(run, source, capsys):
    (source.folder / "images" / "images_002" / "images" / "00000004_000.png").write_bytes(b"")
    status, _ = run()
    (line,) = capsys.readouterr().err.splitlines()
    assert status == 2 and "00000004_000.png is empty (0 bytes)" in line


def test_an_out_that_cannot_be_written(run, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be written to" in refused(run, capsys, out=tmp_path / "file" / "x")


def test_the_script_is_the_same_command(source, tmp_path):
    folder, out = source.folder, tmp_path / "out"
    flags = ["--entry", folder / "entry.csv", "--train-val-list", folder / "train_val_list.txt", "--test-list",
             folder / "test_list.txt", "--images", folder / "images", "--out", out]  # fmt: skip
    env = {"PYTHONPATH": str(ROOT), "PATH": ""}
    command = [sys.executable, "data_prep/chestxray14.py", *map(str, flags)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(load(out)) == 5


# ---- the real data ----


def real_flags(shared: Path) -> list[str]:
    nih = shared / "data" / "nih"
    return ["--entry", str(nih / "Data_Entry_2017_v2020.csv.gz"), "--train-val-list", str(nih / "train_val_list.txt"),
            "--test-list", str(nih / "test_list.txt")]  # fmt: skip


def test_real_images(shared, tmp_path, capsys):
    nih, out = shared / "data" / "nih", tmp_path / "chestxray14"
    flags = [*real_flags(shared), "--images", str(nih / "images512"), "--out", str(out),
             "--boxes", str(nih / "BBox_List_2017.csv.gz"),
             "--hand-labels", str(nih / "google2019_nih-chest-xray-labels.csv.gz")]  # fmt: skip
    assert tienet("prepare", "chestxray14", *flags) == 0
    said = capsys.readouterr()
    assert f"labels: {LATER.name}" in said.out
    assert "2,414 of the 4,376 hand-labelled images are not in NIH's test list (train 2,111, val 303)" in said.err

    here = {path.stem for path in (nih / "images512").glob("*.jpg")}
    images = pd.read_csv(nih / "Data_Entry_2017_v2020.csv.gz", dtype=str)
    of_test = set((nih / "test_list.txt").read_text().split())
    split = [
        "test" if name in of_test else train_or_val(patient)
        for name, patient in zip(images["Image Index"], images["Patient ID"], strict=True)
    ]
    images = images.assign(split=split, here=[Path(name).stem in here for name in images["Image Index"]])
    missing = images[~images.here].split.value_counts()
    counts = ", ".join(f"{name} {missing[name]:,}" for name in ("train", "val", "test"))
    assert f"{missing.sum():,} x image file that is not there ({counts})" in said.out

    m = load(out)
    assert len(m) == len(here) > 1000 and (m.splits == "test").sum() == (images.here & (images.split == "test")).sum()
    hand = load(tmp_path / "hand-labeled")
    known = [label for label, column in zip(LABELS, hand.labels.T, strict=True) if not np.isnan(column).all()]
    labelled = set(pd.read_csv(nih / "google2019_nih-chest-xray-labels.csv.gz")["Image Index"])
    assert len(hand) == sum(Path(name).stem in here for name in labelled) > 0 and "Pneumothorax" in known
    boxes = pd.read_csv(out / "boxes.csv")
    of_boxes = pd.read_csv(nih / "BBox_List_2017.csv.gz")
    assert len(boxes) == sum(Path(name).stem in here for name in of_boxes["Image Index"]) > 0
    assert (boxes.x + boxes.w).max() <= 512  # 512 px images, so half of NIH's numbers
    first = boxes[boxes.study_id == "00000149_006"].iloc[0]
    assert first.x == 301.83


def test_the_whole_table_gives_the_losss_weights(shared, tmp_path):
    """beta .584 / .416; lambda from .841 (Infiltration) to .998 (Hernia), over NIH's train-val list."""
    from tienet.modeling.losses import LabelWeights

    out = tmp_path / "counts"
    assert tienet("prepare", "chestxray14", *real_flags(shared), "--no-images", "--out", out) == 0
    table = pd.read_csv(out / "manifest.csv", dtype={"patient_id": str})
    sizes = table.split.value_counts()
    assert sizes.to_dict() == {"train": 75_588, "val": 10_936, "test": 25_596}
    assert table.groupby("patient_id").split.nunique().max() == 1
    learnt = table[table.split != "test"]
    assert all(train_or_val(patient) == split for patient, split in learnt.groupby("patient_id").split.first().items())
    weights = LabelWeights.from_labels(learnt[list(LABELS)].to_numpy(float))
    assert (round(weights.beta_P, 3), round(weights.beta_N, 3)) == (0.584, 0.416)
    of_findings = dict(zip(FINDINGS, weights.lambda_m, strict=False))
    assert min(of_findings, key=of_findings.get) == "Infiltration" and max(of_findings, key=of_findings.get) == "Hernia"
    assert abs(of_findings["Infiltration"] - 0.841) < 5e-4 and abs(of_findings["Hernia"] - 0.998) < 5e-4
