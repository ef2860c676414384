"""How a page shows where the network looked: the image, the map over it, and every word's map as data.

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
"""Matplotlib's name; its lightness rises evenly, so equal steps of attention look equal."""

PX_PER_CELL = 8
"""A map is at most this fine; the browser stretches it over the image. Keeps a page small."""


def overlay(a_ws: np.ndarray, height: int, width: int) -> np.ndarray:
    """The map in colour, for laying over the image.

    Bicubic from the grid to the size asked for, scaled by its maximum; alpha rises with the value, so the
    image stays as it is where there is no attention.

    Args:
        a_ws: float [D, D], at least 0.
    Returns:
        uint8 [height, width, 4], RGBA; all transparent where a_ws is 0 everywhere.
    """
    smooth = cv2.resize(np.asarray(a_ws, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = np.clip(smooth, 0, None)  # bicubic undershoots beside a peak
    peak = smooth.max()
    level = np.rint(255 * smooth / peak).astype(np.uint8) if peak > 0 else np.zeros(smooth.shape, np.uint8)
    return np.dstack([_colours()[level], level])


@cache
def _colours() -> np.ndarray:
    """uint8 [256, 3], RGB by level."""
    return matplotlib.colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3]


def data_uri(picture: np.ndarray) -> str:
    """A PNG data URI of uint8 [h, w] or RGBA [h, w, 4]."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)
    done, png = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert done, "cv2 could not encode a PNG"
    return "data:image/png;base64," + _base64(png)


def figure(study_id: str, image: np.ndarray, a_ws: np.ndarray | None, a: np.ndarray | None) -> str:
    """The image, its maps with their controls, and the caption.

    Args:
        image: uint8 [px, px]. a_ws: float [D, D] or None. a: float [T, D, D], the map of each word, or None.
    """
    picture = f'<img src="{data_uri(image)}" alt="chest X-ray of study {html.escape(study_id)}">'
    if a_ws is None and a is None:
        return f'<figure class="picture"><div class="frame">{picture}</div></figure>'
    ramp = ", ".join(f"#{bytes(_colours()[level]).hex()}" for level in range(0, 256, 15))
    return template.fill(
        "picture.html",
        image=picture,
        map="" if a_ws is None else _map(a_ws, image),
        canvas="" if a is None else _canvas(a),
        hidden="hidden" if a_ws is None else "",  # nothing to show before the script shows a word's map
        ramp=ramp,
        caption="" if a_ws is None else _map_caption(a_ws),
    )


def _map(a_ws: np.ndarray, image: np.ndarray) -> str:
    height, width = (min(side, PX_PER_CELL * cells) for side, cells in zip(image.shape, a_ws.shape, strict=True))
    return f'<img class="map" src="{data_uri(overlay(a_ws, height, width))}" alt="attention map">'


def _canvas(a: np.ndarray) -> str:
    """Where the script draws the map of a word, with the data for it."""
    rows, columns = a.shape[1:]
    return (
        f'<canvas class="map" role="img" width="{PX_PER_CELL * columns}" height="{PX_PER_CELL * rows}"'
        f' data-rows="{rows}" data-columns="{columns}" data-maps="{_base64(levels(a))}"'
        f' data-colours="{_base64(_colours())}" hidden></canvas>'
    )


def levels(a: np.ndarray) -> np.ndarray:
    """uint8 [T, D, D]: each word's map from 0 to its own peak, which is 255."""
    peaks = a.max(axis=(1, 2), keepdims=True)
    return np.rint(255 * a / np.where(peaks > 0, peaks, 1)).astype(np.uint8)


def _map_caption(a_ws: np.ndarray) -> str:
    total = float(np.sum(a_ws))
    if total <= 0:
        return "The attention a<sub>ws</sub> is 0 everywhere."
    row, column, share = _peak(a_ws / total)
    return (
        f"Attention a<sub>ws</sub>, {a_ws.shape[0]} by {a_ws.shape[1]} cells. It sums to {total:.2f};"
        f" the peak (row {row}, column {column}) holds {share:.1%} of that."
    )


def word_caption(a_t: np.ndarray) -> str:
    """What is said under one word's map, float [D, D]: where its peak is, and how far from uniform it is."""
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
    """Row and column, from 1, of the largest cell, and what it holds."""
    row, column = np.unravel_index(np.argmax(shares), shares.shape)
    return int(row) + 1, int(column) + 1, float(shares[row, column])


def relative_entropy(a_t: np.ndarray) -> float:
    """The entropy of a map that sums to 1, as a share of a uniform map's: 0 one cell holds all, 1 uniform."""
    if a_t.size == 1:
        return 1.0
    held = a_t[a_t > 0]
    return abs(float(-(held * np.log(held)).sum() / np.log(a_t.size)))  # abs: no "-0.0%"


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
