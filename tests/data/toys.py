"""Small images and a cheap network for the tests of the feature cache."""

from pathlib import Path

import cv2
import numpy as np

from tienet.data.features.cache import FeatureKey, Features, open_features
from tienet.data.image import read_image
from tienet.data.manifest import Manifest
from tienet.labels import K

KEY = FeatureKey("some weights", "res4f", 32)  # rows of 2 x 2 x 1024, 8 KB
ROW_BYTES = 2 * 2 * 1024 * 2
CHANNELS = np.arange(1024, dtype=np.float32)


def manifest_of(folder: Path, images: list[Path | None]) -> Manifest:
    ids = [f"s{n}" for n in range(len(images))]
    labels = np.zeros((len(images), K), np.float32)
    return Manifest(
        name="toy", path=folder / "manifest.csv", study_ids=ids, patient_ids=ids, images=images,
        reports=[""] * len(images), splits=np.array(["train"] * len(images)), labels=labels, notes=[],
    )  # fmt: skip


def write_images(folder: Path, count: int) -> list[Path]:
    """Different grey images of 40 x 40 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"{n}.png" for n in range(count)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 40), dtype=np.uint8))
    return paths


def toy_features(images: np.ndarray) -> np.ndarray:
    """uint8 [B, 32, 32] -> float16 [B, 2, 2, 1024]: block means, another scale in each channel."""
    means = images.reshape(len(images), 2, 16, 2, 16).astype(np.float32).mean((2, 4))
    return (means[..., None] * (1 + CHANNELS / 1024)).astype(np.float16)


class Network:
    """A cheap stand-in for the backbone that counts how often it is made and what goes through it."""

    def __init__(self) -> None:
        self.made = self.images = 0

    def __call__(self):
        self.made += 1
        return self.run

    def run(self, images: np.ndarray) -> np.ndarray:
        self.images += len(images)
        return toy_features(images)


def opened(manifest: Manifest, key: FeatureKey = KEY, batch: int = 4) -> tuple[Features, Network]:
    network = Network()
    return open_features(manifest, network, key, batch=batch, progress=False), network


def expected(paths: list[Path]) -> np.ndarray:
    return toy_features(np.stack([read_image(path, 32) for path in paths]))
