"""The figures of an evaluation.

ROC curves are drawn as in the paper's Figure 3: one panel per test, one curve per label, the AUC in the legend.
Reliability curves have one panel per label.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from tienet.evaluation.metrics.auroc import auc
from tienet.evaluation.metrics.calibration import expected_calibration_error, reliability_curve
from tienet.files import replacing
from tienet.labels import LABELS
from tienet.pages.plain_text import UNDEFINED

PANEL_PX = 800
"""Width and height of one panel of ROC curves in the PNG."""

SMALL_PANEL_PX = 360
"""Width and height of one panel of reliability curves in the PNG."""

_RELIABILITY_COLUMNS = 5
_DPI = 125

# 15 line styles that a colour-blind reader can tell apart: five colours of Okabe and Ito, with three dashes each.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")
_DASHES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)))
STYLES = tuple((colour, dash) for dash in _DASHES for colour in _COLOURS)


class Panel(NamedTuple):
    """The content of one set of axes.

    Attributes:
        title: The network and the data set, such as "I + R on ChestX-ray14".
        scores, labels: [N, 15], as in `auroc.evaluate_auc`.
    """

    title: str
    scores: np.ndarray
    labels: np.ndarray


def plot_roc(path: Path | str, scores: np.ndarray, labels: np.ndarray, title: str) -> None:
    """Write one panel of ROC curves as a PNG of PANEL_PX x PANEL_PX (see `plot_roc_grid`)."""
    plot_roc_grid(path, [Panel(title, scores, labels)])


def plot_roc_grid(path: Path | str, panels: Sequence[Panel], columns: int = 3) -> None:
    """Write panels of ROC curves as one PNG, row by row, each of PANEL_PX x PANEL_PX.

    A label whose AUC is undefined has no curve, and the legend says so.

    Args:
        path: The PNG file.
        panels: The panels, at least one.
        columns: The largest number of panels in a row.
    Raises:
        ValueError: There is no panel, or `auroc.auc` refuses the scores or labels.
    """
    if not panels:
        raise ValueError("plot_roc_grid needs at least one panel")
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    side = PANEL_PX / _DPI
    figure = Figure(figsize=(side * columns, side * rows), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_roc(axes, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_roc(axes: Axes, panel: Panel) -> None:
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.8)
    for k, (name, (colour, dash)) in enumerate(zip(LABELS, STYLES, strict=True)):
        scores, labels = panel.scores[:, k], panel.labels[:, k]
        area = auc(scores, labels)
        title = name.replace("_", " ")
        if area is None:
            axes.plot([], [], linestyle="none", label=f"{title} {UNDEFINED}")
            continue
        style = {"color": colour, "linestyle": dash, "linewidth": 1.5}
        axes.plot(*_roc_points(scores, labels), **style, label=f"{title} {area:.3f}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="False positive rate", ylabel="True positive rate")
    axes.set_title(panel.title, fontsize=11, parse_math=False)  # so that a "$" in the title stays a "$"
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    # Below the diagonal, where no curve is that is better than chance.
    axes.legend(loc="lower right", fontsize=7.5, handlelength=3.2, labelspacing=0.3, framealpha=0.9)


def _roc_points(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The false and the true positive rates of a label's ROC curve; unknown labels are left out."""
    known = ~np.isnan(labels)
    false_positive_rates, true_positive_rates, _ = roc_curve(labels[known], scores[known])
    return false_positive_rates, true_positive_rates


def plot_reliability(
    path: Path | str, labels: np.ndarray, before: np.ndarray, after: np.ndarray | None, title: str
) -> None:
    """Write reliability curves as one PNG with a panel per label, 5 in a row: how often a label is true.

    Each panel is SMALL_PANEL_PX wide and high. The area of a dot grows with the number of studies in its bin, and the
    title of a panel has the calibration error. A label without a temperature has only the curve `before`.

    Args:
        path: The PNG file.
        labels: [N, K], 1, 0 or NaN (unknown).
        before: float [N, K] in 0..1, the probabilities without temperatures.
        after: float [N, K] in 0..1, the probabilities with temperatures; None if the checkpoint is not calibrated.
        title: The title of the whole figure.
    """
    rows = math.ceil(len(LABELS) / _RELIABILITY_COLUMNS)
    side = SMALL_PANEL_PX / _DPI
    figure = Figure(figsize=(side * _RELIABILITY_COLUMNS, side * rows), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for k, axes in enumerate(figure.subplots(rows, _RELIABILITY_COLUMNS, sharex=True, sharey=True).flat):
        changed = after is not None and not np.array_equal(before[:, k], after[:, k])
        _draw_reliability(axes, LABELS[k], labels[:, k], before[:, k], after[:, k] if changed else None)
    figure.suptitle(title, fontsize=9, parse_math=False)
    figure.supxlabel("Probability", fontsize=8)
    figure.supylabel("Share of positives", fontsize=8)
    handles = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()[1:]}
    figure.legend(handles.values(), handles, loc="upper right", ncols=len(handles), fontsize=7.5, frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _draw_reliability(axes: Axes, name: str, labels: np.ndarray, before: np.ndarray, after: np.ndarray | None) -> None:
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.8)
    errors = []
    series = (("without temperature", before, _COLOURS[1], "--"), ("with temperature", after, _COLOURS[0], "-"))
    for label, scores, colour, dash in series[: 1 if after is None else 2]:
        curve, error = reliability_curve(scores, labels), expected_calibration_error(scores, labels)
        errors.append(UNDEFINED if error is None else f"{error:.3f}")
        axes.plot(curve.predicted, curve.observed, color=colour, linestyle=dash, linewidth=1.2, label=label)
        share = curve.counts / max(curve.counts.sum(), 1)
        axes.scatter(curve.predicted, curve.observed, s=4 + 60 * share, color=colour, linewidths=0)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_title(f"{name.replace('_', ' ')}\nerror {' to '.join(errors)}", fontsize=7.5)
    axes.tick_params(labelsize=6.5)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
