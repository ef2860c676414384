"""How far an image is from those that a network was trained on: the Mahalanobis distance of its pooled features.

A network labels whatever it is shown, also a knee, or a chest that lies on its side. The mean and the covariance of the
backbone's features over the training images, pooled over the grid, tell such an image (Lee et al., A Simple Unified
Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks, NeurIPS 2018, with one class). The
covariance is shrunken as Ledoit and Wolf (2004) do, since there are hardly more images than channels.

Letters: N training images, V validation images, C channels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.data import arrays
from tienet.errors import InputError

FILE_NAME = "images.npz"

MAX_TRAINING, MAX_VALIDATION = 2048, 512
"""The distribution is of at most this number of training images, the unit of at most this number of validation images,
both evenly spaced."""

UNIT_QUANTILE = 0.99
"""A distance of 1 is this quantile of the distances of the validation images, on which nothing else was fitted."""

LIMIT = 1.15
"""An image is unlike the training images from this distance on.

It is above 1 because X-rays of another hospital are a little farther than one's own: of 150 chests of ChestX-ray14 a
third is past 1 for a network that knows OpenI, and one in ten past 1.15, as all of OpenI's own that lie on their side.
"""

_AT_ONCE = 16
_SMALLEST = 1e-6  # of the standard deviations: a channel that is always zero stays small


@dataclass(frozen=True, eq=False)
class ImageDistribution:
    """The distribution of pooled features.

    Attributes:
        mean: float32 [C].
        whitening: float32 [C, C]; the distance is the norm of `whitening @ (features - mean)`.
    """

    mean: np.ndarray
    whitening: np.ndarray

    @classmethod
    def fit(cls, train: np.ndarray, val: np.ndarray) -> "ImageDistribution":
        """The distribution of the training images, with the unit from the validation images.

        Args:
            train: float [N, C], N at least 2: features, the mean over the grid.
            val: float [V, C], V at least 1.
        """
        from sklearn.covariance import ledoit_wolf  # only here: it takes a second

        train = np.asarray(train, np.float64)
        mean, std = train.mean(0), np.maximum(train.std(0), _SMALLEST)
        covariance, _ = ledoit_wolf((train - mean) / std, assume_centered=True)
        # With the Cholesky factor L of the covariance, the distance of z is the norm of L^-1 z.
        whitening = np.linalg.inv(np.linalg.cholesky(covariance)) / std
        unmeasured = cls(mean.astype(np.float32), whitening.astype(np.float32))
        unit = float(np.quantile(unmeasured.distances(val), UNIT_QUANTILE))
        return cls(unmeasured.mean, (whitening / max(unit, _SMALLEST)).astype(np.float32))

    def distances(self, pooled: np.ndarray) -> np.ndarray:
        """float32 [N], at least 0, the distance of each image; `pooled` is float [N, C]."""
        return np.linalg.norm((pooled - self.mean).astype(np.float32) @ self.whitening.T, axis=1)

    def save(self, path: Path) -> None:
        """Write it as a .npz file."""
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, mean=self.mean, whitening=self.whitening)


def note_on(distance: float) -> str | None:
    """What a user should know of an image at this distance, a sentence; None: nothing."""
    if not distance >= LIMIT:
        return None
    return (
        f"The image is unlike the training images (distance {distance:.2f}; of 100 validation images 99 are within 1): "
        "look whether it is an upright frontal chest X-ray; of any other image the result means nothing."
    )


def measure(count: int, most: int, features_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Pooled features, float32 [n, C], of at most `most` images, evenly spaced.

    Args:
        count: The number of images.
        features_of: Returns the features [n, h, w, C] of the images at the positions int [n].
    """
    indices = np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))
    parts = [indices[start : start + _AT_ONCE] for start in range(0, len(indices), _AT_ONCE)]
    return np.concatenate([features_of(part).astype(np.float32).mean((1, 2)) for part in parts])


def load(path: Path, channels: int) -> ImageDistribution | None:
    """Read what `ImageDistribution.save` wrote; None if there is no file, as in older runs.

    Raises:
        InputError: The file is damaged, or of another network.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        found = arrays.load_from(file)
        named = found if isinstance(found, np.lib.npyio.NpzFile) else {}
        mean, whitening = (arrays.array_of(found, name) if name in named else None for name in ("mean", "whitening"))
    shapes = {"mean": (channels,), "whitening": (channels, channels)}
    for name, array in (("mean", mean), ("whitening", whitening)):
        if array is None or array.shape != shapes[name] or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise InputError(f"{path}: damaged, or of another network; put it back, or remove it to go without")
    return ImageDistribution(mean, whitening)
