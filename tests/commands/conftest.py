"""Studies for the commands."""

import pytest

from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest


@pytest.fixture(scope="session")
def phantom(data_root) -> Manifest:
    """The validation studies."""
    return manifests.load("phantom", data_root).split("val")
