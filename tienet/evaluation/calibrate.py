"""A run judged on its own validation split, for temperatures and thresholds: RUN/calibration.json."""

import sys
from pathlib import Path

import numpy as np

from tienet.checkpoint import calibration as calibration_file
from tienet.checkpoint.calibration import Calibration, with_temperatures
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.metrics.calibration import LIMITS, expected_calibration_error, fit_temperatures
from tienet.evaluation.metrics.thresholds import check_sensitivity, for_sensitivity, youden
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS, K
from tienet.pages.plain_text import align

_LONGEST_LINE = 400


def calibrate(
    load: str | Path | OpenedRun,
    data_root: Path | str = "data",
    sensitivity: float | None = None,
    features: str = "cache",
    progress: bool = True,
) -> Calibration:
    """Choose a checkpoint's temperatures and thresholds and write them to calibration.json in its run's folder.

    From then on `Predictor` gives calibrated probabilities for this checkpoint. Calibrating again replaces them.

    Args:
        load: an opened run, a run's folder (its best checkpoint) or a checkpoint.
        data_root: where the data set is that the run was trained on.
        sensitivity: what the thresholds should reach, above 0, at most 1; None: Youden's.
        features: as in `Predictor`.
    Raises:
        InputError: mode caption, or the data set's validation split is not the run's.
    """
    if sensitivity is not None:
        check_sensitivity(sensitivity)
    run = open_run(load)
    if not run.config.mode_parts.classifies:
        raise InputError(
            f"{run.load}: mode {run.config.mode} has no classifier, so there is nothing to calibrate; load a run of "
            "another mode"
        )
    calibration_file.discard_broken(run.prefix)
    with Predictor(run, features) as network:
        part = manifests.load(network.config.data, data_root).split("val")
        _check(part, network)
        logits = network.predict(network.studies(part), progress).logits
        calibration = fit(logits, part.labels, sensitivity)
        calibration_file.save(run.prefix, calibration)
    return calibration


def calibrate_after_training(logdir: Path, data_root: Path | str = "data") -> Calibration | None:
    """Calibrate the best checkpoint of a run whose training is over, and say in a line what came of it.

    A mode without labels is passed over. So is a checkpoint that is calibrated already, as where a finished run is
    resumed: its thresholds may be those for a sensitivity. What goes wrong is a line on standard error and no
    exception: the training is over, and its checkpoints are there.

    Args:
        logdir: the run's folder. data_root: as in training.
    Returns:
        What was written to calibration.json; None where nothing was.
    """
    try:
        run = open_run(logdir)
        if not run.config.mode_parts.classifies:
            return None
        calibration_file.discard_broken(run.prefix)
        if run.calibration is not None:
            return None
        calibration = calibrate(run, data_root, features=run.config.features)
    except Exception as error:
        what = " ".join(str(error).split())[:_LONGEST_LINE] or type(error).__name__
        print(f"warning: not calibrated: {what}; later: tienet calibrate --load {logdir}", file=sys.stderr)
        return None
    fitted = K - len(calibration.left_out)
    path = run.folder / calibration_file.NAME
    print(f"{path}: thresholds of {K} labels, temperatures of {fitted}, from the validation split", file=sys.stderr)
    return calibration


def fit(logits: np.ndarray, labels: np.ndarray, sensitivity: float | None = None) -> Calibration:
    """A calibration from a validation split's logits float32 [N, K] and labels [N, K] (1, 0, NaN).

    A label that is told apart without a mistake keeps temperature 1: its likelihood only grows as the temperature
    falls, and probabilities of 1.0 would rest on a small split alone.
    """
    temperatures, left_out = fit_temperatures(logits, labels)
    for m in np.flatnonzero(temperatures < LIMITS[0] * 1.01):
        temperatures[m], left_out[m] = 1, "told apart without a mistake"
    before, after = with_temperatures(logits, np.ones(K)), with_temperatures(logits, temperatures)
    thresholds = youden(after, labels) if sensitivity is None else for_sensitivity(after, labels, sensitivity)
    errors = [
        {name: expected_calibration_error(scores[:, m], labels[:, m]) for m, name in enumerate(LABELS)}
        for scores in (before, after)
    ]
    named = {LABELS[m]: why for m, why in left_out.items()}
    return Calibration(temperatures, thresholds, sensitivity, named, len(labels), *errors)


def _check(part: Manifest, network: Predictor) -> None:
    """Raise InputError unless these are the studies that the run was validated on."""
    kept = network.run.studies()
    if kept is None:
        print(
            f"note: {network.run.folder}: has no studies.json; see yourself that {part.path} is its data",
            file=sys.stderr,
        )
        return
    same = len(leaks.find_seen(part, kept["val"]))
    if not same == len(part) == len(kept["val"]):
        raise InputError(
            f"{part.path}: split val has {len(part):,} studies, of which {same:,} are among the {len(kept['val']):,} "
            f"that {network.run.folder} was validated on; put that data set back"
        )


def format_table(calibration: Calibration) -> str:
    """Temperature, threshold and errors of each label, and what was left out, as text for the terminal."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    rows = [
        [
            label,
            number(calibration.temperatures[m]),
            number(calibration.thresholds[m]),
            number(calibration.ece_before[label]),
            number(calibration.ece_after[label]),
        ]
        for m, label in enumerate(LABELS)
    ]
    chosen = "Youden's" if calibration.sensitivity is None else f"for sensitivity {calibration.sensitivity:g}"
    notes = [f"Over {calibration.studies:,} studies of the validation split. Thresholds: {chosen}."]
    if calibration.left_out:
        few = "; ".join(f"{label} ({why})" for label, why in calibration.left_out.items())
        n = len(calibration.left_out)
        notes.append(f"{n} {'label keeps' if n == 1 else 'labels keep'} temperature 1: {few}.")
    limits = np.array(LIMITS)[:, None]
    at_limit = (np.abs(np.log(calibration.temperatures / limits)) < 1e-3).any(axis=0)
    if at_limit.any():
        names = ", ".join(np.array(LABELS)[at_limit])
        notes.append(f"At a limit ({LIMITS[0]:g} or {LIMITS[1]:g}): {names}; the validation split does not bound them.")
    header = ["Label", "temperature", "threshold", "error before", "after"]
    return "\n".join([*align(header, rows), "", *notes]) + "\n"
