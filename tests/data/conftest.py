"""What the tests of the feature cache share, and those of DICOM."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from tests.data.dicom.dicom_files import save
from tests.data.toys import manifest_of, write_images
from tienet.data.dicom.reader import Reader
from tienet.data.manifest import Manifest


@pytest.fixture
def toy(tmp_path: Path) -> Manifest:
    """Ten studies, each with another image."""
    return manifest_of(tmp_path, write_images(tmp_path / "images", 10))


@pytest.fixture(scope="session")
def reader():
    """Reads DICOM in a process of its own, which all tests share: tests that end it start their own."""
    with Reader() as reader:
        yield reader


@pytest.fixture
def gray(reader, tmp_path):
    """gray(dataset): its pixels after it was written and read."""

    def gray(ds: Dataset) -> np.ndarray:
        return reader.read(save(tmp_path / "x.dcm", ds)).pixels

    return gray
