"""The frozen ResNet-50 against Caffe's conventions in NumPy loops, its weights files, and the feature extractor."""

import json
import math

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tienet import grid
from tienet.errors import InputError
from tienet.modeling import backbone, backbone_weights
from tienet.modeling.backbone_weights import Layout, Stage

tf1 = tf.compat.v1

TINY = Layout(4, (Stage("res2", "ab", 1, 2, 6), Stage("res3", "ab", 2, 3, 8)))
ONE_THREAD = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
TWO_THREADS = tf1.ConfigProto(intra_op_parallelism_threads=2, inter_op_parallelism_threads=1)


@pytest.fixture
def tiny(monkeypatch) -> dict[str, np.ndarray]:
    """The end res4f is that of a tiny network, with these weights."""
    monkeypatch.setitem(backbone_weights.LAYOUTS, "res4f", TINY)
    monkeypatch.setitem(grid.ENDS, "res4f", (8, 8))
    return busy_weights(TINY)


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


def test_fold_batch_norm_is_convolution_then_batch_norm():
    weights = busy_weights(TINY)
    folded = backbone.fold_batch_norm(weights)
    assert {name.split("/")[0] for name in folded} == {conv.name for conv in TINY.convs()}
    x = np.random.default_rng(0).normal(0, 60, (9, 9, 3))
    y = conv_loops(x, folded["conv1/kernel"], 2, 3) + folded["conv1/bias"]
    np.testing.assert_allclose(y, conv_bn_loops(x, weights, "conv1", "bn_conv1", 2, 3), rtol=1e-5, atol=1e-4)


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


def test_grid_side_at_the_documented_sizes():
    assert [grid.backbone_side(px, "res5c") for px in (512, 1024)] == [16, 32]
    assert grid.backbone_side(256, "res4f") == 16
    with pytest.raises(InputError, match=r"image_px=31 .*32 or more"):
        grid.backbone_side(31, "res4f")


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


def test_random_weights_depend_on_the_seed_only(tiny):
    prints = [backbone.fingerprint(backbone.weights_for("random", "res4f", seed)) for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_fingerprint_sees_name_shape_and_value_but_not_order(tiny):
    before = backbone.fingerprint(tiny)
    assert backbone.fingerprint(dict(reversed(tiny.items()))) == before
    name = "res2a_branch1/kernel"
    for other in (
        {name: tiny[name].reshape(1, 1, -1, 2)},
        {name: np.nextafter(tiny[name], np.float32(9))},
        {"other": tiny["bn_conv1/beta"]},
    ):
        assert backbone.fingerprint(tiny | other) != before


def test_extractor_does_not_depend_on_batch_mates(tiny, random):
    gray = random.integers(0, 256, (3, 40, 40)).astype(np.uint8)
    with backbone.FeatureExtractor(tiny, "res4f", 40, ONE_THREAD) as extract:
        together = extract(gray)
        alone = np.concatenate([extract(gray[i : i + 1]) for i in (2, 0, 1)])
    assert together.dtype == np.float16
    np.testing.assert_allclose(together[[2, 0, 1]], alone, rtol=2e-3)  # float16's last digit
    assert np.ptp(together) > 1


def test_extractor_refuses_what_float16_cannot_hold(tiny, random):
    tiny["bn3b_branch2c/gamma"] *= 1e7
    with (
        backbone.FeatureExtractor(tiny, "res4f", 32, ONE_THREAD) as extract,
        pytest.raises(
            InputError, match=r"image 0 of the batch has a res4f activation of [1-9.e+]+.* float16 ends at 65504"
        ),
    ):
        extract(random.integers(0, 256, (1, 32, 32)).astype(np.uint8))


def write_npz(path, weights):
    np.savez(path, **weights, meta=np.array(json.dumps({"end": "res4f"})))


def test_load_weights_reads_what_was_written(tiny, tmp_path):
    write_npz(tmp_path / "w.npz", tiny)
    loaded = backbone.load_weights(tmp_path / "w.npz", "res4f")
    assert list(loaded) == list(backbone.variable_shapes("res4f"))
    assert backbone.fingerprint(loaded) == backbone.fingerprint(tiny)


def test_no_weights_names_both_commands_and_random(tmp_path):
    with pytest.raises(InputError) as raised:
        backbone.weights_for(tmp_path / "none.npz", "res5c", 0)
    message = str(raised.value)
    assert "\n" not in message and "none.npz" in message and "--backbone-weights random" in message
    assert "python pretrained/convert_resnet50.py SOURCE --out pretrained/resnet50.npz" in message
    assert "python pretrained/fetch.py" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"res3b_branch2b/kernel": None}, r"--end res4f\): lacks res3b_branch2b/kernel, which the end res4f needs"),
        ({"conv1/bias": np.zeros(5, np.float32)}, r"conv1/bias has shape \[5\]; ResNet-50 has \[4\]"),
        ({"conv1/bias": np.float32([0, 1, np.nan, 2])}, "conv1/bias holds values that are not finite"),
        ({"conv1/bias": np.arange(4)}, "conv1/bias holds values that are not finite"),
        ({"bn_conv1/moving_variance": np.float32([1, 1, -1, 1])}, "bn_conv1/moving_variance holds a negative"),
    ],
)
def test_load_weights_is_strict(change, message, tiny, tmp_path):
    write_npz(tmp_path / "w.npz", {k: v for k, v in (tiny | change).items() if v is not None})
    with pytest.raises(InputError, match=message):
        backbone.load_weights(tmp_path / "w.npz", "res4f")


def test_load_weights_refuses_other_files(tiny, tmp_path):
    write_npz(tmp_path / "whole.npz", tiny)
    content = (tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(content)
    flipped[300] ^= 255
    np.savez(tmp_path / "no_meta.npz", **tiny)
    (tmp_path / "flipped.npz").write_bytes(flipped)
    (tmp_path / "cut.npz").write_bytes(content[:-2000])
    (tmp_path / "text.npz").write_text("<html>404</html>")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("no_meta.npz", "flipped.npz", "cut.npz", "text.npz", "empty.npz", "array.npy"):
        with pytest.raises(InputError, match=f"{name}: not a weights file, or a damaged one"):
            backbone.load_weights(tmp_path / name, "res4f")


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
