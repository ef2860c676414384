"""Drawings of schematic frontal chest X-rays, seen the way radiographs are hung: the patient's right is at the left.

Lengths are shares of the side of the image, with the origin at the top left. Brightness is from 0 (air) to 1 (bone).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tienet.datasets.phantom import lesions
from tienet.datasets.phantom.anatomy import SIGN, Anatomy, Chest
from tienet.datasets.phantom.facts import LEFT, RIGHT, Fact
from tienet.datasets.phantom.shapes import blob, ellipse, noise_field, strokes, toward


@dataclass(frozen=True)
class Box:
    """The place of a lesion in pixels of the image: its top left corner (x, y), its width and its height."""

    fact: Fact
    x: int
    y: int
    w: int
    h: int


def draw(anatomy: Anatomy, facts: Sequence[Fact], px: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Box]]:
    """Draw the image of a patient with these findings.

    Returns:
        The image uint8 [px, px], and a box for each finding; a finding in both lungs has two boxes.
    """
    chest = Chest(anatomy.with_facts(facts), px)
    image = _soft_tissue(chest)
    image += _vessels(chest)
    boxes = []
    for fact in sorted(facts, key=lambda fact: lesions.ORDER.index(fact.finding)):
        for side in fact.lungs or (None,):
            image, mask = lesions.DRAW[fact.finding](chest, image, fact, side, rng)
            boxes.append(Box(fact, *_bounds(mask)))
    image = _bones(chest, image)
    return _develop(image, px, rng), boxes


def _bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """(x, y, w, h) of the pixels where the mask has a third of its maximum or more."""
    rows, columns = np.nonzero(mask >= mask.max() / 3)
    x, y = int(columns.min()), int(rows.min())
    return x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1


def _soft_tissue(chest: Chest) -> np.ndarray:
    """Draw the body, the lungs, the diaphragm, the mediastinum and the heart."""
    grid, anatomy = chest.grid, chest.anatomy
    d = np.abs(grid.x - anatomy.middle)
    shoulder = 0.035 + 0.13 * np.clip((d - 0.09) / 0.36, 0, 1) ** 1.4
    body = grid.soft(0.465 * anatomy.width - d + 0.015 * np.cos(6 * grid.y), 2) * grid.soft(grid.y - shoulder, 2)
    image = 0.02 + body * anatomy.soft_tissue
    image = image + body * 0.10 * np.clip((d - 0.30) / 0.16, 0, 1)  # the chest wall, which is seen from its edge
    domes = np.where(grid.x < anatomy.middle, chest.dome(RIGHT), chest.dome(LEFT))
    image = toward(image, 0.70, body * grid.soft(grid.y - domes, 1.5) * grid.soft(0.40 * anatomy.width - d, 3))
    stomach = ellipse(grid, anatomy.middle + 0.17, anatomy.base + 0.085, 0.055, 0.028, softness=2)
    image = toward(image, 0.36, 0.7 * stomach)
    hyperinflated = anatomy.dome < 0.06
    for side in SIGN:
        image = toward(image, 0.12 if hyperinflated else 0.21, chest.lung[side])
    image = toward(image, 0.64, chest.mediastinum * grid.soft(domes - grid.y, 2) * body)
    image = toward(image, 0.69, chest.heart * 0.96)
    trachea = grid.soft(0.016 - d, 1) * grid.soft(0.36 - grid.y, 4) * body
    return toward(image, 0.42, 0.6 * trachea)


def _vessels(chest: Chest) -> np.ndarray:
    """Draw the hila and the vessels that branch from them; they are the same in all studies of a patient."""
    rng = np.random.default_rng(chest.anatomy.seed)
    lines = []
    image = np.zeros((chest.px, chest.px), np.float32)
    for side, sign in SIGN.items():
        x, y = chest.hilum(side)
        image += 0.20 * blob(chest.grid, x, y, 0.030, 0.055)
        for angle in np.linspace(-1.25, 1.25, 9) + rng.normal(0, 0.07, 9):
            length, at = rng.uniform(0.13, 0.2), np.array([x, y])
            for width in (0.010, 0.007, 0.004, 0.0025):
                step = length / 3.2 * _direction(sign, angle)
                branch = 0.7 * length / 3.2 * _direction(sign, angle + rng.choice([-0.5, 0.5]))
                lines += [(at, at + step, width), (at + step, at + step + branch, 0.6 * width)]
                at, angle = at + step, angle + rng.normal(0, 0.16)
    drawn = strokes(chest.px, lines)
    return (image + 0.12 * drawn) * (chest.air[RIGHT] + chest.air[LEFT])


def _direction(sign: float, angle: float) -> np.ndarray:
    """The unit vector away from the middle, at `angle` (in radians) above (-) or below (+) the horizontal."""
    return np.array([sign * np.cos(angle), np.sin(angle)])


def _bones(chest: Chest, image: np.ndarray) -> np.ndarray:
    """Draw the ribs, the clavicles and the spine over everything else."""
    grid, anatomy = chest.grid, chest.anatomy
    d = np.abs(grid.x - anatomy.middle) / anatomy.width
    cage = grid.soft(0.385 - d, 1) * grid.soft(d - 0.04, 1)
    for n in range(10):
        at = anatomy.apex - 0.03 + n * anatomy.rib_step
        reach = cage * grid.soft(0.17 + 0.085 * n - d, 2)  # the upper ribs are shorter
        behind = grid.y - (at + 0.055 * (d / 0.38) ** 1.2 + 0.10 * np.clip((d - 0.24) / 0.14, 0, 1) ** 2)
        image = image + 0.105 * reach * _rib(behind, 0.0125)
        front = grid.y - (at + 0.17 - 0.16 * (d - 0.12) / 0.26)
        image = image + 0.055 * reach * grid.soft(d - 0.12, 4) * _rib(front, 0.014)
    collar = grid.y - (0.155 - 0.07 * np.clip((d - 0.03) / 0.3, 0, 1) + 0.02 * np.sin(14 * d))
    image = image + 0.11 * _rib(collar, 0.013) * grid.soft(d - 0.035, 1) * grid.soft(0.36 - d, 1)
    vertebrae = 0.5 + 0.5 * np.cos(2 * np.pi * (grid.y - 0.02) / 0.062)
    spine = grid.soft(0.034 - d, 2) * grid.soft(grid.y - 0.03, 2)
    return image + spine * (0.035 + 0.045 * vertebrae)


def _rib(distance: np.ndarray, half: float) -> np.ndarray:
    """The brightness of a band with brighter edges, at `distance` from its middle line."""
    t = (distance / half) ** 2
    return np.exp(-(t**2)) * (0.65 + 0.5 * np.minimum(t, 1.2))


def _develop(image: np.ndarray, px: int, rng: np.random.Generator) -> np.ndarray:
    """Add blur, exposure, grain and the side marker; returns uint8."""
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.0028 * px)
    image = image + 0.03 * (noise_field(px, 6, rng) - 0.5) * (image > 0.1)
    image = np.clip(image, 0, 1) ** rng.uniform(0.92, 1.08) * rng.uniform(0.94, 1.06) + rng.normal(0, 0.01)
    image = image + rng.normal(0, 0.012, image.shape)
    pixels = np.clip(np.round(255 * image), 0, 255).astype(np.uint8)
    at = (round(0.035 * px), round(0.095 * px))  # the R lies on the patient's right
    cv2.putText(pixels, "R", at, cv2.FONT_HERSHEY_SIMPLEX, px / 420, 225, max(1, px // 200), cv2.LINE_AA)
    return pixels
