"""The layers, sizes and weights of the frozen ResNet-50: names, shapes, files and checks, without TensorFlow.

The weights are a flat dictionary of float32 arrays by Caffe's layer names. Each convolution ("res2a_branch2a") has a
NAME/kernel, [height, width, in, out]; its batch normalisation ("bn2a_branch2a") has NAME/gamma, NAME/beta,
NAME/moving_mean and NAME/moving_variance. As in Caffe, only conv1 has a bias.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.errors import InputError

BN_EPSILON = 1e-5
BN_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")

META = "meta"
"""The entry of a weights file that says where its arrays come from, as JSON."""

RANDOM = "random"
"""The name that stands for untrained weights in place of a weights file, for tests and first runs."""


@dataclass(frozen=True)
class Conv:
    """A convolution and the batch normalisation behind it."""

    name: str
    kernel: tuple[int, int, int, int]  # height, width, channels in, channels out
    has_bias: bool = False

    @property
    def bn(self) -> str:
        """The name of the batch normalisation."""
        return bn_name(self.name)


def bn_name(conv_name: str) -> str:
    """The name of the batch normalisation behind a convolution, as res2a_branch1 -> bn2a_branch1."""
    return "bn_conv1" if conv_name == "conv1" else "bn" + conv_name.removeprefix("res")


@dataclass(frozen=True)
class Stage:
    """A row of bottleneck blocks; the first one has the stride, and a convolution on its shortcut."""

    name: str  # "res2"
    blocks: str  # "abc": a letter for each block
    stride: int
    inner: int  # channels of branch2a and branch2b
    outer: int  # channels of branch2c and branch1


@dataclass(frozen=True)
class Layout:
    """The sizes of a ResNet: the channels of conv1, and the stages. The tests have a small one."""

    conv1: int
    stages: tuple[Stage, ...]

    def convs(self) -> Iterator[Conv]:
        """All convolutions, in their order from the image to the end."""
        yield Conv("conv1", (7, 7, 3, self.conv1), has_bias=True)
        channels = self.conv1
        for stage in self.stages:
            for block in stage.blocks:
                branch = f"{stage.name}{block}_branch"
                if block == stage.blocks[0]:
                    yield Conv(branch + "1", (1, 1, channels, stage.outer))
                yield Conv(branch + "2a", (1, 1, channels, stage.inner))
                yield Conv(branch + "2b", (3, 3, stage.inner, stage.inner))
                yield Conv(branch + "2c", (1, 1, stage.inner, stage.outer))
                channels = stage.outer

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The name and shape of every variable, in the order of the network."""
        shapes: dict[str, tuple[int, ...]] = {}
        for conv in self.convs():
            shapes[f"{conv.name}/kernel"] = conv.kernel
            if conv.has_bias:
                shapes[f"{conv.name}/bias"] = conv.kernel[-1:]
            shapes |= {f"{conv.bn}/{part}": conv.kernel[-1:] for part in BN_PARTS}
        return shapes


_STAGES = (
    Stage("res2", "abc", 1, 64, 256),
    Stage("res3", "abcd", 2, 128, 512),
    Stage("res4", "abcdef", 2, 256, 1024),
    Stage("res5", "abc", 2, 512, 2048),
)
LAYOUTS: dict[str, Layout] = {"res4f": Layout(64, _STAGES[:3]), "res5c": Layout(64, _STAGES)}


def variable_shapes(end: str) -> dict[str, tuple[int, ...]]:
    """The name and shape of every variable up to `end`, in the order of the network."""
    return LAYOUTS[end].shapes()


def weights_for(source: Path | str, end: str, seed: int) -> dict[str, np.ndarray]:
    """Untrained weights drawn from `seed` if the source is "random", otherwise the weights of that file."""
    return random_weights(end, seed) if str(source) == RANDOM else load_weights(source, end)


def load_weights(path: Path | str, end: str) -> dict[str, np.ndarray]:
    """The weights up to `end` from an .npz of pretrained/convert_resnet50.py, checked.

    Raises:
        InputError: There is no such file (the message says how to make it), it is not a weights file, or a variable is
            missing, has another shape or is not finite.
    """
    path = Path(path)
    check_is_file(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            meta = json.loads(str(arrays[META]))
            weights = {name: arrays[name] for name in variable_shapes(end) if name in arrays}
    except (OSError, ValueError, TypeError, KeyError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error):
        raise InputError(
            f"{path}: not a weights file, or a damaged one; make it anew with pretrained/convert_resnet50.py"
        ) from None
    check_weights(weights, end, f"{path} (converted with --end {meta.get('end')})")
    return weights


def check_is_file(path: Path) -> None:
    """Raise InputError, which says how to make the weights, if there is no such file."""
    if not path.is_file():
        raise InputError(
            f"{path}: no backbone weights there; make them with `python pretrained/convert_resnet50.py SOURCE "
            "--out pretrained/resnet50.npz` or `python pretrained/fetch.py`, or use `--backbone-weights random` "
            "(untrained, for tests)"
        )


def save_weights(path: Path, weights: Mapping[str, np.ndarray], end: str, **facts: str) -> None:
    """Write an .npz for `load_weights`, with `facts` about where the weights come from.

    A file that is there already is replaced as a whole or left alone.
    """
    meta = json.dumps({**facts, "end": end, "sha256": fingerprint(weights)})
    with files.replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **weights, **{META: np.array(meta)})


def check_weights(weights: Mapping[str, np.ndarray], end: str, where: str) -> None:
    """Check that all variables up to `end` are there, have the right shape and are finite.

    Raises:
        InputError: They are not; the message begins with `where`.
    """
    shapes = variable_shapes(end)
    missing = [name for name in shapes if name not in weights]
    if missing:
        raise InputError(f"{where}: lacks {some_of(missing)}, which the end {end} needs")
    for name, shape in shapes.items():
        value = weights[name]
        if value.shape != shape:
            raise InputError(f"{where}: {name} has shape {list(value.shape)}; ResNet-50 has {list(shape)}")
        if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
            raise InputError(f"{where}: {name} holds values that are not finite numbers; the file is damaged")
        if name.endswith("/moving_variance") and (value < 0).any():
            raise InputError(f"{where}: {name} holds a negative variance; the file is damaged")


def some_of(names: list[str], shown: int = 4) -> str:
    """The first `shown` names, and how many more there are, as text for a message."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def random_weights(end: str, seed: int) -> dict[str, np.ndarray]:
    """Untrained weights that keep activations in a trained network's range for images of 0 to 255."""
    return random_layout_weights(LAYOUTS[end], seed)


def random_layout_weights(layout: Layout, seed: int) -> dict[str, np.ndarray]:
    """Untrained weights of any layout; see `random_weights`.

    He-normal kernels double the mean square, so batch normalisation divides by twice the mean square of its input: the
    image's for conv1 (its standard deviation is 60), about 1 for the others. The small gamma at each block's end keeps
    the sum over the blocks from growing.
    """
    generator = np.random.default_rng(seed)
    weights = {}
    for conv in layout.convs():
        kernel = generator.standard_normal(conv.kernel, np.float32)
        weights[f"{conv.name}/kernel"] = kernel * np.float32(np.sqrt(2 / np.prod(conv.kernel[:3])))
        if conv.has_bias:
            weights[f"{conv.name}/bias"] = np.zeros(conv.kernel[-1], np.float32)
        gamma = 0.3 if conv.name.endswith("2c") else 1.0
        variance = 2 * 60.0**2 if conv.name == "conv1" else 2.0
        for part, value in zip(BN_PARTS, (gamma, 0.0, 0.0, variance), strict=True):
            weights[f"{conv.bn}/{part}"] = np.full(conv.kernel[-1], value, np.float32)
    return weights


def fold_batch_norm(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join each convolution and its batch normalisation into one NAME/kernel and one NAME/bias, float32.

    gamma (k x + b - mean) / sqrt(variance + eps) + beta = (s k) x + s (b - mean) + beta, where
    s = gamma / sqrt(variance + eps); computed in float64.
    """
    folded = {}
    for name in (key.removesuffix("/kernel") for key in weights if key.endswith("/kernel")):
        gamma, beta, mean, variance = (np.float64(weights[f"{bn_name(name)}/{part}"]) for part in BN_PARTS)
        scale = gamma / np.sqrt(variance + BN_EPSILON)
        bias = np.float64(weights.get(f"{name}/bias", 0.0))
        folded[f"{name}/kernel"] = (weights[f"{name}/kernel"] * scale).astype(np.float32)
        folded[f"{name}/bias"] = (scale * (bias - mean) + beta).astype(np.float32)
    return folded


def fingerprint(weights: Mapping[str, np.ndarray]) -> str:
    """The SHA-256, in hexadecimal, of names, types, shapes and values; the dictionary's order does not matter."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.data)
    return digest.hexdigest()
