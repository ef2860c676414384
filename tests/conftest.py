"""Fixtures that several tests share."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and weights beside the checkout; tests that need it skip where it is missing."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared with the real data and weights")
    return folder


@pytest.fixture(scope="session")
def data_root(tmp_path_factory) -> Path:
    """A data root with a small phantom data set and its vocabulary."""
    root = tmp_path_factory.mktemp("data")
    python = sys.executable
    phantom = [python, "data_prep/phantom.py", "--out", str(root / "phantom"), "--studies", "80", "--image-px", "256"]
    vocab = [python, "data_prep/build_vocab.py", "--data-root", str(root), "--data", "phantom", "--dim", "12"]
    for command in (phantom, vocab):
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return root
