"""The model card of a run, RUN/README.md, and the picture of its curves, written when the training is over."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tienet import files
from tienet.checkpoint.entries import named_entry, read_entry
from tienet.checkpoint.run_folder import open_run
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.folders import locks
from tienet.training.card.command import command_text
from tienet.training.card.curves import plot_curves, read_log
from tienet.training.card.figures import measure
from tienet.training.card.text import CURVES, card_text

FILE_NAME = "README.md"
START = "---\nlibrary_name: tienet\n"
"""What every card starts with."""

_MAX_MESSAGE_CHARS = 400


def write_card(folder: Path, data_set: Manifest, argv: Sequence[str]) -> Path:
    """Measure the best checkpoint of a run and write its card and its curves; those that are there are replaced.

    Args:
        folder: The run's folder.
        data_set: The data set that it was trained on, with all its splits.
        argv: The command of the training, as `sys.argv`.
    Returns:
        The path of the card.
    Raises:
        InputError: The folder holds no complete run, or a README.md of somebody else's, or the validation split is not
            the run's.
    """
    run = open_run(folder)
    _check_is_card(run.folder / FILE_NAME)
    entry = read_entry(run.prefix) or named_entry(run.folder, "best")
    if entry is None:
        raise InputError(f"{run.prefix}: nothing is known of this checkpoint")
    latest = named_entry(run.folder, "latest") or entry
    trained = max(latest.state.epoch, entry.state.epoch)
    with locks.writing(run.folder, again=True):
        figures = measure(run, data_set)
        has_curves = plot_curves(run.folder / CURVES, read_log(run.folder), entry.state.epoch)
        command = command_text(argv, run.config, data_set.name, run.earlier)
        text = card_text(run, entry, trained, data_set, figures, command, has_curves)
        files.write_text(run.folder / FILE_NAME, text)
    return run.folder / FILE_NAME


def _check_is_card(path: Path) -> None:
    """Raise InputError if there is a file that is no card, so that nobody's notes are replaced."""
    if path.is_symlink() or path.exists():
        with path.open("rb") as file:
            if file.read(len(START)) != START.encode():
                raise InputError(f"{path}: not written by TieNet; give it another name, and `--resume` writes the card")


def write_after_training(folder: Path, data_set: Manifest, argv: Sequence[str]) -> Path | None:
    """As `write_card`; a failure prints a line on standard error, because the training is over and its checkpoints are
    written. Returns None then.
    """
    try:
        path = write_card(folder, data_set, argv)
    except Exception as error:
        what = " ".join(str(error).split())[:_MAX_MESSAGE_CHARS] or type(error).__name__
        print(f"warning: {folder / FILE_NAME} not written: {what}", file=sys.stderr)
        return None
    shown = (
        "and from which run its length and thresholds are"
        if open_run(folder).earlier
        else "and what its validation shows"
    )
    print(f"{path}: what this run is, {shown}", file=sys.stderr)
    return path
