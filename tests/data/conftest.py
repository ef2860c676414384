"""What the tests of the feature cache share."""

from pathlib import Path

import pytest

from tests.data.toys import manifest_of, write_images
from tienet.data.manifest import Manifest


@pytest.fixture
def toy(tmp_path: Path) -> Manifest:
    """Ten studies, each with another image."""
    return manifest_of(tmp_path, write_images(tmp_path / "images", 10))
