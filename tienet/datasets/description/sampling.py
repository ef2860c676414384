"""A few studies to look at, which are drawn at random and spread over the labels, and their images in a small size."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from tienet.data.image import read_gray
from tienet.labels import LABELS, NO_FINDING

MAX_SAMPLES = 12
MAX_SIDE_PX = 384
"""The longest side of a small image; an image that is smaller keeps its size."""

_JPEG_QUALITY = 82


def draw_samples(labels: np.ndarray, images: Sequence[Path | None], count: int, seed: int) -> list[int]:
    """Draw up to `count` different studies with an image, so that the labels take turns.

    No_Finding is the first label, and the findings follow in a random order. Each label in turn takes one study that
    has it, and then the turns start again. When no label has a study left, other studies are drawn.

    Args:
        labels: float [N, 15], 1, 0 or NaN (unknown).
        images: The N image files, None where a study has no image.
        count: The largest number of studies.
        seed: The seed of the random order.
    Returns:
        The positions of the drawn studies, in the order in which they were drawn.
    """
    rng = np.random.default_rng(seed)
    shown = np.array([image is not None for image in images], bool)
    none = LABELS.index(NO_FINDING)
    turns = [none, *rng.permutation([k for k in range(len(LABELS)) if k != none])]
    queue_of_label = [deque(rng.permutation(np.flatnonzero(shown & (labels[:, k] == 1)))) for k in turns]
    rest = deque(rng.permutation(np.flatnonzero(shown)))
    chosen: dict[int, None] = {}
    while len(chosen) < min(count, shown.sum()):
        queues = [queue for queue in queue_of_label if queue] or [rest]
        for queue in queues:
            while queue and queue[0] in chosen:
                queue.popleft()
            if queue and len(chosen) < count:
                chosen[int(queue.popleft())] = None
    return list(chosen)


def small_image(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Make a grey JPEG of an image whose longer side is at most MAX_SIDE_PX; the aspect ratio is kept.

    Returns:
        The bytes of the JPEG file, and its (width, height) in pixels.
    Raises:
        FileNotFoundError, InputError: As `tienet.data.image.read_gray`.
    """
    gray = read_gray(path)
    scale = min(1.0, MAX_SIDE_PX / max(gray.shape))
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    if scale < 1:
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert done, "cv2 could not encode a JPEG"
    return jpeg.tobytes(), (width, height)
