"""ROC and reliability figures: the curves and legends that are drawn, the size and wholeness of the file."""

import itertools

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import auc as area_under

from tienet.evaluation import plots
from tienet.evaluation.metrics.auroc import auc
from tienet.evaluation.metrics.calibration import expected_calibration_error, reliability_curve
from tienet.labels import FINDINGS, LABELS, K, readable


def scores_and_labels() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = (random.random((60, K)) < 0.4).astype(float)
    labels[:, LABELS.index("Hernia")] = 0
    scores = random.normal(size=(60, K)) + labels
    labels[::7, 0] = np.nan
    return scores, labels


def test_a_curve_per_label_with_its_auc():
    scores, labels = scores_and_labels()
    axes = Figure().subplots()
    plots._draw_roc(axes, plots.Panel("costs $5 and $6", scores, labels))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend[0] == f"Atelectasis {auc(scores[:, 0], labels[:, 0]):.3f}"
    assert legend[LABELS.index("Hernia")] == "Hernia undefined"
    assert legend[-1].startswith("No Finding ")
    assert len(legend) == K
    for k, line in enumerate(axes.get_lines()[1:]):
        x, y = line.get_data()
        if LABELS[k] == "Hernia":
            assert len(x) == 0
        else:  # the area under the drawn curve is the AUC in the legend
            assert area_under(x, y) == pytest.approx(auc(scores[:, k], labels[:, k]))


def test_lines_can_be_told_apart():
    assert len(set(plots.STYLES)) == K


def test_the_file_has_the_size_of_its_panel(tmp_path):
    plots.plot_roc(tmp_path / "new" / "roc.png", *scores_and_labels(), "test")
    assert cv2.imread(str(tmp_path / "new" / "roc.png")).shape == (plots.PANEL_PX, plots.PANEL_PX, 3)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["roc.png"]


@pytest.mark.parametrize(("counts", "shape"), [((1,), (1, 1)), ((3, 3), (2, 3)), ((5, 2), (3, 4))])
def test_a_grid_has_the_size_of_its_panels_and_legend(tmp_path, counts, shape):
    """Five panels of one test set are a row of four and a row of one."""
    panel = plots.Panel("test", *scores_and_labels())
    plots.plot_roc_grid(tmp_path / "grid.png", [[panel] * count for count in counts])
    height, width = shape[0] * plots.GRID_PANEL_PX, shape[1] * plots.GRID_PANEL_PX + plots.GRID_LEGEND_PX
    assert cv2.imread(str(tmp_path / "grid.png")).shape == (height, width, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


def test_a_grid_has_the_curves_of_the_findings_in_the_same_styles_and_their_mean(tmp_path, drawn):
    scores, labels = scores_and_labels()
    other = labels.copy()
    other[:, 2] = 1  # one class only on the second test set
    panels = [plots.Panel("costs $5 and $6", scores, labels), plots.Panel("x", -scores, other)]
    plots.plot_roc_grid(tmp_path / "grid.png", [[panels[0]], [panels[1]]])
    (figure,) = drawn
    for axes, panel, lacking in zip(figure.axes, panels, ({"Hernia"}, {"Hernia", "Effusion"}), strict=True):
        shown = [k for k, name in enumerate(FINDINGS) if name not in lacking]
        areas = [auc(panel.scores[:, k], panel.labels[:, k]) for k in shown]
        lines = axes.get_lines()[1:]
        assert len(lines) == len(shown) and axes.get_legend() is None
        for k, area, line in zip(shown, areas, lines, strict=True):
            assert area_under(*line.get_data()) == pytest.approx(area)
            assert (line.get_color(), line._dash_pattern) == (plots.STYLES[k][0], dash_pattern(k, line.get_linewidth()))
        assert axes.get_title() == f"{panel.title}\nAVG {np.mean(areas):.3f}"
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == [*map(readable, FINDINGS[:-1]), "Hernia undefined"]
    for k, handle in enumerate(legend.legend_handles[:-1]):
        assert (handle.get_color(), handle._dash_pattern) == (plots.STYLES[k][0], dash_pattern(k, 1.2))
    assert legend.legend_handles[-1].get_linestyle() == "None"


def dash_pattern(k: int, width: float) -> tuple:
    return Line2D([], [], linestyle=plots.STYLES[k][1], linewidth=width)._dash_pattern


def test_nothing_in_a_grid_lies_over_something_else(tmp_path, drawn):
    """Not even titles that are far too long: they are cut."""
    panel = plots.Panel(f"I, LSE pooling with r = 3 (a-run-{'x' * 300}) on a data set", *scores_and_labels())
    plots.plot_roc_grid(tmp_path / "grid.png", [[panel] * 4, [panel] * 4])
    (figure,) = drawn
    (legend,) = figure.legends
    boxes = [axes.get_tightbbox() for axes in figure.axes] + [legend.get_window_extent()]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert min(box.x0, box.y0) >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    *title, average = figure.axes[0].get_title().split("\n")
    assert len(title) == 3 and title[-1].endswith("…") and average.startswith("AVG 0.")


def test_a_panel_without_a_curve_says_so(tmp_path, drawn):
    scores, _ = scores_and_labels()
    plots.plot_roc_grid(tmp_path / "grid.png", [[plots.Panel("x", scores, np.zeros_like(scores))]])
    assert drawn[0].axes[0].get_title() == "x\nAVG undefined"
    assert all(text.get_text().endswith(" undefined") for text in drawn[0].legends[0].get_texts())


def test_a_figure_that_fails_leaves_the_old_one(tmp_path):
    scores, labels = scores_and_labels()
    path = tmp_path / "roc.png"
    path.write_bytes(b"old")
    scores[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        plots.plot_roc(path, scores, labels, "test")
    with pytest.raises(ValueError, match="NaN"):
        plots.plot_roc_grid(path, [[plots.Panel("test", scores, labels)]])
    for nothing in ([], [[], []]):
        with pytest.raises(ValueError, match="at least one"):
            plots.plot_roc_grid(path, nothing)
    assert path.read_bytes() == b"old"
    plots.plot_roc(path, *scores_and_labels(), "test")
    assert cv2.imread(str(path)) is not None


def test_a_reliability_curve_before_and_after():
    random = np.random.default_rng(0)
    before, after = random.random((2, 80))
    labels = (random.random(80) < before).astype(np.float32)
    axes = Figure().subplots()
    plots._draw_reliability(axes, "Pleural_Thickening", labels, before, after)
    for line, scores in zip(axes.get_lines()[1:], (before, after), strict=True):
        np.testing.assert_array_equal(line.get_data(), reliability_curve(scores, labels)[:2])
    errors = [expected_calibration_error(scores, labels) for scores in (before, after)]
    assert axes.get_title() == f"Pleural Thickening\nerror {errors[0]:.3f} to {errors[1]:.3f}"


def test_labels_without_a_case_or_a_temperature_have_no_second_curve():
    axes = Figure().subplots()
    plots._draw_reliability(axes, "Hernia", np.full(5, np.nan), np.full(5, 0.5), None)
    assert axes.get_title() == "Hernia\nerror undefined"
    assert len(axes.get_lines()) == 2 and len(axes.get_lines()[1].get_xdata()) == 0


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_reliability_file_has_a_panel_per_label(tmp_path, calibrated):
    scores, labels = scores_and_labels()
    before = 1 / (1 + np.exp(-scores))
    after = before**2 if calibrated else None
    plots.plot_reliability(tmp_path / "reliability.png", labels, before, after, "costs $5 and $6")
    picture = cv2.imread(str(tmp_path / "reliability.png"))
    assert picture.shape == (3 * plots.SMALL_PANEL_PX, 5 * plots.SMALL_PANEL_PX, 3)
