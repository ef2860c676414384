"""Arithmetic on shapes, which belongs on the host where a GPU computes.

TensorFlow would do it on the GPU, with a copy of a few bytes to the host at its end. For that copy the host waits until
the GPU has done all that was started before, and starts nothing meanwhile.
"""

import tensorflow as tf

from tienet import devices

CPU = "/device:CPU:0"

TYPES = frozenset(
    (
        "Identity", "StridedSlice", "Slice", "Pack", "Unpack", "ConcatV2", "GatherV2", "Prod", "Sum", "Max", "Min",
        "SelectV2", "DynamicStitch", "Range", "Cast", "Add", "AddV2", "Sub", "Mul", "Neg", "FloorDiv", "FloorMod",
        "Maximum", "Minimum", "Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual", "LogicalAnd",
        "LogicalOr", "LogicalNot", "ExpandDims", "Squeeze", "Reshape", "Fill", "Tile", "BroadcastGradientArgs",
        "InvertPermutation", "OnesLike", "ZerosLike",
    )
)  # fmt: skip
"""The types of operations that are moved where all that they take and give is small, whole, and on the host."""

_OF_SHAPES = ("Shape", "ShapeN", "Size", "Rank")  # these give shapes on the host, wherever their tensors are
_WHOLE = (tf.int32, tf.int64, tf.bool)


def move_to_host(graph: tf.Graph) -> None:
    """Ask for the arithmetic on shapes of a graph, which no session has seen yet, on the host.

    Where no GPU computes, nothing is changed. What is in functions stays: XLA compiles them, or they run where their
    callers do.
    """
    if not devices.gpu_computes():
        return
    for op in graph.get_operations():
        if op.type in TYPES and all(map(_is_small, (*op.inputs, *op.outputs))) and all(map(_is_on_host, op.inputs)):
            _move(op)
    for op in graph.get_operations():
        consumers = [consumer for tensor in op.outputs for consumer in tensor.consumers()]
        if op.type == "Const" and consumers and all("CPU" in consumer.device for consumer in consumers):
            _move(op)


def _is_small(tensor: tf.Tensor) -> bool:
    """Whether a tensor is a single number or a list of them, whole or boolean."""
    return tensor.dtype in _WHOLE and tensor.shape.rank in (0, 1)


def _is_on_host(tensor: tf.Tensor) -> bool:
    return "CPU" in tensor.op.device or tensor.op.type in (*_OF_SHAPES, "Const")


def _move(op: tf.Operation) -> None:
    op._set_device(CPU)
    if "_class" in op.node_def.attr:  # it should be where another operation is
        op._clear_attr("_class")
