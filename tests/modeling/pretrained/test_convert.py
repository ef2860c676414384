"""Every source of ResNet-50 weights comes out the same; what is missing, foreign or damaged is named in one line."""

import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.modeling.pretrained.caffe_files import caffemodel
from tests.modeling.pretrained.networks import assert_same
from tienet.modeling import backbone_weights


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


def test_the_script_is_the_same_command(tmp_path):
    np.savez(tmp_path / "dense.npz", **{"dense|kernel": np.zeros(1)})
    command = [sys.executable, "pretrained/convert_resnet50.py", tmp_path / "dense.npz", "--out", tmp_path / "out.npz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("convert_resnet50.py: ") and "not the ResNet-50" in done.stderr


def test_a_failed_conversion_leaves_the_old_file(tiny, convert, tmp_path):
    np.savez(tmp_path / "source.npz", **tiny)
    out = convert(tmp_path / "source.npz")[-1]
    before = out.read_bytes()
    np.savez(tmp_path / "source.npz", **without(tiny, "bn_conv1"))
    assert convert(tmp_path / "source.npz")[0] == 2
    assert out.read_bytes() == before


def test_the_partial_weights_go_up_to_res4f(shared, convert):
    source = shared / "weights/resnet50_caffe_keras_partial.npz"
    status, _, error, _ = convert(source)
    assert status == 2 and "lacks res5a_branch1/kernel, " in error and "use --end res4f" in error
    status, output, errors, out = convert(source, "--end", "res4f")
    assert (status, errors) == (0, "")
    assert "216 variables up to res4f from a .npz, 34.4 MB" in output
    assert "070e451a679e518792c821ad9d136654577cd77f15f46c5127a96d1cedf565e9" in output
    assert len(backbone_weights.load_weights(out, "res4f")) == 216
