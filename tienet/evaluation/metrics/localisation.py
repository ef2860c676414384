"""Where a map says that a finding is, against the boxes that radiologists drew: pointing game, IoU, IoBB, controls.

Places are shares of the image's width and height, 0 to 1; a box is (left, upper, right, lower). N cases, R resamples.

From a map [D, D] to boxes, a rule that was fixed before any result was seen, after that of Wang et al. (2017),
who normalise a map to 0..255, threshold it by 60 and by 180, and draw a box around each isolated region of both:
1. The map is upsampled bilinearly to POINTS_PER_CELL points for each side of a cell, and scaled from its minimum and
   maximum to 0..255. A map that is the same everywhere has one region, the whole image.
2. A region of a threshold is what hangs together, corners included, of the points that reach it; its box is the
   smallest one around it.
3. The box of a map is that of the region of the larger threshold that has the map's maximum. The boxes of a map are
   those of all regions of both thresholds; that one of them fits is what Wang et al. count as far as can be known.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from tienet.evaluation.metrics.auroc import patient_weights, percentile_interval

THRESHOLDS = (60, 180)
"""Those of Wang et al. (2017), of 255."""

POINTS_PER_CELL = 16

T = 0.1
"""The IoU or IoBB that a box must exceed to count as right."""

METRICS: dict[str, str] = {
    "pointing": "peak in box",
    "iou": "IoU",
    "iobb": "IoBB",
    "t_iou": f"T(IoU {T:g})",
    "t_iobb": f"T(IoBB {T:g})",
    "any_t_iou": f"any T(IoU {T:g})",
    "any_t_iobb": f"any T(IoBB {T:g})",
    "boxes": "boxes",
}
"""The name of each metric in tables.

pointing    Whether the middle of the map's largest cell lies in a true box.
iou, iobb   Intersection over union, and over the area of the map's box, with the true box where it is largest.
t_iou ...   Whether that exceeds T.
any_t_...   Whether it does for any of the map's boxes.
boxes       How many boxes the map has.
"""

PUBLISHED: dict[str, dict[str, float]] = {
    "any_t_iobb": {"Atelectasis": 0.73, "Cardiomegaly": 0.99, "Nodule": 0.16, "Pneumonia": 0.75},
}
"""What Wang et al. (2017) print for the boxes of ChestX-ray14, T(IoBB) = 0.1."""

_PLACES = 100  # along each side: where a box is put, evenly, for the mean over all places


class Found(NamedTuple):
    """What a map, or a control, says of a place.

    Attributes:
        point: float64 [2], x and y.
        box: float64 [4].
        boxes: float64 [m, 4], m >= 1.
    """

    point: np.ndarray
    box: np.ndarray
    boxes: np.ndarray


# ---- from a map to boxes ----


def find(map_: np.ndarray) -> Found:
    """The peak and the boxes of a map, float [D, D], which may have any sign.

    Raises:
        ValueError: The map is not [D, D], or a value is not finite.
    """
    if map_.ndim != 2 or not np.isfinite(map_).all():
        raise ValueError(f"a map must be [D, D] and finite, not {map_.shape}")
    row, column = np.unravel_index(np.argmax(map_), map_.shape)
    point = np.array([(column + 0.5) / map_.shape[1], (row + 0.5) / map_.shape[0]])
    levels = scaled(map_)
    peak = np.unravel_index(np.argmax(levels), levels.shape)
    sides = np.array([levels.shape[1], levels.shape[0]] * 2)
    boxes = []
    for threshold in THRESHOLDS:
        _, regions, stats, _ = cv2.connectedComponentsWithStats((levels >= threshold).astype(np.uint8), connectivity=8)
        x, y, w, h = stats[:, :4].T.astype(np.float64)
        found = np.stack([x, y, x + w, y + h], axis=1) / sides
        box = found[regions[peak]]
        boxes.append(found[1:])  # without the background
    return Found(point, box, np.concatenate(boxes))


def scaled(map_: np.ndarray) -> np.ndarray:
    """The map upsampled and scaled to 0..255, float [D, D] -> float64 [16 D, 16 D]; 255 if it is the same all over."""
    height, width = (POINTS_PER_CELL * side for side in map_.shape)
    smooth = cv2.resize(np.asarray(map_, np.float64), (width, height), interpolation=cv2.INTER_LINEAR)
    lowest, largest = smooth.min(), smooth.max()
    if largest == lowest:
        return np.full(smooth.shape, 255.0)
    return 255 * (smooth - lowest) / (largest - lowest)


# ---- a case: a map and the true boxes of a finding in a study ----


def scores_of(found: Found, true: np.ndarray) -> dict[str, float]:
    """Every metric of METRICS for one case; true: float [n, 4], n >= 1, the boxes of the finding."""
    iou, iobb = overlaps(found.box, true)
    every = [overlaps(box, true) for box in found.boxes]
    return {
        "pointing": float(_contains(true, found.point)),
        "iou": iou,
        "iobb": iobb,
        "t_iou": float(iou > T),
        "t_iobb": float(iobb > T),
        "any_t_iou": float(any(each > T for each, _ in every)),
        "any_t_iobb": float(any(each > T for _, each in every)),
        "boxes": float(len(found.boxes)),
    }


def overlaps(box: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """The largest IoU, and the largest IoBB, of a box [4] with one of the true boxes [n, 4]."""
    shared = np.prod(np.clip(np.minimum(box[2:], true[:, 2:]) - np.maximum(box[:2], true[:, :2]), 0, None), axis=1)
    own, theirs = np.prod(box[2:] - box[:2]), np.prod(true[:, 2:] - true[:, :2], axis=1)
    return float((shared / (own + theirs - shared)).max()), float(shared.max() / own)


def _contains(boxes: np.ndarray, point: np.ndarray) -> bool:
    return bool(((boxes[:, :2] <= point) & (point <= boxes[:, 2:])).all(axis=1).any())


# ---- the controls of a case ----


def scores_at_random(found: Found, true: np.ndarray) -> dict[str, float]:
    """What is expected of a random point, and of the map's own boxes, each put anywhere inside of the image.

    The share of the image that the true boxes cover is exact. The means over the places of a box are over 100 by 100 of
    them. Of several boxes, each is put anywhere for itself.
    """
    iou, iobb, t_iou, t_iobb = _mean_over_places(found.box, true)
    misses = 1 - np.array([_mean_over_places(box, true)[2:] for box in found.boxes])
    any_t_iou, any_t_iobb = 1 - misses.prod(axis=0)
    return {
        "pointing": covered_share(true),
        "iou": iou,
        "iobb": iobb,
        "t_iou": t_iou,
        "t_iobb": t_iobb,
        "any_t_iou": float(any_t_iou),
        "any_t_iobb": float(any_t_iobb),
        "boxes": float(len(found.boxes)),
    }


def covered_share(boxes: np.ndarray) -> float:
    """The share of the image that the boxes [n, 4] cover together."""
    xs, ys = (np.unique(np.clip(boxes[:, side::2], 0, 1)) for side in (0, 1))
    middles = np.stack(np.meshgrid((xs[:-1] + xs[1:]) / 2, (ys[:-1] + ys[1:]) / 2), axis=-1)[..., None, :]
    inside = ((boxes[:, :2] <= middles) & (middles <= boxes[:, 2:])).all(axis=-1).any(axis=-1)
    return float((inside * np.diff(ys)[:, None] * np.diff(xs)).sum())


def _mean_over_places(box: np.ndarray, true: np.ndarray) -> tuple[float, float, float, float]:
    """The means of IoU and IoBB, and of whether each exceeds T, over the places of the box inside of the image."""
    size = box[2:] - box[:2]
    steps = (np.arange(_PLACES) + 0.5) / _PLACES
    lower = steps[:, None] * (1 - size)  # [places, 2], left and upper edges
    upper = lower + size
    shared = []
    for s in (0, 1):
        ends, starts = np.minimum(upper[:, s, None], true[:, 2 + s]), np.maximum(lower[:, s, None], true[:, s])
        shared.append(np.clip(ends - starts, 0, None))  # [places, n]
    areas = shared[0][:, None] * shared[1][None]  # [places, places, n]
    own, theirs = np.prod(size), np.prod(true[:, 2:] - true[:, :2], axis=1)
    iou, iobb = (areas / (own + theirs - areas)).max(axis=-1), areas.max(axis=-1) / own
    return float(iou.mean()), float(iobb.mean()), float((iou > T).mean()), float((iobb > T).mean())


def at_centre(found: Found) -> Found:
    """The image's centre as the point, and the map's own boxes with their middle there."""

    def moved(boxes: np.ndarray) -> np.ndarray:
        half = (boxes[..., 2:] - boxes[..., :2]) / 2
        return np.concatenate([0.5 - half, 0.5 + half], axis=-1)

    return Found(np.array([0.5, 0.5]), moved(found.box), moved(found.boxes))


def mean_box(boxes: np.ndarray) -> Found:
    """The mean of some boxes [n, 4], n >= 1, and its middle as the point."""
    box = boxes.mean(axis=0)
    return Found((box[:2] + box[2:]) / 2, box, box[None])


# ---- over cases ----


def summarise(
    values: np.ndarray,
    controls: Mapping[str, np.ndarray],
    patient_ids: Sequence[str],
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> dict[str, float | int | None]:
    """The mean over cases with its interval, and the mean of each control with the interval of the difference to it.

    Args:
        values: float64 [N], N >= 1, a metric of each case.
        controls: For each control float64 [N]; NaN where a case has none.
        patient_ids: [N]; resamples are of patients, and those of a difference are of both alike.
        level: The share of the resamples that an interval holds.
    Returns:
        {"n", "patients", "value", "lo", "hi"} and for each control NAME, NAME_lo and NAME_hi, which are of
        the difference value - control over the cases that have the control. None where undefined; one patient has no
        interval.
    """
    patients = len(set(patient_ids))
    differences = {name: values - control for name, control in controls.items()}
    drawn = _drawn_means([values, *differences.values()], patient_ids, resamples if patients > 1 else 0, seed)
    lo, hi = percentile_interval(drawn[0], level)
    found = {"n": len(values), "patients": patients, "value": float(values.mean()), "lo": lo, "hi": hi}
    for (name, control), of_difference in zip(controls.items(), drawn[1:], strict=True):
        known = control[~np.isnan(control)]
        found[name] = float(known.mean()) if len(known) else None
        found[f"{name}_lo"], found[f"{name}_hi"] = percentile_interval(of_difference, level)
    return found


def _drawn_means(columns: list[np.ndarray], patient_ids: Sequence[str], resamples: int, seed: int) -> np.ndarray:
    """The mean of each column without its NaN in every resample, float64 [columns, R]; NaN where nothing is left."""
    table = np.stack(columns, axis=1)
    known = ~np.isnan(table)
    filled = np.where(known, table, 0)
    drawn = [np.empty((0, len(columns)))]
    for weights in patient_weights(patient_ids, resamples, seed):
        total = weights @ known.astype(np.float64)
        sums = weights @ filled
        drawn.append(np.divide(sums, total, out=np.full(total.shape, np.nan), where=total > 0))
    return np.concatenate(drawn).T
