"""Read the weights of Keras's ResNet-50 (.h5) under its old (res2a_branch2a) or new (conv2_block1_1_conv) names."""

import re
from pathlib import Path

import h5py
import numpy as np

from tienet.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_NEW_NAME = re.compile(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)")
_BRANCHES = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}

# The last part of a variable's name: "kernel:0", and in files of Keras 1 "res2a_branch2a_W_1:0".
_PART = re.compile(
    r"(?:^|[/_])(kernel|W|bias|b|gamma|beta|(?:moving|running)_mean|moving_variance|running_std)(?:_\d+)?(?::0)?$"
)
_PART_NAMES = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",  # Keras 1 used this name for the variance
}


def read(path: Path) -> dict[str, np.ndarray]:
    """Read all weights, by Caffe's layer names, as NAME/PART.

    Raises:
        InputError: The file is not a complete HDF5 file, or is not laid out as Keras saves weights.
    """
    weights = {}
    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)  # a saved model has the group; a file of weights alone has not
            for layer in _names(root.attrs["layer_names"]):
                for variable in _names(root[layer].attrs["weight_names"]):
                    weights[f"{caffe_name(layer)}/{_part(variable)}"] = np.asarray(root[layer][variable])
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path}: damaged or cut short ({_one_line(error)}); get it again") from None
    except (KeyError, ValueError, AttributeError, TypeError):
        raise InputError(
            f"{path}: HDF5, but not laid out as Keras saves a .h5 (layer_names, weight_names); use the "
            "published resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
        ) from None
    return weights


def caffe_name(layer: str) -> str:
    """Caffe's name of a Keras layer: conv2_block1_0_conv -> res2a_branch1; other names are returned unchanged."""
    fixed = {"conv1_conv": "conv1", "conv1_bn": "bn_conv1"}
    match = _NEW_NAME.fullmatch(layer)
    if not match:
        return fixed.get(layer, layer)
    stage, block, number, kind = match.groups()
    letter = chr(ord("a") + int(block) - 1)
    return f"{'res' if kind == 'conv' else 'bn'}{stage}{letter}_branch{_BRANCHES[number]}"


def _part(variable: str) -> str:
    part = _PART.search(variable)[1]
    return _PART_NAMES.get(part, part)


def _names(attribute: np.ndarray) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in attribute]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
