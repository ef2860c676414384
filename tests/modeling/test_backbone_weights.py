"""The backbone's weights: drawn, written and read, fingerprinted, and what is refused."""

import json

import numpy as np
import pytest
from resnet_oracles import TINY, busy_weights, conv_bn_loops, conv_loops

from tienet.errors import InputError
from tienet.modeling import backbone_weights


def test_random_weights_depend_on_the_seed_only(tiny):
    prints = [backbone_weights.fingerprint(backbone_weights.weights_for("random", "res4f", seed)) for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_fingerprint_sees_name_shape_and_value_but_not_order(tiny):
    before = backbone_weights.fingerprint(tiny)
    assert backbone_weights.fingerprint(dict(reversed(tiny.items()))) == before
    name = "res2a_branch1/kernel"
    for other in (
        {name: tiny[name].reshape(1, 1, -1, 2)},
        {name: np.nextafter(tiny[name], np.float32(9))},
        {"other": tiny["bn_conv1/beta"]},
    ):
        assert backbone_weights.fingerprint(tiny | other) != before


def write_npz(path, weights):
    np.savez(path, **weights, meta=np.array(json.dumps({"end": "res4f"})))


def test_load_weights_reads_what_was_written(tiny, tmp_path):
    write_npz(tmp_path / "w.npz", tiny)
    loaded = backbone_weights.load_weights(tmp_path / "w.npz", "res4f")
    assert list(loaded) == list(backbone_weights.variable_shapes("res4f"))
    assert backbone_weights.fingerprint(loaded) == backbone_weights.fingerprint(tiny)


def test_no_weights_names_both_commands_and_random(tmp_path):
    with pytest.raises(InputError) as raised:
        backbone_weights.weights_for(tmp_path / "none.npz", "res5c", 0)
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
        backbone_weights.load_weights(tmp_path / "w.npz", "res4f")


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
            backbone_weights.load_weights(tmp_path / name, "res4f")


def test_fold_batch_norm_is_convolution_then_batch_norm():
    weights = busy_weights(TINY)
    folded = backbone_weights.fold_batch_norm(weights)
    assert {name.split("/")[0] for name in folded} == {conv.name for conv in TINY.convs()}
    x = np.random.default_rng(0).normal(0, 60, (9, 9, 3))
    y = conv_loops(x, folded["conv1/kernel"], 2, 3) + folded["conv1/bias"]
    np.testing.assert_allclose(y, conv_bn_loops(x, weights, "conv1", "bn_conv1", 2, 3), rtol=1e-5, atol=1e-4)
