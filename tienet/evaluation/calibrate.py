"""The calibration of a checkpoint on its run's validation split: temperatures and thresholds, RUN/calibration.json."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.checkpoint import calibration as calibration_file
from tienet.checkpoint import validation_record
from tienet.checkpoint.calibration import Calibration, with_temperatures
from tienet.checkpoint.earlier_run import EarlierRun
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.checkpoint.thresholds import LARGEST_F1, MIN_POSITIVES, Objective, choose
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.dataflow import check_studies
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.metrics.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    expected_calibration_error,
    fit_temperatures,
)
from tienet.folders import locks
from tienet.inference.image_statistics import keep_distribution
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS, K
from tienet.pages.plain_text import align

_MAX_MESSAGE_CHARS = 400


@dataclass(frozen=True)
class CalibrationInputs:
    """A checkpoint and the studies that it is calibrated on.

    Attributes:
        run: The opened run.
        val: The studies that it was validated on.
        objective: What the thresholds are chosen for.
        train: The studies that it was trained on, if the run is older than what it keeps of their images; else None.
    """

    run: OpenedRun
    val: Manifest
    objective: Objective
    train: Manifest | None = None


def open_inputs(
    load: str | Path | OpenedRun,
    data_root: Path | str = "data",
    objective: str | Objective = "f1",
) -> CalibrationInputs:
    """Open a run and its validation split, and check that it can be calibrated, without TensorFlow.

    Args and Raises: As `calibrate`.
    """
    objective = Objective.parse(objective) if isinstance(objective, str) else objective
    run = open_run(load)
    if not run.config.mode_parts.classifies:
        raise InputError(
            f"{run.load}: mode {run.config.mode} has no classifier, so there is nothing to calibrate; load a run of "
            "another mode"
        )
    if not os.access(run.folder, os.W_OK):
        raise InputError(
            f"{run.folder}: {calibration_file.FILE_NAME} cannot be written there; "
            "make the folder writable, or copy the run to where it is"
        )
    if (earlier := run.earlier) is not None:
        raise InputError(
            f"{run.load}: has learnt from the validation split too, so no study is left to choose thresholds by; it "
            f"has those of {earlier.name}, its --epochs-of; calibrate that one and train again to have others"
        )
    with locks.writing(run.folder, again=True):
        calibration_file.discard_broken(run.prefix)
    run.check_files()
    data_set = manifests.load(run.config.data, data_root)
    val = data_set.split("val")
    check_studies(run.config, val, training=False)
    _check_studies(val, run)
    train = None
    if run.config.mode_parts.image and run.image_distribution() is None:
        train = data_set.split("train") if data_set.fingerprint() == run.facts.get("data_fingerprint") else None
    return CalibrationInputs(run, val, objective, train)


def calibrate(
    load: str | Path | OpenedRun,
    data_root: Path | str = "data",
    objective: str | Objective = "f1",
    features: str = "cache",
    progress: bool = True,
) -> Calibration:
    """Choose a checkpoint's temperatures and thresholds and write them to calibration.json in its run's folder.

    From then on `Predictor` gives calibrated probabilities for this checkpoint. Calibrating again replaces them. A
    checkpoint without a record of the validation split gets one (`tienet.checkpoint.validation_record`), and a run
    that does not know how its training images are distributed learns it (`tienet.data.features.image_distribution`).

    Args:
        load: An opened run, a run's folder (its best checkpoint) or a checkpoint.
        data_root: The folder of the data sets, with the one that the run was trained on.
        objective: What the thresholds are chosen for on the validation split: f1, youden, sensitivity=X or precision=X
            (`tienet.checkpoint.thresholds`).
        features: As in `Predictor`.
        progress: Whether a progress bar is shown.
    Returns:
        The calibration that was written.
    Raises:
        InputError: There is no such objective, the run's mode has no classifier, its folder cannot be written or
            another process writes into it, or the validation split of the data set is not the run's.
    """
    return calibrate_inputs(open_inputs(load, data_root, objective), features, progress)


def calibrate_inputs(inputs: CalibrationInputs, features: str = "cache", progress: bool = True) -> Calibration:
    """As `calibrate`, for what was opened already."""
    with locks.writing(inputs.run.folder, again=True), Predictor(inputs.run, features) as predictor:
        logits = predictor.predict(predictor.studies(inputs.val), progress).logits
        calibration = fit(logits, inputs.val.labels, inputs.objective)
        calibration_file.save(inputs.run.prefix, calibration)
        if validation_record.read(inputs.run.prefix) is None:  # it is older than the records
            record = ValidationRecord(logits, inputs.val.labels, leaks.fingerprints(inputs.val))
            validation_record.add(inputs.run.prefix, record)
        if inputs.train is not None:
            keep_distribution(
                inputs.run.folder,
                predictor.config,
                predictor.studies(inputs.train),
                predictor.studies(inputs.val),
                inputs.run.backbone_weights(),
            )
    return calibration


def calibrate_after_training(logdir: Path, data_root: Path | str = "data") -> Calibration | None:
    """Calibrate the best checkpoint of a run whose training is over, and print one line about the outcome.

    A run whose mode has no classifier is left as it is. So is a checkpoint that is calibrated already, as when a
    finished run is resumed: a user may have chosen its thresholds for a sensitivity. A run that has learnt from the
    validation split too gets the calibration of its earlier run (`tienet.checkpoint.earlier_run`). A failure prints a
    line on standard error and raises nothing, because the training is over and its checkpoints are written.

    Args:
        logdir: The run's folder.
        data_root: The folder of the data sets, as in training.
    Returns:
        The calibration that was written to calibration.json; None if none was written.
    """
    try:
        run = open_run(logdir)
        if not run.config.mode_parts.classifies:
            return None
        with locks.writing(run.folder, again=True):
            calibration_file.discard_broken(run.prefix)
            if run.calibration is not None:
                return None
            if (earlier := run.earlier) is not None:
                return _take_calibration(run, earlier)
            calibration = calibrate(run, data_root, features=run.config.features)
    except Exception as error:
        what = " ".join(str(error).split())[:_MAX_MESSAGE_CHARS] or type(error).__name__
        print(f"warning: not calibrated: {what}; later: tienet calibrate --load {logdir}", file=sys.stderr)
        return None
    fitted = K - len(calibration.left_out)
    path = run.folder / calibration_file.FILE_NAME
    print(f"{path}: thresholds of {K} labels, temperatures of {fitted}, from the validation split", file=sys.stderr)
    return calibration


def _take_calibration(run: OpenedRun, earlier: EarlierRun) -> Calibration | None:
    """Give a checkpoint the calibration of the run's earlier one; None if that has none, as when it has not ended."""
    calibration, path = earlier.given_calibration, run.folder / calibration_file.FILE_NAME
    if not run.prefix.name.startswith("best-"):
        return None
    if calibration is None:
        what = f"{earlier.source} had no temperatures to take; its thresholds are in best.json"
        print(f"note: {run.folder}: {what}", file=sys.stderr)
        return None
    calibration_file.save(run.prefix, calibration)
    what = f"those of {earlier.source}, from the validation split before this run learnt from it"
    print(f"{path}: thresholds and temperatures of {K} labels, {what}", file=sys.stderr)
    return calibration


def fit(logits: np.ndarray, labels: np.ndarray, objective: Objective = LARGEST_F1) -> Calibration:
    """Fit the temperatures and thresholds of a checkpoint.

    A label whose logits separate the two classes without a mistake keeps temperature 1: its likelihood only grows as
    the temperature falls, and a small split is not enough evidence for probabilities of 1.0.

    Args:
        logits: float32 [N, K], the network's logits on the N studies of the validation split.
        labels: [N, K], 1, 0 or NaN (unknown).
        objective: As in `calibrate`.
    """
    temperatures, left_out = fit_temperatures(logits, labels)
    for m in np.flatnonzero(temperatures < MIN_TEMPERATURE * 1.01):
        temperatures[m], left_out[m] = 1, "told apart without a mistake"
    before, after = with_temperatures(logits, np.ones(K)), with_temperatures(logits, temperatures)
    chosen = choose(after, labels, objective)
    errors = [
        {name: expected_calibration_error(scores[:, m], labels[:, m]) for m, name in enumerate(LABELS)}
        for scores in (before, after)
    ]
    reasons = {LABELS[m]: why for m, why in left_out.items()}
    positives = dict(zip(LABELS, map(int, chosen.positives), strict=True))
    shares = (chosen.precision.astype(np.float32), chosen.recall.astype(np.float32))
    return Calibration(temperatures, chosen.values, str(objective), *shares, positives, reasons, len(labels), *errors)


def _check_studies(val: Manifest, run: OpenedRun) -> None:
    """Raise InputError unless these are the studies that the run was validated on."""
    run_studies = run.studies()
    if run_studies is None:
        print(f"note: {run.folder}: has no studies.json; see yourself that {val.path} is its data", file=sys.stderr)
        return
    expected = run_studies["val"]
    same = len(leaks.find_seen(val, expected))
    if not same == len(val) == len(expected):
        raise InputError(
            f"{val.path}: split val has {len(val):,} studies, of which {same:,} are among the {len(expected):,} "
            f"that {run.folder} was validated on; put that data set back"
        )


def format_table(calibration: Calibration) -> str:
    """The calibration as text for the terminal: a row per label, and notes on labels without a fitted temperature."""

    def number(value: float | None) -> str:
        return "-" if value is None or np.isnan(value) else f"{value:.3f}"

    rows = [
        [
            label,
            str(calibration.positives.get(label, "-")),
            number(calibration.thresholds[m]),
            number(calibration.precision[m]),
            number(calibration.recall[m]),
            number(calibration.temperatures[m]),
            number(calibration.ece_before[label]),
            number(calibration.ece_after[label]),
        ]
        for m, label in enumerate(LABELS)
    ]
    notes = [f"Over {calibration.studies:,} studies of the validation split. Thresholds: {calibration.objective}."]
    few = [label for label in LABELS if calibration.positives.get(label, MIN_POSITIVES) < MIN_POSITIVES]
    if few:
        notes.append(f"Fewer than {MIN_POSITIVES} positives, too few to choose a threshold by: {', '.join(few)}.")
    if calibration.left_out:
        reasons = "; ".join(f"{label} ({why})" for label, why in calibration.left_out.items())
        n = len(calibration.left_out)
        notes.append(f"{n} {'label keeps' if n == 1 else 'labels keep'} temperature 1: {reasons}.")
    limits = np.array([MIN_TEMPERATURE, MAX_TEMPERATURE])[:, None]
    at_limit = (np.abs(np.log(calibration.temperatures / limits)) < 1e-3).any(axis=0)
    if at_limit.any():
        names = ", ".join(np.array(LABELS)[at_limit])
        bounds = f"{MIN_TEMPERATURE:g} or {MAX_TEMPERATURE:g}"
        notes.append(f"At a limit ({bounds}): {names}; the validation split does not bound them.")
    header = ["Label", "positives", "threshold", "precision", "recall", "temperature", "error before", "after"]
    return "\n".join([*align(header, rows), "", *notes]) + "\n"
