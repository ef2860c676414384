"""A ResNet in NumPy loops, after Caffe's prototxt, and a small one to run it on."""

import math

import numpy as np

from tienet.modeling.backbone_weights import Layout, Stage

TINY = Layout(4, (Stage("res2", "ab", 1, 2, 6), Stage("res3", "ab", 2, 3, 8)))


def busy_weights(layout: Layout) -> dict[str, np.ndarray]:
    """Weights in which every term matters: no bias is 0, no gamma 1."""
    random = np.random.default_rng(1)
    weights = {}
    for name, shape in layout.shapes().items():
        value = random.normal(0, 1, shape)
        if name.endswith("/moving_variance"):
            value = random.uniform(0.5, 2, shape) * (1e5 if name.startswith("bn_conv1") else 1)
        weights[name] = value.astype(np.float32)
    return weights


def conv_loops(x: np.ndarray, kernel: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """Caffe's convolution of [h, w, in] with [k, k, in, out], location by location."""
    side = kernel.shape[0]
    x = np.pad(x, [(pad, pad), (pad, pad), (0, 0)])
    rows, columns = ((length - side) // stride + 1 for length in x.shape[:2])
    y = np.zeros((rows, columns, kernel.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = x[i * stride : i * stride + side, j * stride : j * stride + side]
            for channel in range(kernel.shape[3]):
                y[i, j, channel] = np.sum(window * kernel[..., channel])
    return y


def pool_loops(x: np.ndarray) -> np.ndarray:
    """Caffe's max-pool 3 x 3 stride 2: the size is rounded up, the last window ends with the image."""
    rows, columns = (math.ceil((length - 3) / 2) + 1 for length in x.shape[:2])
    return np.array([
        [x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(0, 1)) for j in range(columns)] for i in range(rows)
    ])  # fmt: skip


def conv_bn_loops(x: np.ndarray, weights: dict, conv: str, bn: str, stride: int, pad: int) -> np.ndarray:
    y = conv_loops(x, weights[f"{conv}/kernel"], stride, pad) + weights.get(f"{conv}/bias", 0)
    gamma, beta, mean, variance = (
        weights[f"{bn}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    return gamma * (y - mean) / np.sqrt(variance + 1e-5) + beta


def resnet_loops(x: np.ndarray, weights: dict, layout: Layout) -> np.ndarray:
    """A ResNet after Caffe's prototxt for one image, float64, nothing folded."""
    weights = {name: np.float64(value) for name, value in weights.items()}
    x = pool_loops(np.maximum(conv_bn_loops(x, weights, "conv1", "bn_conv1", 2, 3), 0))
    for stage in layout.stages:
        for letter in stage.blocks:
            res, bn = f"{stage.name}{letter}_branch", f"bn{stage.name[3:]}{letter}_branch"
            stride = stage.stride if letter == "a" else 1
            shortcut = conv_bn_loops(x, weights, res + "1", bn + "1", stride, 0) if letter == "a" else x
            y = np.maximum(conv_bn_loops(x, weights, res + "2a", bn + "2a", stride, 0), 0)
            y = np.maximum(conv_bn_loops(y, weights, res + "2b", bn + "2b", 1, 1), 0)
            x = np.maximum(shortcut + conv_bn_loops(y, weights, res + "2c", bn + "2c", 1, 0), 0)
    return x
