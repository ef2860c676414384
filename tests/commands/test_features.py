"""`tienet features`: what it writes, says, and refuses."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.command_line import tienet
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.data.features.cache import FeatureKey, open_features
from tienet.data.image import read_image
from tienet.inference.predictor import cached_features
from tienet.labels import LABELS
from tienet.modeling import backbone

ARGS = ["--backbone-weights", "random", "--backbone-end", "res4f", "--image-px", "256", "--batch", "2"]


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A data set "toy" of three small images, the third study's label values the opposite of the others'."""
    folder = tmp_path / "data" / "toy"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for n, split in enumerate(("train", "train", "train")):
        cv2.imwrite(str(folder / "images" / f"{n}.png"), rng.integers(0, 256, (64, 64), dtype=np.uint8))
        labels = dict.fromkeys(LABELS, float(n == 2))
        rows.append({"study_id": f"s{n}", "patient_id": f"p{n}", "image": f"images/{n}.png",
                     "report": "findings : clear .", "split": split, **labels})  # fmt: skip
    manifests.write(folder / "manifest.csv", pd.DataFrame(rows))
    return tmp_path / "data"


def test_computes_once_and_says_what_it_did(data_root, monkeypatch, capsys):
    assert tienet("features", "--data", "toy", "--data-root", str(data_root), *ARGS) == 0
    said = capsys.readouterr()
    assert "toy: 3 rows new, 0 rows reused" in said.out and "ms per image" in said.out
    assert "3 images need 0.00 GB" in said.err

    monkeypatch.setattr(backbone, "FeatureExtractor", None)  # the second run has no use for a network
    assert tienet("features", "--data", "toy", "--data-root", str(data_root), *ARGS) == 0
    said = capsys.readouterr().out
    assert "toy: 0 rows new, 3 rows reused" in said and "ms per image" not in said
    by_folder = str(data_root / "toy")
    assert tienet("features", "--data", by_folder, "--data-root", "nowhere", *ARGS) == 0
    assert "toy: 0 rows new, 3 rows reused" in capsys.readouterr().out
    monkeypatch.undo()

    weights = backbone.random_weights("res4f", 0)
    key = FeatureKey(backbone.fingerprint(weights), "res4f", 256)
    manifest = manifests.load("toy", data_root)
    features = open_features(manifest, None, key, progress=False)
    assert str(features.folder) in said
    with backbone.FeatureExtractor(weights, "res4f", 256) as extract:
        x = extract(np.stack([read_image(path, 256) for path in manifest.images]))
    np.testing.assert_allclose(features.take(range(3)).astype(np.float32), x, rtol=2e-3, atol=1e-3)


def test_what_the_command_keeps_as_int8_is_what_a_run_with_that_setting_reads(data_root, monkeypatch, capsys):
    words = ["features", "--data", "toy", "--data-root", str(data_root), *ARGS, "--feature-dtype", "int8"]
    assert tienet(*words) == 0 and "toy: 3 rows new" in capsys.readouterr().out
    (kept,) = (data_root / "toy" / "features").glob("*/features.u8")
    monkeypatch.setattr(backbone, "FeatureExtractor", None)
    config = Config(mode="classify", backbone_end="res4f", image_px=256, feature_dtype="int8")
    features = cached_features(manifests.load("toy", data_root), config, "random")
    assert features.new_rows == 0 and features.folder == kept.parent and (features.take([1]) > 0).any()


def test_the_backbone_of_the_command_computes_in_bfloat16_as_that_of_a_run_does(data_root, monkeypatch, capsys):
    words = ["features", "--data", "toy", "--data-root", str(data_root), *ARGS, "--backbone-dtype", "bfloat16"]
    assert tienet(*words) == 0 and "toy: 3 rows new" in capsys.readouterr().out
    config, manifest = Config(mode="classify", backbone_end="res4f", image_px=256), manifests.load("toy", data_root)
    other = cached_features(manifest, config, "random").take(range(3)).astype(np.float32)
    monkeypatch.setattr(backbone, "FeatureExtractor", None)
    features = cached_features(manifest, config.replace(backbone_dtype="bfloat16"), "random")
    assert features.new_rows == 0
    difference = np.abs(features.take(range(3)).astype(np.float32) - other)
    assert 0 < difference.max() < other.std()


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--data", "toy", *ARGS, "--image-px", "300"], "image_px=300"),
        (["--data", "toy", *ARGS, "--batch", "0"], "--batch 0: expected 1 or more"),
        (["--data", "toy", *ARGS, "--backbone-weights", "nowhere.npz"], "nowhere.npz"),
        (["--data", "missing", *ARGS], "missing"),
        (ARGS, "--data"),
    ],
)
def test_bad_arguments_are_one_line(data_root, capsys, args, line):
    assert tienet("features", "--data-root", str(data_root), *args) == 2
    said = capsys.readouterr().err.splitlines()
    assert line in said[-1] and not (data_root / "toy" / "features").exists()
