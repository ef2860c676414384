"""The pointing game on maps and boxes for which the right answer is easy to see."""

import cv2
import numpy as np
import pytest

from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.metrics.pointing import pointing_game, read_boxes


def peak_at(row, column, D=4):
    a_ws = np.full((D, D), 0.1)
    a_ws[row, column] = 1
    return a_ws


def test_a_peak_in_any_box_is_a_hit():
    upper_left, right_half = [0, 0, 0.25, 0.25], [0.5, 0, 1, 1]
    maps = [peak_at(0, 0), peak_at(0, 1), peak_at(3, 3), peak_at(0, 3)]
    boxes = [np.array(own) for own in ([upper_left], [upper_left], [upper_left, right_half], [right_half])]
    result = pointing_game(maps, boxes)
    assert (result["studies"], result["hits"], result["share"]) == (4, 3, 0.75)


def test_chance_is_the_area_that_the_boxes_cover_together():
    same_twice = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5]])
    assert pointing_game([peak_at(0, 0)], [same_twice])["chance"] == pytest.approx(0.25, abs=0.01)
    assert pointing_game([], []) == {"studies": 0, "hits": 0, "share": None, "chance": None}


def test_rows_run_down_and_columns_to_the_right():
    lower_left = np.array([[0, 0.75, 0.25, 1]])
    assert pointing_game([peak_at(3, 0)], [lower_left])["hits"] == 1
    assert pointing_game([peak_at(0, 3)], [lower_left])["hits"] == 0


@pytest.fixture
def studies(tmp_path) -> Manifest:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((50, 200), np.uint8))
    images = [tmp_path / "a.png", tmp_path / "a.png"]
    places = [tmp_path / "manifest.csv", ["1", "2"], ["p", "q"], images, ["", ""]]
    return Manifest("x", *places, np.array(["test"] * 2), np.zeros((2, 15), np.float32))


def test_boxes_are_pixels_of_the_image_file(studies, tmp_path):
    assert read_boxes(studies) is None
    (tmp_path / "boxes.csv").write_text("study_id,finding,x,y,w,h\n2,Mass,50,10,100,20\n3,Mass,0,0,1,1\n")
    boxes = read_boxes(studies)
    assert boxes.keys() == {"2"}
    np.testing.assert_allclose(boxes["2"], [[0.25, 0.2, 0.75, 0.6]])


HEADER = b"study_id,finding,x,y,w,h\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"study_id,finding,x,y,w\n2,Mass,1,2,3\n", "row 1: column h is missing"),
        (HEADER + b"2,Mass,a,2,3,4\n", "row 2, column x: 'a'; expected a number of pixels"),
        (HEADER + b"2,Mass,1,2,3,inf\n", "row 2, column h: 'inf'; expected a number"),
        (HEADER + b"2,Mass,1,2,3,\n", "row 2, column h: ''; expected a number"),
        (HEADER + b"2,Mass,1,2,3,4,5,6\n", "row 2: 8 cells where the header has 6"),
        (HEADER + b'2,"Mass,1,2,3,4\n', "row 2: not CSV"),
        (HEADER + b"2,Ma\xdfe,1,2,3,4\n", "row 2: not UTF-8 text"),
        (b"", "is empty; the columns are: study_id"),
    ],
)
def test_a_wrong_box_file_is_refused(studies, tmp_path, content, said):
    (tmp_path / "boxes.csv").write_bytes(content)
    with pytest.raises(InputError) as told:
        read_boxes(studies)
    assert str(told.value).startswith(f"{tmp_path / 'boxes.csv'}") and said in str(told.value)
    (tmp_path / "boxes.csv").write_bytes(HEADER)
    assert read_boxes(studies) == {}
