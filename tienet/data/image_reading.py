"""Many image files at once: every core decodes one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tienet.data.image import read_image
from tienet.data.threads import map_in_threads


def read_images(paths: Sequence[Path | str], image_px: int) -> np.ndarray:
    """Read files as `read_image` does, in the order of `paths`.

    Returns:
        uint8 [B, image_px, image_px].
    Raises:
        FileNotFoundError, InputError: As `read_image`, for the first of the files that cannot be read.
    """
    if len(paths) == 1:
        return read_image(paths[0], image_px)[None]
    return np.stack(map_in_threads(lambda path: read_image(path, image_px), paths))
