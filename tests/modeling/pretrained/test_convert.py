"""Every source of ResNet-50 weights comes out the same; what is missing, foreign or damaged is named in one line."""

import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ROOT
from tienet.modeling import backbone, backbone_weights
from tienet.modeling.pretrained.convert import read, select

tf1 = tf.compat.v1


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


@pytest.fixture
def convert(run, tmp_path):
    """convert(source, *options) -> (exit status, standard output, last line of errors, path of --out)."""
    out = tmp_path / "out" / "resnet50.npz"
    return lambda source, *options: (*run("convert", source, "--out", out, *options), out)


def assert_same(path: Path, end: str, weights: dict, rtol: float = 0) -> None:
    loaded = backbone_weights.load_weights(path, end)
    for name, value in loaded.items():
        np.testing.assert_allclose(value, weights[name], rtol=rtol, err_msg=name)


@pytest.mark.parametrize("end", ["res4f", "res5c"])
@pytest.mark.parametrize("style", ["layer", "v1", "double"])
def test_caffemodel(style, end, tiny, convert, tmp_path):
    source = tmp_path / "ResNet-50-model.caffemodel"
    source.write_bytes(caffemodel(tiny, style))
    status, output, errors, out = convert(source, "--end", end)
    assert (status, errors) == (0, "")
    assert_same(out, end, tiny, rtol=1e-6)
    variables = len(backbone_weights.variable_shapes(end))
    assert f"{variables} variables up to {end} from a Caffe .caffemodel, 0.0 MB" in output
    assert backbone_weights.fingerprint(backbone_weights.load_weights(out, end)) in output


@pytest.mark.parametrize("style", ["keras1", "old", "new"])
def test_keras(style, tiny, write_keras, convert, tmp_path):
    write_keras(tmp_path / "resnet50.h5", tiny, style)
    status, _, errors, out = convert(tmp_path / "resnet50.h5")
    assert (status, errors) == (0, "")
    assert_same(out, "res5c", tiny)
    with np.load(out) as arrays:
        meta = json.loads(str(arrays["meta"]))
    assert (meta["source"], meta["kind"], meta["end"]) == ("resnet50.h5", "Keras .h5", "res5c")


def test_a_bias_before_batch_normalisation_moves_the_mean(tiny, write_keras, convert, tmp_path):
    bias = np.float32([3, -2])
    write_keras(tmp_path / "resnet50.h5", tiny | {"res2a_branch2a/bias": bias}, "new")
    out = convert(tmp_path / "resnet50.h5")[-1]
    assert_same(out, "res5c", tiny | {"bn2a_branch2a/moving_mean": tiny["bn2a_branch2a/moving_mean"] - bias})


def test_npz_with_keras_keys_and_its_own_output(tiny, convert, tmp_path):
    np.savez(tmp_path / "partial.npz", **{name.replace("/", "|"): value for name, value in tiny.items()})
    out = convert(tmp_path / "partial.npz")[-1]
    again = out.rename(tmp_path / "again.npz")
    assert convert(again, "--end", "res4f")[0] == 0
    assert_same(out, "res4f", tiny)


def without(weights: dict, *prefixes: str) -> dict:
    return {name: value for name, value in weights.items() if not name.startswith(prefixes)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "res2b_branch2a"), "lacks res2b_branch2a/kernel, which the end res5c needs"),
        (lambda w: without(w, "res3a_branch2b/k"), "lacks res3a_branch2b/kernel, .* there: use --end res4f"),
        (lambda w: without(w, "conv1/bias"), "lacks conv1/bias, which the end res5c needs"),
        (lambda w: w | {"conv1/kernel": np.zeros((7, 7, 1, 2), "f4")}, r"shape \[7, 7, 1, 2\]; .* has \[7, 7, 3, 2\]"),
        (lambda w: w | {"res2a_branch1/bias": np.zeros(3, "f4")}, r"res2a_branch1/bias has shape \[3\], not \[4\]"),
        (lambda w: w | {"bn_conv1/beta": np.float32([0, np.inf])}, "bn_conv1/beta holds values that are not finite"),
        (lambda w: w | {"res2c_branch2a/kernel": np.zeros(1)}, "not the ResNet-50 .*: it has res2c_branch2a"),
        (lambda w: w | {"res3b1_branch2a/kernel": np.zeros(1)}, "not the ResNet-50 .*: it has res3b1_branch2a"),
        (lambda w: w | {"conv2_block1_preact_bn/gamma": np.zeros(1)}, "not the ResNet-50 .*: it has conv2_block1_pre"),
        (lambda w: {"dense/kernel": np.zeros(1)}, "not the ResNet-50 .*: it has dense"),
        (lambda w: {}, "not the ResNet-50 .*: it has no layers"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(change, message, tiny, convert, tmp_path):
    np.savez(tmp_path / "source.npz", **change(tiny))
    status, output, errors, out = convert(tmp_path / "source.npz")
    assert (status, output) == (2, "")
    assert re.search(f"source.npz: .*{message}", errors), errors
    assert not out.exists() and not list(tmp_path.glob("out/*"))


def test_damaged_files_give_one_line(tiny, write_keras, convert, tmp_path):
    write_keras(tmp_path / "whole.h5", tiny, "new")
    whole = (tmp_path / "whole.h5").read_bytes()
    model = caffemodel(tiny)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    files = {
        "cut.h5": (whole[: len(whole) // 2], "damaged or cut short"),
        "other.h5": ((tmp_path / "other.h5").read_bytes(), "not laid out as Keras saves a .h5"),
        "cut.caffemodel": (model[:-3], "not a .caffemodel, or cut short"),
        "page.caffemodel": (b"<html>not found</html>", "not a .caffemodel, or cut short"),
        "empty.caffemodel": (b"", "it has no layers at all"),
        "short.caffemodel": (
            model.replace(b"\n\x04\x02\x02\x01\x01", b"\n\x04\x02\x03\x01\x01"),
            "layer res2a_branch2a: cannot reshape",
        ),
        "untrained.caffemodel": (caffemodel(tiny, factor=0.0), "layer bn_conv1: its third blob"),
        "cut.npz": (b"PK\x03\x04" + bytes(99), "not an .npz of arrays"),
        "weights.bin": (b"1234", "neither a Caffe .caffemodel nor a Keras .h5 nor an .npz"),
    }
    for name, (content, message) in files.items():
        (tmp_path / name).write_bytes(content)
        status, _, errors, out = convert(tmp_path / name)
        assert status == 2 and name in errors and message in errors, errors
        assert not out.exists()
    for name in ("none.h5", "."):
        status, _, errors, _ = convert(tmp_path / name)
        assert status == 2 and "no such file" in errors


def test_a_failed_conversion_leaves_the_old_file(tiny, convert, tmp_path):
    np.savez(tmp_path / "source.npz", **tiny)
    out = convert(tmp_path / "source.npz")[-1]
    before = out.read_bytes()
    np.savez(tmp_path / "source.npz", **without(tiny, "bn_conv1"))
    assert convert(tmp_path / "source.npz")[0] == 2
    assert out.read_bytes() == before


def test_the_partial_weights_go_up_to_res4f(shared, tmp_path):
    source, out = shared / "weights/resnet50_caffe_keras_partial.npz", tmp_path / "resnet50.npz"
    command = [sys.executable, "pretrained/convert_resnet50.py", source, "--out", out]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "lacks res5a_branch1/kernel, " in result.stderr and "use --end res4f" in result.stderr
    result = subprocess.run([*command, "--end", "res4f"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "216 variables up to res4f from a .npz, 34.4 MB" in result.stdout
    assert "070e451a679e518792c821ad9d136654577cd77f15f46c5127a96d1cedf565e9" in result.stdout
    assert len(backbone_weights.load_weights(out, "res4f")) == 216


def run_network(weights: dict[str, np.ndarray], bgr: np.ndarray, end: str) -> np.ndarray:
    with tf.Graph().as_default(), tf1.Session(config=tf1.ConfigProto(intra_op_parallelism_threads=2)) as session:
        return session.run(backbone.resnet50(tf.constant(bgr), weights, end))


def realistic_weights() -> dict[str, np.ndarray]:
    """`random_weights` of the whole network with other means, variances, gammas and betas than the plain ones."""
    random = np.random.default_rng(3)
    weights = backbone_weights.random_weights("res5c", 3)
    for name, value in weights.items():
        if not name.endswith("/kernel"):
            weights[name] = (value * random.uniform(0.7, 1.3, value.shape) + random.normal(0, 0.1, value.shape)).astype(
                "f4"
            )
    return weights


def keras_model() -> keras.Model:
    """Keras's ResNet-50, with random weights and Caffe's max-pool (for an even side)."""
    model = keras.applications.ResNet50(weights=None, include_top=False, input_shape=(None, None, 3))
    random = np.random.default_rng(0)
    for layer in model.layers:
        weights = [w * random.uniform(0.7, 1.3, w.shape) for w in layer.get_weights()]
        if layer.name.endswith("_conv"):
            weights[1] += random.normal(0, 1, weights[1].shape)
        if layer.name.endswith("_bn"):
            gamma, beta, mean, variance = weights
            shift = random.normal(0, 0.1, beta.shape)
            gamma *= 0.3 if layer.name.endswith("_3_bn") else 1
            variance *= 3600 if layer.name == "conv1_bn" else 1
            weights = [gamma, beta + shift, mean - shift, variance]
        layer.set_weights(weights)
    model.get_layer("pool1_pad").padding = ((0, 1), (0, 1))
    return model


def test_whole_network_equals_keras(tmp_path):
    model = keras_model()
    model.save(tmp_path / "keras.h5")
    weights = select(read(tmp_path / "keras.h5")[1], "res5c", "")
    bgr = np.random.default_rng(0).normal(0, 60, (1, 64, 64, 3)).astype(np.float32)
    expected = model(bgr, training=False).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(run_network(weights, bgr, "res5c"), expected, rtol=1e-3, atol=1e-3 * expected.max())


@pytest.mark.skipif(not hasattr(cv2.dnn, "readNetFromCaffe"), reason="OpenCV 5 reads no Caffe models; 4 does")
@pytest.mark.parametrize("image_px", [64, 77])
def test_whole_network_equals_opencv_on_caffe_files(image_px, shared, tmp_path):
    weights = realistic_weights()
    model, prototxt = tmp_path / "net.caffemodel", tmp_path / "net.prototxt"
    model.write_bytes(caffemodel(weights))
    text = (shared / "weights/ResNet-50-deploy.prototxt").read_text()
    text = text[: text.rindex("layer", 0, text.index('top: "pool5"'))]  # that one is for 224 px only
    prototxt.write_text(text.replace("input_dim: 224", f"input_dim: {image_px}"))
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(model))
    bgr = np.random.default_rng(0).normal(0, 60, (1, image_px, image_px, 3)).astype(np.float32)
    net.setInput(bgr.transpose(0, 3, 1, 2))
    converted = select(read(model)[1], "res5c", "")
    for end in ("res4f", "res5c"):
        expected = net.forward(f"{end}_relu").transpose(0, 2, 3, 1)
        features = run_network(converted, bgr, end)
        assert features.shape == expected.shape and expected.std() > 0.1
        np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_the_writer_of_these_tests_writes_protobuf():
    assert field(1, 300) == b"\x08\xac\x02"  # the encoding guide's own examples
    assert field(2, b"testing") == b"\x12\x07testing"
    assert blob(np.float32([1.5]), "layer") == b"\x3a\x03\x0a\x01\x01\x2a\x04" + struct.pack("<f", 1.5)
