"""What a step's record says of the host, on a record that is made by hand."""

import tensorflow as tf

from benchmarks import gpu_trace

HOST, GPU = (f"/job:localhost/replica:0/task:0/device:{name}" for name in ("CPU:0", "GPU:0"))


def record() -> tf.compat.v1.RunMetadata:
    """The GPU receives x [2, 3] of float32 from the host, which receives a scalar from it."""
    metadata = tf.compat.v1.RunMetadata()
    for name, sender, receiver, tensor in (
        ("in", HOST, GPU, "x"),
        ("out", GPU, HOST, "loss"),
        ("own", HOST, HOST, "n"),
    ):
        node = metadata.partition_graphs.add().node.add(name=name, op="_Recv")
        for key, value in (("send_device", sender), ("recv_device", receiver), ("tensor_name", tensor)):
            node.attr[key].s = value.encode()
    for device, names in (
        (GPU, {"in": [2, 3], "MatMul": [2, 2]}),
        (HOST, {"_SOURCE": [], "out": [], "own": [], "Add": []}),
    ):
        stats = metadata.step_stats.dev_stats.add(device=device)
        for name, shape in names.items():
            tensor = stats.node_stats.add(node_name=name).output.add().tensor_description
            tensor.dtype = tf.float32.as_datatype_enum
            for size in shape:
                tensor.shape.dim.add(size=size)
    stream = metadata.step_stats.dev_stats.add(device=f"{GPU}/stream:all")
    stream.node_stats.add(node_name="MatMul", timeline_label="MatMul:MatMul")
    stream.node_stats.add(node_name="edge_1", timeline_label="MEMCPYHtoD size:24 async:1")
    stream.node_stats.add(node_name="MemcpyD2H", timeline_label="kind_src:device num_bytes:4")
    stream.node_stats.add(node_name="MemcpyD2H", timeline_label="kind_src:device num_bytes:8")
    return metadata


def test_operations_on_the_host_are_counted():
    assert gpu_trace.host_operations(record()) == {"out": 1, "own": 1, "Add": 1}


def test_tensors_that_cross_are_named_with_their_bytes():
    assert gpu_trace.crossings(record()) == {gpu_trace.TO_GPU: {"x": 24}, gpu_trace.TO_HOST: {"loss": 4}}


def test_the_gpus_own_copies_are_added_up():
    assert gpu_trace.copies(record()) == {
        "copies to the GPU": (1, 24, "edge_1 MEMCPYHtoD size:24 async:1"),
        "copies to the host": (2, 12, "MemcpyD2H kind_src:device num_bytes:8"),
    }
