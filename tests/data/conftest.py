"""Fixtures that the tests of the feature cache share, and fixtures for the tests of DICOM."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from tests.data.dicom.dicom_files import save
from tests.data.toys import manifest_of, write_images
from tienet import cpu
from tienet.data import threads
from tienet.data.manifest import Manifest


@pytest.fixture
def four_cores(monkeypatch):
    """Four cores, as far as the threads for files know."""
    monkeypatch.setattr(cpu, "usable_cores", lambda: 4)
    threads._threads.cache_clear()
    yield
    threads._threads().shutdown()
    threads._threads.cache_clear()


@pytest.fixture
def toy(tmp_path: Path) -> Manifest:
    """A manifest of ten studies, each with a different image."""
    return manifest_of(tmp_path, write_images(tmp_path / "images", 10))


@pytest.fixture
def gray(reader, tmp_path):
    """A function that writes a dataset to a file and returns the pixels that are read from it."""

    def gray(ds: Dataset) -> np.ndarray:
        return reader.read(save(tmp_path / "x.dcm", ds)).pixels

    return gray
