"""The figure of tienet show: the map, the shaded words, the findings."""

import cv2
import numpy as np

from tests.commands.predictions import prediction_with
from tienet.commands import show_figure
from tienet.labels import K


def test_the_map_is_where_the_attention_is(tmp_path):
    """The cell at row 1, column 2 of 4 by 4: the grey image is coloured there and nowhere else."""
    a_ws = np.zeros((4, 4), np.float32)
    a_ws[1, 2] = 1
    gray = np.full((400, 400), 120, np.uint8)
    plain, mapped = (tmp_path / name for name in ("plain.png", "mapped.png"))
    show_figure.draw(plain, "x", gray, prediction_with(a_ws=None))
    show_figure.draw(mapped, "x", gray, prediction_with(a_ws=a_ws))
    change = np.abs(cv2.imread(str(plain)).astype(int) - cv2.imread(str(mapped))).max(axis=2)
    ys, xs = np.nonzero(change > 20)
    grey = (cv2.imread(str(plain)) == 120).all(axis=2)
    rows, columns = (np.flatnonzero(grey.sum(axis=axis) > 100) for axis in (1, 0))
    (top, bottom), (left, right) = ((places[0], places[-1]) for places in (rows, columns))
    centre = (ys.mean() - top) / (bottom - top), (xs.mean() - left) / (right - left)
    np.testing.assert_allclose(centre, (1.5 / 4, 2.5 / 4), atol=0.02)


def test_words_are_darker_the_larger_their_g(tmp_path):
    words = ["<START>", "clear", "dollar$", "x" * 400]
    g = np.array([0.0, 1.0, 0.5, 0.1], np.float32)
    plain, shaded = (tmp_path / name for name in ("plain.png", "shaded.png"))
    gray = np.full((40, 10), 200, np.uint8)
    show_figure.draw(plain, "$x^", gray, prediction_with(words=words, g=g * 0))
    show_figure.draw(shaded, "$x^", gray, prediction_with(words=words, g=g))
    change = np.abs(cv2.imread(str(plain)).astype(int) - cv2.imread(str(shaded))).max(axis=2)
    assert len(np.unique(change[change > 0])) > 2
    assert change.any()


def test_words_are_laid_out_line_by_line_and_the_impression_starts_one():
    lines = show_figure._lay_out(["<START>", "aa", "bbb", "cccc", "impression", ":", "dd"], 14)
    found = [" ".join(word for _, _, word in line) for line in lines]
    assert found == ["<START> aa bbb", "cccc", "impression :", "dd"]
    assert all(column + len(word) <= 14 for line in lines for _, column, word in line)
    assert show_figure._lay_out([], 10) == []


def test_without_labels_or_words_there_is_still_a_picture(tmp_path):
    nothing = np.full(K, np.nan, np.float32)
    for shape in ((1, 1), (3, 900), (900, 3)):
        prediction = prediction_with(probabilities=nothing, words=[], report=None)
        show_figure.draw(tmp_path / "x.png", "n" * 300, np.zeros(shape, np.uint8), prediction)
        assert cv2.imread(str(tmp_path / "x.png")).shape[1] == show_figure.WIDTH_PX
