"""How the tests call `tienet weights`, and writers of the files that it reads."""

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.command_line import tienet
from tienet.modeling import backbone_weights
from tienet.modeling.backbone_weights import Layout, Stage

_TO_RES3 = (Stage("res2", "ab", 1, 2, 4), Stage("res3", "a", 2, 3, 6))


@pytest.fixture
def tiny(monkeypatch) -> dict[str, np.ndarray]:
    """Small networks in place of both ends, and weights up to the later one: res4f has res2, res5c res3 too."""
    monkeypatch.setattr(backbone_weights, "LAYOUTS", {"res4f": Layout(2, _TO_RES3[:1]), "res5c": Layout(2, _TO_RES3)})
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in backbone_weights.variable_shapes("res5c").items():
        value = random.uniform(0.5, 2, shape) if name.endswith("variance") else random.normal(0, 1, shape)
        weights[name] = value.astype(np.float32)
    return weights


@pytest.fixture
def run(capfd):
    """run(command, *arguments) of `tienet weights` -> (exit status, standard output, last line of standard error)."""

    def run_command(command: str, *arguments: object) -> tuple[int, str, str]:
        status = tienet("weights", command, *arguments)
        output, errors = capfd.readouterr()
        assert "Traceback" not in errors
        return status, output, errors.rstrip().rpartition("\n")[2]

    return run_command


def _new_name(layer: str) -> str:
    """Keras's new name of a Caffe layer: res2a_branch1 -> conv2_block1_0_conv."""
    if layer in ("conv1", "bn_conv1"):
        return {"conv1": "conv1_conv", "bn_conv1": "conv1_bn"}[layer]
    kind, stage, block, branch = re.fullmatch(r"(res|bn)(\d)([a-f])_branch(\w+)", layer).groups()
    number = {"1": 0, "2a": 1, "2b": 2, "2c": 3}[branch]
    return f"conv{stage}_block{'abcdef'.index(block) + 1}_{number}_{'conv' if kind == 'res' else 'bn'}"


_KERAS_1 = {
    "kernel": "{}_W_1:0",
    "bias": "{}_b_1:0",
    "gamma": "{}_gamma_1:0",
    "beta": "{}_beta_1:0",
    "moving_mean": "{}_running_mean_1:0",
    "moving_variance": "{}_running_std_1:0",
}


@pytest.fixture
def write_keras() -> Callable[[Path, dict, str], None]:
    """write_keras(path, weights, style): a .h5 in the style "keras1", "old" or "new" (conv2_block1_0_conv)."""
    return _write_keras


def _write_keras(path: Path, weights: dict, style: str) -> None:
    layers: dict[str, dict[str, np.ndarray]] = {}
    for name, value in weights.items():
        layer, part = name.split("/")
        layers.setdefault(_new_name(layer) if style == "new" else layer, {})[part] = value
    layers["activation_1"] = {}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, parts in layers.items():
            group = file.create_group(layer)
            names = []
            for part, value in parts.items():
                names.append(_KERAS_1[part].format(layer) if style == "keras1" else f"{layer}/{part}:0")
                group.create_dataset(names[-1], data=value, compression="gzip", compression_opts=1)
            group.attrs["weight_names"] = [name.encode() for name in names]


@pytest.fixture
def convert(run, tmp_path):
    """convert(source, *options) -> (exit status, standard output, last line of errors, path of --out)."""
    out = tmp_path / "out" / "resnet50.npz"
    return lambda source, *options: (*run("convert", source, "--out", out, *options), out)
