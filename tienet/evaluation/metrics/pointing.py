"""The pointing game: how often the peak of the attention a_ws lies in the box of a lesion.

The boxes are in `boxes.csv` beside the manifest: study_id, finding, x, y, w, h in pixels of the image file, from its
upper left corner. In this module coordinates are shares of the image's width and height, 0 to 1.
"""

from collections.abc import Sequence

import numpy as np

from tienet.data.csv_table import Table
from tienet.data.image import read_gray
from tienet.data.manifest import Manifest

_COLUMNS = ("study_id", "finding", "x", "y", "w", "h")


def read_boxes(studies: Manifest) -> dict[str, np.ndarray] | None:
    """Read the boxes of the studies from the boxes.csv beside their manifest.

    Returns:
        For each study_id float64 [n, 4], (left, upper, right, lower) of its boxes; None if there is no boxes.csv.
    Raises:
        InputError: A column is missing, or a coordinate is not a number.
    """
    path = studies.path.parent / "boxes.csv"
    if not path.is_file():
        return None
    table = Table(path, _COLUMNS, needs_rows=False)
    sides = [[table.number_of_pixels(n, side, cell) for n, cell in enumerate(table.cells(side))] for side in "xywh"]
    table.raise_problems()
    by_study: dict[str, list[tuple[float, ...]]] = {}
    for study_id, *box in zip(table.cells("study_id"), *sides, strict=True):
        by_study.setdefault(study_id, []).append(tuple(box))
    boxes = {}
    for study_id, image in zip(studies.study_ids, studies.images, strict=True):
        if study_id in by_study and image is not None:
            height, width = read_gray(image).shape
            x, y, w, h = np.array(by_study[study_id]).T
            boxes[study_id] = np.stack([x / width, y / height, (x + w) / width, (y + h) / height], axis=1)
    return boxes


def pointing_game(maps: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> dict[str, float | int | None]:
    """How often the peak of a map lies in a box of its study, and how often a random point would.

    Args:
        maps: For each study float [D, D]; the peak is the middle of the largest cell.
        boxes: For each study float [n, 4], n >= 1, as from `read_boxes`.
    Returns:
        {"studies": the number of maps, "hits": the number of peaks in a box, "share": hits / studies, "chance": the
        expected share of random points}; "share" and "chance" are None without studies.
    """
    hits = [_is_hit(a_ws, own_boxes) for a_ws, own_boxes in zip(maps, boxes, strict=True)]
    chance = [_covered_share(own_boxes) for own_boxes in boxes]
    return {
        "studies": len(hits),
        "hits": int(sum(hits)),
        "share": float(np.mean(hits)) if hits else None,
        "chance": float(np.mean(chance)) if hits else None,
    }


def _is_hit(a_ws: np.ndarray, boxes: np.ndarray) -> bool:
    row, column = np.unravel_index(np.argmax(a_ws), a_ws.shape)
    y, x = (row + 0.5) / a_ws.shape[0], (column + 0.5) / a_ws.shape[1]
    left, upper, right, lower = boxes.T
    return bool(((left <= x) & (x <= right) & (upper <= y) & (y <= lower)).any())


def _covered_share(boxes: np.ndarray, cells: int = 128) -> float:
    """The share of the image that the boxes cover together, counted on a grid of `cells` by `cells` points."""
    middle = (np.arange(cells) + 0.5) / cells
    inside = np.zeros((cells, cells), bool)
    for left, upper, right, lower in boxes:
        rows, columns = (middle >= upper) & (middle <= lower), (middle >= left) & (middle <= right)
        inside |= rows[:, None] & columns[None]
    return float(inside.mean())
