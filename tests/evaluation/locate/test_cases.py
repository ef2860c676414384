"""True boxes from boxes.csv and from NIH's table, as shares of the image; what is wrong with them is one line."""

import gzip
from dataclasses import replace

import cv2
import numpy as np
import pytest

from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.locate.cases import read_cases

HEADER = "study_id,finding,x,y,w,h\n"
NIH = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


@pytest.fixture
def split(tmp_path) -> Manifest:
    """Four test studies of images of 200 x 50 pixels; the last one has no image."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((50, 200), np.uint8))
    images = [tmp_path / "a.png"] * 3 + [None]
    ids = [f"0000000{n}_000" for n in range(1, 5)]
    facts = [ids, ["p", "q", "q", "r"], images, [""] * 4, np.array(["test"] * 4), np.zeros((4, 15), np.float32)]
    return Manifest("x", tmp_path / "manifest.csv", *facts)


def test_a_case_is_a_finding_of_a_study(split, tmp_path):
    (tmp_path / "boxes.csv").write_text(
        f"{HEADER}00000003_000,Nodule,0,0,20,5\n00000001_000,Nodule,100,10,50,20\n00000003_000,Mass,0,0,200,50\n"
        "00000003_000,Nodule,20,0,20,5\n00000004_000,Mass,0,0,1,1\nelsewhere,Mass,0,0,1,1\n"
    )
    cases = read_cases(split, None)
    assert cases.studies.study_ids == ["00000001_000", "00000003_000"] and cases.left_out == 2
    assert not cases.of_nih and read_cases(replace(split, name="chestxray14"), None).of_nih
    assert [(case.finding, case.n, cases.patient(case)) for case in cases.cases] == [
        ("Mass", 1, "q"), ("Nodule", 0, "p"), ("Nodule", 1, "q"),
    ]  # fmt: skip
    np.testing.assert_allclose(cases.cases[1].boxes, [[0.5, 0.2, 0.75, 0.6]])
    np.testing.assert_allclose(cases.cases[2].boxes, [[0, 0, 0.1, 0.1], [0.1, 0, 0.2, 0.1]])


@pytest.mark.parametrize("name", ["BBox_List_2017.csv", "BBox_List_2017.csv.gz"])
def test_the_boxes_of_nih_are_of_images_of_1024_pixels(split, tmp_path, name):
    text = f"{NIH}00000002_000.png,Infiltrate,512,256,256,512,,,\n00009999_000.png,Mass,1,1,2,2,,,\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    cases = read_cases(split, tmp_path / name)
    ((finding, boxes),) = [(case.finding, case.boxes) for case in cases.cases]
    assert finding == "Infiltration" and cases.left_out == 1 and cases.of_nih
    np.testing.assert_allclose(boxes, [[0.5, 0.25, 0.75, 0.75]])


def test_a_box_may_stand_out_by_what_rounding_does(split, tmp_path):
    (tmp_path / "boxes.csv").write_text(f"{HEADER}00000001_000,Mass,-0.01,0,200.02,50\n")
    np.testing.assert_array_equal(read_cases(split, None).cases[0].boxes, [[0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "boxes.csv does not exist, so there is nothing to judge maps by; give --boxes FILE"),
        (HEADER, "there is no row under the header"),
        (f"{HEADER}00000001_000,Cold,1,2,3,4\n", "row 2, column finding: 'Cold'; expected one of the 14 findings"),
        (f"{HEADER}00000001_000,No Finding,1,2,3,4\n", "row 2, column finding: 'No Finding'; expected one of the 14"),
        (f"{HEADER}00000001_000,Mass,a,2,3,4\n", "row 2, column x: 'a'; expected a number of pixels"),
        (f"{HEADER}00000001_000,Mass,1,2,0,4\n", "row 2, column w: 0; expected a number of pixels above 0"),
        (f"{HEADER}00000001_000,Mass,1,2,300,4\n", "study 00000001_000 is not inside of its image, which has 200 x 50"),
        (f"{HEADER}00000001_000,Mass,1,-20,30,40\n", "the box x 1, y -20, w 30, h 40 of study 00000001_000 is not"),
        (f"{HEADER}00000004_000,Mass,1,2,3,4\n", "none of its 1 boxes is of a study with an image in"),
        (f"{NIH}00000001_000.png,Cold,1,2,3,4,,,\n", "row 2, column Finding Label: 'Cold'; expected one of the 14"),
        (f"{NIH}00000001_000.png,Mass,1000,2,30,4,,,\n", "is not inside the 1024 x 1024 image"),
        ("study_id,finding\n1,Mass\n", "row 1: column x is missing"),
    ],
)
def test_wrong_boxes_are_refused(split, tmp_path, content, said):
    if content is not None:
        (tmp_path / "boxes.csv").write_text(content)
    with pytest.raises(InputError) as told:
        read_cases(split, None)
    assert str(told.value).startswith(f"{tmp_path / 'boxes.csv'}") and said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_named_must_be_there(split, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv does not exist"):
        read_cases(split, tmp_path / "nowhere.csv")


def test_the_published_table_is_read(shared, split):
    path = shared / "data" / "nih" / "BBox_List_2017.csv.gz"
    split.study_ids[:3] = ["00013118_008", "00014716_007", "00029817_009"]
    cases = read_cases(split, path)
    assert {case.finding for case in cases.cases} == {"Atelectasis"} and len(cases.cases) == 3
    assert cases.left_out == 984 - 3
    x, y, w, h = 225.084745762712, 547.019216763771, 86.7796610169491, 79.1864406779661
    np.testing.assert_allclose(cases.cases[0].boxes, [np.array([x, y, x + w, y + h]) / 1024])


def test_a_box_that_is_given_twice_counts_once(split, tmp_path, capsys):
    box, other = "00000001_000,Nodule,100,10,50,20\n", "00000001_000,Nodule,100,10,50,21\n"
    (tmp_path / "boxes.csv").write_text(HEADER + box + other + box)
    (case,) = read_cases(split, None).cases
    assert len(case.boxes) == 2
    said = f"note: {tmp_path / 'boxes.csv'}: 1 of its 3 boxes are there already, and count once\n"
    assert capsys.readouterr().err == said
