"""The group `tienet prepare`: the data sets that it knows, and a wrong name."""

import pytest

from tienet.commands.main import dispatch
from tienet.commands.prepare import COMMANDS

DATA_SETS = ["phantom", "openi", "chestxray14", "mimic-cxr", "padchest", "folder"]


def test_help_lists_each_data_set_with_what_it_is(capsys):
    with pytest.raises(SystemExit) as end:
        dispatch(["prepare"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert end.value.code == 0 and list(COMMANDS) == DATA_SETS
    assert [line for line in lines if line in {f"{name} {COMMANDS[name].summary}" for name in DATA_SETS}] == [
        f"{name} {COMMANDS[name].summary}" for name in DATA_SETS
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["prepare", "opemi"], "tienet prepare: argument COMMAND: invalid choice: 'opemi'"),
        (["prepare", "phantom", "--studies", "many"], "tienet prepare phantom: argument --studies: invalid int"),
        (["prepare", "phantom", "--seed", "-1"], "tienet prepare phantom: --seed -1: expected 0 or more (see --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(flags, message, capsys):
    with pytest.raises(SystemExit) as end:
        dispatch(flags)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert message in said and len(said.strip().splitlines()) == 1
