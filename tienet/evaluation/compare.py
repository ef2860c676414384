"""The evaluation of several checkpoints on several data sets: the paper's two tables."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from tienet.checkpoint.run_folder import OpenedRun
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.evaluate import Result, evaluate_inputs
from tienet.evaluation.inputs import InputsByRun, open_all
from tienet.evaluation.metrics.paired_bootstrap import paired_auc
from tienet.evaluation.options import Options
from tienet.evaluation.paper.published import COLUMNS, base_column, column_of
from tienet.evaluation.paper.tables import Column, table_1, table_2, write_tables
from tienet.folders import contents

ORDER = (*COLUMNS, "Captioning")
"""The order in which checkpoints are evaluated, by `Mode.paper_name`; behind I those that pool otherwise."""


def compare(loads: Sequence[str], data: Sequence[str], data_root: Path, out: Path, options: Options) -> str:
    """Evaluate every checkpoint on every data set and write the tables.

    The files of each evaluation go to `out`/DATA/RUN, the tables (text, CSV, JSON, HTML) to `out`.

    Args:
        loads: What `--load` names: runs' folders or checkpoints.
        data: The names of data sets in `data_root`, or paths of manifests.
        data_root: The folder of the data sets.
        out: The folder to write into.
        options: What to evaluate, and how.
    Returns:
        The tables as text.
    Raises:
        InputError: A checkpoint, a data set or the options do not fit, or `out` holds something else; before the first
            evaluation where possible.
    """
    with EvaluationCache(options) as cache:
        return compare_inputs(open_all(loads, data, data_root, cache), out, cache)


def compare_inputs(inputs: dict[str, InputsByRun], out: Path, cache: EvaluationCache) -> str:
    """As `compare`, for what `open_all` has opened with the same cache."""
    with contents.writing(out, contents.EVALUATION, "--out"):
        return _compare(inputs, out, cache)


def _compare(inputs: dict[str, InputsByRun], out: Path, cache: EvaluationCache) -> str:
    runs = {load: opened.run for by_run in inputs.values() for load, opened in by_run.items()}
    modes = {load: run.config.mode for load, run in runs.items()}
    names = {load: column_of(run.config) for load, run in runs.items()}
    folder_names = _name_folders(runs)
    in_order = sorted(runs, key=lambda load: (ORDER.index(base := base_column(names[load])), names[load] != base))
    results: dict[str, dict[str, Result]] = {}
    for name, by_run in inputs.items():
        results[name] = {}
        for load in in_order:
            print(f"{load} ({modes[load]}) on {name}", file=sys.stderr)
            results[name][load] = evaluate_inputs(by_run[load], out / name / folder_names[load], cache)
    columns = {
        name: [Column(names[load], load, result.metrics) for load, result in by_run.items()]
        for name, by_run in results.items()
    }
    paired = {name: _paired_tests(by_run, names, cache.options) for name, by_run in results.items()}
    return write_tables(out, table_1(columns, paired), table_2(columns), _list_differences(results, names))


def _name_folders(runs: dict[str, OpenedRun]) -> dict[str, str]:
    """A name for each run's results: that of the run's folder, with a number where two would be the same."""
    names: dict[str, str] = {}
    for load, run in runs.items():
        stem = name = run.folder.resolve().name
        for number in itertools.count(2):
            if name not in names.values():
                break
            name = f"{stem}-{number}"
        names[load] = name
    return names


def _paired_tests(by_run: dict[str, Result], names: dict[str, str], options: Options) -> dict[tuple[str, str], dict]:
    """The paired test of every two columns of Table 1, by the titles of the two columns."""
    with_auc = {load: result for load, result in by_run.items() if result.metrics["auc"] is not None}
    titles = _column_titles(list(with_auc), names)
    tests = {}
    for later, earlier in itertools.combinations(reversed(with_auc), 2):
        a, b = with_auc[later], with_auc[earlier]
        tests[titles[later], titles[earlier]] = paired_auc(
            a.predictions.logits,  # not the probabilities: float32 values near 1 are equal where logits are not
            b.predictions.logits,
            a.studies.labels,
            a.studies.patient_ids,
            resamples=options.resamples,
        )
    return tests


def _column_titles(loads: Sequence[str], names: dict[str, str]) -> dict[str, str]:
    """The name of each run's column, followed by the run where several runs have that name."""
    shown = [names[load] for load in loads]
    return {load: names[load] if shown.count(names[load]) == 1 else f"{names[load]} ({load})" for load in loads}


def _list_differences(results: dict[str, dict[str, Result]], names: dict[str, str]) -> list[str]:
    """The differences between each run and the paper's, one line for a run and data set; no line comes twice."""
    lines = []
    for by_run in results.values():
        for load, result in by_run.items():
            line = f"{names[load]} ({load}): {'; '.join(result.metrics['differs']) or 'as the paper'}"
            if line not in lines:
                lines.append(line)
    return lines
