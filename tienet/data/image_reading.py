"""Many image files at once: every core decodes one, since OpenCV and zlib do not hold Python's lock meanwhile."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from tienet import devices
from tienet.data.image import read_image


def read_images(paths: Sequence[Path | str], image_px: int) -> np.ndarray:
    """Read files as `read_image` does, in the order of `paths`.

    Returns:
        uint8 [B, image_px, image_px].
    Raises:
        FileNotFoundError, InputError: As `read_image`, for the first of the files that cannot be read.
    """
    if len(paths) == 1 or devices.usable_cores() == 1:
        return np.stack([read_image(path, image_px) for path in paths])
    return np.stack(list(threads().map(lambda path: read_image(path, image_px), paths)))


@cache
def threads() -> ThreadPoolExecutor:
    """The threads of this process that read files; all callers share them, so that there are never more than cores."""
    return ThreadPoolExecutor(devices.usable_cores(), thread_name_prefix="images")
