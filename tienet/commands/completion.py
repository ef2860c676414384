"""Completion of `tienet`, its commands, their flags, and files and folders, for bash or zsh.

    source <(tienet completion bash)                     # in this shell; put the line into ~/.bashrc for all
    tienet completion zsh > ~/.zsh/_tienet               # a folder of zsh's fpath

The script is made from the commands' own parsers. It starts no Python while you type.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

SHELLS = ("bash", "zsh")
FOLDER_WORDS = {"DIR", "FOLDER"}
FILE_WORDS = {"FILE", "CSV", "TGZ", "PNG", "IMAGE", "SOURCE", "DATA"}
"""Parts of a metavar, such as DIR|FILE, that stand for something on disk."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that will read the script")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from tienet.commands.main import top_parser

    parser = top_parser(whole=True)
    for action in actions_of(parser):
        completes = what_completes(action)
        if completes is not None:
            action.complete = getattr(shtab, completes)
    print(shtab.complete(parser, args.shell))
    return 0


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The flags and positional arguments of a parser and of all parsers below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from actions_of(below)
        else:
            yield action


def what_completes(action: argparse.Action) -> str | None:
    """What an argument takes, by its metavar and type: "FILE" (or a folder), "DIRECTORY", or None for neither."""
    words = {word.strip().rpartition(" ")[2] for word in str(action.metavar or "").split("|")}
    if words & FILE_WORDS:
        return "FILE"
    if words & FOLDER_WORDS:
        return "DIRECTORY"
    return "FILE" if action.type is Path else None
