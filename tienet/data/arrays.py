"""Arrays in the files of NumPy, which may be damaged: NumPy raises errors of many kinds for them."""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tienet.errors import InputError


def load(path: Path, what_to_do: str) -> np.ndarray:
    """The array of finite numbers in a .npy file.

    Args:
        what_to_do: The end of the message of an error.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is no such array.
    """
    with path.open("rb") as file:
        found = load_from(file)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise InputError(f"{path}: not a NumPy array of numbers, or a damaged one; {what_to_do}")
    if not np.isfinite(found).all():
        raise InputError(f"{path}: has a number that is not finite; {what_to_do}")
    return found


def load_from(file: BinaryIO) -> "np.ndarray | np.lib.npyio.NpzFile | None":
    """What `numpy.load` gives, without its warnings; None for a file that it cannot read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.load(file, allow_pickle=False)
        except Exception:  # of values, syntax, memory, archives, and of the parser of its headers
            return None


def array_of(archive: "np.lib.npyio.NpzFile", name: str) -> np.ndarray | None:
    """An array of a .npz archive; None if it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return archive[name]
        except Exception:  # as in `load_from`
            return None
