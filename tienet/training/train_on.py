"""Training on the training and the validation split together, `--train-on train+val`, as the paper's section 5.1 did.

Nothing is left then to validate by. The earlier run that `--epochs-of` names was trained with the same settings on the
training split alone: the new run takes as many epochs as that one's best checkpoint had, and its thresholds and
temperatures (`tienet.checkpoint.earlier_run`).
"""

from collections.abc import Container, Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from tienet.checkpoint import validation_record
from tienet.checkpoint.earlier_run import BOTH, TRAIN, EarlierRun
from tienet.checkpoint.entries import Entry, named_entry, read_entry, sha256
from tienet.checkpoint.identity import Identity
from tienet.checkpoint.run_folder import OpenedRun, folder_of_run, load_run, locate, open_run
from tienet.checkpoint.together import checkpoint_sha256
from tienet.config import Config, preset_settings, settings_without_effect
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.training.sources import Sources

OF_THE_EARLIER_RUN = ("epochs", "patience")
"""Settings that follow from the earlier run's best checkpoint, and cannot be given."""

PACE = ("batch", "learning_rate", "writer_rate", "lr_drop_at")
"""Settings that say how fast a run learns. With other values of them another run's number of epochs means nothing."""

_NAMES = {
    "vocab_fingerprint": ("another vocabulary", "--vocab"),
    "word_vectors_fingerprint": ("other first word vectors", "--vocab"),
    "backbone_fingerprint": ("another backbone", "--backbone-weights"),
}
_OTHERS = ("data_fingerprint", "loaded", "loaded_sha256")


def open_earlier(named: str) -> tuple[OpenedRun, EarlierRun]:
    """Open the run that `--epochs-of` names, and what a run on both splits takes from it.

    Raises:
        InputError: There is no such run, it has no best checkpoint yet, no score chose that, or it was itself trained
            on both splits.
    """
    if folder_of_run(named) is None:
        raise InputError(f"--epochs-of {named}: not the folder of a run; give the --logdir of an earlier training")
    run = open_run(named)
    if run.earlier is not None:
        raise InputError(
            f"--epochs-of {named}: was itself trained on the training and the validation split, as long as "
            f"{run.earlier.name}; give that run"
        )
    entry = read_entry(run.prefix) or named_entry(run.folder, "best")
    if entry is None or not run.prefix.name.startswith("best-") or not entry.state.epoch:
        raise InputError(
            f"--epochs-of {named}: no best checkpoint of a run; give the folder of a run that was validated"
        )
    if entry.state.best_score is None:  # chosen_by is LAST_EPOCH, or the run is older and kept its first one
        raise InputError(
            f"--epochs-of {named}: no validation score chose its best checkpoint, so its number of epochs was not "
            "chosen; give a run whose validation split can rank its epochs"
        )
    facts, _ = Identity.of_run(run).facts(), run.thresholds()  # raises an InputError if they are broken
    return run, EarlierRun(
        name=run.folder.resolve().name,
        checkpoint=run.prefix.name,
        sha256=checkpoint_sha256(run),
        epoch=entry.state.epoch,
        chosen_by=entry.state.chosen_by or run.config.mode_parts.chosen_by,
        validation=_validation_of(run, entry),
        flaw=run.writing_flaw or "",
        identity={name: run.facts.get(name) for name in _OTHERS} | {name: facts[name] for name in _NAMES},
        thresholds=entry.thresholds,
        calibration=run.calibration if run.config.mode_parts.classifies else None,
    )


def _validation_of(run: OpenedRun, entry: Entry) -> dict[str, float]:
    """What a checkpoint reached on its validation split, as far as it is known."""
    mode, found = run.config.mode_parts, {}
    record = validation_record.read(run.prefix) if mode.classifies else None
    if record is not None:
        patients = list(map(str, range(len(record.labels))))  # they matter for intervals alone
        found["AUC"] = evaluate_auc(record.logits, record.labels, patients, resamples=0)["avg"]
    elif mode.classifies and not mode.writes:
        found["AUC"] = entry.state.best_score
    if entry.writing is not None:
        found |= {"BLEU-4": entry.writing.bleu4, "CIDEr": entry.writing.cider}
    return {name: float(value) for name, value in found.items() if value is not None and np.isfinite(value)}


def config_after(
    run: OpenedRun, earlier: EarlierRun, flags: Mapping[str, object], texts: Mapping[str, str], preset: str
) -> tuple[Config, EarlierRun, list[str]]:
    """The settings of a run on both splits: the earlier run's, and what is given, with the epochs of its best one.

    The learning rate falls after the same epoch as in the earlier run, not after the same share of fewer epochs.

    Args:
        run, earlier: As from `open_earlier`.
        flags, texts: The settings that are given by flags of their own, and by `--set`, by name.
        preset: The name of the preset that is given; its settings must be those of the run.
    Returns:
        The settings; the earlier run, with what differs from it; and notes for the user, what differs among them.
    Raises:
        InputError: A setting is given that follows from the earlier run, or whose value makes its epochs meaningless.
    """
    _check_given(run, earlier, flags, texts, preset)
    theirs = run.config
    config, notes, differs = theirs.with_texts(dict(texts), dict(flags)), [], {}
    for setting in [field.name for field in fields(Config) if field.name not in ("data", *OF_THE_EARLIER_RUN)]:
        ours, before = getattr(config, setting), getattr(theirs, setting)
        if ours == before:
            continue
        if setting in PACE:
            raise InputError(
                f"--epochs-of {run.load}: was trained with {setting}={before!r}, not {ours!r}; its number of epochs "
                "says nothing of a run that learns at another pace; leave it out"
            )
        differs[setting] = before
        notes.append(
            f"{setting}={ours!r}, in {run.load} {before!r}: its {earlier.epoch} epochs were not found with this"
        )
    drop_at, of_drop = _drop_at(theirs, earlier.epoch)
    config = config.replace(epochs=earlier.epoch, patience=0, lr_drop_at=drop_at)
    return config, replace(earlier, differs=differs), [*notes, *of_drop, *_unsure(run), *_words_of(config, run)]


def _check_given(
    run: OpenedRun, earlier: EarlierRun, flags: Mapping[str, object], texts: Mapping[str, str], preset: str
) -> None:
    """Raise InputError if the epochs, another mode or a preset with other settings than the earlier run's is given."""
    name, theirs = f"--epochs-of {run.load}", run.config
    for given in OF_THE_EARLIER_RUN:
        if given in flags or given in texts:
            raise InputError(
                f"{name}: says how long is trained, {earlier.epoch} epochs, the number at the best checkpoint of that "
                f"run; leave the setting {given} out"
            )
    mode = flags.get("mode", texts.get("mode", theirs.mode))
    if mode != theirs.mode:
        raise InputError(f"{name}: a run of mode {theirs.mode}, not {mode}; give a run of the same mode")
    without_effect = {*OF_THE_EARLIER_RUN, *settings_without_effect(theirs.mode)}
    for setting, value in preset_settings(preset, theirs.mode).items():
        if setting not in without_effect and value != getattr(theirs, setting):
            raise InputError(
                f"--preset {preset}: has {setting}={value!r}, {run.load} {getattr(theirs, setting)!r}; leave --preset "
                "out, as --epochs-of takes the settings of that run"
            )


def _words_of(config: Config, run: OpenedRun) -> list[str]:
    """A note on the vocabulary, where the run reads."""
    if not config.mode_parts.reads:
        return []
    return [f"the vocabulary stays that of the training split's reports, as in {run.load}"]


def _drop_at(theirs: Config, epochs: int) -> tuple[float, list[str]]:
    """`lr_drop_at` with which the learning rate falls after the same epoch as with `theirs`; a note if it differs."""
    falls_after = round(theirs.lr_drop_at * theirs.epochs)  # as in tienet.training.callbacks.LearningRateDrop
    drop_at = 1.0 if falls_after >= epochs else falls_after / epochs
    if drop_at == theirs.lr_drop_at:
        return drop_at, []
    when = f"after epoch {falls_after} of {theirs.epochs}"
    if drop_at == 1:
        return drop_at, [
            f"lr_drop_at=1.0: there the learning rate fell {when}, and here it does not, as this ends before"
        ]
    return drop_at, [f"lr_drop_at={drop_at:.4g}: the learning rate falls after epoch {falls_after}, as it did there"]


def _unsure(run: OpenedRun) -> list[str]:
    """Notes on an earlier run whose best epoch or schedule may not be what its folder says."""
    latest, config, notes = named_entry(run.folder, "latest"), run.config, []
    if latest is None:
        return notes
    stopped_early = config.patience and latest.state.epochs_since_best >= config.patience
    if latest.state.epoch < config.epochs and not stopped_early:
        notes.append(
            f"{run.load}: has trained {latest.state.epoch} of its {config.epochs} epochs; a better one may follow"
        )
    if latest.state.epoch > config.epochs and config.lr_drop_at < 1:
        notes.append(
            f"{run.load}: went on to epoch {latest.state.epoch}, after it was started for {config.epochs}; the "
            "learning rate falls here as if it had not"
        )
    if run.writing_flaw:
        notes.append(f"{run.load}: {run.writing_flaw}; nothing will tell whether this run writes better")
    if config.mode_parts.classifies and run.calibration is None:
        notes.append(f"{run.load}: is not calibrated, so there are no temperatures to take; tienet calibrate first")
    return notes


def recorded(logdir: Path) -> EarlierRun | None:
    """What the run in a folder has from an earlier one; None if there is none, also where no run was started yet."""
    return load_run(logdir).earlier if (logdir / "run.json").is_file() else None


def as_recorded(logdir: Path, earlier: EarlierRun) -> EarlierRun:
    """What a run that is resumed has from the earlier one; where none was started yet, `earlier`, which is given now.

    Raises:
        InputError: The run was started otherwise than `--epochs-of` says now.
    """
    if not (logdir / "run.json").is_file():
        return earlier
    found = recorded(logdir)
    if found is None:
        raise InputError(
            f"{logdir}: was trained on the training split alone; a resumed run keeps its studies; leave --train-on and "
            "--epochs-of out or start a new run"
        )
    if (found.checkpoint, found.sha256) != (earlier.checkpoint, earlier.sha256):
        raise InputError(
            f"{logdir}: was started with --epochs-of {found.name} at {found.checkpoint}, not {earlier.name} at "
            f"{earlier.checkpoint}; leave --epochs-of out, as a resumed run has what it needs of it"
        )
    return found


def check_resumed(logdir: Path, train_on: str | None, given: Container[str]) -> None:
    """Raise InputError if a run on both splits, which is resumed, is told to learn from others, or for longer.

    Args:
        train_on: What `--train-on` says; None: nothing.
        given: The names of the settings that the command line gives.
    """
    if train_on == TRAIN:
        raise InputError(
            f"{logdir}: was started with --train-on {BOTH}; a resumed run keeps its studies; leave --train-on out or "
            "start a new run"
        )
    for name in OF_THE_EARLIER_RUN:
        if name in given:
            raise InputError(
                f"{logdir}: was started with --epochs-of, which says how long it trains; leave the setting {name} out"
            )


def loaded_facts(load: str | None) -> dict[str, str]:
    """What run.json says of the weights that a run starts from: the run and checkpoint, and a SHA-256; {} of none."""
    if load is None:
        return {}
    folder, prefix = locate(load)
    return {
        "loaded": f"{folder.resolve().name}, {prefix.name}",
        "loaded_sha256": sha256(prefix.with_name(f"{prefix.name}.index")),
    }


def check_same_start(earlier: EarlierRun, manifest: Manifest, sources: Sources, load: str | None) -> list[str]:
    """Compare what a new run starts from with what the earlier one has started from.

    Word vectors that are only read later (`Sources.learnt_in`) are not compared.

    Args:
        load: The run or checkpoint whose weights the new run starts from; None: from random ones.
    Returns:
        Notes for the user.
    Raises:
        InputError: The data, the words, the first word vectors or the backbone are others, or the earlier run has
            started from the weights of another run and the new one does not.
    """
    ours = sources.identity.facts()
    if earlier.identity.get("data_fingerprint") != manifest.fingerprint():
        raise InputError(
            f"--epochs-of {earlier.name}: was trained on other data than {manifest.path}, or these have changed since; "
            "train it anew on the training split of these"
        )
    for key, (what, flag) in _NAMES.items():
        if key == "word_vectors_fingerprint" and sources.learnt_in is not None:
            continue
        theirs, own = earlier.identity.get(key), ours[key]
        if None not in (theirs, own) and theirs != own:
            raise InputError(
                f"--epochs-of {earlier.name}: was started with {what} ({theirs[:12]}, not {own[:12]}), so its "
                f"number of epochs says nothing of this one; give the {flag} that it was started with"
            )
    theirs, own = earlier.identity.get("loaded_sha256"), loaded_facts(load)
    if theirs is not None and not own:
        raise InputError(
            f"--epochs-of {earlier.name}: was started from the weights of {earlier.identity['loaded']}, so its number "
            "of epochs says nothing of a run that starts anew; give --load, with those or with other ones"
        )
    if own.get("loaded_sha256") == theirs:
        return []
    before = earlier.identity["loaded"] if theirs else "random weights, as far as it says"
    return [f"starts from {own['loaded']}, {earlier.name} from {before}: its epochs were not found with this"]
