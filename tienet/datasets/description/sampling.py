"""A few studies to look at: drawn by a seed, spread over the labels, their pictures made small."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tienet.data.image import read_gray
from tienet.labels import LABELS, NO_FINDING

SAMPLES = 12
PICTURE_PX = 384
"""The longer side of a picture; a shorter one stays as it is."""

_JPEG_QUALITY = 82


def draw_samples(labels: np.ndarray, images: Sequence[Path | None], count: int, seed: int) -> list[int]:
    """Up to `count` different studies with an image, in which the labels take turns.

    No_Finding comes first, then the findings in an order that is drawn too; each takes one study that has it, and
    so on from the start. Where no label has one left, the others fill up.

    Args:
        labels: float [N, 15], 1, 0 or NaN. images: N.
    Returns:
        Positions among the N, in the labels' order of the first turn.
    """
    rng = np.random.default_rng(seed)
    shown = np.array([image is not None for image in images], bool)
    none = LABELS.index(NO_FINDING)
    turns = [none, *rng.permutation([k for k in range(len(LABELS)) if k != none])]
    waiting = [deque(rng.permutation(np.flatnonzero(shown & (labels[:, k] == 1)))) for k in turns]
    rest = deque(rng.permutation(np.flatnonzero(shown)))
    chosen: dict[int, None] = {}
    while len(chosen) < min(count, shown.sum()):
        queues = [queue for queue in waiting if queue] or [rest]
        for queue in queues:
            while queue and queue[0] in chosen:
                queue.popleft()
            if queue and len(chosen) < count:
                chosen[int(queue.popleft())] = None
    return list(chosen)


def small_picture(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A grey JPEG of the picture, its longer side at most PICTURE_PX, aspect kept; and its (width, height) in pixels.

    Raises:
        FileNotFoundError, InputError: as `image.read_gray`.
    """
    gray = read_gray(path)
    scale = min(1.0, PICTURE_PX / max(gray.shape))
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, "cv2 could not encode a JPEG"
    return jpeg.tobytes(), (width, height)
