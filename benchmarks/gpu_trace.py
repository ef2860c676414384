"""What TensorFlow's record of one traced step says of the host: its operations, and what is copied from and to it."""

import re
from collections import Counter
from typing import NamedTuple

import tensorflow as tf

RECEIVED = ("_Recv", "_HostRecv")
TO_GPU, TO_HOST = "from the host to the GPU", "from the GPU to the host"

_NOT_COUNTED = ("_SOURCE", "_SINK")
_COPY = re.compile(r"memcpy(?P<kind>HtoD|DtoH|H2D|D2H)", re.IGNORECASE)  # as TensorFlow and as CUDA call them
_SIZE = re.compile(r"\b(?:size|num_bytes):(\d+)")


def host_operations(metadata: tf.compat.v1.RunMetadata) -> Counter:
    """How often each operation ran on the host, by its name in the graph."""
    counts = Counter()
    for stats in metadata.step_stats.dev_stats:
        if "/device:CPU" in stats.device:
            counts.update(node.node_name for node in stats.node_stats if node.node_name not in _NOT_COUNTED)
    return counts


def crossings(metadata: tf.compat.v1.RunMetadata) -> dict[str, Counter]:
    """The bytes of each tensor that went from a device's graph to another's, for both directions.

    Tensors that cross within a function or a compiled call are not among them; `copies` has those too.
    """
    sizes = {TO_GPU: Counter(), TO_HOST: Counter()}
    received = {}
    for graph in metadata.partition_graphs:
        for node in graph.node:
            sender, receiver = (_attribute(node, name) for name in ("send_device", "recv_device"))
            if node.op in RECEIVED and ("GPU" in sender) != ("GPU" in receiver):
                where = TO_HOST if "GPU" in sender else TO_GPU
                received[node.name] = where, _attribute(node, "tensor_name")
    for stats in metadata.step_stats.dev_stats:
        if "stream" in stats.device or "memcpy" in stats.device:
            continue
        for node in stats.node_stats:
            if node.node_name in received:
                where, name = received[node.node_name]
                sizes[where][name] += sum(_bytes(output.tensor_description) for output in node.output)
    return sizes


class Copies(NamedTuple):
    """Copies in one direction, as the GPU itself recorded them."""

    count: int
    size: int  # in bytes
    largest: str  # the record of the largest one

    def with_one(self, text: str) -> "Copies":
        """These copies and another one, whose record is `text`."""
        return Copies(self.count + 1, self.size + _size(text), max(self.largest, text, key=_size))


def copies(metadata: tf.compat.v1.RunMetadata) -> dict[str, Copies]:
    """The copies in each direction; empty without a GPU."""
    found: dict[str, Copies] = {}
    for stats in metadata.step_stats.dev_stats:
        if "stream:all" not in stats.device and "memcpy" not in stats.device:
            continue
        for node in stats.node_stats:
            text = f"{node.node_name} {node.timeline_label}"
            if not (match := _COPY.search(text)):
                continue
            kind = f"copies {'to the GPU' if match['kind'].upper()[0] == 'H' else 'to the host'}"
            found[kind] = found.get(kind, Copies(0, 0, "")).with_one(text)
    return found


def _size(text: str) -> int:
    return sum(map(int, _SIZE.findall(text)))


def _attribute(node: tf.compat.v1.NodeDef, name: str) -> str:
    return node.attr[name].s.decode() if name in node.attr else ""


def _bytes(tensor) -> int:
    """The size of a tensor by its description."""
    number = 1
    for dimension in tensor.shape.dim:
        number *= dimension.size
    return number * tf.dtypes.as_dtype(tensor.dtype).size if tensor.dtype else 0
