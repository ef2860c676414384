"""The group `tienet weights`: its two commands, and a wrong name."""

import pytest

from tienet.commands.main import dispatch
from tienet.commands.weights import COMMANDS


def test_no_command_shows_help(capsys):
    with pytest.raises(SystemExit) as end:
        dispatch(["weights"])
    said = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0 and list(COMMANDS) == ["fetch", "convert"]
    assert "commands: fetch download" in said and "convert convert a Caffe, Keras or .npz file" in said


def test_a_wrong_command_is_one_line(capsys):
    with pytest.raises(SystemExit) as end:
        dispatch(["weights", "fetsh"])
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and "tienet weights: argument COMMAND: invalid choice: 'fetsh'" in line
