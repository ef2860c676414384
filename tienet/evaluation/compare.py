"""The evaluation of several checkpoints on several data sets: the paper's two tables, and the grid of its Figure 3."""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import OpenedRuns
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.evaluate import Result, evaluate_inputs
from tienet.evaluation.inputs import InputsByRun, open_all
from tienet.evaluation.metrics.paired_bootstrap import paired_auc
from tienet.evaluation.options import Options
from tienet.evaluation.paper.published import COLUMNS, column_of, column_together, place_of
from tienet.evaluation.paper.tables import Column, table_1, table_2, write_tables
from tienet.evaluation.plots import Panel, plot_roc_grid
from tienet.evaluation.results_folder import METRICS, remove_results
from tienet.evaluation.tables import format_named, format_singles
from tienet.evaluation.together import evaluate_together, find_together
from tienet.folders import contents

ORDER = (*COLUMNS, "Captioning")
"""The order in which checkpoints are evaluated, by `published.column_of`; behind I those that pool otherwise."""

ROC_GRID = "roc-grid.png"
"""The ROC curves of each column of Table 1 on each data set."""


def compare(loads: Sequence[str], data: Sequence[str], data_root: Path, out: Path, options: Options) -> str:
    """Evaluate every checkpoint on every data set and write the tables, and the ROC curves beside each other.

    The files of each evaluation go to `out`/DATA/RUN, the tables (text, CSV, JSON, HTML) and ROC_GRID to `out`. Two or
    more runs of one column that were validated on the same studies are also judged as one model
    (`tienet.evaluation.together`), in `out`/DATA/MODE-together.

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
    in_order = sorted(runs, key=lambda load: place_of(names[load], ORDER))
    several = {} if cache.options.metrics == "captions" else _name_together([runs[load] for load in in_order])
    folder_names = _name_folders(
        {load: run.folder.resolve().name for load, run in runs.items()}
        | {load: f"{together.mode_parts.name}-together" for load, (_, together) in several.items()}
    )
    results: dict[str, dict[str, Result]] = {}
    for name, by_run in inputs.items():
        results[name] = {}
        for load in in_order:
            print(f"{load} ({modes[load]}) on {name}", file=sys.stderr)
            results[name][load] = evaluate_inputs(by_run[load], out / name / folder_names[load], cache)
        for load, (_, together) in several.items():
            of_runs = [results[name][run.load] for run in together.runs]
            folder = out / name / folder_names[load]
            results[name][load] = evaluate_together(together, of_runs, folder, cache.options)
    titles = names | {load: title for load, (title, _) in several.items()}
    columns = {
        name: [Column(titles[load], load, result.metrics) for load, result in by_run.items()]
        for name, by_run in results.items()
    }
    of_runs_together = {run.load: load for load, (_, together) in several.items() for run in together.runs}
    remove_results(out)
    (out / METRICS).unlink(missing_ok=True)  # of one run
    _write_roc_grid(out / ROC_GRID, results, titles, folder_names, of_runs_together)
    paired = {name: _paired_tests(by_run, titles, cache.options) for name, by_run in results.items()}
    differences = _list_differences(results, names, in_order)
    tables = write_tables(
        out, table_1(columns, paired), table_2(columns), differences, _links(out, columns, folder_names)
    )
    return "\n".join([tables, *_text_of_together(several, results)])


def _links(out: Path, columns: dict[str, list[Column]], folder_names: dict[str, str]) -> list[tuple[str, str]]:
    """The figure of all ROC curves, and the pages of the studies of each evaluation, where they are."""
    found = [("ROC curves of every input and test set, as the paper's Figure 3", ROC_GRID)]
    for data, of_data in columns.items():
        for column in of_data:
            folder = folder_names[column.run]
            title, pages = f"{column.paper_name} ({folder}) on {data}", f"{data}/{folder}/pages"
            found.append((f"{title}: a page for each study", f"{pages}/index.html"))
            found.append((f"{title}: four studies on a sheet", f"{pages}/cases.html"))
    return [(text, address) for text, address in found if (out / address).exists()]


def _name_together(runs: Sequence[OpenedRun]) -> dict[str, tuple[str, OpenedRuns]]:
    """The groups of runs that are also judged as one model, by what names the group, each with its column's title."""
    groups = find_together(runs)
    titles = [column_together(column_of(group.runs[0].config), len(group.runs)) for group in groups]
    return {group.load: (title, group) for title, group in zip(titles, groups, strict=True)}


def _text_of_together(
    several: dict[str, tuple[str, OpenedRuns]], results: dict[str, dict[str, Result]]
) -> Iterator[str]:
    """The labels that each group of runs names, and the figures of its single runs, for the terminal."""
    for data, by_run in results.items():
        for load, (title, _) in several.items():
            metrics = by_run[load].metrics
            yield f"{title}, on {data}:\n"
            if metrics["labels"] is not None:
                yield format_named(metrics)
            yield format_singles(metrics)


def _name_folders(wanted: dict[str, str]) -> dict[str, str]:
    """The wanted name of each evaluation's folder, with a number where two would be the same."""
    names: dict[str, str] = {}
    for load, stem in wanted.items():
        name = stem
        for number in itertools.count(2):
            if name not in names.values():
                break
            name = f"{stem}-{number}"
        names[load] = name
    return names


def _write_roc_grid(
    path: Path,
    results: dict[str, dict[str, Result]],
    names: dict[str, str],
    folder_names: dict[str, str],
    together: Mapping[str, str],
) -> None:
    """Write the ROC curves of all columns of Table 1, a row for each data set; removes the old file if there are none.

    Runs that are also judged as one model have the panel of that model: one panel for each input, as in the paper.

    Args:
        path: The file.
        results: The evaluations by data set and by what was loaded.
        names: The column of each.
        folder_names: The folder of each evaluation, which tells those of one column apart.
        together: For each run that is judged together with others, what names the group.
    """
    rows = []
    for data, by_run in results.items():
        loads = [load for load, result in by_run.items() if result.metrics["auc"] is not None and load not in together]
        loads.sort(key=lambda load: place_of(names[load], COLUMNS))
        of_loads = [names[load] for load in loads]
        panels = []
        for load in loads:
            several = of_loads.count(names[load]) > 1
            title = f"{names[load]} ({folder_names[load]})" if several else names[load]
            # From the logits, as the table's AUCs.
            panels.append(Panel(f"{title} on {data}", by_run[load].predictions.logits, by_run[load].studies.labels))
        rows.append(panels)
    if any(rows):
        plot_roc_grid(path, rows)
    else:
        path.unlink(missing_ok=True)


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
    """The name of each column, followed by the run where several have that name."""
    of_loads = [names[load] for load in loads]
    return {load: names[load] if of_loads.count(names[load]) == 1 else f"{names[load]} ({load})" for load in loads}


def _list_differences(
    results: dict[str, dict[str, Result]], names: dict[str, str], in_order: Sequence[str]
) -> list[str]:
    """The differences between each run and the paper's, one line for a run and data set; no line comes twice."""
    lines = []
    for by_run in results.values():
        for load in in_order:
            line = f"{names[load]} ({load}): {'; '.join(by_run[load].metrics['differs']) or 'as the paper'}"
            if line not in lines:
                lines.append(line)
    return lines
