"""The command that made a run, as it may be passed on: without folders and addresses, which may name people."""

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from tienet.checkpoint.earlier_run import BOTH, EarlierRun
from tienet.config import Config
from tienet.training.card.markdown import one_line

_PROGRAMS = {"tienet": "tienet", "train.py": "python train.py", "__main__.py": "python -m tienet"}


def command_text(argv: Sequence[str], config: Config, data: str, earlier: EarlierRun | None = None) -> str:
    """The command of this process, if it is one of TieNet's; else one that trains with the same settings.

    Args:
        argv: As `sys.argv`.
        config: The run's settings.
        data: The name of the data set.
        earlier: The earlier run of one that was trained on two splits, which has its other settings.
    """
    program = _PROGRAMS.get(Path(argv[0]).name if argv else "")
    if program is None:
        changed = changed_settings(config)
        if earlier is not None:
            changed = {name: _typed(getattr(config, name)) for name in earlier.differs}
        flags = [f"--mode {config.mode}", f"--data {shlex.quote(data)}"]
        flags += [] if earlier is None else [f"--train-on {BOTH}", f"--epochs-of {shlex.quote(one_line(earlier.name))}"]
        return " ".join(["tienet train", *flags, *(f"--set {name}={value}" for name, value in changed.items())])
    shown, after = [], ""
    for argument in argv[1:]:
        shown.append(_shown(argument, after))
        after = argument
    return f"{program} {shlex.join(shown)}".rstrip()


def changed_settings(config: Config) -> dict[str, str]:
    """The settings that are not the default, by name, as `--set` takes them; not the mode and the data set."""
    names = [field.name for field in fields(Config) if field.name not in ("mode", "data")]
    values = {name: getattr(config, name) for name in names}
    defaults = Config().replace(mode=config.mode)
    return {name: _typed(value) for name, value in values.items() if value != getattr(defaults, name)}


def _typed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown(argument: str, after: str) -> str:
    """An argument on one line; of a path the last part, of other computers nothing.

    Args:
        after: The argument before it.
    """
    name, equals, value = one_line(argument).partition("=")
    if not equals or _is_path(name):
        name, equals, value = "", "", name + equals + value
    if "--workers" in (name, after):
        return f"{name}{equals}HOST:PORT,..."
    if _is_path(value):
        value = f".../{Path(value.replace(os.altsep or os.sep, os.sep)).name}"
    return f"{name}{equals}{value}"


def _is_path(text: str) -> bool:
    return os.sep in text or bool(os.altsep and os.altsep in text)
