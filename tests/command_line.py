"""Commands of `tienet`, called in this process: a process of its own imports TensorFlow anew."""

import sys

import pytest

from tienet.commands import main


def tienet(*words: object) -> int:
    """Run `tienet WORDS`; returns the exit status. What it prints is for `capsys`."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(sys, "argv", ["tienet", *map(str, words)])
        main.main()
    return stopped.value.code
