"""Mean and standard deviation of the backbone's channels over the training images, for `feature_norm`.

ImageNet's channels are far from zero mean on X-rays: on OpenI their mean is four times what differs between images.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data.dataflow import Studies
from tienet.data.features.cache import Extractor
from tienet.errors import InputError

IMAGES = 512
"""As many training images, evenly spaced, are looked at."""

_AT_ONCE = 16


def channel_statistics(studies: Studies, extractor_factory: Callable[[], Extractor]) -> np.ndarray:
    """float32 [2, channels]: mean and standard deviation over images and locations.

    Args:
        studies: of the training split, with cached features, or with images, which the extractor then turns into them.
        extractor_factory: makes the backbone; called only for images.
    """
    indices = np.unique(np.linspace(0, len(studies) - 1, min(IMAGES, len(studies))).astype(int))
    extract = (lambda features: features) if studies.features is not None else extractor_factory()
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(indices), _AT_ONCE):
        x = extract(studies.pictures(indices[start : start + _AT_ONCE])).astype(np.float64)
        count += x.shape[0] * x.shape[1] * x.shape[2]
        total = total + x.sum((0, 1, 2))
        squares = squares + (x * x).sum((0, 1, 2))
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return np.stack([mean, np.maximum(std, 1e-3)]).astype(np.float32)  # a dead channel stays small


def save(path: Path, statistics: np.ndarray) -> None:
    """Write them as .npy."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, statistics)


def load(path: Path, channels: int) -> np.ndarray:
    """Read what `save` wrote; InputError where it is missing or of another network."""
    if not path.is_file():
        raise InputError(f"{path}: not there, and the run was trained with feature_norm; put it back")
    try:
        statistics = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise InputError(f"{path}: not a NumPy array ({error})") from error
    if statistics.shape != (2, channels):
        raise InputError(f"{path}: has shape {statistics.shape}, expected {(2, channels)}")
    return statistics
