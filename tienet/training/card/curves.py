"""The curves of a run: what its log has of each epoch, in a picture."""

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tienet.files import replacing

PANELS = {
    "Loss in training": ("loss",),
    "Mean AUC in validation": ("val_avg", "val_read_avg"),
    "BLEU-4 in validation": ("val_bleu4",),
    "CIDEr in validation": ("val_cider",),
    "Different reports, share of all": ("val_distinct_reports",),
    "Words of a report, mean": ("val_words_mean",),
}
"""The title of each panel, and what it has from the log."""

LEAST_SPAN = {
    "Mean AUC in validation": 0.1,
    "BLEU-4 in validation": 0.05,
    "CIDEr in validation": 0.1,
    "Different reports, share of all": 0.1,
    "Words of a report, mean": 5.0,
}
"""What the axis of a panel spans at least, so that a change that is nothing does not look like one."""

NAMES = {"val_avg": "of written reports", "val_read_avg": "of true reports"}
"""What a curve is called where a panel has two."""

PANEL_PX, COLUMNS = (420, 300), 3
_DPI = 125
_COLOURS, _MARK = ("#0072B2", "#D55E00"), "0.35"


def read_log(folder: Path) -> list[dict]:
    """The entries of a run's stats.json, one for each epoch; none if it is missing or broken."""
    try:
        log = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    entries = log if isinstance(log, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and type(entry.get("epoch_num")) is int]


def plot_curves(path: Path, log: Sequence[dict], best_epoch: int) -> bool:
    """Draw the curves of the log as a PNG, with the epoch of the best checkpoint marked.

    Returns:
        Whether there was anything to draw; if not, no file is written.
    """
    found = {title: curves for title, names in PANELS.items() if (curves := _curves(log, names))}
    if not found:
        return False
    columns = min(COLUMNS, len(found))
    rows = -(-len(found) // columns)
    size = (columns * PANEL_PX[0] / _DPI, rows * PANEL_PX[1] / _DPI)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    for n, (title, curves) in enumerate(found.items()):
        _draw(figure.add_subplot(rows, columns, n + 1), title, curves, best_epoch)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    return True


def _curves(log: Sequence[dict], names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """The points of each curve, epoch and value, as far as the log has them."""
    points = {
        name: [(entry["epoch_num"], entry[name]) for entry in log if type(entry.get(name)) in (int, float)]
        for name in names
    }
    return {name: of_curve for name, of_curve in points.items() if of_curve}


def _draw(axes: Axes, title: str, curves: dict[str, list[tuple[int, float]]], best_epoch: int) -> None:
    for (name, points), colour in zip(curves.items(), _COLOURS, strict=False):
        axes.plot(
            *zip(*points, strict=True), color=colour, marker="o", markersize=3, linewidth=1.4, label=NAMES.get(name)
        )
    axes.axvline(best_epoch, color=_MARK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    low, high = axes.get_ylim()
    missing = max(0.0, LEAST_SPAN.get(title, 0.0) - (high - low))
    axes.set_ylim(max(min(low, 0), low - missing / 2), high + missing / 2)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(f"epoch (kept: {best_epoch})", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    if len(curves) > 1:
        axes.legend(fontsize=7, frameon=False)
