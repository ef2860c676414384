"""Mean and standard deviation of the channels of the backbone over the training images, for `feature_norm`.

On X-rays the channels of a network that was trained on ImageNet are far from zero mean: on OpenI their mean is four
times as large as the differences between images.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data import arrays
from tienet.errors import InputError

MAX_IMAGES = 512
"""The statistics are taken over at most this number of training images, evenly spaced."""

_AT_ONCE = 16


def channel_statistics(count: int, features_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """float32 [2, channels]: the mean and the standard deviation of each channel over images and locations.

    Args:
        count: The number of training images.
        features_of: Returns the features [n, h, w, channels] of the training images at the positions int [n].
    """
    indices = np.unique(np.linspace(0, count - 1, min(MAX_IMAGES, count)).astype(int))
    locations, total, squares = 0, 0.0, 0.0
    for start in range(0, len(indices), _AT_ONCE):
        x = features_of(indices[start : start + _AT_ONCE]).astype(np.float64)
        locations += x.shape[0] * x.shape[1] * x.shape[2]
        total = total + x.sum((0, 1, 2))
        squares = squares + (x * x).sum((0, 1, 2))
    mean = total / locations
    std = np.sqrt(np.maximum(squares / locations - mean**2, 0))
    return np.stack([mean, np.maximum(std, 1e-3)]).astype(np.float32)  # a channel that is always zero stays small


def save(path: Path, statistics: np.ndarray) -> None:
    """Write the statistics as a .npy file."""
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, statistics)


def load(path: Path, channels: int) -> np.ndarray:
    """Read the statistics that `save` wrote. Raises InputError if the file is missing or belongs to another network."""
    if not path.is_file():
        raise InputError(f"{path}: not there, and the run was trained with feature_norm; put it back")
    statistics = arrays.load(path, "put it back")
    if statistics.shape != (2, channels):
        raise InputError(f"{path}: has shape {statistics.shape}, expected {(2, channels)}")
    return statistics
