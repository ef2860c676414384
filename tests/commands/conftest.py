"""Studies for the commands, and how often they open a run."""

from pathlib import Path

import pytest

from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest


@pytest.fixture(scope="session")
def phantom(data_root) -> Manifest:
    """The validation studies."""
    return manifests.load("phantom", data_root).split("val")


class Opened(list):
    """The folders of the runs that were opened, and what they were looked for by; `clear` forgets both."""

    def __init__(self):
        super().__init__()
        self.located = []

    def clear(self) -> None:
        super().clear()
        self.located.clear()


@pytest.fixture
def opened(monkeypatch) -> list[Path]:
    """The folders of the runs that were opened, in order; a command that opens its run twice has it twice."""
    from tienet.checkpoint import run_folder

    loaded = Opened()
    locate, load_run = run_folder.locate, run_folder.load_run

    def counted_locate(load):
        loaded.located.append(load)
        return locate(load)

    def counted_load_run(folder):
        loaded.append(folder)
        return load_run(folder)

    monkeypatch.setattr(run_folder, "locate", counted_locate)
    monkeypatch.setattr(run_folder, "load_run", counted_load_run)
    yield loaded
    assert len(loaded.located) == len(loaded)
