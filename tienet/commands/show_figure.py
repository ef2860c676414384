"""The figure of `tienet show`: the image under its attention map, words shaded by g_t, and findings as bars."""

from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tienet.commands.output_formats import DISCLAIMER, by_probability
from tienet.files import replacing
from tienet.labels import LABELS, readable
from tienet.pages.attention_map import overlay
from tienet.predict import Prediction

MAX_IMAGE_PX = 1024
"""The image's longer side as it is drawn, at most."""

MIN_BARS = 8
"""How many labels have a bar, at least. All labels that are named have one."""

WIDTH_PX, DPI = 1500, 125
_MARGIN, _LINE_INCHES, _BAR_INCHES = 0.35, 0.255, 0.3  # inches
_WORD_POINTS = 10.5  # font size of the words
_CHARACTER_INCHES = _WORD_POINTS * 0.602 / 72  # width of a character of DejaVu Sans Mono
_SHADE, _POSITIVE, _NEGATIVE, _INK = "#e8871e", "#0072B2", "#b8c4cc", "#222222"


def draw(path: Path, name: str, gray: np.ndarray, prediction: Prediction) -> None:
    """Draw the figure and write it as a PNG.

    Args:
        path: The file that is written.
        name: The image's name, the title of the figure.
        gray: uint8 [H, W], the image.
        prediction: With attention maps.
    """
    width = WIDTH_PX / DPI
    labelled = not np.isnan(prediction.probabilities).all()
    image_width = width * 0.52 if labelled else width - 2 * _MARGIN
    image_height = min(image_width * gray.shape[0] / gray.shape[1], 7.0)
    bars = shown_labels(prediction) if labelled else []
    bars_height = max(min(image_height - 0.9, 4.6), _BAR_INCHES * len(bars))
    body_height = max(image_height, bars_height + 0.9) if labelled else image_height
    columns = int((width - 2 * _MARGIN) / _CHARACTER_INCHES)
    lines = _lay_out(prediction.words, columns)
    text_height = _LINE_INCHES * (len(lines) + 2) if lines else 0.0
    height = 0.75 + body_height + text_height + 0.55
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def add_axes(left: float, top: float, axes_width: float, axes_height: float) -> Axes:
        """Add axes at a place in inches from the upper left corner."""
        bottom = 1 - (top + axes_height) / height
        return figure.add_axes((left / width, bottom, axes_width / width, axes_height / height))

    figure.text(_MARGIN / width, 1 - 0.42 / height, _plain(name), fontsize=14, weight="bold", color=_INK)
    _draw_image(add_axes(_MARGIN, 0.75, image_width, image_height), gray, attention_map(prediction))
    if labelled:
        left = _MARGIN + image_width + 1.75
        _draw_findings(add_axes(left, 0.95, width - left - 0.75, bars_height), prediction, bars)
    if lines:
        axes = add_axes(_MARGIN, 0.75 + body_height + 0.1, width - 2 * _MARGIN, text_height)
        _draw_words(axes, lines, prediction, columns)
    of_words = prediction.a_ws is None and prediction.a is not None
    foot = f"The map is the mean of the words' maps. {DISCLAIMER}" if of_words else DISCLAIMER
    figure.text(_MARGIN / width, 0.2 / height, foot, fontsize=9, color="#666666")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def attention_map(prediction: Prediction) -> np.ndarray | None:
    """The map over the image, float [D, D]: a_ws, or where a mode has none the mean of the words' maps; or None."""
    if prediction.a_ws is None and prediction.a is not None:
        return prediction.a.mean(axis=0)
    return prediction.a_ws


def shown_labels(prediction: Prediction) -> list[int]:
    """The indices of the labels that have a bar: all that are named, and of the others the likeliest up to MIN_BARS."""
    named = int((prediction.labels == 1).sum())
    return by_probability(prediction)[: max(MIN_BARS, named)]


def _draw_image(axes: Axes, gray: np.ndarray, map_: np.ndarray | None) -> None:
    axes.set_axis_off()
    shrink = min(1.0, MAX_IMAGE_PX / max(gray.shape))
    size = tuple(max(1, round(side * shrink)) for side in gray.shape[::-1])
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    axes.imshow(small, cmap="gray", vmin=0, vmax=255)
    axes.set_anchor("NW")
    if map_ is not None:
        rgba = overlay(map_, *small.shape)
        axes.imshow(rgba, alpha=0.55 * rgba[..., 3] / 255.0)


def _draw_findings(axes: Axes, prediction: Prediction, shown: list[int]) -> None:
    """A bar for each of the shown labels, with a tick at its threshold."""
    for row, k in enumerate(shown):
        probability, threshold = float(prediction.probabilities[k]), float(prediction.thresholds[k])
        color = _POSITIVE if prediction.labels[k] == 1 else _NEGATIVE
        axes.barh(row, probability, color=color, height=0.62)
        axes.text(1.02, row, f"{probability:.3f}", va="center", fontsize=10, color=_INK)
        if not np.isnan(threshold):
            axes.plot([threshold] * 2, [row - 0.42, row + 0.42], color=_INK, linewidth=1.6)
    names = [("● " if prediction.labels[k] == 1 else "") + readable(LABELS[k]) for k in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=11, color=_INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    known = not np.isnan(prediction.thresholds).all()
    axes.set_title("Probability" + ("; | threshold, ● named" if known else ""), fontsize=10, loc="left", color=_INK)


def _draw_words(axes: Axes, lines: list[list[tuple[int, int, str]]], prediction: Prediction, columns: int) -> None:
    """Each word at its column; the larger its g_t, the darker its background."""
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(len(lines) + 2, 0)
    title = "Preliminary report" if prediction.report is not None else "Report"
    title += "" if prediction.g is None else "; darker words count more (g)"
    axes.text(0, 0.8, title, fontsize=10, weight="bold", va="center", color=_INK)
    largest = 0.0 if prediction.g is None else float(prediction.g.max())
    for row, line in enumerate(lines):
        for t, column, word in line:
            share = float(prediction.g[t]) / largest if largest > 0 else 0.0
            background = {"facecolor": _SHADE, "alpha": 0.85 * share, "edgecolor": "none", "pad": 1.6}
            style = {"fontsize": _WORD_POINTS, "family": "DejaVu Sans Mono", "va": "center", "color": _INK}
            axes.text(column, row + 2, _plain(word), bbox=background if share > 0 else None, **style)


def _lay_out(words: list[str], columns: int) -> list[list[tuple[int, int, str]]]:
    """The lines of the text: for each word its index t, its column and the word; the impression starts a new line."""
    lines: list[list[tuple[int, int, str]]] = []
    column = columns + 1
    for t, word in enumerate(words):
        word = word if len(word) <= columns else word[: columns - 1] + "…"
        starts = t > 0 and words[t : t + 2] == ["impression", ":"]
        if starts or column + len(word) > columns:
            lines.append([])
            column = 0
        lines[-1].append((t, column, word))
        column += len(word) + 1
    return lines


def _plain(text: str) -> str:
    """The text with its dollar signs escaped, so that Matplotlib does not take it for mathematics."""
    return text.replace("$", r"\$")
