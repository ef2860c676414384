"""The form that every sub-command has, and the parsers that are made from it.

A command's module has `add_arguments(parser)`, which adds its flags, and `run(args)`, which returns the exit status. A
group's module, such as `prepare`, has `COMMANDS` instead: its own sub-commands in the same form. A module's docstring
is the description in its help. A module is imported only when its command is called, so that help and mistakes are
quick; none imports TensorFlow before `run`, which first opens and checks all that needs no TensorFlow.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from tienet import cli

EPILOG = "{} COMMAND --help says more."


class Subcommand(NamedTuple):
    """One entry of a table of commands.

    Attributes:
        module: The module of the command or the group.
        summary: What it is for, in half a line.
        is_group: Whether the module is a group's.
    """

    module: str
    summary: str
    is_group: bool = False


Subcommands = Mapping[str, Subcommand]


def commands_of(group: Subcommand) -> Subcommands:
    """The sub-commands of a group."""
    return import_module(group.module).COMMANDS


def find(commands: Subcommands, words: Sequence[str]) -> tuple[list[str], Subcommand | None]:
    """Follow the words at the start of a command line down the groups.

    Returns:
        The words that name a command, such as ["prepare", "openi"], and the last one's entry; None if there is none.
    """
    names: list[str] = []
    found = None
    for word in words:
        if word not in commands:
            break
        names.append(word)
        found = commands[word]
        if not found.is_group:
            break
        commands = commands_of(found)
    return names, found


def leaf_parser(module: ModuleType, prog: str, description: str) -> cli.Parser:
    """The parser of one command."""
    parser = cli.Parser(prog=prog, **_formatting(description))
    module.add_arguments(parser)
    return parser


def group_parser(commands: Subcommands, prog: str, description: str) -> cli.Parser:
    """A parser that knows the names and summaries of commands, but none of their flags: it imports nothing."""
    widest = max(map(len, commands))
    listed = "\n".join(f"  {name:<{widest}}  {command.summary}" for name, command in commands.items())
    description = f"{description.strip()}\n\ncommands:\n{listed}"
    parser = cli.Parser(prog=prog, epilog=EPILOG.format(prog), **_formatting(description))
    parser.add_argument("command", metavar="COMMAND", choices=commands, help="one of these")
    return parser


def whole_parser(commands: Subcommands, prog: str, description: str) -> cli.Parser:
    """The parser of all commands with all their flags; it imports the module of each, but not TensorFlow."""
    parser = cli.Parser(prog=prog, epilog=EPILOG.format(prog), **_formatting(description))
    _add_subparsers(parser, commands)
    return parser


def _add_subparsers(parser: argparse.ArgumentParser, commands: Subcommands) -> None:
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=cli.Parser)
    for name, command in commands.items():
        module = import_module(command.module)
        below = subparsers.add_parser(name, help=command.summary, **_formatting(module.__doc__))
        if command.is_group:
            _add_subparsers(below, commands_of(command))
        else:
            module.add_arguments(below)


def _formatting(description: str) -> dict[str, object]:
    return {"description": description, "formatter_class": argparse.RawDescriptionHelpFormatter}
