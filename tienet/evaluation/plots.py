"""The figures of an evaluation.

An evaluation has one panel of ROC curves, one curve per label, with the AUC in the legend. Several evaluations have the
grid of the paper's Figure 3: a row of panels per test set, a panel per input. Reliability curves have one panel per
label.
"""

import itertools
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import roc_curve

from tienet.evaluation.metrics.auroc import auc
from tienet.evaluation.metrics.calibration import expected_calibration_error, reliability_curve
from tienet.files import replacing
from tienet.labels import FINDINGS, LABELS, readable
from tienet.pages.plain_text import UNDEFINED, number_text

PANEL_PX = 800
"""Width and height of the ROC curves of one evaluation in the PNG."""

GRID_PANEL_PX = 480
"""Width and height of one panel in the PNG of a grid of ROC curves."""

GRID_LEGEND_PX = 240
"""Width of the legend beside a grid of ROC curves."""

GRID_COLUMNS = 4
"""The largest number of panels in a row of a grid: the paper's R, I+R, I and I+GR."""

SMALL_PANEL_PX = 360
"""Width and height of one panel of reliability curves in the PNG."""

_RELIABILITY_COLUMNS = 5
_DPI = 125
_TITLE_WIDTH, _TITLE_LINES = 42, 3  # characters and lines of the title of a panel in a grid

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
    """Write one panel of ROC curves as a PNG of PANEL_PX x PANEL_PX.

    A label whose AUC is undefined has no curve, and the legend says so.

    Args:
        path: The PNG file.
        scores, labels, title: As in `Panel`.
    Raises:
        ValueError: `auroc.auc` refuses the scores or labels.
    """
    figure = _new_figure(PANEL_PX, PANEL_PX)
    _draw_roc(figure.subplots(), Panel(title, scores, labels))
    _write(path, figure)


def plot_roc_grid(path: Path | str, rows: Sequence[Sequence[Panel]]) -> None:
    """Write the ROC curves of the findings on each test set by each input as one PNG, the paper's Figure 3.

    Each panel is GRID_PANEL_PX wide and high and has the AVG of its curves in its title. A finding has the same colour
    and dash in all of them. The legend stands beside the grid, GRID_LEGEND_PX wide. A finding whose AUC is undefined
    has no curve, and where no panel has one the legend says so.

    Args:
        path: The PNG file.
        rows: The panels of each test set, at least one. More than GRID_COLUMNS of them take several rows.
    Raises:
        ValueError: There is no panel, or `auroc.auc` refuses the scores or labels.
    """
    lines = [row[start : start + GRID_COLUMNS] for row in rows for start in range(0, len(row), GRID_COLUMNS)]
    if not lines:
        raise ValueError("plot_roc_grid needs at least one panel")
    columns = max(map(len, lines))
    figure = _new_figure(GRID_PANEL_PX * columns + GRID_LEGEND_PX, GRID_PANEL_PX * len(lines))
    grid = figure.subplots(len(lines), columns, squeeze=False)
    drawn: dict[str, Line2D] = {}
    for of_line, panels in zip(grid, lines, strict=True):
        for axes, panel in itertools.zip_longest(of_line, panels):
            if panel is None:
                axes.set_axis_off()
            else:
                drawn |= _draw_grid_panel(axes, panel)
    nothing = Line2D([], [], linestyle="none")
    names = {name: readable(name) if name in drawn else f"{readable(name)} {UNDEFINED}" for name in FINDINGS}
    handles = [drawn.get(name, nothing) for name in FINDINGS]
    figure.legend(handles, names.values(), loc="outside right upper", fontsize=9, handlelength=3.2, frameon=False)
    _write(path, figure)


def _draw_grid_panel(axes: Axes, panel: Panel) -> dict[str, Line2D]:
    """Draw one panel of a grid; returns the curves of the findings that have one."""
    curves, areas = {}, []
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.8)
    for k, name in enumerate(FINDINGS):
        area = auc(panel.scores[:, k], panel.labels[:, k])
        if area is not None:
            areas.append(area)
            curves[name] = _draw_curve(axes, panel, k, linewidth=1.2)
    average = number_text(float(np.mean(areas)) if areas else None)
    title = textwrap.wrap(panel.title, _TITLE_WIDTH, max_lines=_TITLE_LINES, placeholder="…")
    _set_up_roc(axes, "\n".join([*title, f"AVG {average}"]), fontsize=9)
    axes.tick_params(labelsize=8)
    return curves


def _draw_roc(axes: Axes, panel: Panel) -> None:
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.8)
    for k, name in enumerate(LABELS):
        area = auc(panel.scores[:, k], panel.labels[:, k])
        if area is None:
            axes.plot([], [], linestyle="none", label=f"{readable(name)} {UNDEFINED}")
        else:
            _draw_curve(axes, panel, k, linewidth=1.5, label=f"{readable(name)} {area:.3f}")
    _set_up_roc(axes, panel.title, fontsize=11)
    # Below the diagonal, where no curve is that is better than chance.
    axes.legend(loc="lower right", fontsize=7.5, handlelength=3.2, labelspacing=0.3, framealpha=0.9)


def _draw_curve(axes: Axes, panel: Panel, k: int, **style: object) -> Line2D:
    """The curve of label k, in the style that it has in every figure."""
    colour, dash = STYLES[k]
    points = _roc_points(panel.scores[:, k], panel.labels[:, k])
    return axes.plot(*points, color=colour, linestyle=dash, **style)[0]


def _set_up_roc(axes: Axes, title: str, fontsize: float) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel("False positive rate", fontsize=min(fontsize, 10))
    axes.set_ylabel("True positive rate", fontsize=min(fontsize, 10))
    axes.set_title(title, fontsize=fontsize, parse_math=False)  # so that a "$" in the title stays a "$"
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def _new_figure(width_px: int, height_px: int) -> Figure:
    figure = Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _write(path: Path | str, figure: Figure) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


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
    figure = _new_figure(SMALL_PANEL_PX * _RELIABILITY_COLUMNS, SMALL_PANEL_PX * rows)
    for k, axes in enumerate(figure.subplots(rows, _RELIABILITY_COLUMNS, sharex=True, sharey=True).flat):
        changed = after is not None and not np.array_equal(before[:, k], after[:, k])
        _draw_reliability(axes, LABELS[k], labels[:, k], before[:, k], after[:, k] if changed else None)
    figure.suptitle(title, fontsize=9, parse_math=False)
    figure.supxlabel("Probability", fontsize=8)
    figure.supylabel("Share of positives", fontsize=8)
    handles = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()[1:]}
    figure.legend(handles.values(), handles, loc="upper right", ncols=len(handles), fontsize=7.5, frameon=False)
    _write(path, figure)


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
