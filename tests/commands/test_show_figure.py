"""The figure of tienet show: the map, the shaded words, the findings."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.commands.predictions import prediction_with
from tienet.commands import show_figure
from tienet.labels import LABELS, K, readable


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


@pytest.mark.parametrize(("named", "bars"), [(0, 8), (3, 8), (8, 8), (9, 9), (15, 15)])
def test_every_label_that_is_named_has_a_bar(named, bars):
    labels = np.zeros(K, np.float32)
    labels[:named] = 1  # the least likely ones
    shown = show_figure.shown_labels(prediction_with(labels=labels))
    assert len(shown) == len(set(shown)) == bars and set(range(named)) <= set(shown)


@pytest.mark.parametrize("shape", [(400, 400), (40, 900), (900, 40)])
@pytest.mark.parametrize("named", [1, 15])
def test_the_bars_have_room_beside_an_image_of_any_shape(tmp_path, monkeypatch, shape, named):
    """The names of the bars are drawn, none over another one, and all inside of the figure."""
    drawn = []
    monkeypatch.setattr(show_figure.Figure, "savefig", lambda figure, path, **_: drawn.append(figure) or path.touch())
    values = {"thresholds": np.full(K, 0.01, np.float32), "labels": (np.arange(K) < named).astype(np.float32)}
    show_figure.draw(tmp_path / "x.png", "x", np.zeros(shape, np.uint8), prediction_with(**values))
    (figure,) = drawn
    figure.canvas.draw()
    axes = next(axes for axes in figure.axes if axes.get_yticklabels() and axes.axison)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == max(named, 8) and names[0] == f"● {readable(LABELS[named - 1])}"
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(boxes))
    assert boxes[0].y1 <= figure.bbox.height and boxes[-1].y0 >= 0


def test_without_a_ws_the_map_is_the_mean_of_the_words_maps(tmp_path):
    """A caption's; a label's map goes first, and without any there is none."""
    a = np.zeros((2, 4, 4), np.float32)
    a[0, 1, 2] = a[1, 3, 0] = 1
    mean = show_figure.attention_map(prediction_with(a=a))
    assert mean[1, 2] == mean[3, 0] == 0.5 and mean.sum() == 1
    assert (show_figure.attention_map(prediction_with(a=a, a_ws=a[0])) == a[0]).all()
    assert show_figure.attention_map(prediction_with()) is None
    plain, mapped = (tmp_path / name for name in ("plain.png", "mapped.png"))
    show_figure.draw(plain, "x", np.full((400, 400), 120, np.uint8), prediction_with())
    show_figure.draw(mapped, "x", np.full((400, 400), 120, np.uint8), prediction_with(a=a))
    assert (np.abs(cv2.imread(str(plain)).astype(int) - cv2.imread(str(mapped))).max(axis=2) > 20).sum() > 100
