"""The data contract: what loads, what is said about it, and what is refused."""

import os
import shutil
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tienet.data import manifest as manifests
from tienet.data.text import MAX_REPORT_CHARACTERS
from tienet.errors import InputError
from tienet.labels import LABELS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """data/toy with images a.png, b.jpg and c.png, but no manifest."""
    folder = tmp_path / "data" / "toy"
    folder.mkdir(parents=True)
    for n, name in enumerate(("a.png", "b.jpg", "c.png")):
        cv2.imwrite(str(folder / name), np.full((8, 8), 90 + n, np.uint8))
    return folder


def rows() -> pd.DataFrame:
    """Four good studies; every label has a positive and a negative case in train."""
    table = pd.DataFrame(
        {
            "study_id": ["s1", "s2", "s3", "s4"],
            "patient_id": ["p1", "p1", "p2", "p3"],
            "image": ["a.png", "b.jpg", "", "c.png"],
            "report": ["findings : one ,\ntwo \"lines\" .", "", "impression : clear .", "x"],
            "split": ["train", "train", "val", "test"],
        }
    )  # fmt: skip
    for label in LABELS:
        table[label] = [1.0, 0.0, np.nan, 0.0]
    table["No_Finding"] = [0.0, 1.0, np.nan, 1.0]
    return table


def write(folder: Path, table: pd.DataFrame) -> Path:
    manifests.write(folder / "manifest.csv", table)
    return folder.parent


def problems(root: Path) -> list[str]:
    with pytest.raises(InputError) as error:
        manifests.load("toy", root)
    return str(error.value).splitlines()


def edit(folder: Path, old: str, new: str) -> Path:
    """Write the good rows, then change the file's text."""
    write(folder, rows())
    path = folder / "manifest.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder.parent


# ---- what loads ----


def test_write_then_load(folder):
    m = manifests.load("toy", write(folder, rows()))
    assert (m.name, len(m)) == ("toy", 4)
    assert m.study_ids == ["s1", "s2", "s3", "s4"] and m.patient_ids == ["p1", "p1", "p2", "p3"]
    assert m.images == [folder / "a.png", folder / "b.jpg", None, folder / "c.png"]
    assert m.reports == rows().report.tolist()
    assert m.splits.tolist() == ["train", "train", "val", "test"]
    assert m.labels.dtype == np.float32 and m.labels.shape == (4, 15)
    np.testing.assert_array_equal(m.labels, rows()[list(LABELS)].to_numpy(np.float32))
    header = (folder / "manifest.csv").read_text().splitlines()[0]
    assert header == "study_id,patient_id,image,report,split," + ",".join(LABELS)


def test_columns_in_any_order_spaces_and_a_byte_order_mark(folder):
    table = rows().astype({"image": str})[["Hernia", *[c for c in rows().columns if c != "Hernia"]]]
    table.insert(0, "age", 50)
    text = table.to_csv(index=False).replace(",val,", ", val ,").replace("s1,", " s1 ,")
    (folder / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    m = manifests.load("toy", folder.parent)
    assert m.study_ids[0] == "s1" and m.splits[2] == "val" and m.labels[0, :14].all()
    assert any("age" in note for note in m.notes)


def test_a_file_by_its_path_and_absolute_images(folder, tmp_path):
    table = rows()
    table["image"] = [str(folder / "a.png")] * 2 + [""] + [str(folder / "c.png")]
    path = tmp_path / "mine.csv"
    manifests.write(path, table)
    m = manifests.load(str(path))
    assert m.name == "mine" and m.images == [folder / "a.png"] * 2 + [None, folder / "c.png"]


@pytest.mark.parametrize("given", ["data/toy", "data/toy/", "./data/toy", "data/toy/manifest.csv"])
def test_a_data_set_by_its_folder_as_out_names_it(folder, tmp_path, monkeypatch, given):
    write(folder, rows())
    monkeypatch.chdir(tmp_path)
    for root in ("data", "elsewhere"):
        manifest = manifests.load(given, root)
        assert (manifest.name, len(manifest), manifests.name_of(given)) == ("toy", 4, "toy")
    assert manifests.load(str(folder), "data").name == "toy"
    monkeypatch.chdir(folder)
    assert manifests.load(".", "data").name == manifests.name_of(".") == "toy"
    monkeypatch.chdir(folder.parent)
    assert manifests.load("toy", "data").name == "toy"


def test_a_name_in_the_data_root_goes_before_a_folder_of_this_name(folder, tmp_path, monkeypatch):
    write(folder, rows())
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "manifest.csv").write_text("another")
    monkeypatch.chdir(tmp_path)
    assert manifests.resolve("toy", "data") == Path("data/toy/manifest.csv")
    assert manifests.resolve("./toy", "elsewhere") == Path("toy/manifest.csv")


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("toy", "data/toy/manifest.csv"),
        ("data/openi", "data/openi/manifest.csv does not exist .*data_prep/openi.py .* makes it"),
        ("elsewhere", "data/elsewhere/manifest.csv"),  # a folder, but not one of a data set
        ("", "data/manifest.csv"),
    ],
)
def test_a_folder_without_a_manifest_is_named(tmp_path, monkeypatch, given, missing):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "manifest.csv").write_text("of no data set")
    with pytest.raises(InputError, match=f"^{missing}"):
        manifests.resolve(given, "data")


def test_images_through_a_linked_folder(folder, tmp_path):
    elsewhere = tmp_path / "archive"
    elsewhere.mkdir()
    shutil.move(folder / "a.png", elsewhere / "a.png")
    (folder / "images").symlink_to(elsewhere)
    table = rows().replace({"image": {"a.png": "images/a.png"}})
    assert manifests.load("toy", write(folder, table)).images[0] == folder / "images" / "a.png"


def test_split_take_and_fingerprint(folder, tmp_path):
    root = write(folder, rows())
    m = manifests.load("toy", root)
    assert m.split("train").study_ids == ["s1", "s2"] and m.take([3, 0]).study_ids == ["s4", "s1"]
    assert m.take([]).labels.shape == (0, 15) and m.take([2]).notes == []
    with pytest.raises(InputError, match=r"no study is in split 'test'; the splits there are: train \(2\)"):
        m.take([0, 1]).split("test")
    shutil.copytree(root, tmp_path / "moved")
    assert manifests.load("toy", tmp_path / "moved").fingerprint() == m.fingerprint()
    changed = rows()
    changed.loc[2, "Mass"] = 0.0
    write(folder, changed)
    assert manifests.load("toy", root).fingerprint() != m.fingerprint()


def test_counts_table(folder):
    table = rows()
    table["Hernia"] = np.nan
    lines = manifests.counts_table(manifests.load("toy", write(folder, table))).splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines}
    assert cells["studies"] == ["2", "1", "1", "4"] and cells["images"] == ["2", "0", "1", "3"]
    assert cells["reports"] == ["1", "1", "1", "3"] and cells["Mass"] == ["1", "?", "0", "1"]
    assert cells["Hernia"] == ["?"] * 4 and cells["No_Finding"] == ["1", "?", "1", "2"]


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip))
def test_any_report_comes_back(tmp_path_factory, report):
    folder = tmp_path_factory.getbasetemp() / "any"
    table = rows().assign(image="", report=report)
    manifests.write(folder / "manifest.csv", table)
    assert manifests.load(str(folder / "manifest.csv")).reports == [report] * 4


def test_a_report_of_5000_words(folder):
    table = rows()
    table.loc[0, "report"] = "opacity " * 5000
    assert manifests.load("toy", write(folder, table)).reports[0] == "opacity " * 5000


# ---- notes ----


def test_notes_say_what_cannot_be_measured(folder):
    table = rows()
    table["Hernia"] = 0.0
    table["Mass"] = [1.0, 1.0, 1.0, np.nan]
    table.loc[0, "No_Finding"] = 1.0
    notes = manifests.load("toy", write(folder, table)).notes
    assert "train split: no positive case of Hernia" in notes
    assert any(note.startswith("train split: no negative case of Mass") for note in notes)
    assert any(note.startswith("test split: no label at all of Mass") for note in notes)
    assert any("2 studies have No_Finding and a finding too (the first is s1)" in note for note in notes)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("column", "row", "value", "said"),
    [
        ("Mass", 1, "2", "row 4, column Mass: '2'; expected 1, 0 or empty"),
        ("Mass", 1, "-1", "'-1'; expected 1, 0 or empty"),
        ("Mass", 1, "yes", "'yes'"),
        ("split", 1, "valid", "row 4, column split: 'valid'; expected train, val, test"),
        ("split", 1, "val", "row 4, column split: patient 'p1' is in val here and in train at row 2"),
        ("study_id", 3, "s1", "row 6, column study_id: 's1' is there already, at row 2"),
        ("study_id", 3, "", "row 6, column study_id: is empty"),
        ("patient_id", 3, " ", "row 6, column patient_id: is empty"),
        ("image", 2, "../d.png", "row 5, column image: '../d.png' leads out of"),
        ("image", 2, "x/../../toy2/d.png", "write the absolute path"),
        ("image", 2, "d.png", "d.png does not exist"),
        ("image", 2, "c" * 5000, "cannot be read"),
        ("image", 2, ".", "is not a file"),
        ("image", 2, "a.png/d.png", "cannot be read (Not a directory)"),
        ("image", 2, "empty.png", "empty.png is empty (0 bytes)"),
        ("image", 2, "text.png", "text.png is neither PNG nor JPEG (it starts with b'not an "),
        ("report", 2, "  ", "row 5, column image: is empty, and so is report"),
    ],
)
def test_one_bad_cell(folder, column, row, value, said):
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not an image")
    (folder.parent / "d.png").touch()
    table = rows().astype(object)
    for label in LABELS:  # as text, so that any value can be written
        table[label] = table[label].map(lambda value: "" if pd.isna(value) else str(int(value)))
    table.loc[row, column] = value
    table.to_csv(folder / "manifest.csv", index=False)
    (line,) = problems(folder.parent)
    assert line.startswith(f"{folder / 'manifest.csv'}, row ") and said in line


def test_all_problems_are_told_with_their_rows(folder):
    # s1 holds a line break, so it fills lines 2 and 3, and s2 starts at line 4
    table = rows().astype({"image": object})
    table.loc[0, "image"], table.loc[3, "split"] = "gone.png", "Test"
    root = write(folder, table)
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace("b.jpg,,train,0,0,", "b.jpg,,train,7,maybe,") + "\nextra,row\n")
    first, *lines = problems(root)
    assert first == f"{path}: 5 problems"
    told = [
        ("row 2, column image", "gone.png"),
        ("row 4, column Atelectasis", "'7'"),
        ("row 4, column Cardiomegaly", "'maybe'"),
        ("row 6, column split", "'Test'"),
        ("row 8", "2 cells"),
    ]
    assert len(lines) == len(told)
    for line, (start, what) in zip(lines, told, strict=True):
        assert line.startswith(start + ":") and what in line


def test_a_picture_in_two_splits_is_refused_whatever_its_name(folder):
    shutil.copy(folder / "a.png", folder / "copy.png")
    table = rows().replace({"image": {"c.png": "copy.png"}})
    (line,) = problems(write(folder, table))
    assert "row 6, column image: the same image is in test here and in train at row 2, byte for byte" in line
    table.loc[3, "report"] = table.loc[0, "report"]
    (line,) = problems(write(folder, table))
    assert "the same image and report are in test here" in line


def test_one_report_in_two_splits_is_no_leak(folder):
    """Many true reports are the same few sentences."""
    table = rows()
    table["report"] = "no acute disease ."
    assert len(manifests.load("toy", write(folder, table))) == 4


def test_at_most_200_problems_are_told(folder):
    table = pd.concat([rows()] * 60, ignore_index=True)  # 59 x 4 repeated ids
    first, *lines = problems(write(folder, table))
    assert "236 problems" in first and len(lines) == 201 and lines[-1] == "and 36 more"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",Hernia,", ",", "row 1: column Hernia is missing; the columns are: study_id,"),
        ("No_Finding", "No Finding", "column No_Finding is missing (rename No Finding?)"),
        (",Mass,", ",Nodule,", "column Nodule is there 2 times; column Mass is missing"),
        ('two ""lines', 'two "lines', "row 2: not CSV"),
        ("impression", "impress\0ion", "row 5: a NUL byte"),
        ("x,test", 'x,test"', "row 6"),
    ],
)
def test_a_file_that_is_not_a_manifest(folder, old, new, said):
    (line,) = problems(edit(folder, old, new))
    assert str(folder / "manifest.csv") in line and said in line


def test_other_files(folder):
    path = folder / "manifest.csv"
    write(folder, rows())
    good = path.read_bytes()
    for content, said in (
        (b"", "is empty; the columns are"),
        (good.split(b"\n")[0] + b"\n", "there is no row under the header"),
        (good.replace(b"clear", b"cl\xe9ar"), "row 5: not UTF-8 text"),
        (good.replace(b",", b";"), "are cells separated by commas?"),
        (good + b'"never closed' + b" word" * 50_000, "row 7: not CSV"),
    ):
        path.write_bytes(content)
        (line,) = problems(folder.parent)
        assert said in line


def test_a_view_is_written_and_read_without_a_note(folder):
    root = write(folder, rows().assign(view=["PA", "AP", "", "PA"]))
    assert not any("view" in note for note in manifests.load("toy", root).notes)
    assert pd.read_csv(folder / "manifest.csv", keep_default_na=False).view.tolist() == ["PA", "AP", "", "PA"]


def test_a_train_split_without_any_label_loads(folder):
    table = rows()
    table.loc[table.split == "train", list(LABELS)] = np.nan
    assert any("train split: no label at all" in note for note in manifests.load("toy", write(folder, table)).notes)


def test_a_train_split_without_a_finding(folder):
    table = rows()
    table[list(LABELS[:-1])] = 0.0
    (line,) = problems(write(folder, table))
    assert "train split: none of its 2 studies has a finding" in line
    table["split"] = "test"  # without a train split there is nothing to learn, and no error
    assert len(manifests.load("toy", write(folder, table))) == 4


def test_a_data_set_that_is_not_there(folder, tmp_path):
    root = write(folder, rows())
    with pytest.raises(
        InputError, match=r"manifest.csv does not exist \(.*: toy\); python data_prep/openi.py .* makes"
    ):
        manifests.load("openi", root)
    with pytest.raises(InputError, match=r"write it .*data_prep/phantom.py .* makes one to try"):
        manifests.load("ours", root)
    with pytest.raises(InputError, match=r"data_prep/chestxray14.py .* --out data/chestxray14 makes it"):
        manifests.load("chestxray14", root)
    with pytest.raises(InputError, match=r"data_prep/chestxray14.py .* --hand-labels CSV makes it"):
        manifests.load("hand-labeled", root)
    with pytest.raises(InputError, match="nowhere has no data set"):
        manifests.load("toy", tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"mine\.csv does not exist"):
        manifests.load("mine.csv", root)


def test_ten_thousand_rows_in_time_each_image_opened_once(folder, monkeypatch):
    """Loading may take 10 s of CPU time; on an idle machine it takes less than one."""
    table = rows().iloc[[0, 3] * 5000].reset_index(drop=True)
    table["study_id"] = [f"s{n}" for n in range(len(table))]
    table["patient_id"] = [f"p{n}" for n in range(len(table))]
    table["image"] = [f"{n}.png" for n in range(len(table))]
    start_of_png = (folder / "a.png").read_bytes()
    for n, name in enumerate(table.image):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT)  # three times as fast as Path.write_bytes
        os.write(file, start_of_png + str(n).zfill(5).encode())
        os.close(file)
    root = write(folder, table)
    opened = Counter()
    path_open = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *args, **how: (opened.update([path]), path_open(path, *args, **how))[1]
    )
    start = time.process_time()
    assert len(manifests.load("toy", root)) == 10_000
    assert time.process_time() - start < 10
    del opened[folder / "manifest.csv"]
    assert len(opened) == 10_000 and set(opened.values()) == {1}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_image_that_may_not_be_read(folder):
    (folder / "a.png").chmod(0)
    assert "cannot be read (Permission denied)" in problems(write(folder, rows()))[1]


def test_the_longest_report_is_read_and_a_longer_one_is_named(folder):
    table = rows()
    table.loc[3, "report"] = "x" * MAX_REPORT_CHARACTERS
    assert len(manifests.load("toy", write(folder, table)).reports[3]) == MAX_REPORT_CHARACTERS
    table.loc[3, "report"] = "x" * 189_000
    (line,) = problems(write(folder, table))
    assert line.endswith("row 6, column report: 189,000 characters; the most that is read is 100,000")


def test_an_image_whose_path_is_not_utf8_is_refused_by_name(folder):
    table = rows().astype({"image": object})  # Arrow's strings, which pandas takes where pyarrow is, refuse it
    table.loc[0, "image"] = os.fsdecode(b"r\xf6ntgen.png")
    with pytest.raises(InputError, match=r"manifest\.csv: r\\xf6ntgen\.png is not UTF-8 and cannot be written"):
        write(folder, table)
    assert not (folder / "manifest.csv").exists()


def test_a_split_that_is_a_long_text_takes_no_memory_for_each_row(folder):
    table = pd.concat([rows()] * 50, ignore_index=True)
    table["study_id"] = [f"s{n}" for n in range(len(table))]
    table["split"] = table["split"].where(table.index > 0, "x" * 1_000_000)
    root = write(folder, table)
    tracemalloc.start()
    found = problems(root)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert any("expected train, val, test" in line for line in found)
    assert peak < 100 << 20  # as an array of texts the column alone would be 800 MB
