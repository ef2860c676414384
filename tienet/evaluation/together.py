"""Several runs of one column, such as seeds of a mode, judged as one model beside each of them.

Nothing is predicted anew: each run was evaluated before, one after the other, and the mean is taken of what they gave.
So only one network is in memory at a time, and the controls are those of the runs.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tienet.checkpoint import validation_record
from tienet.checkpoint.run_folder import OpenedRun
from tienet.checkpoint.together import OpenedRuns, checkpoint_sha256, positions
from tienet.evaluation import judged as judgements
from tienet.evaluation.evaluate import Result, auc_metrics, label_metrics, labels_named, write_files
from tienet.evaluation.judged import Judged
from tienet.evaluation.options import Options
from tienet.evaluation.paper.published import column_of, column_together
from tienet.evaluation.report_metrics import NO_REPORT_METRICS
from tienet.evaluation.results_folder import replacing_results
from tienet.folders import contents
from tienet.inference.together import mean_predictions

SINGLES = {
    "avg": ("avg",),
    "micro_f1": ("labels", "micro", "f1"),
    "bleu4": ("captions", "BLEU-4"),
    "cider": ("captions", "CIDEr"),
    "distinct_reports": ("reports", "distinct"),
    "words_mean": ("reports", "words_mean"),
    "report_findings_f1": ("report_findings", "against_labels", "micro", "f1"),
}
"""The figures of the single runs that are summarised, and where metrics.json has them: of labels, then of reports."""


def find_together(runs: Sequence[OpenedRun]) -> list[OpenedRuns]:
    """The groups of two or more runs that classify, of one column, and were validated on the same studies.

    Runs of mode `classify` that pool otherwise are of another column (`published.column_of`). A run without a record of
    its validation split is in no group, and so is a checkpoint that is there already; where it would be beside another
    run of its column, a note says why it is not.

    Raises:
        InputError: A record is damaged.
    """
    groups: list[list[OpenedRun]] = []
    seen: dict[str, OpenedRun] = {}
    columns = [column_of(run.config) for run in runs]
    for run, column in zip(runs, columns, strict=True):
        if not run.config.mode_parts.classifies or columns.count(column) == 1:
            continue
        other = seen.setdefault(checkpoint_sha256(run), run)
        if other is not run:
            _log_left_out(run, f"is the same checkpoint as {other.load}")
        elif run.earlier is not None:
            _log_left_out(run, "has learnt from the validation split too, so none is left to calibrate their mean by")
        elif validation_record.read(run.prefix) is None:
            _log_left_out(run, f"has no record of its validation split; tienet calibrate --load {run.load} makes it")
        else:
            group = next((group for group in groups if _fit_together(group[0], run)), None)
            groups.append([run]) if group is None else group.append(run)
    return [OpenedRuns(tuple(group)) for group in groups if len(group) > 1]


def _fit_together(one: OpenedRun, other: OpenedRun) -> bool:
    if column_of(one.config) != column_of(other.config):
        return False
    first, second = (validation_record.read(run.prefix) for run in (one, other))
    rows = positions(first.studies, second)
    return rows is not None and np.array_equal(first.labels, second.labels[rows], equal_nan=True)


def _log_left_out(run: OpenedRun, why: str) -> None:
    print(f"note: {run.load}: {why}, so it is not judged together with others like it", file=sys.stderr)


def evaluate_together(together: OpenedRuns, results: Sequence[Result], out: Path, options: Options) -> Result:
    """Judge several runs as one model, from the evaluations of each on one data set.

    Writes the files of an evaluation into `out`, as far as labels go; its controls have judged-CONTROL.csv where the
    single runs are. `metrics["runs"]` names the runs, and
    `metrics["singles"]` has the mean, the standard deviation, the smallest and the largest of their figures.

    Args:
        together: The runs.
        results: The evaluation of each, in the order of the runs, with the same options.
        out: The folder to write into.
        options: What the evaluations were asked for.
    """
    first, split = results[0], results[0].studies
    predictions = mean_predictions(together.runs, [result.predictions for result in results])
    metrics = {
        "mode": first.metrics["mode"],
        "column": column_together(first.metrics["column"], len(together.runs)),
        **{name: first.metrics[name] for name in ("data", "split", "studies", "all_studies")},
        "runs": [run.load for run in together.runs],
        "seen": _most_seen([result.metrics["seen"] for result in results]),
        **auc_metrics(predictions.logits, split, options),
        "labels": label_metrics(together, predictions, split, options),
        "singles": summarise_singles([result.metrics for result in results]),
        **NO_REPORT_METRICS,
        **dict.fromkeys(("true_reports_read", "pointing", "lesions", "calibration")),
        "controls": _controls(together, results),
        "decoding": None,
        "differs": list(dict.fromkeys(line for result in results for line in result.metrics["differs"])),
    }
    with contents.writing(out, contents.EVALUATION, "--out"), replacing_results(out, metrics):
        table = write_files(out, metrics, predictions, split)
        named = labels_named(together, predictions, options)
        judgements.write(out, Judged.of(split, logits=predictions.logits, named=named), {})
    return Result(out, metrics, table, predictions, split)


def summarise_singles(of_runs: Sequence[Mapping]) -> dict[str, dict | None]:
    """The figures of single runs, by their names in SINGLES.

    Args:
        of_runs: The metrics.json of two or more runs.
    Returns:
        {"runs": M figures, "mean", "std" (with M - 1), "min", "max"} of each; None where a run has no such figure.
    """
    summaries: dict[str, dict | None] = {}
    for name, keys in SINGLES.items():
        figures = [_look_up(metrics, keys) for metrics in of_runs]
        summaries[name] = None
        if None not in figures:
            summary = {"mean": statistics.fmean(figures), "std": statistics.stdev(figures)}
            summaries[name] = {"runs": figures, **summary, "min": min(figures), "max": max(figures)}
    return summaries


def _look_up(metrics: Mapping, keys: Sequence[str]) -> float | None:
    found = metrics
    for key in keys:
        found = None if found is None else found[key]
    return found


def _most_seen(of_runs: Sequence[dict[str, int] | None]) -> dict[str, int] | None:
    """The largest numbers of studies that one of the runs has seen; None if one has no record of them."""
    return None if None in of_runs else {role: max(seen[role] for seen in of_runs) for role in of_runs[0]}


def _controls(together: OpenedRuns, results: Sequence[Result]) -> dict[str, dict]:
    """The controls that classify, from a run whose thresholds were chosen as those of the mean.

    Without such a run their labels, which depend on the thresholds, are left out.
    """
    objectives = ["f1" if run.calibration is None else run.calibration.objective for run in together.runs]
    same = together.calibration.objective in objectives
    result = results[objectives.index(together.calibration.objective)] if same else results[0]
    controls = {name: control for name, control in result.metrics["controls"].items() if control.get("auc")}
    return controls if same else {name: control | {"labels": None} for name, control in controls.items()}
