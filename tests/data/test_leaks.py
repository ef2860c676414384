"""Studies of another split, and studies that a run has seen."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.toys import manifest_of, write_images
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.labels import K


def openi_like(folder: Path) -> Manifest:
    """A manifest of six views of five reports, in the splits train, train, train, val, test and test."""
    ids = ["1_IM-0001-4001", "1_IM-0001-3001", "22_IM-0007-1001", "3_IM-0009-1001", "4_IM-1-2001", "5_IM-8-1001"]
    return Manifest(
        "ours",
        folder / "manifest.csv",
        ids,
        [name.partition("_")[0] for name in ids],
        [folder / f"{name}.dcm.png" for name in ids],
        [""] * len(ids),
        np.array(["train"] * 3 + ["val"] + ["test"] * 2),
        np.zeros((len(ids), K), np.float32),
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("images_001/images/00000001_000.png", "00000001_000"),
        ("00000001_000.jpg", "00000001_000"),
        ("1_IM-0001-4001.dcm.png", "1_IM-0001-4001"),
        ("CXR1_1_IM-0001-4001.png", "1_IM-0001-4001"),
        ("CXR1_IM-0001-4001", "1_IM-0001-4001"),
        (r"C:\x\a.b.DCM", "a.b"),
        ("CXRay.png", "CXRay"),
    ],
)
def test_one_image_has_one_key(name, key):
    assert leaks.image_key(name) == key == leaks.image_key(key)


def test_a_list_of_images(tmp_path):
    text = "CXR1_1_IM-0001-3001.png\n\n22_IM-0007-1001.dcm.png\n3_IM-0009-1001.jpg\n5_IM-8-1001\n99_IM-1\n"
    (line,) = leaks.leak_report(openi_like(tmp_path), [write(tmp_path / "list.txt", text)])
    assert "2 of its 5 test images lie in the training split of ours (validation 1, test 1, elsewhere 1)" in line


def test_a_table_counts_its_test_rows_only(tmp_path):
    table = "a,filename,split\nx,1_IM-0001-4001.png,train\nx,22_IM-0007-1001.png,test\nx,4_IM-1-2001.png,test\n"
    (line,) = leaks.leak_report(openi_like(tmp_path), [write(tmp_path / "t.csv", table)])
    assert "1 of its 2 test images" in line and "test 1, elsewhere 0" in line


def test_folders_count_where_file_names_repeat(tmp_path):
    images = [tmp_path / f"data/patient{n}/study1/view1_frontal.jpg" for n in (1, 2, 3)]
    ours = replace(manifest_of(tmp_path, images), splits=np.array(["train", "val", "test"]))
    theirs = [f"CheXpert/train/patient{n}/study1/view1_frontal.png" for n in (1, 2, 7, 8)]
    (line,) = leaks.leak_report(ours, [write(tmp_path / "list.txt", "\n".join(theirs))])
    assert "1 of its 4 test images lie in the training split of toy (validation 1, test 0, elsewhere 2)" in line
    (line,) = leaks.leak_report(ours, [write(tmp_path / "one.txt", r"C:\x\patient7\study1\view1_frontal.jpg")])
    assert "0 of its 1 test images" in line and "elsewhere 1)" in line
    (line,) = leaks.leak_report(ours, [write(tmp_path / "bare.txt", "view1_frontal.jpg")])
    assert "1 of its 1 test images lie in the training split" in line, "which one it is cannot be told"
    (line,) = leaks.leak_report(ours.take([0]), [tmp_path / "list.txt"])
    assert "1 of its 4 test images" in line and "elsewhere 3)" in line


def test_folders_do_not_count_where_file_names_are_enough(tmp_path):
    ours = openi_like(tmp_path)
    lines = "images_001/1_IM-0001-3001.png\nD:\\x\\22_IM-0007-1001.png\n"
    (line,) = leaks.leak_report(ours, [write(tmp_path / "list.txt", lines)])
    assert "2 of its 2 test images lie in the training split" in line


def test_r2gen_counts_reports(tmp_path):
    parts = {"train": ["CXR4_IM-1"], "val": [], "test": ["CXR1_IM-0001", "CXR3_IM-0009", "CXR77_IM-1-1"]}
    split = {name: [{"id": one} for one in ids] for name, ids in parts.items()}
    (line,) = leaks.leak_report(openi_like(tmp_path), [write(tmp_path / "r2gen.json", json.dumps(split))])
    assert "1 of its 3 test reports lie in the training split of ours (validation 1, test 0, elsewhere 1)" in line


def test_a_renamed_copy_of_a_manifest_is_found_by_its_bytes(tmp_path):
    images = write_images(tmp_path / "a", 4)
    ours = manifest_of(tmp_path / "a", images)
    (tmp_path / "b").mkdir()
    header = ",".join(manifests.COLUMNS)
    rows = []
    for n, image in enumerate(images[:3]):
        (tmp_path / "b" / f"new{n}.png").write_bytes(image.read_bytes())
        rows.append(f"n{n},n{n},new{n}.png,,{'test' if n else 'val'}" + "," * K)
    path = write(tmp_path / "b" / "manifest.csv", "\n".join([header, *rows]))
    (line,) = leaks.leak_report(ours, [path])
    assert "0 of its 2 test images lie in the training split of toy" in line and "2 by their bytes" in line


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.txt", "some prose, and more", "no column that names the image|under the header"),
        ("x.txt", "some prose\n", "neither a table nor a list"),
        ("x.csv", "a,b\n1,2\n", "row 1: no column that names the image"),
        ("x.csv", "image;split\n1.png;test\n", "row 1: the header has one cell only: are cells separated by commas"),
        ("x.json", "[]", "its parts are not train, val and test"),
        ("x.txt", "", "is empty"),
    ],
)
def test_a_file_that_is_no_split(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        leaks.leak_report(openi_like(tmp_path), [write(tmp_path / name, text)])


def test_a_split_that_is_not_there(tmp_path):
    for name in ("gone.csv", "gone.json", "gone.txt"):
        with pytest.raises(FileNotFoundError, match="gone"):
            leaks.leak_report(openi_like(tmp_path), [tmp_path / name])


# ---- what a run has seen ----


def test_what_was_kept_is_seen_in_any_order_and_under_any_name(tmp_path):
    m = manifest_of(tmp_path, write_images(tmp_path, 6))
    kept = leaks.fingerprints(m.take([0, 2, 4]))
    assert leaks.find_seen(m, kept) == [0, 2, 4]
    assert leaks.find_seen(m.take([5, 4, 3]), kept) == [1]
    assert leaks.find_seen(m, []) == []
    renamed = manifest_of(tmp_path, m.images)
    renamed.study_ids[:] = [f"other{n}" for n in range(6)]
    assert leaks.find_seen(renamed, kept) == [0, 2, 4]


def test_ids_alone_are_seen_unless_the_report_is_another(tmp_path):
    m = manifest_of(tmp_path, [None] * 3)
    m.reports[:] = ["normal", "normal", ""]
    kept = leaks.fingerprints(m)
    other = manifest_of(tmp_path, [None] * 4)
    other.reports[:] = ["normal", "effusion", "a report that came later", "normal"]
    assert leaks.find_seen(other, kept) == [0, 2]


def test_one_report_and_another_patient_is_not_seen(tmp_path):
    m = manifest_of(tmp_path, [None])
    m.reports[:] = ["normal"]
    kept = leaks.fingerprints(m)
    m.patient_ids[:] = ["somebody else"]
    assert leaks.find_seen(m, kept) == []


def test_reports_have_one_fingerprint_in_any_order():
    assert leaks.reports_fingerprint(["a", "b", " "]) == leaks.reports_fingerprint(iter(["b", "a"]))
    assert leaks.reports_fingerprint(["a", "a"]) != leaks.reports_fingerprint(["a"])


def test_names_of_any_length_take_little_time(tmp_path):
    names = ["a" + ".png" * 20_000, "x/" + "a/" * 20_000 + "1.png", "y/" + "a/" * 20_000 + "1.png", ".png"]
    began = time.process_time()
    (line,) = leaks.leak_report(openi_like(tmp_path), [write(tmp_path / "list.txt", "\n".join(names))])
    assert time.process_time() - began < 2
    assert "0 of its 4 test images" in line and leaks.image_key(names[0]) == "a" and leaks.image_key(".png") == ""
