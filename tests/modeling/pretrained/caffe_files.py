"""A writer of .caffemodel files that does without the protobuf package."""

import numpy as np

from tienet.modeling import backbone_weights


def varint(number: int) -> bytes:
    head = bytes([number & 127 | (128 if number > 127 else 0)])
    return head + (varint(number >> 7) if number > 127 else b"")


def field(number: int, value: bytes | int) -> bytes:
    """A protobuf field: bytes with their length, or an integer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(values: np.ndarray, style: str) -> bytes:
    """A BlobProto. style: "layer" (shape, floats), "v1" (four numbers, floats), "double" (shape, doubles)."""
    shape = b"".join(varint(side) for side in values.shape)
    if style == "double":
        return field(8, values.astype("<f8").tobytes()) + field(7, field(1, shape))
    data = field(5, values.astype("<f4").tobytes())
    if style == "layer":
        return field(7, field(1, shape)) + data
    four = (1,) * (4 - values.ndim) + values.shape
    return b"".join(field(number, side) for number, side in enumerate(four, start=1)) + data


def caffemodel(weights: dict[str, np.ndarray], style: str = "layer", factor: float = 999.98) -> bytes:
    """A NetParameter with these weights, written without the protobuf package; only conv1 has a bias."""
    layers: dict[str, list[np.ndarray]] = {"data": []}
    for name, kernel in weights.items():
        if name.endswith("/kernel"):
            conv, bn = name.removesuffix("/kernel"), backbone_weights.bn_name(name.removesuffix("/kernel"))
            gamma, beta, mean, variance = (weights[f"{bn}/{part}"] for part in backbone_weights.BN_PARTS)
            bias = [weights[f"{conv}/bias"]] if f"{conv}/bias" in weights else []
            layers[conv] = [kernel.transpose(3, 2, 0, 1), *bias]
            layers[bn] = [mean * factor, variance * factor, np.array([factor])]
            layers[bn.replace("bn_", "scale_") if bn == "bn_conv1" else bn.replace("bn", "scale")] = [gamma, beta]
    layers["fc1000"] = [np.zeros((5, 7)), np.zeros(5)]
    in_net, name_in_layer, blobs_in_layer = (2, 4, 6) if style == "v1" else (100, 1, 7)
    net = field(1, b"ResNet-50")
    for name, blobs in layers.items():
        content = field(name_in_layer, name.encode()) + b"".join(field(blobs_in_layer, blob(b, style)) for b in blobs)
        net += field(in_net, content)
    return net
