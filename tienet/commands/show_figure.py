"""The figures of `tienet show`.

The overview is the image under its attention map, words shaded by g_t, and findings as bars. The other one is the text
attention as a heat map, every row of G over the words, as in the paper's section 3.3 and Figure 10.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator

from tienet.commands.output_formats import DISCLAIMER, by_probability
from tienet.files import replacing
from tienet.labels import LABELS, readable
from tienet.pages.attention_map import overlay
from tienet.pages.probability import AXIS, percent, place
from tienet.pages.prose import pieces
from tienet.predict import Prediction

MAX_IMAGE_PX = 1024
"""The image's longer side as it is drawn, at most."""

MAX_RATIO = 8
"""The ratio of the image's sides as it is drawn, at most; one of 20000 x 10 pixels would be a line that nobody sees."""

MIN_BARS = 8
"""How many labels have a bar, at least. All labels that are named have one."""

LACKING = "\N{WHITE SQUARE}"
"""What is drawn for a character that the font lacks."""

WIDTH_PX, DPI = 1500, 125
_FONT, _WORD_FONT = "DejaVu Sans", "DejaVu Sans Mono"  # Matplotlib brings both
_MARGIN, _LINE_INCHES, _BAR_INCHES = 0.35, 0.255, 0.3  # inches
_WORD_POINTS = 10.5  # font size of the words
_CHARACTER_INCHES = _WORD_POINTS * 0.602 / 72  # width of a character of DejaVu Sans Mono
_MAP_WORDS, _MAP_CHARACTERS = 45, 18  # in a line of a heat map, the most words; of a word, the most characters
_TITLE_CHARACTERS = 75  # of the title of a heat map, at most
_NOTE_CHARACTERS, _NOTE_INCHES = 150, 0.2  # of a line of notes, at most; its height
_MAP_POINTS = 9.5  # font size of the words of a heat map
_MAP_COLOURS = "Oranges"  # of Matplotlib: nearly white at 0, darker for more, as the shades of the words
_MAP_ROW_INCHES, _MAP_ROWS_INCHES = 0.22, 4.4  # the height of a row of G, and of all of them, at most
_SHADE, _POSITIVE, _NEGATIVE, _INK = "#e8871e", "#0072B2", "#b8c4cc", "#222222"
_WARNING = "#a33a00"


def draw(
    path: Path,
    name: str,
    gray: np.ndarray,
    prediction: Prediction,
    notes: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> None:
    """Draw the figure and write it as a PNG.

    Args:
        path: The file that is written.
        name: The image's name, the title of the figure.
        gray: uint8 [H, W], the image.
        prediction: With attention maps.
        notes: Sentences that a reader of the figure should know; they stand over the image.
        texts: The texts that the PNG holds (tEXt chunks), by their keyword.
    """
    small = shrink(gray)
    height_px, width_px = gray.shape
    if max(gray.shape) > MAX_RATIO * min(gray.shape):
        of_image = f"The image has {width_px:,} x {height_px:,} pixels"
        notes = [*notes, f"{of_image}; its short side is drawn as 1 / {MAX_RATIO} of the long one."]
    noted = _wrap(notes)
    top = 0.75 + _NOTE_INCHES * len(noted)
    width = WIDTH_PX / DPI
    labelled = not np.isnan(prediction.probabilities).all()
    image_width = width * 0.52 if labelled else width - 2 * _MARGIN
    image_height = min(image_width * small.shape[0] / small.shape[1], 7.0)
    bars = shown_labels(prediction) if labelled else []
    bars_height = max(min(image_height - 0.9, 4.6), _BAR_INCHES * len(bars))
    body_height = max(image_height, bars_height + 0.9) if labelled else image_height
    columns = int((width - 2 * _MARGIN) / _CHARACTER_INCHES)
    lines = _lay_out(prediction.words, columns)
    text_height = _LINE_INCHES * (len(lines) + 2) if lines else 0.0
    height = top + body_height + text_height + 0.55
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def add_axes(left: float, top: float, axes_width: float, axes_height: float) -> Axes:
        """Add axes at a place in inches from the upper left corner."""
        bottom = 1 - (top + axes_height) / height
        return figure.add_axes((left / width, bottom, axes_width / width, axes_height / height))

    _write_title(figure, name, noted, 0.68)
    _draw_image(add_axes(_MARGIN, top, image_width, image_height), small, attention_map(prediction))
    if labelled:
        left = _MARGIN + image_width + 1.75
        _draw_findings(add_axes(left, top + 0.2, width - left - 0.75, bars_height), prediction, bars)
    if lines:
        axes = add_axes(_MARGIN, top + body_height + 0.1, width - 2 * _MARGIN, text_height)
        _draw_words(axes, lines, prediction, columns)
    of_words = prediction.a_ws is None and prediction.a is not None
    foot = f"The map is the mean of the words' maps. {DISCLAIMER}" if of_words else DISCLAIMER
    _write(figure, path, foot, texts)


def draw_attention(
    path: Path,
    name: str,
    prediction: Prediction,
    notes: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> None:
    """Draw every row of the text attention G as a heat map, and write it as a PNG.

    The words stand over their columns, in lines of the same number of words (up to _MAP_WORDS). One scale of colours,
    from 0 to the largest share in G, is for all of them.

    Args:
        path: The file that is written.
        name: The name of the image or the report, the title of the figure.
        prediction: With G, [r, n + 1].
        notes, texts: As for `draw`.
    """
    G, words = prediction.G, [_shorten(word, _MAP_CHARACTERS) for word in prediction.words]
    per_line = math.ceil(len(words) / math.ceil(len(words) / _MAP_WORDS))
    lines = [slice(first, min(first + per_line, len(words))) for first in range(0, len(words), per_line)]
    width, left, gap = WIDTH_PX / DPI, 0.85, 0.25
    cell = (width - left - _MARGIN) / max(per_line, _MAP_WORDS // 2)  # a few words have no cells as broad as a hand
    words_heights = [0.1 + max(map(len, words[line])) * _MAP_POINTS * 0.602 / 72 for line in lines]
    rows_height = min(len(G) * _MAP_ROW_INCHES, _MAP_ROWS_INCHES)
    noted = _wrap(notes)
    top = 1.1 + _NOTE_INCHES * len(noted)
    height = top + sum(words_heights) + len(lines) * (rows_height + gap) + 0.45
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    title = "Preliminary report" if prediction.report is not None else "Report"
    note = f"{title}: the share of each word in every row of the text attention G"
    _write_title(figure, _shorten(name, _TITLE_CHARACTERS), noted, 1.13)
    figure.text(_MARGIN / width, 1 - 0.83 / height, note, fontsize=10, color=_INK)
    for line, words_height in zip(lines, words_heights, strict=True):
        top += words_height + rows_height
        size = (line.stop - line.start) * cell / width, rows_height / height
        axes = figure.add_axes((left / width, 1 - top / height, *size))
        edges = {"edgecolors": "#dddddd", "linewidth": 0.5}
        mesh = axes.pcolormesh(G[:, line], cmap=_MAP_COLOURS, vmin=0, vmax=float(G.max()), **edges)
        _name_cells(axes, words[line], len(G), rows_height)
        top += gap
    bar = figure.add_axes(((width - _MARGIN - 3) / width, 1 - 0.87 / height, 3 / width, 0.16 / height))
    figure.colorbar(mesh, cax=bar, orientation="horizontal", ticks=MaxNLocator(4))
    bar.xaxis.tick_top()
    bar.tick_params(labelsize=8.5)
    _write(figure, path, DISCLAIMER, texts)


def _write_title(figure: Figure, name: str, noted: list[str], top: float) -> None:
    """Write the name, and the lines of the notes from `top` inches under the upper edge on."""
    width, height = figure.get_size_inches()
    title = _plain(name, _FONT)
    figure.text(_MARGIN / width, 1 - 0.42 / height, title, fontsize=14, weight="bold", family=_FONT, color=_INK)
    for row, line in enumerate(noted):
        y = 1 - (top + row * _NOTE_INCHES) / height
        figure.text(_MARGIN / width, y, _plain(line, _FONT), fontsize=9.5, family=_FONT, color=_WARNING)


def _write(figure: Figure, path: Path, foot: str, texts: Mapping[str, str] | None) -> None:
    """Write the foot of a figure, and the figure as a PNG with these texts in it."""
    width, height = figure.get_size_inches()
    figure.text(_MARGIN / width, 0.2 / height, foot, fontsize=9, color="#666666")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata=texts)


def _wrap(notes: Sequence[str]) -> list[str]:
    return [line for note in notes for line in textwrap.wrap(f"Note: {note}", _NOTE_CHARACTERS)]


def _name_cells(axes: Axes, words: list[str], rows: int, height: float) -> None:
    """Write the words over the columns of a heat map, and the numbers of the rows, as many as there is room for."""
    style = {"fontsize": _MAP_POINTS, "family": _WORD_FONT, "rotation": 90, "color": _INK}
    axes.xaxis.tick_top()
    axes.set_xticks([t + 0.5 for t in range(len(words))], [_plain(word, _WORD_FONT) for word in words], **style)
    step = math.ceil(rows * 0.16 / height)
    axes.set_yticks([row + 0.5 for row in range(0, rows, step)], range(1, rows + 1, step), fontsize=9, color=_INK)
    axes.set_ylabel("row", fontsize=9, color=_INK)
    axes.set_ylim(rows, 0)
    axes.tick_params(length=0, pad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)


def attention_map(prediction: Prediction) -> np.ndarray | None:
    """The map over the image, float [D, D]: a_ws, or where a mode has none the mean of the words' maps; or None."""
    if prediction.a_ws is None and prediction.a is not None:
        return prediction.a.mean(axis=0)
    return prediction.a_ws


def shown_labels(prediction: Prediction) -> list[int]:
    """The indices of the labels that have a bar: all that are named, and of the others the likeliest up to MIN_BARS."""
    named = int((prediction.labels == 1).sum())
    return by_probability(prediction)[: max(MIN_BARS, named)]


def shrink(gray: np.ndarray) -> np.ndarray:
    """The image, uint8 [H, W], as it is drawn: of MAX_IMAGE_PX at most, its short side stretched for MAX_RATIO."""
    factor = min(1.0, MAX_IMAGE_PX / max(gray.shape))
    longer = max(1, round(max(gray.shape) * factor))
    size = tuple(max(round(side * factor), math.ceil(longer / MAX_RATIO)) for side in gray.shape[::-1])
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _draw_image(axes: Axes, small: np.ndarray, map_: np.ndarray | None) -> None:
    axes.set_axis_off()
    axes.imshow(small, cmap="gray", vmin=0, vmax=255)
    axes.set_anchor("NW")
    if map_ is not None:
        rgba = overlay(map_, *small.shape)
        axes.imshow(rgba, alpha=0.55 * rgba[..., 3] / 255.0)


def _draw_findings(axes: Axes, prediction: Prediction, shown: list[int]) -> None:
    """A bar for each of the shown labels, with a tick at its threshold, on the scale of `tienet.pages.probability`."""
    for row, k in enumerate(shown):
        probability, threshold = float(prediction.probabilities[k]), float(prediction.thresholds[k])
        color = _POSITIVE if prediction.labels[k] == 1 else _NEGATIVE
        axes.barh(row, place(probability), color=color, height=0.62)
        axes.text(1.02, row, percent(probability), va="center", fontsize=10, color=_INK)
        if not np.isnan(threshold):
            axes.plot([place(threshold)] * 2, [row - 0.42, row + 0.42], color=_INK, linewidth=1.6)
    names = [("● " if prediction.labels[k] == 1 else "") + readable(LABELS[k]) for k in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=11, color=_INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([place(p) for p in AXIS[1::2]], [percent(p) for p in AXIS[1::2]])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    known = not np.isnan(prediction.thresholds).all()
    axes.set_title("Probability" + ("; | threshold, ● named" if known else ""), fontsize=10, loc="left", color=_INK)
    axes.set_xlabel("on the scale of the odds", fontsize=9, color=_INK)


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
            style = {"fontsize": _WORD_POINTS, "family": _WORD_FONT, "va": "center", "color": _INK}
            axes.text(column, row + 2, _plain(word, _WORD_FONT), bbox=background if share > 0 else None, **style)


def _lay_out(words: list[str], columns: int) -> list[list[tuple[int, int, str]]]:
    """The lines of the report as text to read: for each word its index t, its column and what is written for it.

    Each section starts a line. What belongs together, such as a word and the comma behind it, stays together.
    """
    lines: list[list[tuple[int, int, str]]] = []
    column = columns + 1
    for group in _groups(pieces(words)):
        shown = [(t, _shorten(piece.strip(), columns)) for t, piece in group]
        length = sum(len(piece) for _, piece in shown)
        if group[0][1].startswith("\n") or column + length > columns:
            lines.append([])
            column = 0
        for t, piece in shown:
            lines[-1].append((t, column, piece))
            column += len(piece)
        column += 1
    return lines


def _groups(texts: list[str]) -> list[list[tuple[int, str]]]:
    """The pieces of a text with their indices, those with no space between them together; empty ones are left out."""
    groups: list[list[tuple[int, str]]] = []
    for t, text in enumerate(texts):
        if text and (not groups or text[0].isspace()):
            groups.append([])
        if text:
            groups[-1].append((t, text))
    return groups


def _shorten(word: str, most: int) -> str:
    return word if len(word) <= most else word[: most - 1] + "…"


def characters_lacking(name: str, words: Sequence[str]) -> list[str]:
    """The characters of the title and the words that the figure's fonts lack, each once."""
    found = [*(c for c in name if _is_lacking(c, _FONT)), *(c for c in "".join(words) if _is_lacking(c, _WORD_FONT))]
    return list(dict.fromkeys(found))


def _plain(text: str, font: str) -> str:
    """The text as Matplotlib draws it in one line: LACKING for what the font lacks, and no dollar for mathematics."""
    text = "".join(LACKING if _is_lacking(c, font) else " " if c.isspace() else c for c in text)
    return text.replace("$", r"\$")


def _is_lacking(character: str, font: str) -> bool:
    return not character.isspace() and ord(character) not in _characters(font)


@cache
def _characters(font: str) -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=font))).get_charmap())
