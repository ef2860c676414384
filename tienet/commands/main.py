"""tienet COMMAND: everything that TieNet does, at the prompt."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tienet import __version__, cli
from tienet.commands import subcommand
from tienet.commands.subcommand import Subcommand

PROG = "tienet"

COMMANDS: dict[str, Subcommand] = {
    "prepare": Subcommand("tienet.commands.prepare", "a data set's manifest from its files", is_group=True),
    "describe": Subcommand("tienet.commands.describe", "a table and a page of what is in a data set"),
    "vocabulary": Subcommand("tienet.commands.vocabulary", "the words of the training reports and their vectors"),
    "weights": Subcommand("tienet.commands.weights", "the backbone's weights", is_group=True),
    "features": Subcommand("tienet.commands.features", "the backbone's features of a data set, once for all runs"),
    "train": Subcommand("tienet.commands.train", "a network, trained on a data set"),
    "evaluate": Subcommand("tienet.commands.evaluate", "AUCs, caption metrics, reports and pages of trained networks"),
    "pool": Subcommand("tienet.commands.pool", "the evaluations of several folds put together: every study once"),
    "locate": Subcommand("tienet.commands.locate", "where networks look, judged by boxes of findings"),
    "calibrate": Subcommand("tienet.commands.calibrate", "temperatures and thresholds from the validation split"),
    "annotate": Subcommand("tienet.commands.annotate", "labels for a table or a folder of reports, and their images"),
    "report": Subcommand("tienet.commands.report", "labels and a preliminary report for each image"),
    "show": Subcommand("tienet.commands.show", "a picture of what the network sees in an image"),
    "export": Subcommand("tienet.commands.export", "a TensorFlow SavedModel that needs nothing of this package"),
    "serve": Subcommand("tienet.commands.serve", "a web page and an API"),
    "label": Subcommand("tienet.commands.label", "labels by hand: a page for readers, their agreement, and a data set"),
    "completion": Subcommand("tienet.commands.completion", "completion of these commands for bash or zsh"),
}

DESCRIPTION = "TieNet: chest X-ray labels and reports. Research software, not a medical device: not for diagnosis."


def main() -> None:
    """The console script; `python -m tienet` and `python -m tienet.commands.main` do the same."""
    words = sys.argv[1:]
    names, _ = subcommand.find(COMMANDS, words)
    cli.run(lambda: dispatch(words), " ".join([PROG, *names]))


def run_script(called: str, *names: str) -> None:
    """Run a script of the checkout that is a command under another name.

    Args:
        called: How the script is called, such as "python train.py": its help says so, and its name is the last part.
        names: The command, such as "prepare", "openi".
    """
    cli.run(lambda: dispatch([*names, *sys.argv[1:]], called))


def dispatch(words: Sequence[str], called: str | None = None) -> int:
    """Run a command line without the program's name.

    Args:
        words: The command and its flags.
        called: As in `run_script`; None for the console script.
    Returns:
        The exit status.
    Raises:
        SystemExit: The command line is wrong, or asks for help or the version.
        InputError, FileNotFoundError: What the command refuses.
    """
    names, command = subcommand.find(COMMANDS, words)
    rest = words[len(names) :]
    prog = " ".join([PROG, *names])
    if command is None or command.is_group:
        group = import_module(command.module) if command else None
        parser = top_parser() if group is None else subcommand.group_parser(group.COMMANDS, prog, group.__doc__)
        parser.parse_args(rest or ["--help"])
        raise AssertionError("argparse accepts no other command")
    module = import_module(command.module)
    description = module.__doc__
    if called:
        description = description.replace(prog, called)
        prog = os.path.basename(called.split()[-1])  # noqa: PTH119
    parser = subcommand.leaf_parser(module, prog, description)
    args = parser.parse_args(rest)
    try:
        return module.run(args)
    except cli.UsageError as error:
        parser.error(str(error))


def top_parser(whole: bool = False) -> argparse.ArgumentParser:
    """The parser of `tienet` itself; `whole` for one with all flags of all commands."""
    make = subcommand.whole_parser if whole else subcommand.group_parser
    parser = make(COMMANDS, PROG, DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    return parser


if __name__ == "__main__":
    main()
