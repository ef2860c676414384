"""Runs without a network that the tests of checkpoints share."""

import shutil
from pathlib import Path

import pytest

from tests.toy_run import ToyRun


@pytest.fixture(scope="session")
def toy_runs(tmp_path_factory) -> dict[int, Path]:
    """Runs after 0 ... 6 epochs, of which 1, 2 and 4 are the best so far; tests change copies only."""
    folder = tmp_path_factory.mktemp("toy_runs")
    run = ToyRun(folder / "run")
    folders = {0: shutil.copytree(run.folder, folder / "0")}
    for epoch in range(1, 7):
        run.epoch()
        folders[epoch] = shutil.copytree(run.folder, folder / str(epoch))
    return folders
