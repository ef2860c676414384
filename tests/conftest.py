"""Fixtures that several tests share."""

import faulthandler
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

faulthandler.register(signal.SIGALRM)  # a stray alarm shows where it comes from; it would end the tests without a word


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


@pytest.fixture(scope="session")
def runs(data_root, tmp_path_factory) -> dict[str, Path]:
    """Mode -> the folder of a small run that reads 30 words of a report; tests change copies only."""
    from tests.small_run import config_of, train
    from tienet.modes import MODES

    folder = tmp_path_factory.mktemp("runs")
    return {
        mode: train(data_root, folder / mode, config_of(mode, max_words=30, feature_norm=mode == "classify"))
        for mode in MODES
    }


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; tests that need it skip where it is missing."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        pytest.skip("needs chromium, chromium-browser or google-chrome on the PATH")
    with sync_api.sync_playwright() as playwright:
        # --no-sandbox: Chromium refuses to start as root without it; the pages are our own.
        started = playwright.chromium.launch(executable_path=found[0], args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
