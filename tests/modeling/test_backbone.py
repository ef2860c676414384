"""The frozen ResNet-50 against Caffe's conventions in NumPy loops, and the feature extractor."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from resnet_oracles import TINY, busy_weights, pool_loops, resnet_loops
from tensorflow.python.ops.op_selector import get_backward_walk_ops

from tienet import grid
from tienet.config import BACKBONE_DTYPES
from tienet.errors import InputError
from tienet.modeling import backbone
from tienet.modeling.backbone_weights import Layout, Stage

tf1 = tf.compat.v1

ONE_THREAD = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
TWO_THREADS = tf1.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=1)


@pytest.mark.parametrize("size", [(19, 22), (24, 33)])
def test_network_equals_loops(size, random, evaluate):
    weights = busy_weights(TINY)
    images = random.normal(0, 60, (2, *size, 3)).astype(np.float32)
    expected = np.stack([resnet_loops(image, weights, TINY) for image in images])
    features = evaluate(backbone.network(tf.constant(images), weights, TINY))
    assert features.shape == expected.shape
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * expected.max())
    assert (expected > 0).mean() > 0.2  # it compares something


@pytest.mark.parametrize("size", [(5, 5), (6, 6), (7, 8), (8, 7)])
def test_max_pool_rounds_up_and_pads_nothing(size, random, evaluate):
    x = random.normal(-5, 1, (*size, 2)).astype(np.float32)  # below 0: a padding of zeros would show
    np.testing.assert_array_equal(evaluate(backbone.ceil_max_pool(tf.constant(x[None])))[0], pool_loops(x))


@pytest.mark.parametrize(("row", "column", "is_read"), [(2, 2, True), (1, 1, False), (2, 1, False), (3, 4, False)])
def test_stride_sits_in_the_first_1x1(row, column, is_read, evaluate):
    stage = Stage("res3", "a", 2, 3, 8)
    weights = backbone.fold_batch_norm(busy_weights(Layout(6, (stage,))))
    x = np.zeros((2, 6, 6, 6), np.float32)
    x[1, row, column] = 1000
    without, with_impulse = evaluate(backbone._bottleneck(tf.constant(x), weights, stage, "a"))
    assert without.shape == (3, 3, 8)
    assert np.array_equal(without, with_impulse) != is_read  # a stride in the 3 x 3 reads every pixel


def test_preprocess_subtracts_the_mean_in_bgr(evaluate):
    gray = np.array([[[0, 255]]], np.uint8)
    bgr = evaluate(backbone.preprocess(tf.constant(gray)))
    np.testing.assert_allclose(bgr[0, 0], [[-103.939, -116.779, -123.68], [151.061, 138.221, 131.32]], rtol=1e-6)


@pytest.mark.parametrize("end", ["res4f", "res5c"])
def test_grid_side_is_that_of_the_graph(end, graph):
    shapes = {name: shape for name, shape in backbone.variable_shapes(end).items() if name.endswith("/kernel")}
    weights = {name: tf1.placeholder(tf.float32, shape) for name, shape in shapes.items()}
    weights |= {
        name.replace("kernel", "bias"): tf1.placeholder(tf.float32, shape[-1:]) for name, shape in shapes.items()
    }
    for image_px in (32, 33, 63, 97, 130, 259, 512):
        features = backbone.resnet50(tf1.placeholder(tf.float32, [1, image_px, image_px, 3]), weights, end)
        side = grid.backbone_side(image_px, end)
        assert features.shape == (1, side, side, grid.ENDS[end][1]), image_px


def test_weights_are_frozen_local_resource_variables(tiny, graph, evaluate):
    variables = backbone.get_weights(tiny, "res4f")
    assert not tf1.trainable_variables() and not tf1.global_variables()
    assert {id(v) for v in tf1.local_variables()} == {id(v) for v in variables.values()}
    assert all(tf1.resource_variables_enabled() and v.name.startswith("backbone/") for v in variables.values())
    assert all(type(v).__name__ == "ResourceVariable" for v in variables.values())
    evaluate(tf1.local_variables_initializer())
    values = evaluate(variables)
    for name, value in backbone.fold_batch_norm(tiny).items():
        np.testing.assert_array_equal(values[name], value)


def test_weights_are_not_in_the_graph_definition(graph):
    backbone.get_weights(backbone.random_weights("res4f", 0), "res4f")  # 34 MB
    assert graph.as_graph_def().ByteSize() < 1e6


def test_no_gradient_flows_back(tiny, graph):
    variables = backbone.get_weights(tiny, "res4f")
    bgr = tf1.placeholder(tf.float32, [1, 32, 32, 3])
    features = backbone.resnet50(bgr, variables, "res4f")
    assert tf1.gradients(features, [bgr, *variables.values()]) == [None] * (1 + len(variables))


def test_variables_and_arrays_give_the_same(tiny, random, evaluate):
    bgr = tf.constant(random.normal(0, 60, (1, 32, 32, 3)).astype(np.float32))
    from_variables = backbone.resnet50(bgr, backbone.get_weights(tiny, "res4f"), "res4f")
    evaluate(tf1.local_variables_initializer())
    np.testing.assert_allclose(*evaluate([from_variables, backbone.resnet50(bgr, tiny, "res4f")]), rtol=1e-6)


@pytest.mark.parametrize("end", ["res4f", "res5c"])
def test_random_weights_give_sane_activations(end):
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.uint8)
    gray = np.concatenate([noise, np.zeros_like(noise), np.full_like(noise, 255)])
    with backbone.FeatureExtractor(backbone.random_weights(end, 0), end, 64, ONE_THREAD) as extract:
        features = extract(gray).astype(np.float32)
    assert features.shape == (3, *extract.shape) == (3, *[1024 // grid.ENDS[end][0] // 16] * 2, grid.ENDS[end][1])
    assert features.max() < 1000
    assert features.std(axis=(1, 2, 3)).min() > 0.01


def test_extractor_does_not_depend_on_batch_mates(tiny, random):
    gray = random.integers(0, 256, (3, 40, 40)).astype(np.uint8)
    with backbone.FeatureExtractor(tiny, "res4f", 40, ONE_THREAD) as extract:
        together = extract(gray)
        alone = np.concatenate([extract(gray[i : i + 1]) for i in (2, 0, 1)])
    assert together.dtype == np.float16
    np.testing.assert_allclose(together[[2, 0, 1]], alone, rtol=2e-3)  # float16's last digit
    assert np.ptp(together) > 1


@pytest.mark.parametrize("end", ["res4f", "res5c"])
def test_bfloat16_is_close_to_float32(end):
    """Off by less than 1% of the standard deviation of the activations on average, and by less than 10% anywhere."""
    gray = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.uint8)
    weights, features = backbone.random_weights(end, 0), {}
    for dtype in BACKBONE_DTYPES:
        with backbone.FeatureExtractor(weights, end, 64, ONE_THREAD, dtype) as extract:
            features[dtype] = extract(gray).astype(np.float32)
    difference = np.abs(features["bfloat16"] - features["float32"]) / features["float32"].std()
    assert 0 < difference.mean() < 0.01 and difference.max() < 0.1, (difference.mean(), difference.max())


def test_the_weights_are_rounded_once_and_kept_in_what_the_network_computes_in(tiny, graph, evaluate):
    variables = backbone.get_weights(tiny, "res4f", "bfloat16")
    features = backbone.resnet50(tf.zeros([1, 32, 32, 3]), variables, "res4f")
    evaluate(tf1.local_variables_initializer())
    assert features.dtype == tf.float32 and {v.dtype.base_dtype for v in variables.values()} == {tf.bfloat16}
    operations = get_backward_walk_ops(features.op)
    computing = ("Conv2D", "BiasAdd", "MaxPool", "AddV2", "Relu")
    assert {op.outputs[0].dtype for op in operations if op.type in computing} == {tf.bfloat16}
    assert [op.type for op in operations].count("Cast") == 2  # of the image, and of what comes out
    name, value = next(iter(backbone.fold_batch_norm(tiny).items()))
    rounded = value.astype(tf.bfloat16.as_numpy_dtype).astype(np.float32)
    np.testing.assert_array_equal(evaluate(tf.cast(variables[name], tf.float32)), rounded)


def test_extractor_refuses_what_float16_cannot_hold(tiny, random):
    tiny["bn3b_branch2c/gamma"] *= 1e7
    with (
        backbone.FeatureExtractor(tiny, "res4f", 32, ONE_THREAD) as extract,
        pytest.raises(
            InputError, match=r"image 0 of the batch has a res4f activation of [1-9.e+]+.* float16 ends at 65504"
        ),
    ):
        extract(random.integers(0, 256, (1, 32, 32)).astype(np.uint8))


def test_real_weights_on_a_real_x_ray(shared):
    with np.load(shared / "weights/resnet50_caffe_keras_partial.npz") as arrays:
        weights = {name: arrays[name.replace("/", "|")] for name in backbone.variable_shapes("res4f")}
    image = min((shared / "data/openi").rglob("*.jpg"))
    gray = cv2.imread(str(image), cv2.IMREAD_GRAYSCALE)[None]
    with backbone.FeatureExtractor(weights, "res4f", 256, TWO_THREADS) as extract:
        features = extract(gray).astype(np.float32)
    assert features.shape == (1, 16, 16, 1024)
    # Measured once, after the network equalled OpenCV's and Keras's; a channel order, mean or pool gone wrong shows.
    np.testing.assert_allclose(features.mean(), 0.49387, rtol=1e-3)
    np.testing.assert_allclose(features.max(), 15.523, rtol=5e-3)
    np.testing.assert_allclose((features > 0).mean(), 0.57616, rtol=2e-3)
