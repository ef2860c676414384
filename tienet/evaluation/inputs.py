"""What an evaluation is made of, read and checked before a network is loaded, without TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet import files
from tienet.checkpoint.run_folder import OpenedRun, Run, open_run
from tienet.data import leaks
from tienet.data import manifest as manifests
from tienet.data.dataflow import check_studies
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.metrics.pointing import read_boxes
from tienet.evaluation.options import Options
from tienet.inference.judges import Judges
from tienet.modes import Mode

InputsByRun = dict[str, "Inputs"]
"""The evaluations of one data set, by what `--load` names."""


@dataclass(frozen=True)
class Inputs:
    """One checkpoint and the studies that it is evaluated on.

    Attributes:
        run: The opened run.
        dataset: All studies of the data set.
        split: The studies that are evaluated.
        seen: How many of them the run was trained and validated on; None for a run that has no record of them.
        boxes: The boxes of their lesions, as `read_boxes` gives them.
        judges: What chooses among the candidates of reports; None if there are no candidates.
        scores_reports: Whether reports are written that can be compared with true ones; a protocol does so itself.
        notes: Remarks for the user.
    """

    run: OpenedRun
    dataset: Manifest
    split: Manifest
    seen: dict[str, int] | None
    boxes: dict[str, np.ndarray] | None
    judges: Judges | None
    scores_reports: bool
    notes: Sequence[str]

    def default_out(self, options: Options) -> Path:
        """The folder of the results where none is given: RUN/eval/NAME-SPLIT."""
        return self.run.folder / "eval" / f"{self.dataset.name}-{options.split}"


def open_inputs(load: str | OpenedRun, data: str | Manifest, data_root: Path, cache: EvaluationCache) -> Inputs:
    """Open a run and a data set, and check that they fit each other and the options.

    Args:
        load: An opened run, or what `open_run` opens: a run's folder or a checkpoint.
        data: The name of a data set in `data_root`, the path of a manifest, or a manifest that was read.
        data_root: The folder of the data sets.
        cache: Has the options; keeps the scorer and the labeller.
    Raises:
        InputError: The checkpoint, the data or the options do not fit, Java is missing, or so is a file.
    """
    options, run = cache.options, open_run(load)
    mode = run.config.mode_parts
    options.check(mode, run.load)
    config = run.config.replace(features=options.features)
    run.check_files()
    dataset = data if isinstance(data, Manifest) else manifests.load(data, data_root)
    split = dataset.split(options.split)
    if options.controls:
        _ = dataset.split("train"), dataset.split("val")  # the controls are made from them
    check_studies(config, split, training=False)
    notes = [f"{run.folder}: {run.writing_flaw}"] if run.writing_flaw else []
    seen = count_seen_studies(run, split, options, notes)
    if options.controls and run.earlier is not None:
        what = "has learnt from the training and the validation split, the controls from the training split alone"
        notes.append(f"{run.folder}: {what}, so they have seen fewer studies")
    judges = _open_judges(run, split, options, notes)
    scores_reports = _check_report_metrics(split, mode, cache, notes)
    return Inputs(run, dataset, split, seen, read_boxes(split), judges, scores_reports, notes)


def open_all(
    loads: Sequence[str], data: Sequence[str], data_root: Path, cache: EvaluationCache
) -> dict[str, InputsByRun]:
    """Open every run and every data set; returns the evaluations by the data set's name and what `--load` names.

    Raises:
        InputError: A run or a data set is given twice, or one of the evaluations cannot be made (`open_inputs`).
    """
    if len(set(loads)) < len(loads):
        raise InputError(f"--load: {next(load for load in loads if loads.count(load) > 1)} is given twice")
    runs = {load: open_run(load) for load in loads}
    found: dict[str, InputsByRun] = {}
    for place in data:
        dataset = manifests.load(place, data_root)
        if dataset.name in found:
            raise InputError(f"--data: {dataset.name} is given twice")
        found[dataset.name] = {load: open_inputs(run, dataset, data_root, cache) for load, run in runs.items()}
    return found


def check_out(out: Path) -> None:
    """Raise OSError if the folder of the results cannot be made or written."""
    files.check_writable(out / "metrics.json")


def count_seen_studies(run: Run, split: Manifest, options: Options, notes: list[str]) -> dict[str, int] | None:
    """Count the studies that the run was trained or validated on; None for a run that has no record of them.

    Raises:
        InputError: The run was trained on some of the studies, and the options do not allow this.
    """
    run_studies = run.studies()
    if run_studies is None:
        notes.append(f"{run.folder}: has no studies.json; see yourself that it was not trained on these studies")
        return None
    seen = {role: leaks.find_seen(split, fingerprints) for role, fingerprints in run_studies.items()}
    if seen["train"] and not options.allow_seen:
        n, first = len(seen["train"]), split.study_ids[seen["train"][0]]
        raise InputError(
            f"{run.folder}: was trained on {n:,} of the {len(split):,} studies of {split.path}, split {options.split} "
            f"(the first is {first}); judge it on others, or say --allow-seen"
        )
    for role, what in (("train", "was trained on"), ("val", "chose its best epoch and thresholds on")):
        if seen[role]:
            notes.append(f"{run.folder}: {what} {len(seen[role]):,} of these {len(split):,} studies")
    return {role: len(studies) for role, studies in seen.items()}


def _open_judges(run: OpenedRun, split: Manifest, options: Options, notes: list[str]) -> Judges | None:
    """Open what chooses among candidates; the judge must not have learnt the labels of the studies either."""
    if not options.chooses:
        return None
    judges = Judges(run, options.reader, options.judge, options.features)
    notes += judges.notes
    for judge in judges.judge.runs:
        count_seen_studies(judge, split, options, notes)
    return judges


def _check_report_metrics(split: Manifest, mode: Mode, cache: EvaluationCache, notes: list[str]) -> bool:
    """Whether there are written reports to score; then Java and the labeller are checked."""
    options = cache.options
    if not mode.writes or options.metrics == "auc" or options.protocol is not None:
        return False
    if not any(report.strip() for report in split.reports):
        notes.append(f"{split.path}: no study of split {options.split} has a report, so there are no caption metrics")
        return False
    labeller = cache.labeller
    found = (cache.scorer.note, labeller.check_words(split.reports) if labeller else None)
    notes += [note for note in found if note]
    return True
