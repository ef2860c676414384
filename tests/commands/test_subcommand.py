"""Tables of commands: how a command line is followed down the groups, and the parsers that are made of a table."""

import sys
import types

import pytest

from tienet.commands import subcommand
from tienet.commands.subcommand import Subcommand


@pytest.fixture
def commands(monkeypatch) -> dict[str, Subcommand]:
    """A command `run`, and a group `make` with commands `red` and `blue`; the module of `blue` cannot be imported."""
    for name in ("run", "red"):
        module = types.ModuleType(f"toy_{name}", f"About {name}.")
        module.add_arguments = lambda parser: parser.add_argument("--seed", type=int)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    group = types.ModuleType("toy_make", "About all that is made.")
    group.COMMANDS = {"red": Subcommand("toy_red", "a red one"), "blue": Subcommand("toy_blue", "a blue one")}
    monkeypatch.setitem(sys.modules, "toy_make", group)
    return {"run": Subcommand("toy_run", "runs"), "make": Subcommand("toy_make", "makes", is_group=True)}


@pytest.mark.parametrize(
    ("words", "names", "module"),
    [
        ([], [], None),
        (["--help"], [], None),
        (["rum"], [], None),
        (["run", "make"], ["run"], "toy_run"),
        (["make"], ["make"], "toy_make"),
        (["make", "--help"], ["make"], "toy_make"),
        (["make", "blue", "--seed", "1"], ["make", "blue"], "toy_blue"),
    ],
)
def test_words_are_followed_down_the_groups_and_no_command_is_imported(commands, words, names, module):
    found, command = subcommand.find(commands, words)
    assert found == names and (command and command.module) == module


def test_a_groups_parser_needs_the_summaries_only(commands, capsys):
    parser = subcommand.group_parser(subcommand.commands_of(commands["make"]), "toy make", "About all that is made.")
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0 and "commands:\n  red   a red one\n  blue  a blue one\n" in said
    assert "toy make COMMAND --help says more." in said


def test_the_whole_parser_has_all_flags(commands):
    del sys.modules["toy_make"].COMMANDS["blue"]
    parser = subcommand.whole_parser(commands, "toy", "Toys.")
    assert parser.parse_args(["run", "--seed", "3"]).seed == 3
    assert parser.parse_args(["make", "red", "--seed", "4"]).seed == 4
    with pytest.raises(SystemExit):
        parser.parse_args(["make"])
