"""The figures of tienet show: the map, the shaded words, the findings; the rows of the text attention."""

from itertools import combinations, pairwise

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.commands.predictions import prediction_with
from tienet.commands import show_figure
from tienet.labels import LABELS, K, readable
from tienet.pages.probability import AXIS, percent, place
from tienet.predict import Prediction


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
    words = ["<START>", "findings", ":", "aa", ",", "bbb", "cccc", ".", "impression", ":", "dd"]
    lines = show_figure._lay_out(words, 14)
    found = ["".join(word.rjust(column - end + len(word)) for end, column, word in _ends(line)) for line in lines]
    assert found == ["Findings: Aa,", "bbb cccc.", "Impression: Dd"]  # a comma stays at its word
    assert [t for line in lines for t, _, _ in line] == list(range(1, len(words)))
    assert all(column + len(word) <= 14 for line in lines for _, column, word in line)
    assert show_figure._lay_out([], 10) == show_figure._lay_out(["<START>"], 10) == []


def _ends(line: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """For each word of a line where the word before it ends, its own column, and the word."""
    ends = [0, *(column + len(word) for _, column, word in line)]
    return [(end, column, word) for end, (_, column, word) in zip(ends, line, strict=False)]


def test_bars_and_thresholds_are_on_the_scale_of_all_pages(tmp_path, drawn):
    values = {"probabilities": np.full(K, 0.02, np.float32), "thresholds": np.full(K, 0.1, np.float32)}
    show_figure.draw(tmp_path / "x.png", "x", np.zeros((40, 40), np.uint8), prediction_with(**values))
    axes = next(axes for axes in drawn[0].axes if axes.patches)
    assert {round(bar.get_width(), 6) for bar in axes.patches} == {round(place(0.02), 6)}
    assert axes.lines and all(line.get_xdata()[0] == pytest.approx(place(0.1)) for line in axes.lines)
    assert {text.get_text() for text in axes.texts} == {"2%"}
    assert [label.get_text() for label in axes.get_xticklabels()] == [percent(p) for p in AXIS][1::2]


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


@pytest.mark.parametrize("shape", [(10, 20_000), (20_000, 10), (1, 3000), (3000, 1)])
def test_an_image_of_very_unlike_sides_can_be_seen_and_the_figure_says_that_it_is_stretched(tmp_path, drawn, shape):
    """Its short side is an eighth of the long one; the map lies over all of it."""
    gray = np.tile(np.linspace(0, 255, max(shape)).astype(np.uint8), (min(shape), 1))
    gray = gray if shape[0] < shape[1] else gray.T
    show_figure.draw(tmp_path / "x.png", "x", gray, prediction_with(a_ws=np.full((4, 4), 1 / 16, np.float32)))
    (figure,) = drawn
    pictures = figure.axes[0].images
    assert len(pictures) == 2
    for picture in pictures:
        sides = picture.get_window_extent(figure.canvas.get_renderer()).size
        assert max(sides) == pytest.approx(show_figure.MAX_RATIO * min(sides), rel=0.02) and min(sides) > 60
    small = pictures[0].get_array()
    assert small.min() < 5 and small.max() > 250
    note = f"Note: The image has {shape[1]:,} x {shape[0]:,} pixels; its short side is drawn as 1 / 8 of the long one."
    assert note in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (2000, 1600), (1024, 128)])
def test_an_image_of_other_shapes_is_not_stretched(tmp_path, drawn, shape):
    small = show_figure.shrink(np.zeros(shape, np.uint8))
    assert small.shape[0] / small.shape[1] == pytest.approx(shape[0] / shape[1], rel=1e-3)
    assert max(small.shape) == min(max(shape), show_figure.MAX_IMAGE_PX)
    show_figure.draw(tmp_path / "x.png", "x", np.zeros(shape, np.uint8), prediction_with())
    assert not any("Note" in text.get_text() for text in drawn[0].texts)


def test_notes_have_a_place_of_their_own_however_many_they_are(tmp_path, drawn):
    notes = ["The image is unlike the training images. " * 6, "$5 " * 20]
    show_figure.draw(tmp_path / "x.png", "x", np.zeros((40, 40), np.uint8), prediction_with(), notes)
    attention = attention_with(44, rows=5, words=("pneumothoraces",))
    show_figure.draw_attention(tmp_path / "y.png", "y", attention, notes)
    for figure in drawn:
        renderer = figure.canvas.get_renderer()
        texts = [text.get_window_extent(renderer) for text in figure.texts]
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        assert len(texts) >= 5
        for one, other in combinations([*boxes, *texts], 2):
            assert not one.overlaps(other)
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in texts)


def test_the_numbers_of_the_colour_bar_have_room(tmp_path, drawn):
    G = np.linspace(0, 0.0185, 12, dtype=np.float32).reshape(2, 6)
    show_figure.draw_attention(tmp_path / "x.png", "x", prediction_with(words=["a"] * 6, G=G))
    renderer = drawn[0].canvas.get_renderer()
    numbers = [label.get_window_extent(renderer) for label in drawn[0].axes[-1].get_xticklabels()]
    assert len(numbers) > 2 and all(left.x1 < right.x0 for left, right in pairwise(numbers))


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


def attention_with(n: int, rows: int, words: tuple[str, ...] = ("opacity",)) -> Prediction:
    """A prediction of <START> and n words, which are taken in turn; each row of G sums to 1."""
    G = np.random.default_rng(0).dirichlet(np.ones(n + 1), rows).astype(np.float32)
    return prediction_with(words=["<START>", *(words[t % len(words)] for t in range(n))], G=G, report=None)


def maps_of(figure: Figure) -> list:
    *maps, bar = figure.axes
    return maps


@pytest.mark.parametrize(
    ("n", "lines"), [(0, [1]), (44, [45]), (45, [23, 23]), (128, [43, 43, 43]), (129, [44, 44, 42])]
)
def test_every_cell_of_the_heat_map_is_its_share_of_g(tmp_path, drawn, n, lines):
    prediction = attention_with(n, rows=5, words=("heart", "is", "$5"))
    show_figure.draw_attention(tmp_path / "x.png", "x", prediction)
    maps = maps_of(drawn[0])
    meshes = [axes.collections[0] for axes in maps]
    assert [mesh.get_array().shape for mesh in meshes] == [(5, words) for words in lines]
    np.testing.assert_array_equal(np.hstack([mesh.get_array() for mesh in meshes]), prediction.G)
    assert {mesh.get_clim() for mesh in meshes} == {(0, prediction.G.max())}  # one scale for all of them
    named = [label.get_text() for axes in maps for label in axes.get_xticklabels()]
    assert named == [word.replace("$", r"\$") for word in prediction.words]
    for axes in maps:
        assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "3", "4", "5"]
        assert axes.yaxis_inverted()  # row 1 is the upper one


@pytest.mark.parametrize(("n", "rows"), [(0, 1), (7, 5), (128, 5), (128, 16), (300, 40)])
def test_a_heat_map_can_be_read(tmp_path, drawn, n, rows):
    """No word lies over another one, over a map or over the title, however long it is."""
    prediction = attention_with(n, rows, ("a", "pneumothoraces", "x" * 90, "."))
    show_figure.draw_attention(tmp_path / "x.png", "$" * 300, prediction)
    (figure,) = drawn
    renderer = figure.canvas.get_renderer()
    texts = [text.get_window_extent(renderer) for text in figure.texts]
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    for one, other in combinations([*boxes, *texts], 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert min(box.x0, box.y0) >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    for axes in maps_of(figure):
        columns = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
        numbers = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
        assert all(left.x1 <= right.x0 for left, right in pairwise(columns))
        assert all(len(label.get_text()) <= 18 for label in axes.get_xticklabels())  # else a word makes a map of a page
        assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(numbers))


def test_the_file_of_a_heat_map_is_darkest_where_g_is_largest(tmp_path):
    """Of two words and two rows: the cell of row 2 and word 3."""
    prediction = prediction_with(words=["<START>", "a", "b"], G=np.array([[0.5, 0.5, 0], [0, 0, 1]], np.float32))
    show_figure.draw_attention(tmp_path / "x.png", "x", prediction)
    picture = cv2.imread(str(tmp_path / "x.png"))
    assert picture.shape[1] == show_figure.WIDTH_PX and [path.name for path in tmp_path.iterdir()] == ["x.png"]
    cells = (picture[110:].astype(int).max(axis=2) - picture[110:].min(axis=2)) > 60  # in colour, below the colour bar
    dark = cells & (picture[110:, :, 2] < 140)
    ys, xs = np.nonzero(cells)
    dark_ys, dark_xs = np.nonzero(dark)
    assert dark_xs.min() > xs.min() + (xs.max() - xs.min()) * 0.6 and dark_xs.max() == xs.max()
    assert dark_ys.min() > (ys.min() + ys.max()) / 2 - 2
