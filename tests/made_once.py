"""What takes long to make is made once, by the first of the test processes that needs it; the others wait for it."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from filelock import FileLock

from tienet.modes import MODES


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """A folder that `make(folder)` has filled, in this process or in another one that was given the same path."""
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a test process left that failed or was killed
            folder.parent.mkdir(parents=True, exist_ok=True)
            make(folder)
            done.touch()
    return folder


class PhantomRuns(Mapping[str, Path]):
    """Mode -> the folder of a small run on the phantom data, which is trained when it is first asked for."""

    def __init__(self, data_root: Path, folder: Path) -> None:
        self._data_root, self._folder = data_root, folder

    def __getitem__(self, mode: str) -> Path:
        from tests.small_run import config_of, train  # only here, because it imports TensorFlow

        if mode not in MODES:
            raise KeyError(mode)
        config = config_of(mode, max_words=30, feature_norm=mode == "classify")
        return made_once(self._folder / f"run-{mode}", lambda folder: train(self._data_root, folder, config))

    def __iter__(self) -> Iterator[str]:
        return iter(MODES)

    def __len__(self) -> int:
        return len(MODES)
