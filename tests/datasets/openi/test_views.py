"""OpenI's views: one name for each, whatever its file is called."""

import gzip
import re
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from tienet.datasets.openi.views import index_images, read_projections, view_name
from tienet.errors import InputError

NOT_AT_KAGGLE = {
    "2084_IM-0715-1001-0002",
    "2084_IM-0715-2001-0001",
    "2560_IM-1064-4001",
    "3809_IM-1919-1003002",
}


@pytest.mark.parametrize(
    ("file_name", "view"),
    [
        ("1_IM-0001-4001.dcm.png", "1_IM-0001-4001"),
        (" 1_IM-0001-4001.dcm.JPG ", "1_IM-0001-4001"),
        ("1/1_IM-0001-4001.dcm", "1_IM-0001-4001"),
        ("./1_IM-0001-4001.dcm", "1_IM-0001-4001"),
        ("CXR1_1_IM-0001-4001.png", "1_IM-0001-4001"),
        (r"C:\NLM\1\1_IM-0001-4001.dcm", "1_IM-0001-4001"),
        ("/extract/CXR1_1_IM-0001-4001.jpg", "1_IM-0001-4001"),
        ("CXR11_1_IM-0001-4001", "11_1_IM-0001-4001"),  # not the uid twice
        ("CXR1_11_IM-0067-4001", "1_11_IM-0067-4001"),
        ("CXR10_IM-0002-1001.jpeg", "10_IM-0002-1001"),
        ("2084_IM-0715-1001-0001.dcm.png", "2084_IM-0715-1001-0001"),
        ("3809_IM-1919-1002001", "3809_IM-1919-1002001"),
        ("a.b.png", "a.b"),
        ("", ""),
    ],
)
def test_view_name(file_name, view):
    assert view_name(file_name) == view


@pytest.fixture(scope="module")
def kaggle(shared) -> list[str]:
    """The file names of all 7,466 views."""
    names = pd.read_csv(shared / "data" / "openi" / "indiana_projections.csv").filename.tolist()
    assert len(names) == 7466
    return names


def forms(name: str) -> list[str]:
    """How Kaggle, NLM's PNG and DICOM archives and XML write a Kaggle file name's view."""
    bare = name.removesuffix(".dcm.png")
    uid = bare.split("_")[0]
    nlm = f"CXR1_{bare}" if uid == "1" else f"CXR{bare}"
    return [name, f"{bare}.dcm.jpg", f"{nlm}.png", f"NLMCXR_png/{nlm}.png", f"{uid}/{bare}.dcm", nlm]


def test_every_form_of_a_real_name_is_its_view_and_no_other(kaggle):
    for n in range(len(forms(kaggle[0]))):
        views = [view_name(forms(name)[n]) for name in kaggle]
        assert views == [name.removesuffix(".dcm.png") for name in kaggle]
        assert len(set(views)) == len(kaggle)


def test_nlms_reports_name_the_same_views(shared, kaggle):
    ids = []
    with tarfile.open(shared / "data" / "openi" / "NLMCXR_reports.tgz") as archive:
        for member in archive:
            if member.name.endswith(".xml"):
                ids += re.findall(r'<parentImage id="([^"]+)"', archive.extractfile(member).read().decode())
    views = {view_name(name) for name in ids}
    assert len(views) == len(ids) == 7470
    assert views - {view_name(name) for name in kaggle} == NOT_AT_KAGGLE
    assert {view_name(name) for name in kaggle} <= views


def test_nlms_dicom_files_are_the_same_views(shared, kaggle):
    with gzip.open(shared / "data" / "openi" / "nlmcxr_dicom_metadata.csv.gz") as file:
        table = pd.read_csv(file, usecols=["imageid", "filename"])
    views = {view_name(name) for name in table.filename}
    assert [view_name(name) for name in table.imageid] == [view_name(name) for name in table.filename]
    assert len(views) == len(table) and views - {view_name(name) for name in kaggle} == NOT_AT_KAGGLE
    assert {view_name(name) for name in kaggle} - views == {"1000_IM-0003-1001"}  # its row is missing there


# ---- projections ----


def write(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "views.csv"
    path.write_text("\n".join(("uid,filename,projection", *rows)) + "\n")
    return path


def test_projections(tmp_path):
    views = read_projections(
        write(
            tmp_path,
            "CXR2,CXR2_IM-1-3.png,Frontal",
            "1,1_IM-1-2.dcm.png,Lateral",
            "2,2_IM-1-2.png,Frontal",
            "2,b,Lateral",
        )
    )
    assert views.frontal == {"2": ["2_IM-1-3", "2_IM-1-2"]} and views.lateral == {"1": ["1_IM-1-2"], "2": ["b"]}
    assert views.names() == {"2_IM-1-3", "2_IM-1-2", "1_IM-1-2", "b"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["1,1_IM-1-1.png,frontal"], "row 2, column projection: 'frontal'; expected Frontal or Lateral"),
        (["1,1_IM-1-1.png,Frontal", "1,CXR1_1_IM-1-1.png,Lateral"], "row 3, column filename: 'CXR1_1_IM-1-1.png' is"),
        (["2,1_IM-1-1.png,Frontal"], "'1_IM-1-1.png' is a view of report 1, but the uid is 2"),
        ([",a.png,Frontal"], "row 2, column uid: is empty"),
        (["1,.png,Frontal"], "row 2, column filename: '.png'; expected a name"),
        ([], "no row under the header"),
    ],
)
def test_bad_projections(tmp_path, rows, said):
    with pytest.raises(InputError) as told:
        read_projections(write(tmp_path, *rows))
    assert said in str(told.value) and "\n" not in str(told.value)


# ---- images ----


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_png_goes_before_a_jpeg_and_the_other_is_named(tmp_path):
    touch(tmp_path, "a/1_IM-1-1.dcm.jpg", "b/CXR1_1_IM-1-1.PNG", "2_IM-1-1.jpeg", "2_IM-1-1.jpg", "x.txt", "3.dcm")
    by_view, spare = index_images(tmp_path)
    assert by_view == {"1_IM-1-1": tmp_path / "b/CXR1_1_IM-1-1.PNG", "2_IM-1-1": tmp_path / "2_IM-1-1.jpg"}
    assert spare == [tmp_path / "a/1_IM-1-1.dcm.jpg", tmp_path / "2_IM-1-1.jpeg"]


def test_the_same_file_name_in_two_folders(tmp_path):
    touch(tmp_path, "b/1_IM-1-1.png", "a/1_IM-1-1.png")
    by_view, spare = index_images(tmp_path)
    assert by_view == {"1_IM-1-1": tmp_path / "a/1_IM-1-1.png"} and spare == [tmp_path / "b/1_IM-1-1.png"]


def test_hidden_files_are_skipped(tmp_path):
    folder = tmp_path / ".mine"
    touch(folder, "1_IM-1-1.png", "._1_IM-1-1.png", "._2_IM-1-1.png", ".Trash/3_IM-1-1.png")
    assert index_images(folder) == ({"1_IM-1-1": folder / "1_IM-1-1.png"}, [])


def test_no_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        index_images(tmp_path / "gone")
    with pytest.raises(InputError, match=r"no \.png, \.jpg or \.jpeg file in it$"):
        index_images(tmp_path)
    touch(tmp_path, "1/1_IM-1-1.dcm", "2/2_IM-1-1.dcm")
    with pytest.raises(InputError, match=r"only 2 \.dcm; NLM's NLMCXR_png\.tgz has the same views"):
        index_images(tmp_path)
