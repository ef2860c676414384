"""Several checkpoints on several data sets: the paper's two tables."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from tienet.checkpoint.run_folder import OpenedRun, open_run
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.evaluate import Result, evaluate
from tienet.evaluation.metrics.paired_bootstrap import paired_auc
from tienet.evaluation.options import Options, Shared
from tienet.evaluation.paper.published import COLUMNS
from tienet.evaluation.paper.tables import Column, table_1, table_2, write_tables
from tienet.modes import MODES

ORDER = (*COLUMNS, "Captioning")


def compare(loads: Sequence[str], data: Sequence[str], data_root: Path, out: Path, options: Options) -> str:
    """Judge every checkpoint on every data set and write the tables.

    Each evaluation goes to `out`/DATA/RUN, the tables (text, CSV, JSON, HTML) to `out`.

    Returns:
        The tables as text.
    Raises:
        InputError: a checkpoint, a data set or the options do not fit; before anything is judged, where it can be seen.
    """
    opened = _open_runs(loads)
    modes = {load: run.config.mode for load, run in opened.items()}
    names = _run_names(opened)
    by_table = sorted(loads, key=lambda load: ORDER.index(MODES[modes[load]].paper_name))
    results: dict[str, dict[str, Result]] = {}
    with Shared(options) as shared:
        for place in data:
            name = manifests.load(place, data_root).name
            if name in results:
                raise InputError(f"--data: {name} is given twice")
            results[name] = {}
            for load in by_table:
                print(f"{load} ({modes[load]}) on {name}", file=sys.stderr)
                folder = out / name / names[load]
                results[name][load] = evaluate(opened[load], place, data_root, folder, options, shared)
    columns = {
        name: [Column(MODES[modes[load]].paper_name, load, result.metrics) for load, result in by_run.items()]
        for name, by_run in results.items()
    }
    paired = {name: _paired(by_run, modes, options) for name, by_run in results.items()}
    notes = _notes(results, modes)
    return write_tables(out, table_1(columns, paired), table_2(columns), notes)


def _open_runs(loads: Sequence[str]) -> dict[str, OpenedRun]:
    """The runs by what names them; InputError where one is named twice."""
    if len(set(loads)) < len(loads):
        raise InputError(f"--load: {next(load for load in loads if loads.count(load) > 1)} is given twice")
    return {load: open_run(load) for load in loads}


def _run_names(opened: dict[str, OpenedRun]) -> dict[str, str]:
    """A folder's name for each run; those that would be the same are numbered."""
    names: dict[str, str] = {}
    for load, run in opened.items():
        stem = name = run.folder.resolve().name
        for number in itertools.count(2):
            if name not in names.values():
                break
            name = f"{stem}-{number}"
        names[load] = name
    return names


def _paired(by_run: dict[str, Result], modes: dict[str, str], options: Options) -> dict[tuple[str, str], dict]:
    """The paired tests between all columns of Table 1, named as the columns are."""
    judged = {load: result for load, result in by_run.items() if result.metrics["auc"] is not None}
    titles = _titles(list(judged), modes)
    tests = {}
    for later, earlier in itertools.combinations(reversed(judged), 2):
        a, b = judged[later], judged[earlier]
        tests[titles[later], titles[earlier]] = paired_auc(
            a.predictions.logits,  # probabilities near 1 may be equal where these are not
            b.predictions.logits,
            a.studies.labels,
            a.studies.patient_ids,
            resamples=options.resamples,
        )
    return tests


def _titles(loads: Sequence[str], modes: dict[str, str]) -> dict[str, str]:
    """The paper's name of each run's mode; with the run where a mode comes twice."""
    papers = {load: MODES[modes[load]].paper_name for load in loads}
    return {
        load: name if list(papers.values()).count(name) == 1 else f"{name} ({load})" for load, name in papers.items()
    }


def _notes(results: dict[str, dict[str, Result]], modes: dict[str, str]) -> list[str]:
    """How each run differs from the paper, a line each."""
    notes = []
    for by_run in results.values():
        for load, result in by_run.items():
            line = f"{MODES[modes[load]].paper_name} ({load}): {'; '.join(result.metrics['differs']) or 'as the paper'}"
            if line not in notes:
                notes.append(line)
    return notes
