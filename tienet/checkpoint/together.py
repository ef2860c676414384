"""Several runs that label as one model: the mean of their probabilities, and thresholds that are fitted to this mean.

Axes: M runs, N studies, K labels.

    p = 1/M sum over the runs m of p_m,    p_m = sigmoid(logits_m / temperatures_m)

The runs may have other vocabularies, sizes and settings: each reads a study in its own way. They have one mode and one
validation split, whose records (`tienet.checkpoint.validation_record`) the thresholds are chosen from, so that this
needs no data set: as the runs' own were, if all of them are calibrated for the same objective, else for the largest F1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from tienet.checkpoint import validation_record
from tienet.checkpoint.calibration import Calibration, with_temperatures
from tienet.checkpoint.entries import sha256
from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.checkpoint.thresholds import LARGEST_F1, Objective, choose
from tienet.checkpoint.validation_record import ValidationRecord
from tienet.data.leaks import Fingerprint
from tienet.errors import InputError
from tienet.labels import LABELS, K
from tienet.modes import Mode


@dataclass(frozen=True, eq=False)
class OpenedRuns:
    """Several opened runs as one model; `open_model` makes it.

    Attributes:
        runs: The runs, in the order of `--load`.
    """

    runs: tuple[OpenedRun, ...]

    @property
    def load(self) -> str:
        """What the user has named with `--load`."""
        return " ".join(run.load for run in self.runs)

    @property
    def mode_parts(self) -> Mode:
        """The mode of all of them."""
        return self.runs[0].config.mode_parts

    @cached_property
    def calibration(self) -> Calibration:
        """The thresholds of the mean, with what they gave on the validation split; computed when first asked for.

        The temperatures are 1, because each run's own are applied before the mean is taken.

        Raises:
            InputError: A run has no record of its validation split, or another one than the first, or a file is broken.
        """
        first, *others = (_record_of(run) for run in self.runs)
        aligned = [first.logits]
        for run, record in zip(self.runs[1:], others, strict=True):
            aligned.append(record.logits[self._positions(first, record, run)])
        probabilities = [with_temperatures(z, temperatures_of(r)) for z, r in zip(aligned, self.runs, strict=True)]
        objective = self._objective()
        chosen = choose(mean_of_runs(probabilities), first.labels, objective)
        return Calibration(
            temperatures=np.ones(K, np.float32),
            thresholds=chosen.values,
            objective=str(objective),
            precision=chosen.precision.astype(np.float32),
            recall=chosen.recall.astype(np.float32),
            positives=dict(zip(LABELS, map(int, chosen.positives), strict=True)),
            left_out={},
            studies=len(first.labels),
            ece_before={},
            ece_after={},
        )

    def thresholds(self) -> np.ndarray:
        """float32 [K], the thresholds of the mean."""
        return self.calibration.thresholds

    def check_files(self) -> None:
        """As `OpenedRun.check_files` for each run; also raises InputError if `calibration` does."""
        for run in self.runs:
            run.check_files()
        _ = self.calibration

    def check_mode(self, needed: str, allowed: tuple[str, ...]) -> None:
        """As `OpenedRun.check_mode`."""
        self.runs[0].check_mode(needed, allowed)

    def _positions(self, first: ValidationRecord, record: ValidationRecord, run: OpenedRun) -> np.ndarray:
        found = positions(first.studies, record)
        if found is None:
            raise InputError(
                f"{self.runs[0].load} and {run.load}: were validated on other studies; "
                "give runs with the same validation split"
            )
        if not np.array_equal(first.labels, record.labels[found], equal_nan=True):
            raise InputError(
                f"{self.runs[0].load} and {run.load}: their validation studies are labelled differently; "
                "give runs of one data set"
            )
        return found

    def _objective(self) -> Objective:
        calibrations = [run.calibration for run in self.runs]
        objectives = {None if calibration is None else calibration.objective for calibration in calibrations}
        common = objectives.pop() if len(objectives) == 1 else None
        return LARGEST_F1 if common is None else Objective.parse(common)


Load = str | Path | OpenedRun
"""What `open_run` opens: a run's folder, a checkpoint, or a run that is open already."""


def open_model(load: Load | OpenedRuns | Sequence[Load]) -> OpenedRun | OpenedRuns:
    """Open what labels as one model: one run, or a sequence of several.

    Whether several fit together on their validation splits is checked when `calibration` or `check_files` is called.

    Raises:
        InputError: As `open_run`; none is given; or several have other modes, or are the same checkpoint.
    """
    if isinstance(load, OpenedRuns):
        return load
    if isinstance(load, Load):
        return open_run(load)
    runs = tuple(open_run(one) for one in load)
    if not runs:
        raise InputError("--load: no run is given; expected a run's folder or a checkpoint")
    if len(runs) == 1:
        return runs[0]
    _check_alike(runs)
    return OpenedRuns(runs)


def _check_alike(runs: Sequence[OpenedRun]) -> None:
    """Raise InputError if the runs have other modes than one another, or two of them are the same checkpoint."""
    seen: dict[str, OpenedRun] = {}
    for run in runs:
        modes = (runs[0].config.mode, run.config.mode)
        if modes[0] != modes[1]:
            raise InputError(
                f"{runs[0].load} and {run.load}: are of mode {modes[0]} and of mode {modes[1]}; "
                "several runs are one model if they have the same mode"
            )
        other = seen.setdefault(checkpoint_sha256(run), run)
        if other is not run:
            raise InputError(f"{other.load} and {run.load}: are the same checkpoint; give each once")


def checkpoint_sha256(run: OpenedRun) -> str:
    """The SHA-256 of a checkpoint's .index file, which holds a checksum of every tensor."""
    return sha256(run.prefix.with_name(f"{run.prefix.name}.index"))


def positions(studies: Sequence[Fingerprint], record: ValidationRecord) -> np.ndarray | None:
    """int [N], the row of each study in a record; None unless the record has exactly these studies.

    A study is the same one by its ids and its report, and by its image where both have one.
    """
    rows = {study.ids: n for n, study in enumerate(record.studies)}
    found = [rows.get(study.ids) for study in studies]
    if not len(studies) == len(rows) == len(record.studies) or None in found:
        return None
    same = all(_is_same(study, record.studies[n]) for study, n in zip(studies, found, strict=True))
    return np.array(found, np.int64) if same and len(set(found)) == len(found) else None


def _is_same(one: Fingerprint, other: Fingerprint) -> bool:
    return one.report == other.report and (one.image == other.image or not one.image or not other.image)


def _record_of(run: OpenedRun) -> ValidationRecord:
    if run.earlier is not None:
        raise InputError(
            f"{run.load}: was trained on the validation split too, so nothing is left to choose the thresholds of "
            "several runs by; give it alone, or runs that were trained on the training split alone"
        )
    record = validation_record.read(run.prefix)
    if record is None:
        raise InputError(
            f"{run.load}: has no record of its validation split; tienet calibrate --load {run.load} makes it"
        )
    return record


def temperatures_of(run: OpenedRun) -> np.ndarray:
    """float32 [K], the temperatures of a run's checkpoint; 1 where it is not calibrated."""
    return np.ones(K, np.float32) if run.calibration is None else run.calibration.temperatures


def image_px_of(runs: Sequence[OpenedRun]) -> int | None:
    """The side of the images that all these runs take, to which a file can be resized once; None if theirs differ."""
    sizes = {run.config.image_px for run in runs}
    return sizes.pop() if len(sizes) == 1 else None


def mean_of_runs(of_runs: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of what M runs give, such as their probabilities.

    Args:
        of_runs: M arrays float32 of one shape.
    Returns:
        float32 of that shape, the mean taken in float64. The order of the runs changes no bit of it.
    """
    return np.sort(np.stack(of_runs).astype(np.float64), axis=0).mean(axis=0).astype(np.float32)


def mean_log_odds(of_runs: Sequence[np.ndarray]) -> np.ndarray:
    """The log-odds of the mean probability of M runs, ln(mean p / mean (1 - p)), which have an order where p is near 1.

    Args:
        of_runs: M arrays float [N, K] of log-odds z, for which p = sigmoid(z): ln p = -ln(1 + exp(-z)).
    Returns:
        float64 [N, K]. The order of the runs changes no bit of it.
    """
    z = np.sort(np.stack(of_runs).astype(np.float64), axis=0)
    return logsumexp(-np.logaddexp(0, -z), axis=0) - logsumexp(-np.logaddexp(0, z), axis=0)
