"""Read the convolutions and batch normalisations of a Caffe .caffemodel (a NetParameter protobuf)."""

from pathlib import Path

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from tienet.errors import InputError

# The part of caffe.proto that is needed: message -> field -> (number, type); a type with * is repeated.
# On the wire a packed list of floats has the form of bytes. Read as bytes, NumPy can use it without conversion.
_MESSAGES = {
    "NetParameter": {"layers": (2, "V1LayerParameter*"), "layer": (100, "LayerParameter*")},
    "LayerParameter": {"name": (1, "string"), "blobs": (7, "BlobProto*")},
    "V1LayerParameter": {"name": (4, "string"), "blobs": (6, "BlobProto*")},
    "BlobProto": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "bytes*"),
        "shape": (7, "BlobShape"),
        "double_data": (8, "bytes*"),
    },
    "BlobShape": {"dim": (1, "int64*")},
}


def read(path: Path) -> dict[str, np.ndarray]:
    """Read all weights, by Caffe's layer names, as NAME/PART; kernels are [height, width, in, out].

    Caffe keeps a batch normalisation in two layers: "bn..." has the mean and the variance, both multiplied by the
    factor that is its third blob, and "scale..." has gamma and beta.

    Raises:
        InputError: The file is not a complete .caffemodel, or a layer lacks blobs.
    """
    net = _net_parameter()
    try:
        net.ParseFromString(path.read_bytes())
    except (message.DecodeError, UnicodeDecodeError):
        raise InputError(f"{path}: not a .caffemodel, or cut short; get it again") from None
    weights = {}
    for layer in (*net.layer, *net.layers):
        if layer.blobs:
            try:
                weights |= _layer_weights(layer.name, [_array(blob) for blob in layer.blobs])
            except ValueError as error:
                raise InputError(f"{path}: layer {layer.name}: {error}") from None
    return weights


def _layer_weights(name: str, blobs: list[np.ndarray]) -> dict[str, np.ndarray]:
    if name.startswith("scale"):
        gamma, beta = _expect(blobs, 2)
        bn = "bn_conv1" if name == "scale_conv1" else name.replace("scale", "bn", 1)
        return {f"{bn}/gamma": gamma.ravel(), f"{bn}/beta": beta.ravel()}
    if name.startswith("bn"):
        mean, variance, factor = _expect(blobs, 3)
        if factor.size != 1 or factor.item() == 0:
            raise ValueError("its third blob, which scales mean and variance, is not one number other than 0")
        return {f"{name}/moving_mean": (mean / factor.item()).ravel(),
                f"{name}/moving_variance": (variance / factor.item()).ravel()}  # fmt: skip
    if blobs[0].ndim != 4:
        return {}  # the classifier is not needed
    kernel = blobs[0].transpose(2, 3, 1, 0)
    bias = blobs[1].ravel() if len(blobs) > 1 else np.zeros(kernel.shape[-1], np.float32)
    return {f"{name}/kernel": kernel, f"{name}/bias": bias}


def _expect(blobs: list[np.ndarray], count: int) -> list[np.ndarray]:
    if len(blobs) != count:
        raise ValueError(f"has {len(blobs)} blobs; {count} were expected")
    return blobs


def _array(blob: message.Message) -> np.ndarray:
    """The values of a blob in its shape; files from before 2015 give the shape as four numbers."""
    legacy = (blob.num, blob.channels, blob.height, blob.width)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else legacy
    if blob.double_data:
        values = np.frombuffer(b"".join(blob.double_data), "<f8")
    else:
        values = np.frombuffer(b"".join(blob.data), "<f4")
    return values.reshape(shape)  # raises ValueError where the number of values does not fit


def _net_parameter() -> message.Message:
    file = descriptor_pb2.FileDescriptorProto(name="caffe_weights.proto", package="caffe_weights", syntax="proto2")
    for message_name, fields in _MESSAGES.items():
        descriptor = file.message_type.add(name=message_name)
        for name, (number, kind) in fields.items():
            field = descriptor.field.add(name=name, number=number, label=3 if kind.endswith("*") else 1)
            kind = kind.removesuffix("*")
            if kind in _MESSAGES:
                field.type, field.type_name = field.TYPE_MESSAGE, f".caffe_weights.{kind}"
            else:
                field.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe_weights.NetParameter"))()
