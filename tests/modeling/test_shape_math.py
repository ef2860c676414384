"""Arithmetic on shapes is asked for on the host where a GPU computes, and nothing else is."""

import numpy as np
import pytest
import tensorflow as tf

from tienet import devices
from tienet.modeling import shape_math

tf1 = tf.compat.v1
GPU = "/device:GPU:0"


def graph_with_shapes():
    """A placeholder, a sum over its middle axis by way of shapes, and the gradient of that."""
    with tf.device(GPU):
        x = tf1.placeholder(tf.float32, [None, None, 3], "x")
        W = tf.constant(np.arange(6, dtype=np.float32).reshape(3, 2), name="W")
        y = tf.tensordot(x, W, 1, name="product")  # gathers and multiplies parts of shapes
        total = tf.reduce_sum(tf.reduce_sum(y, 1, name="inner") ** 2)
        (gradient,) = tf1.gradients(total, x)  # stitches shapes, where the sum is
        kept = tf.where(tf.shape(x)[1] > 2, x, -x, name="chosen")
    return x, [total, gradient, kept]


@pytest.mark.parametrize("gpu", [True, False])
def test_shapes_are_computed_on_the_host(monkeypatch, random, gpu):
    monkeypatch.setattr(devices, "gpu_computes", lambda: gpu)
    with tf.Graph().as_default() as graph:
        x, fetches = graph_with_shapes()
        shape_math.move_to_host(graph)
        device_of = {op.name: op.device for op in graph.get_operations()}
        moved = {op.type for op in graph.get_operations() if op.device == shape_math.CPU}
        with tf1.Session(config=tf1.ConfigProto(allow_soft_placement=True)) as session:
            value = random.standard_normal((2, 4, 3)).astype(np.float32)
            total, gradient, kept = session.run(fetches, {x: value})
    assert moved >= {"GatherV2", "Prod", "DynamicStitch", "ConcatV2", "StridedSlice", "Const"} if gpu else not moved
    assert not moved & {"Shape", "Placeholder", "MatMul", "Transpose"}  # the shape of what is on the GPU is known there
    for name in ("x", "W", "product", "inner", "chosen"):
        assert device_of[name] == GPU
    W = np.arange(6).reshape(3, 2)
    inner = (value @ W).sum(1)
    np.testing.assert_allclose(total, (inner**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, np.repeat((2 * inner @ W.T)[:, None], 4, 1), rtol=1e-5)
    np.testing.assert_array_equal(kept, value)


def test_whole_numbers_that_a_gpu_has_made_stay_there(monkeypatch):
    """The host would wait for them."""
    monkeypatch.setattr(devices, "gpu_computes", lambda: True)
    with tf.Graph().as_default() as graph, tf.device(GPU):
        best = tf.argmax(tf1.placeholder(tf.float32, [None, 3]), 1, output_type=tf.int32)
        following = best + 1
        table = tf.gather(tf.constant([[1, 2], [3, 4]]), tf.constant([0, 1]))  # two axes: no shape
        shape_math.move_to_host(graph)
        assert following.device == table.device == GPU
