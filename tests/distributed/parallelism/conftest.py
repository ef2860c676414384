"""Studies to train on, a way to start trainings, and the trainings that others are compared with."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.distributed.parallelism.runs import DRAWN, QUICK, ROOT, SEED, SMALL, Starter
from tienet.config import Config
from tienet.data import manifest as manifests
from tienet.predict import cached_features


@pytest.fixture(scope="session")
def studies(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with 32 studies to train on, one batch, and 8 to validate; their features are there already."""
    root = tmp_path_factory.mktemp("sharing")
    (root / "phantom").mkdir()
    table = pd.read_csv(data_root / "phantom" / "manifest.csv", dtype=str, keep_default_na=False)
    table["image"] = [str((data_root / "phantom" / image).resolve()) for image in table.image]
    first = table.groupby("split").cumcount() < 32
    table[first].to_csv(root / "phantom" / "manifest.csv", index=False)
    build_vocab = [sys.executable, "data_prep/build_vocab.py", "--data-root", root, "--data", "phantom", "--dim", "12"]
    subprocess.run(build_vocab, cwd=ROOT, check=True, capture_output=True)
    manifest = manifests.load("phantom", root)
    config = Config().replace(**SMALL, seed=SEED)
    for split in ("train", "val"):
        cached_features(manifest.split(split), config, "random")
    return root


@pytest.fixture
def start(studies: Path, tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(studies, tmp_path)
    yield starter
    starter.kill_all()


@pytest.fixture(scope="session")
def straight(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """DRAWN and QUICK without interruption, and QUICK with two towers."""
    start = Starter(studies, tmp_path_factory.mktemp("straight"))
    try:
        running = {
            "drawn": start("drawn", **DRAWN),
            "quick": start("quick", **QUICK),
            "two towers": start("two-towers", "--gpu", "0,1", **QUICK),
        }
        return {name: one.done() for name, one in running.items()}
    finally:
        start.kill_all()
