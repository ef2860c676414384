"""A small training through the command, for what it says where it fails."""

from collections.abc import Callable

import pytest

from tests.command_line import tienet


@pytest.fixture
def last_line(data_root, tmp_path, capsys) -> Callable[[], str]:
    """Trains, which must fail; returns its last line."""

    def train() -> str:
        flags = ["--mode", "annotate-text", "--data", "phantom", "--data-root", data_root, "--gpu", "cpu"]
        assert tienet("train", *flags, "--batch", 16, "--set", "lstm_units=16", "--logdir", tmp_path / "run") == 2
        *others, last = capsys.readouterr().err.splitlines()
        assert len(others) <= 3 and not any("Traceback" in line for line in others)
        return last

    return train
