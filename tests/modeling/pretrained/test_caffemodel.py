"""Caffe's files in each of their styles, and the whole network against OpenCV's own reader of them."""

import struct

import cv2
import numpy as np
import pytest

from tests.modeling.pretrained.caffe_files import blob, caffemodel, field
from tests.modeling.pretrained.networks import assert_same, run_network
from tienet.modeling import backbone_weights
from tienet.modeling.pretrained.convert import read, select


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
