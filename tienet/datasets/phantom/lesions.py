"""How each finding is drawn.

Each function takes the chest, the image so far, the fact and the side of the lung (None for the midline). It returns
the new image and the mask of the lesion, both float32 [px, px].
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from tienet.datasets.phantom.anatomy import Chest
from tienet.datasets.phantom.facts import LEFT, SEVERITIES, Fact
from tienet.datasets.phantom.shapes import blob, ellipse, noise_field, strokes, toward

Drawn = tuple[np.ndarray, np.ndarray]


def _level(fact: Fact, *values: float) -> float:
    """The value for the severity (mild, moderate, severe) of a fact."""
    return values[SEVERITIES.index(fact.severity)]


def _outward(side: str) -> float:
    """The sign of the x direction that points away from the middle."""
    return 1.0 if side == LEFT else -1.0


def _near(chest: Chest, fact: Fact, side: str, rng: np.random.Generator, spread: float = 0.02) -> tuple[float, float]:
    """A random point near the middle of the zone of a fact."""
    x, y = chest.zone(side, fact.zone)
    return x + rng.uniform(-spread, spread), y + rng.uniform(-spread, spread)


def _patches(chest: Chest, cells: int, rng: np.random.Generator) -> np.ndarray:
    """A random mask of patches and gaps."""
    return np.clip(2.2 * noise_field(chest.px, cells, rng) - 0.5, 0, 1)


def cardiomegaly(chest: Chest, image: np.ndarray, fact: Fact, side: None, rng: np.random.Generator) -> Drawn:
    """The wide heart, which has been drawn already."""
    return image, chest.heart * chest.grid.soft(chest.grid.y - chest.anatomy.base + 0.20)


def emphysema(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """Faded vessels and bullae; the tall dark lungs over flat domes have been drawn already."""
    lung = chest.air[side]
    image = toward(image, 0.11, lung * _level(fact, 0.35, 0.5, 0.65))
    x, y = chest.zone(side, "upper")
    for _ in range(3):
        bulla = ellipse(chest.grid, x + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.08, 0.08), 0.032, 0.036)
        image = toward(image, 0.06, 0.6 * bulla * lung)
    return image, lung


def mass(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A big, dense, round opacity, a little lobed."""
    x, y = _near(chest, fact, side, rng)
    r = _level(fact, 0.048, 0.062, 0.078)
    lobes = [ellipse(chest.grid, x, y, r, 0.95 * r)]
    for angle in rng.uniform(0, 2 * np.pi, 3):
        at = x + 0.45 * r * np.cos(angle), y + 0.45 * r * np.sin(angle)
        lobes.append(ellipse(chest.grid, *at, 0.68 * r, 0.68 * r))
    mask = np.max(lobes, axis=0) * chest.air[side]
    return toward(image, 0.66, 0.85 * mask), mask


def nodule(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A small round opacity."""
    x, y = _near(chest, fact, side, rng, 0.035)
    r = _level(fact, 0.015, 0.019, 0.024)
    mask = ellipse(chest.grid, x, y, r, r, softness=0.7) * chest.air[side]
    return toward(image, 0.72, 0.9 * mask), mask


def infiltration(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A faint haze without an edge, through which vessels are seen."""
    x, y = _near(chest, fact, side, rng)
    mask = blob(chest.grid, x, y, 0.085, _level(fact, 0.06, 0.075, 0.09)) * chest.air[side]
    haze = mask * (0.65 + 0.35 * noise_field(chest.px, 14, rng))
    return image + _level(fact, 0.17, 0.21, 0.25) * haze, mask


def pneumonia(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A cluster of dense patches with ragged edges."""
    x, y = _near(chest, fact, side, rng)
    spread = _level(fact, 0.032, 0.042, 0.052)
    patches = np.zeros_like(image)
    for dx, dy in rng.normal(0, spread, (7, 2)):
        patches = np.maximum(patches, blob(chest.grid, x + dx, y + dy, 0.035, 0.03))
    mask = patches * chest.air[side]
    ragged = np.clip(1.7 * mask * (0.25 + _patches(chest, 24, rng)), 0, 1)
    return toward(image, 0.60, 0.75 * ragged), mask


def consolidation(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A dense part of a lobe, straight along the fissure, with air-filled bronchi as dark lines."""
    x, y = _near(chest, fact, side, rng, 0.01)
    half, out = _level(fact, 0.045, 0.060, 0.075), _outward(side)
    fissure = chest.grid.y - (y - half + 0.25 * (chest.grid.x - x) * out)
    far = y + half + 0.03 * noise_field(chest.px, 8, rng) - chest.grid.y
    inner = out * (chest.grid.x - (x - out * 0.10)) + 0.05 * noise_field(chest.px, 8, rng)
    mask = chest.air[side] * chest.grid.soft(fissure) * chest.grid.soft(far, 3) * chest.grid.soft(inner, 4)
    hilum = np.array(chest.hilum(side))
    lines = [(hilum, (x + out * 0.09, y + dy), 0.007) for dy in rng.uniform(-0.8, 0.8, 3) * half]
    image = toward(image, 0.64, 0.9 * mask)
    return toward(image, 0.34, 0.6 * strokes(chest.px, lines) * mask), mask


def atelectasis(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """One to three plate-like bands, which are thicker if it is more severe."""
    x, y = _near(chest, fact, side, rng, 0.025)
    lines, tilt = [], rng.uniform(-0.25, 0.25)
    for n in range(SEVERITIES.index(fact.severity) + 1):
        slope, length = tilt + rng.uniform(-0.08, 0.08), rng.uniform(0.06, 0.10)
        at = y + (n - 0.5 * SEVERITIES.index(fact.severity)) * 0.042
        width = _level(fact, 0.010, 0.012, 0.014)
        lines.append(((x - length, at - slope * length), (x + length, at + slope * length), width))
    bands = cv2.GaussianBlur(strokes(chest.px, lines), (0, 0), 0.005 * chest.px)
    mask = bands * chest.air[side] * (0.6 + 0.4 * noise_field(chest.px, 16, rng))
    return toward(image, 0.66, 0.95 * mask), mask


def effusion(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """Fluid over the diaphragm, which blunts the angle and climbs up the side wall (meniscus)."""
    cx, rx = chest.lung_centre(side)
    lateral = np.clip((_outward(side) * (chest.grid.x - cx) / rx + 1) / 2, 0, 1)
    bottom = chest.anatomy.base + 0.55 * chest.anatomy.dome
    level = bottom - _level(fact, 0.11, 0.19, 0.29) * (0.45 + 0.55 * lateral**3)
    fluid = chest.grid.soft(chest.grid.y - level, 1.5)
    image = toward(image, 0.70, chest.lung_shape(side, dome=False) * fluid)
    return image, chest.air[side] * fluid


def pneumothorax(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A shrunk lung: outside its thin bright edge the chest is dark and without vessels."""
    scale = _level(fact, 0.88, 0.80, 0.70)
    inner = chest.lung_shape(side, scale, dome=False)
    cx, rx = chest.lung_centre(side)
    away = _outward(side) * (chest.grid.x - cx) / rx - 1.6 * (chest.grid.y - 0.40)  # lateral and up
    reach = chest.air[side] * chest.grid.soft(chest.anatomy.base - 0.10 - chest.grid.y, 6) * chest.grid.soft(away, 6)
    mask = (1 - inner) * reach
    image = toward(image, 0.05, 0.95 * mask)
    return image + 0.22 * 4 * inner * (1 - inner) * reach, mask


def edema(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """Haze around the hilum in the shape of a bat's wing, and short lines at the side wall of the base (Kerley B)."""
    x, y = chest.hilum(side)
    out, lung = _outward(side), chest.air[side]
    mask = blob(chest.grid, x + out * 0.07, y + 0.05, 0.09, 0.15) * lung
    haze = mask * (0.5 + 0.7 * noise_field(chest.px, 20, rng))
    image = image + _level(fact, 0.22, 0.28, 0.34) * haze
    cx, rx = chest.lung_centre(side)
    wall = cx + out * 0.97 * rx
    lines = [((wall, at), (wall - out * 0.035, at + 0.003), 0.003) for at in np.linspace(0.60, 0.74, 6)]
    return image + 0.18 * strokes(chest.px, lines) * lung, mask


def fibrosis(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """A net of fine lines (reticular pattern)."""
    x, y = _near(chest, fact, side, rng, 0.01)
    rx, ry = 0.12, _level(fact, 0.07, 0.09, 0.11)
    step, lines = 0.022, []
    nodes = {
        (i, j): (x + step * (i + 0.5 * (j % 2)) + rng.normal(0, 0.005), y + step * j + rng.normal(0, 0.005))
        for i in range(-6, 7)
        for j in range(-6, 7)
    }
    for (i, j), node in nodes.items():
        for other in ((i + 1, j), (i, j + 1), (i - 1, j + 1)):
            if other in nodes and rng.random() < 0.85:
                lines.append((node, nodes[other], 0.0042))
    mask = ellipse(chest.grid, x, y, rx, ry, softness=3) * chest.air[side]
    return image + _level(fact, 0.24, 0.29, 0.34) * strokes(chest.px, lines) * mask + 0.03 * mask, mask


def pleural_thickening(chest: Chest, image: np.ndarray, fact: Fact, side: str, rng: np.random.Generator) -> Drawn:
    """An uneven bright rim along the wall, over the apex or along the lower side."""
    scale = _level(fact, 0.93, 0.90, 0.87)
    inner = chest.lung_shape(side, scale, dome=False)
    rim = chest.air[side] * (1 - inner)
    cx, rx = chest.lung_centre(side)
    if fact.zone == "upper":
        where = chest.grid.soft(chest.anatomy.apex + 0.09 - chest.grid.y, 3)
    else:
        lateral = chest.grid.soft(_outward(side) * (chest.grid.x - cx) - 0.5 * rx, 3)
        where = chest.grid.soft(chest.grid.y - 0.47, 4) * chest.grid.soft(0.76 - chest.grid.y, 4) * lateral
    mask = rim * where
    uneven = 0.7 + 0.3 * noise_field(chest.px, 16, rng)
    return toward(image, 0.70, 0.95 * mask * uneven), mask


def hernia(chest: Chest, image: np.ndarray, fact: Fact, side: None, rng: np.random.Generator) -> Drawn:
    """A round pouch behind the heart, with a bright wall and air above a fluid level."""
    r = _level(fact, 0.055, 0.068, 0.082)
    x, y = chest.anatomy.middle + rng.uniform(0.015, 0.035), chest.anatomy.base - 0.085 + rng.uniform(-0.01, 0.01)
    mask = ellipse(chest.grid, x, y, r, 0.92 * r)
    inside = ellipse(chest.grid, x, y, 0.86 * r, 0.78 * r)
    air = inside * chest.grid.soft(y + 0.1 * r - chest.grid.y, 0.6)
    image = toward(image, 0.84, 0.9 * mask)
    return toward(image, 0.28, 0.9 * air), mask


DRAW: dict[str, Callable[..., Drawn]] = {
    "Cardiomegaly": cardiomegaly,
    "Emphysema": emphysema,
    "Edema": edema,
    "Infiltration": infiltration,
    "Fibrosis": fibrosis,
    "Pneumonia": pneumonia,
    "Consolidation": consolidation,
    "Atelectasis": atelectasis,
    "Nodule": nodule,
    "Mass": mass,
    "Pneumothorax": pneumothorax,
    "Pleural_Thickening": pleural_thickening,
    "Effusion": effusion,
    "Hernia": hernia,
}
ORDER = tuple(DRAW)
"""The order of drawing; later findings are drawn over earlier ones."""
