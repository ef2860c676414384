"""What a run was started with and a resumed one keeps: its preset, and the weights that it started from.

A command line may say them again, so that the same one starts a run and goes on with it. run.json has them:

preset           the name that --preset gave, or the default's; a run of an older version has none
loaded_sha256    of the checkpoint that --load named (`tienet.training.train_on.loaded_facts`)
"""

from pathlib import Path

from tienet import files
from tienet.config import PRESETS, Config, preset_settings
from tienet.errors import InputError

DEFAULT_PRESET = "paper"
MAY_CHANGE = ("epochs", "patience")
"""Settings that may differ when a run is resumed."""


def settings_to_compare(logdir: Path, preset: str, mode: str) -> set[str]:
    """The names of the settings that must be those of a preset where a run is resumed with it; none if there is none.

    A run that was started with this preset may have been given other values of its settings beside. Of a run of an
    older version, which does not name its preset, the values tell: where the default preset is given, those that are
    another preset's.

    Args:
        logdir: The run's folder.
        preset: What --preset names.
        mode: The run's mode.
    Raises:
        InputError: The run says that it was started with another preset.
    """
    path = logdir / "run.json"
    facts = files.read_json(path) if path.is_file() else {}
    found = facts.get("preset") if isinstance(facts, dict) else None
    if found == preset:
        return set()
    if isinstance(found, str):
        raise InputError(
            f"{logdir}: was started with --preset {found}, not {preset}; a resumed run keeps its settings (except "
            f"{', '.join(MAY_CHANGE)}); leave --preset out or start a new run"
        )
    if preset != DEFAULT_PRESET or not (logdir / "config.json").is_file():
        return set(preset_settings(preset, mode))
    config, default = Config.load(logdir / "config.json"), Config().replace(mode=mode)
    others = [pair for name in PRESETS for pair in preset_settings(name, mode).items() if pair[0] not in MAY_CHANGE]
    return {name for name, value in others if getattr(config, name) == value != getattr(default, name)}


def check_load(logdir: Path, load: str | None) -> None:
    """Raise InputError if --load names other weights than those that the run which is resumed has started from."""
    from tienet.checkpoint.run_folder import load_run  # only here, as they import much for the start of a command
    from tienet.training.train_on import loaded_facts

    if load is None:
        return
    facts, given = load_run(logdir).facts, loaded_facts(load)
    if facts.get("loaded_sha256") != given["loaded_sha256"]:
        before = facts.get("loaded") or "random weights, as far as it says"
        raise InputError(
            f"{logdir}: was started from {before}, not from {given['loaded']}, which --load {load} is now; a resumed "
            "run goes on from its own checkpoint; leave --load out or start a new run"
        )
