"""The attention maps of a page: the image with the map a_ws over it, and the map of every word as data for the script.

Letters: T words; D cells on a side of the attention grid; px pixels on a side of the image.
"""

import base64
import html
from functools import cache

import cv2
import matplotlib
import numpy as np

from tienet.pages import template

COLOUR_MAP = "inferno"
"""The name of a Matplotlib colour map. Its lightness rises evenly, so equal steps of attention look equal."""

PX_PER_CELL = 8
"""The largest resolution of a map. It keeps a page small; the browser stretches the map over the image."""


def overlay(a_ws: np.ndarray, height: int, width: int) -> np.ndarray:
    """The map in colour, to be laid over the image.

    The map is resized by bicubic interpolation and scaled by its maximum. Its opacity rises with its value, so the
    image stays as it is where there is no attention.

    Args:
        a_ws: float [D, D], at least 0.
        height, width: The size of the result in pixels.
    Returns:
        uint8 [height, width, 4], RGBA; fully transparent if a_ws is 0 everywhere.
    """
    smooth = cv2.resize(np.asarray(a_ws, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = np.clip(smooth, 0, None)  # bicubic interpolation falls below 0 beside a peak
    peak = smooth.max()
    level = np.rint(255 * smooth / peak).astype(np.uint8) if peak > 0 else np.zeros(smooth.shape, np.uint8)
    return np.dstack([_colours()[level], level])


@cache
def _colours() -> np.ndarray:
    """The colour map: uint8 [256, 3], RGB for each level."""
    return matplotlib.colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3]


def data_uri(pixels: np.ndarray) -> str:
    """A PNG as a data URI, from pixels uint8 [h, w] (grey) or [h, w, 4] (RGBA)."""
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA)
    done, png = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done, "cv2 could not encode a PNG"
    return "data:image/png;base64," + _base64(png)


def figure(
    study_id: str, image: np.ndarray, a_ws: np.ndarray | None, a: np.ndarray | None, uniform_share: float = 0.0
) -> str:
    """The HTML of the image, its maps with the controls for them, and the caption.

    Args:
        study_id: The name of the study, any text.
        image: uint8 [px, px].
        a_ws: float [D, D], the attention over the image; None if there is none.
        a: float [T, D, D], the map of each word; None if there are none.
        uniform_share: The share of what the labels take from the image that does not go by a_ws.
    """
    image_html = f'<img src="{data_uri(image)}" alt="chest X-ray of study {html.escape(study_id)}">'
    if a_ws is None and a is None:
        return f'<figure class="picture"><div class="frame">{image_html}</div></figure>'
    ramp = ", ".join(f"#{bytes(_colours()[level]).hex()}" for level in range(0, 256, 15))
    return template.fill(
        "picture.html",
        image=image_html,
        map="" if a_ws is None else _map_html(a_ws, image),
        canvas="" if a is None else _canvas_html(a),
        hidden="hidden" if a_ws is None else "",  # without a_ws there is no map until the script shows a word's map
        ramp=ramp,
        caption="" if a_ws is None else _map_caption(a_ws, uniform_share),
    )


def _map_html(a_ws: np.ndarray, image: np.ndarray) -> str:
    height, width = (min(side, PX_PER_CELL * cells) for side, cells in zip(image.shape, a_ws.shape, strict=True))
    return f'<img class="map" src="{data_uri(overlay(a_ws, height, width))}" alt="attention map">'


def _canvas_html(a: np.ndarray) -> str:
    """The canvas in which the script draws the map of a word, with the data of all maps."""
    rows, columns = a.shape[1:]
    return (
        f'<canvas class="map" role="img" width="{PX_PER_CELL * columns}" height="{PX_PER_CELL * rows}"'
        f' data-rows="{rows}" data-columns="{columns}" data-maps="{_base64(levels(a))}"'
        f' data-colours="{_base64(_colours())}" hidden></canvas>'
    )


def levels(a: np.ndarray) -> np.ndarray:
    """Each word's map as levels uint8 [T, D, D], from 0 to 255 at the map's own peak."""
    peaks = a.max(axis=(1, 2), keepdims=True)
    return np.rint(255 * a / np.where(peaks > 0, peaks, 1)).astype(np.uint8)


def _map_caption(a_ws: np.ndarray, uniform_share: float) -> str:
    total = float(np.sum(a_ws))
    if total <= 0:
        return "The attention a<sub>ws</sub> is 0 everywhere."
    row, column, share = _peak(a_ws / total)
    by_map = f" The labels go by it for {1 - uniform_share:.0%}, and for the rest by all cells alike."
    return (
        f"Where the network looked, all words together.{by_map if uniform_share else ''}"
        f' <span class="numbers">Attention a<sub>ws</sub>, {a_ws.shape[0]} by {a_ws.shape[1]} cells. It sums to'
        f" {total:.2f}; the peak (row {row}, column {column}) holds {share:.1%} of that.</span>"
    )


def word_caption(a_t: np.ndarray) -> str:
    """The caption under the map of one word, float [D, D]: where its peak is, and how far from uniform it is."""
    total = float(np.sum(a_t))
    if total <= 0:
        return "its attention is 0 everywhere."
    a_t = np.asarray(a_t, np.float64) / total
    row, column, share = _peak(a_t)
    return (
        f"its peak (row {row}, column {column}) holds {share:.1%} of its attention (uniform: {1 / a_t.size:.1%})."
        f" Entropy: {relative_entropy(a_t):.1%} of uniform's."
    )


def _peak(shares: np.ndarray) -> tuple[int, int, float]:
    """The row and the column of the largest cell, counted from 1, and its share."""
    row, column = np.unravel_index(np.argmax(shares), shares.shape)
    return int(row) + 1, int(column) + 1, float(shares[row, column])


def relative_entropy(a_t: np.ndarray) -> float:
    """The entropy of a map that sums to 1, divided by that of a uniform map.

    It is 0 for a map whose attention is all in one cell, and 1 for a uniform one.
    """
    if a_t.size == 1:
        return 1.0
    positive = a_t[a_t > 0]
    entropy = float(-(positive * np.log(positive)).sum() / np.log(a_t.size))
    return abs(entropy)  # so that -0.0 is never printed


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
