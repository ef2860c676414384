"""The results as figures."""

import re
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from benchmarks.results import Results
from tienet import files

TIME, MEMORY = "#1f5a94", "#c2571a"

_STEP = re.compile(r"growth/T=(\d+),B=(\d+)")
_LOCATIONS = re.compile(r"growth/L=(\d+)")
_STUDIES = re.compile(r"growth/studies=(\d+)")


def plot_shares(results: Results, path: Path) -> None:
    """A bar for each case that was compared with the matrix product: its share, and seconds beside it."""
    compared = [(name, record) for name, record in results.cases.items() if record["share"] is not None]
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.28 * len(compared)), layout="constrained")
    places = np.arange(len(compared))[::-1]
    axes.barh(places, [record["share"] for _, record in compared], color=TIME, height=0.7)
    axes.set_yticks(places, [name for name, _ in compared])
    for place, (_, record) in zip(places, compared, strict=True):
        axes.text(record["share"] + 0.01, place, f"{record['seconds']:.3g} s", va="center", fontsize=8)
    axes.set_ylim(-0.6, len(compared) - 0.4)
    axes.set_xlim(0, max([1.0, *(record["share"] + 0.12 for _, record in compared)]))
    axes.set_xlabel("operations a second, as a share of a large float32 matrix product's")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_growth(results: Results, path: Path) -> None:
    """Seconds and memory by T, B, locations and studies, each with the slope of a line through the logarithms."""
    panels = (
        ("words of a report, T (B 32)", "seconds a step", _points(results, _STEP, 1, lambda m: m[2] == "32")),
        ("studies in a batch, B (T 64)", "seconds a step", _points(results, _STEP, 2, lambda m: m[1] == "64")),
        ("locations, L (head alone)", "seconds a step", _points(results, _LOCATIONS, 1)),
        ("training studies", "seconds an epoch", _points(results, _STUDIES, 1)),
    )
    figure, all_axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    for axes, (what, unit, points) in zip(all_axes.flat, panels, strict=True):
        _panel(axes, what, unit, points)
    _save(figure, path)


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """The exponent p of y = c x^p through the points, by least squares of the logarithms; NaN from fewer than two."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0]) if len(x) > 1 else float("nan")


def _points(
    results: Results, pattern: re.Pattern, group: int, wanted: Callable[[re.Match], bool] = lambda match: True
) -> np.ndarray:
    """float [n, 3]: the number in each case's name, seconds, GB; sorted by the number."""
    found = ((pattern.fullmatch(name), record) for name, record in results.cases.items())
    rows = sorted(
        (int(match[group]), record["seconds"], record["peak_gb"]) for match, record in found if match and wanted(match)
    )
    return np.array(rows, float).reshape(-1, 3)


def _panel(axes: plt.Axes, what: str, unit: str, points: np.ndarray) -> None:
    axes.set_xlabel(what)
    if not len(points):
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
        return
    x, seconds, gigabytes = points.T
    right = axes.twinx()
    time_slope, memory_slope = _slope_label(slope(x, seconds)), _slope_label(slope(x, gigabytes))
    (left_line,) = axes.plot(x, seconds, "o-", color=TIME, label=f"seconds, {time_slope}")
    (right_line,) = right.plot(x, gigabytes, "s--", color=MEMORY, label=f"peak memory, {memory_slope}")
    axes.set_xscale("log", base=10 if x.max() > 2000 else 2)
    axes.set_yscale("log")
    axes.set_xticks(x, [f"{value:,.0f}" for value in x])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(unit, color=TIME)
    right.set_ylabel("GB", color=MEMORY)
    right.set_ylim(0, 1.25 * max(gigabytes))
    axes.legend(handles=[left_line, right_line], loc="upper left", frameon=False)


def _slope_label(exponent: float) -> str:
    return f"slope {round(exponent, 2) + 0.0:.2f}"  # + 0.0: no -0.00


def _save(figure: plt.Figure, path: Path) -> None:
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    plt.close(figure)
