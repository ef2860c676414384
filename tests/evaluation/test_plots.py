"""ROC and reliability figures: the curves and legends that are drawn, the size and wholeness of the file."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import auc as area_under

from tienet.evaluation import plots
from tienet.evaluation.metrics.auroc import auc
from tienet.evaluation.metrics.calibration import expected_calibration_error, reliability_curve
from tienet.labels import LABELS, K


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


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 3))])
def test_file_has_the_size_of_its_panels(tmp_path, count, shape):
    scores, labels = scores_and_labels()
    plots.plot_roc_grid(tmp_path / "new" / "roc.png", [plots.Panel("test", scores, labels)] * count)
    picture = cv2.imread(str(tmp_path / "new" / "roc.png"))
    assert picture.shape == (shape[0] * plots.PANEL_PX, shape[1] * plots.PANEL_PX, 3)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["roc.png"]


def test_a_figure_that_fails_leaves_the_old_one(tmp_path):
    scores, labels = scores_and_labels()
    path = tmp_path / "roc.png"
    path.write_bytes(b"old")
    scores[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        plots.plot_roc(path, scores, labels, "test")
    with pytest.raises(ValueError, match="at least one"):
        plots.plot_roc_grid(path, [])
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
