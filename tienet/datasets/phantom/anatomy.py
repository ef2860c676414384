"""The anatomy of a drawn patient: the quantities that differ between patients, and the masks of the organs.

Lengths are shares of the side of the image, with the origin at the top left. Brightness is from 0 (air) to 1 (bone).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tienet.datasets.phantom.facts import LEFT, RIGHT, SEVERITIES, Fact
from tienet.datasets.phantom.shapes import Grid, ellipse

SIGN = {RIGHT: -1.0, LEFT: 1.0}


@dataclass(frozen=True)
class Anatomy:
    """The quantities that differ between patients.

    Attributes:
        middle: x of the spine.
        width: The factor on all widths of the chest.
        apex: y of the tops of the lungs.
        base: y of the right dome of the diaphragm.
        dome: The height of the domes.
        heart_x: Half the width of the heart.
        rib_step: The distance from one rib to the next.
        soft_tissue: The brightness of the soft tissue.
        seed: The seed of the vessels.
    """

    middle: float
    width: float
    apex: float
    base: float
    dome: float
    heart_x: float
    rib_step: float
    soft_tissue: float
    seed: int

    @classmethod
    def from_rng(cls, rng: np.random.Generator) -> "Anatomy":
        """Draw a patient at random."""
        return cls(
            middle=0.5 + rng.normal(0, 0.008),
            width=rng.uniform(0.94, 1.06),
            apex=rng.uniform(0.09, 0.12),
            base=rng.uniform(0.735, 0.775),
            dome=rng.uniform(0.095, 0.12),
            heart_x=rng.uniform(0.125, 0.145),
            rib_step=rng.uniform(0.068, 0.076),
            soft_tissue=rng.uniform(0.48, 0.56),
            seed=int(rng.integers(2**31)),
        )

    def with_facts(self, facts: Sequence[Fact]) -> "Anatomy":
        """The same patient with an enlarged heart (Cardiomegaly) or hyperinflated lungs (Emphysema)."""
        changed = self
        for fact in facts:
            level = SEVERITIES.index(fact.severity)
            if fact.finding == "Cardiomegaly":
                changed = replace(changed, heart_x=self.heart_x * (1.32, 1.48, 1.65)[level])
            if fact.finding == "Emphysema":
                flat = (0.055, 0.04, 0.025)[level]
                base = self.base + (0.045, 0.06, 0.075)[level]
                changed = replace(changed, base=base, dome=flat, heart_x=self.heart_x * 0.78)
        return changed


class Chest:
    """The masks, float32 [px, px] in [0, 1], from which the image and the lesions are drawn.

    Attributes:
        anatomy: The anatomy of the patient.
        px: The side of the image in pixels.
        grid: The coordinates of the pixels.
        lung, air: For each side the mask of the lung, and of its part that heart and mediastinum do not cover.
        heart, mediastinum: Their masks.
    """

    def __init__(self, anatomy: Anatomy, px: int) -> None:
        self.anatomy, self.px, self.grid = anatomy, px, Grid(px)
        self.lung = {side: self.lung_shape(side) for side in SIGN}
        self.heart = self._heart()
        self.mediastinum = self._mediastinum()
        self.air = {side: lung * (1 - self.heart) * (1 - self.mediastinum) for side, lung in self.lung.items()}

    def _heart(self) -> np.ndarray:
        x, y, half = self.anatomy.middle, self.anatomy.base, self.anatomy.heart_x
        left = ellipse(self.grid, x + 0.42 * half, y - 0.075, 1.02 * half, 0.60 * half + 0.03, angle=32)
        right = ellipse(self.grid, x - 0.30 * half, y - 0.095, 0.46 * half, 0.105)
        trunk = ellipse(self.grid, x + 0.024, y - 0.23, 0.056, 0.14, angle=-8)
        return np.maximum(np.maximum(left, right), trunk)

    def _mediastinum(self) -> np.ndarray:
        x, grid = self.anatomy.middle, self.grid
        d = np.abs(grid.x - x)
        band = grid.soft(0.052 + 0.05 * np.clip(0.3 - grid.y, 0, 1) - d, 2)
        return np.maximum(band, ellipse(grid, x + 0.042, 0.305, 0.044, 0.05))

    def lung_centre(self, side: str) -> tuple[float, float]:
        """(x of the middle, half the width) of a lung."""
        return self.anatomy.middle + SIGN[side] * 0.205 * self.anatomy.width, 0.165 * self.anatomy.width

    def lung_shape(self, side: str, scale: float = 1.0, dome: bool = True) -> np.ndarray:
        """The mask of a lung; `scale` < 1 shrinks it toward the hilum; without `dome` it continues below the dome."""
        grid, anatomy = self.grid, self.anatomy
        cx, rx = self.lung_centre(side)
        hilum_x, hilum_y = self.hilum(side)
        x = (grid.x - hilum_x) / scale + hilum_x
        y = (grid.y - hilum_y) / scale + hilum_y
        cy = 0.46
        u, v = np.abs(x - cx) / rx, np.minimum(y - cy, 0) / (cy - anatomy.apex)
        inside = 1 - (u**2.3 + np.abs(v) ** 2.3) ** (1 / 2.3)
        mask = grid.soft(inside * rx * scale)
        return mask * grid.soft(self.dome(side) - grid.y) if dome else mask

    def dome(self, side: str) -> np.ndarray:
        """y of the diaphragm at the x of each pixel: highest near the middle of the lung, lowest at the side wall."""
        cx, rx = self.lung_centre(side)
        top = self.anatomy.base + (0.018 if side == LEFT else 0.0)
        u = (self.grid.x - cx) / rx + 0.25 * SIGN[side]
        return top + self.anatomy.dome * 0.75 * u**2

    def hilum(self, side: str) -> tuple[float, float]:
        """(x, y) of the point where the vessels enter a lung."""
        return self.anatomy.middle + SIGN[side] * 0.085 * self.anatomy.width, 0.45 if side == RIGHT else 0.435

    def zone(self, side: str, name: str) -> tuple[float, float]:
        """(x, y) of the middle of a zone (upper, mid or lower) of a lung."""
        cx, rx = self.lung_centre(side)
        share = {"upper": 0.24, "mid": 0.52, "lower": 0.82}[name]
        y = self.anatomy.apex + share * (self.anatomy.base - self.anatomy.apex)
        return cx + SIGN[side] * rx * (0.0 if name == "upper" else 0.18), y
