"""`tienet label --judge`: a network's labels against those of readers, beside the readers against one another."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet import files
from tienet.commands import flags
from tienet.commands.label_agree import check_resamples
from tienet.data import manifest as manifests
from tienet.data import readers
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.folders import contents
from tienet.hand_labels import sheet as sheet_files
from tienet.hand_labels.source import FILE_NAME, open_source

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.checkpoint.together import OpenedRuns
    from tienet.hand_labels.judge import NetworkLabels, Readings


def run_judge(
    loads: Sequence[str],
    sheets: Sequence[Path],
    decided: Path | None,
    data: str | None,
    data_root: Path,
    out: Path | None,
    gpu: str | None,
    resamples: int,
    allow_seen: bool = False,
) -> int:
    """Judge what a run labels, or several as one model, by one reader or more, and print the tables.

    Args:
        loads: What `open_run` opens: a run's folder or a checkpoint, each.
        sheets: The paths of the readers' sheets.
        decided: The sheet of the reader who decided, or the manifest or folder of the data set that came of it; None:
            nothing was decided.
        data: What --data names: the data set of the studies; None: as a labelling.json beside the sheets says.
        data_root: The folder of the data sets.
        out: The folder for judge.json and judge.txt; None: nothing is written.
        gpu: The value of --gpu.
        resamples: Of the bootstrap.
        allow_seen: Whether the studies may be ones that a run was trained on.
    Raises:
        InputError: A run, a sheet, the data set or a value is wrong, or they do not fit together.
    """
    from tienet.checkpoint.together import open_model
    from tienet.hand_labels.judge import gather, judge
    from tienet.hand_labels.judge_table import format_judge

    check_resamples(resamples)
    if out is not None:
        contents.check(out, contents.JUDGED_BY_READERS, "--out")
    run = open_model(loads)
    _check_run(run)
    read = [sheet_files.read(path) for path in sheets]
    dataset = open_source([sheet.path for sheet in read], data, data_root)
    if dataset is None:
        raise InputError(
            f"--data is missing: no {FILE_NAME} beside the sheets names a data set that is there, which the network "
            "needs to see the studies"
        )
    readings = gather(read, dataset)
    decided_labels, warnings = (None, []) if decided is None else _read_decided(decided, readings)
    notes = _check_studies(run, readings.studies, allow_seen)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    flags.start(gpu)
    network = predict(run, readings.studies)
    result = judge(network, readings, decided_labels, resamples=resamples)
    result["notes"] += warnings
    table = format_judge(result, run.thresholds())
    if out is not None:
        facts = {"runs": [one.load for one in run.runs], "data": dataset.name, "manifest": str(dataset.path)}
        with contents.writing(out, contents.JUDGED_BY_READERS, "--out") as out:
            files.write_json(out / "judge.json", facts | result | {"notes": [*result["notes"], *notes]})
            files.write_text(out / "judge.txt", table)
    print(table, end="")
    if out is not None:
        print(out)
    return 0


def predict(run: "OpenedRun | OpenedRuns", studies: Manifest) -> "NetworkLabels":
    """What a run says of studies, or several as one model; one network at a time is in memory."""
    from tienet.hand_labels.judge import NetworkLabels
    from tienet.inference.predictor import Predictor
    from tienet.inference.together import mean_predictions
    from tienet.labels import name_labels

    of_runs = []
    for one in run.runs:
        with Predictor(one) as network:
            of_runs.append(network.predict(network.studies(studies), progress=True))
    predictions = mean_predictions(run.runs, of_runs)
    return NetworkLabels(predictions.logits, name_labels(predictions.probabilities, run.thresholds()))


def _check_run(run: "OpenedRun | OpenedRuns") -> None:
    """Raise InputError unless it labels, and its files are there."""
    mode = run.runs[0].config.mode_parts
    if not mode.classifies:
        raise InputError(f"--judge {run.load}: mode {mode.name} has no classifier, so there are no labels to judge")
    run.check_files()
    if np.isnan(run.thresholds()).all():
        raise InputError(f"--judge {run.load}: the checkpoint has no thresholds; give one that was validated")


def _check_studies(run: "OpenedRun | OpenedRuns", studies: Manifest, allow_seen: bool) -> list[str]:
    """Notes on studies that runs have seen; raises InputError if one cannot read these, or was trained on some."""
    from tienet.data.dataflow import check_studies
    from tienet.evaluation.inputs import count_seen_studies
    from tienet.evaluation.options import Options

    options = Options(split=", ".join(sorted(set(studies.splits))), allow_seen=allow_seen)
    notes: list[str] = []
    for one in run.runs:
        check_studies(one.config, studies, training=False)
        count_seen_studies(one, studies, options, notes)
    return notes


def _read_decided(decided: Path, readings: "Readings") -> tuple[np.ndarray, list[str]]:
    """The decided labels, float32 [N, K], from a sheet or from a data set, and notes on how they came about."""
    from tienet.hand_labels.agreement import assist_notes
    from tienet.hand_labels.judge import decided_labels, labels_of_data_set

    if decided.is_dir() or decided.name == "manifest.csv":
        dataset = manifests.load(str(decided), Path())
        who = readers.read(dataset.path.parent)
        return labels_of_data_set(readings, dataset), [] if who is None else [f"what was decided: {who.note()}"]
    sheet = sheet_files.read(decided)
    return decided_labels(readings, sheet), assist_notes([sheet])
