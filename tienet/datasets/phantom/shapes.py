"""Soft shapes on a square grid; lengths are shares of the side of the image."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

_SOFT = 0.005  # the width of an edge

Line = tuple[Sequence[float], Sequence[float], float]
"""A line: its start (x, y), its end (x, y), and its width."""


class Grid:
    """The coordinates x and y, float32 [px, px] in [0, 1], of the middles of the pixels."""

    def __init__(self, px: int) -> None:
        steps = (np.arange(px, dtype=np.float32) + 0.5) / px
        self.x, self.y = np.meshgrid(steps, steps)

    def soft(self, distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
        """A mask: 1 inside (distance > 0), 0 outside, with an edge of about `softness` * 0.005 on either side."""
        return 0.5 + 0.5 * np.tanh(distance / (2 * _SOFT * softness))


def ellipse(
    grid: Grid, x: float, y: float, rx: float, ry: float, angle: float = 0.0, softness: float = 1.0
) -> np.ndarray:
    """The mask of an ellipse; `angle` is in degrees, clockwise as seen."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    u = ((grid.x - x) * cos + (grid.y - y) * sin) / rx
    v = ((grid.y - y) * cos - (grid.x - x) * sin) / ry
    return grid.soft((1 - np.hypot(u, v)) * min(rx, ry), softness)


def blob(grid: Grid, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """The mask of a bell shape, which has no edge."""
    return np.exp(-(((grid.x - x) / rx) ** 2) - ((grid.y - y) / ry) ** 2)


def toward(image: np.ndarray, brightness: float, mask: np.ndarray) -> np.ndarray:
    """Blend an image with a brightness; it takes this brightness where the mask is 1."""
    return image + (brightness - image) * mask


def noise_field(px: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth random noise in [0, 1] with about `cells` waves across the image."""
    coarse = rng.random((cells + 3, cells + 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (px, px), interpolation=cv2.INTER_CUBIC), 0, 1)


def strokes(px: int, lines: Iterable[Line]) -> np.ndarray:
    """A mask in [0, 1] of straight lines, which are drawn at twice the resolution so that thin lines stay thin."""
    fine = np.zeros((2 * px, 2 * px), np.uint8)
    for start, end, width in lines:
        ends = [tuple(round(16 * px * float(value)) for value in point) for point in (start, end)]
        cv2.line(fine, *ends, 255, max(1, round(2 * px * width)), cv2.LINE_AA, shift=3)
    return cv2.resize(fine, (px, px), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
