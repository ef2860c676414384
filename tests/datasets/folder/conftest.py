"""An empty folder for images, and the command that makes a data set of it."""

from pathlib import Path

import pytest

from tests.command_line import tienet
from tests.datasets.folder.toy_folder import SALT


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def run(source, tmp_path):
    def run(*switches: object, **flags: object) -> tuple[int, Path]:
        values = {"images": source, "out": tmp_path / "out" / "own", "salt": SALT, "workers": 1} | flags
        args = [part for name, value in values.items() if value is not None
                for part in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
        return tienet("prepare", "folder", *args, *switches), Path(str(values["out"]))

    return run
