"""Studies to train on, a way to start trainings, and the trainings that others are compared with."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.distributed.parallelism.runs import DRAWN, QUICK, SEED, SMALL, Starter
from tests.made_once import made_once
from tienet.commands.main import dispatch
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.predict import cached_features


@pytest.fixture(scope="session")
def studies(data_root: Path, common_folder: Path) -> Path:
    """A data root with 32 studies to train on, one batch, and 8 to validate; their features are there already."""

    def make(root: Path) -> None:
        (root / "phantom").mkdir(parents=True)
        table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
        table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
        first = table.groupby("split").cumcount() < 32
        table[first].to_csv(root / "phantom" / "manifest.csv", index=False)
        assert dispatch(["vocabulary", "--data-root", str(root), "--data", "phantom", "--dim", "12"]) == 0
        manifest = manifests.load("phantom", root)
        config = Config().replace(**SMALL, seed=SEED)
        for split in ("train", "val"):
            cached_features(manifest.split(split), config, "random")

    return made_once(common_folder / "parallelism-studies", make)


@pytest.fixture
def start(studies: Path, tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(studies, tmp_path)
    yield starter
    starter.kill_all()


@pytest.fixture(scope="session")
def straight(studies: Path, common_folder: Path) -> dict[str, Path]:
    """DRAWN and QUICK without interruption, and QUICK with two towers."""

    def make(folder: Path) -> None:
        folder.mkdir()
        start = Starter(studies, folder)
        try:
            running = [
                start("drawn", **DRAWN),
                start("quick", card=True, **QUICK),
                start("two-towers", "--gpu", "0,1", **QUICK),
            ]
            for training in running:
                training.done()
        finally:
            start.kill_all()

    folder = made_once(common_folder / "parallelism-straight", make)
    return {name: folder / name.replace(" ", "-") for name in ("drawn", "quick", "two towers")}
