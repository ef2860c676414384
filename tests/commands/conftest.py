"""Small runs of each mode on phantom images, and their data, for the commands."""

from pathlib import Path

import pytest

from tests.test_training import config_of, train
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.modes import MODES


@pytest.fixture(scope="session")
def runs(data_root, tmp_path_factory) -> dict[str, Path]:
    """Mode -> a run's folder."""
    folder = tmp_path_factory.mktemp("command-runs")
    return {mode: train(data_root, folder / mode, config_of(mode, epochs=1, max_words=30)) for mode in MODES}


@pytest.fixture(scope="session")
def phantom(data_root) -> Manifest:
    """The validation studies."""
    return manifests.load("phantom", data_root).split("val")
