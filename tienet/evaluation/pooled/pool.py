"""The evaluations of several folds, put together into one: metrics, paired differences and tables."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from tienet import files
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import MEANS
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.paired_bootstrap import compare_auc, compare_rates
from tienet.evaluation.paper.published import base_column
from tienet.evaluation.paper.tables import Column
from tienet.evaluation.pooled.columns import PooledColumn, column_metrics, pool
from tienet.evaluation.pooled.folds import Fold, RunKey, match_controls, match_runs
from tienet.evaluation.pooled.tables import pooled_tables, write_tables
from tienet.evaluation.results_folder import replacing_results
from tienet.folders import contents

CONTROL_OF = {"R": "tfidf_logistic", "I+R": "tfidf_logistic"}
"""The control that a column is compared with; of all other columns it is IMAGE_CONTROL."""

IMAGE_CONTROL = "pooled_logistic"


def check_out(out: Path, folds: Sequence[Fold]) -> None:
    """Raise InputError if `out` holds something else, is that of a fold's evaluation or cannot be written to."""
    contents.check(out, contents.EVALUATION, "--out")
    for fold in folds:
        places = [fold.folder, *(run.folder for run in fold.runs.values())]
        if out.resolve() in [place.resolve() for place in places]:
            raise InputError(f"--out {out}: is an evaluation that is to be put together; choose another --out")
    files.check_writable(out / "metrics.json")


def pool_folds(folds: Sequence[Fold], out: Path, scorer: CaptionScorer, resamples: int = 1000) -> str:
    """Put the evaluations of folds together.

    Writes into `out`: metrics.json (its keys: tienet/training/README.md), table.txt, the tables as CSV, tables.html.

    Args:
        folds: As `open_folds` gives them.
        out: The folder to write into.
        scorer: The scorer of the caption metrics.
        resamples: The number of bootstrap resamples of patients.
    Returns:
        The tables as text.
    Raises:
        InputError: No run is in all folds, or `out` holds something else.
    """
    keys, notes = match_runs(folds)
    controls, of_controls = match_controls(folds, keys)
    titles = _titles(keys)
    with contents.writing(out, contents.EVALUATION, "--out"):
        runs = {key: pool(titles[key], [fold.runs[key].judged for fold in folds], resamples) for key in keys}
        pooled_controls = {name: pool(name, judged, resamples) for name, judged in controls.items()}
        notes += [*of_controls, *_say_partial([*runs.values(), *pooled_controls.values()])]
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        facts = {"data": _name_data(folds), "split": folds[0].split}
        of_control = {name: column_metrics(column, scorer) for name, column in pooled_controls.items()}
        of_run = {
            key: {"mode": key.mode, "run": key.name, **facts, **column_metrics(column, scorer)}
            for key, column in runs.items()
        }
        metrics = {
            **_facts_of_folds(folds, facts),
            "columns": {titles[key]: metrics for key, metrics in of_run.items()},
            "controls": of_control,
            "differences": _differences(runs, pooled_controls),
            "notes": notes,
        }
        columns = [Column(key.column, key.name, of_run[key] | {"controls": of_control}) for key in keys]
        differs = _list_differs(folds, titles, facts["data"])
        with replacing_results(out, metrics):
            return write_tables(out, pooled_tables(metrics, columns), [*notes, *differs])


def _facts_of_folds(folds: Sequence[Fold], facts: dict) -> dict:
    judged = [fold.judged for fold in folds]
    return {
        **facts,
        "folds": [{"data": fold.data, "studies": len(fold.judged)} for fold in folds],
        "studies": sum(map(len, judged)),
        "patients": sum(len(set(of_fold.patient_ids)) for of_fold in judged),
        "of_studies": folds[0].all_studies["studies"],
    }


def _say_partial(columns: Sequence[PooledColumn]) -> list[str]:
    """A line for each column of which only some folds have everything."""
    return [
        f"{column.title}: only some folds have {', '.join(column.lacking)}, which is left out"
        for column in columns
        if column.lacking
    ]


def _titles(keys: Sequence[RunKey]) -> dict[RunKey, str]:
    """The name of each column, followed by the run where several have that name."""
    names = [key.column for key in keys]
    return {key: key.column if names.count(key.column) == 1 else f"{key.column} ({key.name})" for key in keys}


def _name_data(folds: Sequence[Fold]) -> str:
    """What the names of the folds' data sets have in common, such as openi-fold-*."""
    names = [fold.data for fold in folds]
    if len(names) == 1:
        return names[0]
    same = itertools.takewhile(lambda characters: len(set(characters)) == 1, zip(*names, strict=False))
    return "".join(characters[0] for characters in same) + "*"


def _differences(runs: dict[RunKey, PooledColumn], controls: dict[str, PooledColumn]) -> list[dict]:
    """The paired differences between every two columns, and between each and the control of its kind.

    Returns:
        {"a", "b", "avg", "wavg", "avg10", "f1"} for each pair: the titles, and entries of `paired_bootstrap`, F1 is
        micro; None where one of the two names no labels.
    """
    judged = {key: column for key, column in runs.items() if column.drawn_auc is not None}
    pairs = list(itertools.combinations(reversed(judged.values()), 2))
    for key, column in judged.items():
        control = controls.get(CONTROL_OF.get(base_column(key.column), IMAGE_CONTROL))
        if control is not None and control.drawn_auc is not None:
            pairs.append((column, control))
    found = []
    for a, b in pairs:
        means = compare_auc(a.drawn_auc, b.drawn_auc)
        f1 = None if a.drawn_rates is None or b.drawn_rates is None else compare_rates(a.drawn_rates, b.drawn_rates)
        entries = {**{name: means[name] for name in MEANS}, "f1": f1 and f1["f1"]}
        found.append({"a": a.title, "b": b.title, **entries, "findings_covered": means["findings_covered"]})
    return found


def _list_differs(folds: Sequence[Fold], titles: dict[RunKey, str], data: str) -> list[str]:
    """How the runs of each column differ from the paper's, in one line; the folds' data sets go by one name."""
    lines = []
    for key, title in titles.items():
        differs: dict[str, None] = {}
        for fold in folds:
            differs |= dict.fromkeys(line.replace(fold.data, data) for line in fold.runs[key].metrics["differs"])
        lines.append(f"{title}: {'; '.join(differs) or 'as the paper'}")
    return lines
