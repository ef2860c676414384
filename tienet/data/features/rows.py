"""How the features of one image lie on the disk: as float16, or as 8 bits a number with a scale for each channel."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tienet.errors import InputError

FLOAT16 = np.dtype("<f2")
"""The type of features in memory, and of the file where they are kept as they are."""

_SCALE = np.dtype("<f4")
_LEVELS = 255

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class RowFormat:
    """A way to keep rows of features.

    Attributes:
        file: The name of the file.
        description: What meta.json says of it.
        row_bytes: From the shape (h, w, C) of a row to its number of bytes.
        encode: From float16 [n, h, w, C] to uint8 [n, row_bytes].
        decode: From uint8 [n, row_bytes] and (h, w, C) to float16 [n, h, w, C].
    """

    file: str
    description: str
    row_bytes: Callable[[Shape], int]
    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray, Shape], np.ndarray]


def _as_bytes(features: np.ndarray) -> np.ndarray:
    whole = np.ascontiguousarray(features, FLOAT16)
    return whole.view(np.uint8).reshape(len(whole), -1)


def _as_features(rows: np.ndarray, shape: Shape) -> np.ndarray:
    return rows.view(FLOAT16).reshape(len(rows), *shape).astype(np.float16, copy=False)


def quantized(features: np.ndarray) -> np.ndarray:
    """Features in 8 bits a number.

    With m the largest value of a channel in an image: scale = m / 255, and x becomes round(x / scale). Read again, it
    is off by at most m / 510, and by float16's rounding.

    Args:
        features: float16 [n, h, w, C], 0 or more, as they come out of a ReLU.
    Returns:
        uint8 [n, 4 C + h w C]: the scales float32 [C], little-endian, and then the numbers.
    Raises:
        InputError: A number is below 0.
    """
    x = features.astype(np.float32)
    if (x < 0).any():
        raise InputError(f"features: {x.min()} is below 0, so that it cannot be kept as int8; keep float16")
    scale = x.max((1, 2)) / _LEVELS
    levels = np.divide(x, scale[:, None, None], out=np.zeros_like(x), where=scale[:, None, None] > 0)
    n = len(x)
    rows = np.empty((n, 4 * x.shape[3] + x[0].size), np.uint8)
    rows[:, : 4 * x.shape[3]] = scale.astype(_SCALE).view(np.uint8).reshape(n, -1)
    rows[:, 4 * x.shape[3] :] = np.rint(levels).reshape(n, -1).astype(np.uint8)
    return rows


def dequantized(rows: np.ndarray, shape: Shape) -> np.ndarray:
    """The inverse of `quantized`: uint8 [n, 4 C + h w C] -> float16 [n, h, w, C]."""
    head = 4 * shape[2]
    scale = np.ascontiguousarray(rows[:, :head]).view(_SCALE).astype(np.float32)
    levels = rows[:, head:].reshape(len(rows), *shape)
    return (levels * scale[:, None, None]).astype(np.float16)


FORMATS = {
    "float16": RowFormat(
        "features.f16", "float16, little-endian", lambda shape: 2 * int(np.prod(shape)), _as_bytes, _as_features
    ),
    "int8": RowFormat(
        "features.u8",
        "float32 [C] scale, little-endian, then uint8",
        lambda shape: 4 * shape[2] + int(np.prod(shape)),
        quantized,
        dequantized,
    ),
}
"""The ways to keep rows, by the names of the setting `feature_dtype`."""
