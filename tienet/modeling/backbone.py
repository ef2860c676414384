"""The frozen ResNet-50 as Caffe has it, from the X-ray to the activations of its last stage.

Caffe's conventions, which other ResNet-50s do not share:
- channels are blue, green, red, on 0 to 255, minus ImageNet's mean;
- a stage's stride sits in the first 1 x 1 convolutions of its first block;
- the max-pool rounds its size up and pads nothing at the top and left;
- batch normalisation has epsilon 1e-5.

Axes: B batch, h and w rows and columns, C channels.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tienet import devices
from tienet.errors import InputError
from tienet.grid import ENDS, backbone_side
from tienet.modeling.backbone_weights import (
    LAYOUTS,
    RANDOM,
    Layout,
    Stage,
    fingerprint,
    fold_batch_norm,
    load_weights,
    random_weights,
    save_weights,
    variable_shapes,
    weights_for,
)

__all__ = [
    "BGR_MEAN", "ENDS", "RANDOM", "FeatureExtractor", "fingerprint", "fold_batch_norm", "get_weights",
    "load_weights", "preprocess", "random_weights", "resnet50", "save_weights", "variable_shapes",
    "weights_for",
]  # fmt: skip

tf1 = tf.compat.v1

BGR_MEAN = (103.939, 116.779, 123.68)
"""ImageNet's means of blue, green and red, on 0 to 255."""

FLOAT16_MAX = float(np.finfo(np.float16).max)


def preprocess(gray: tf.Tensor) -> tf.Tensor:
    """Grey images uint8 [B, h, w] as blue, green and red, each minus ImageNet's mean: float32 [B, h, w, 3]."""
    return tf.cast(gray, tf.float32)[..., tf.newaxis] - tf.constant(BGR_MEAN, tf.float32)


def resnet50(bgr: tf.Tensor, weights: Mapping[str, tf.Tensor | np.ndarray], end: str) -> tf.Tensor:
    """The activations at `end`; no gradient flows back through them.

    Args:
        bgr: float32 [B, h, w, 3], as `preprocess` gives it; h and w are known when the graph is built.
        weights: The variables of `get_weights`, or the arrays of `load_weights` or `fold_batch_norm`. Their type is
            what the network computes in.
        end: A key of `ENDS`.
    Returns:
        float32 [B, backbone_side, backbone_side, C], 0 or more.
    """
    return network(bgr, weights, LAYOUTS[end])


def network(bgr: tf.Tensor, weights: Mapping[str, tf.Tensor | np.ndarray], layout: Layout) -> tf.Tensor:
    """The same network as `resnet50`, of any layout."""
    if "bn_conv1/gamma" in weights:
        weights = fold_batch_norm(weights)
    x = tf.cast(bgr, weights["conv1/kernel"].dtype)
    x = tf.nn.relu(_conv(x, weights, "conv1", stride=2, padding=[[0, 0], [3, 3], [3, 3], [0, 0]]))
    x = ceil_max_pool(x)
    for stage in layout.stages:
        for block in stage.blocks:
            x = _bottleneck(x, weights, stage, block)
    return tf.stop_gradient(tf.cast(x, tf.float32))


def _bottleneck(x: tf.Tensor, weights: Mapping, stage: Stage, block: str) -> tf.Tensor:
    """relu(shortcut + branch2c(branch2b(branch2a(x)))); the shortcut of a first block is branch1(x)."""
    branch = f"{stage.name}{block}_branch"
    is_first = block == stage.blocks[0]
    if is_first and stage.stride > 1:
        # A 1 x 1 convolution with a stride reads these locations only; branch1 and branch2a share them.
        x = x[:, :: stage.stride, :: stage.stride]
    shortcut = _conv(x, weights, branch + "1") if is_first else x
    inner = tf.nn.relu(_conv(x, weights, branch + "2a"))
    inner = tf.nn.relu(_conv(inner, weights, branch + "2b"))
    return tf.nn.relu(shortcut + _conv(inner, weights, branch + "2c"))


def _conv(x: tf.Tensor, weights: Mapping, name: str, stride: int = 1, padding: str | list = "SAME") -> tf.Tensor:
    y = tf.nn.conv2d(x, weights[f"{name}/kernel"], stride, padding)
    return tf.nn.bias_add(y, weights[f"{name}/bias"])


def ceil_max_pool(x: tf.Tensor) -> tf.Tensor:
    """Caffe's max-pool of 3 x 3 with stride 2, in which a window that sticks out at the bottom or right is cut off."""
    bottom, right = (1 - side % 2 for side in x.shape[1:3])
    return tf.nn.max_pool2d(x, 3, 2, [[0, 0], [0, bottom], [0, right], [0, 0]])


def get_weights(weights: Mapping[str, np.ndarray], end: str, dtype: str = "float32") -> dict[str, tf.Variable]:
    """The weights, with batch normalisation folded in, as variables under the scope "backbone", for `resnet50`.

    They are of `dtype`, one of `config.BACKBONE_DTYPES`, to which they are rounded once, when they are initialised.
    They are not trainable and are LOCAL_VARIABLES, so no optimizer, saver or L2 term sees them. Initialising the
    local variables gives them their values from this process's memory; written into the graph, the values would add
    94 MB to it.
    """
    folded = fold_batch_norm({name: weights[name] for name in variable_shapes(end)})
    with tf1.variable_scope("backbone"):
        return {name: _frozen_variable(name, value, tf.as_dtype(dtype)) for name, value in folded.items()}


def _frozen_variable(name: str, value: np.ndarray, dtype: tf.DType) -> tf.Variable:
    def from_memory(shape, dtype, partition_info=None):
        with tf.device("/cpu:0"):
            return tf.cast(tf.ensure_shape(tf.numpy_function(lambda: value, [], tf.float32), shape), dtype)

    return tf1.get_variable(
        name,
        value.shape,
        dtype,
        from_memory,
        trainable=False,
        collections=[tf1.GraphKeys.LOCAL_VARIABLES],
        use_resource=True,
    )


class FeatureExtractor:
    """The backbone in a graph and session of its own.

        with FeatureExtractor(weights, "res4f", image_px=256) as extract:
            features = extract(gray)  # uint8 [B, 256, 256] -> float16 [B, 16, 16, 1024]

    Args:
        weights: The arrays that `weights_for` gives.
        end: A key of `ENDS`.
        image_px: The side of all images in pixels.
        config: Options of the session; None: those of all sessions, `devices.session_config()`.
        dtype: What it computes in, one of `config.BACKBONE_DTYPES`.

    Attributes:
        arithmetic: What it computes with, `devices.arithmetic()`.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        end: str,
        image_px: int,
        config: tf1.ConfigProto | None = None,
        dtype: str = "float32",
    ) -> None:
        side = backbone_side(image_px, end)
        self.end, self.arithmetic = end, devices.arithmetic()
        self.shape = (side, side, ENDS[end][1])
        graph = tf.Graph()
        with graph.as_default():
            self._gray = tf1.placeholder(tf.uint8, [None, image_px, image_px], "gray")
            features = resnet50(preprocess(self._gray), get_weights(weights, end, dtype), end)
            kept = tf.cast(features, tf.float16)
            fits = tf.reduce_all(tf.math.is_finite(kept), axis=[1, 2, 3])
            self._outputs = kept, fits, tf.reduce_max(features, axis=[1, 2, 3])
            initialize = tf1.local_variables_initializer()
        self._session = tf1.Session(graph=graph, config=config or devices.session_config())
        self._session.run(initialize)

    def __enter__(self) -> "FeatureExtractor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the session and its memory."""
        self._session.close()

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """The activations of images uint8 [B, image_px, image_px], as float16 [B, *self.shape].

        Raises:
            InputError: An activation is too large for float16.
        """
        features, fits, largest = self._session.run(self._outputs, {self._gray: gray})
        if not fits.all():
            image = int(np.argmin(fits))
            raise InputError(
                f"image {image} of the batch has a {self.end} activation of {largest[image]:.6g}, and float16 "
                f"ends at {FLOAT16_MAX:.0f}; check the backbone weights, or use --features off"
            )
        return features
