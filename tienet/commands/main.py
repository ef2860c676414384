"""tienet COMMAND: a trained network at the prompt. A command's own module is imported only when it is asked for."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from tienet import cli


class Command(NamedTuple):
    """Where a sub-command lies, and what it is for."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "annotate": Command("tienet.commands.annotate", "labels for a table or a folder of reports, and their images"),
    "report": Command("tienet.commands.report", "labels and a preliminary report for each image"),
    "show": Command("tienet.commands.show", "a picture of what the network sees in an image"),
    "export": Command("tienet.commands.export", "a TensorFlow SavedModel that needs nothing of this package"),
    "calibrate": Command("tienet.commands.calibrate", "temperatures and thresholds from the validation split"),
    "serve": Command("tienet.commands.serve", "a web page and an API"),
}

DESCRIPTION = (
    "A trained TieNet: chest X-ray labels and reports. Research software, not a medical device: not for diagnosis."
)


def main() -> None:
    """The console script."""
    cli.run(lambda: dispatch(sys.argv[1:]))


def dispatch(arguments: Sequence[str]) -> int:
    """Run a command line without the program's name; returns the exit status."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        _help_parser().parse_args(arguments or ["--help"])
        raise AssertionError("argparse accepts no other command")
    module = import_module(COMMANDS[name].module)
    parser = cli.Parser(
        prog=f"tienet {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return module.run(parser.parse_args(arguments[1:]))


def _help_parser() -> cli.Parser:
    """Knows the commands' names only."""
    parser = cli.Parser(prog="tienet", description=DESCRIPTION, epilog="tienet COMMAND --help says more.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=cli.Parser)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.summary)
    return parser


if __name__ == "__main__":
    main()
