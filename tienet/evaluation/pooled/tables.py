"""The tables of folds that were put together: the paper's two, and the labels that are named between them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tienet import files
from tienet.evaluation.metrics.named_labels import MEANS as LABEL_MEANS
from tienet.evaluation.paper.html import table_html
from tienet.evaluation.paper.layout import Block, Cell, Grid, Head, Row, Table, table_csv, table_text
from tienet.evaluation.paper.tables import MEAN_TITLES, Column, table_1, table_2, write_page
from tienet.labels import FINDINGS, LABELS
from tienet.pages.plain_text import wrapped

_NAMES = ("table1", "labels", "table2")
_RATE_TITLES = {"precision": "precision", "recall": "recall", "f1": "F1"}
_PAIRS_NOTE = "AUC: from pairs of studies of one fold, as the scores of several models do not compare."
_TRUE_LABELS_NOTE = "true labels: the findings that the labeller names in the written reports, against the true labels."
_DIFFERENCE_NOTE = "Differences in F1 are in micro F1 of the labels that are named."


def pooled_tables(metrics: Mapping, columns: Sequence[Column]) -> list[Table]:
    """Compose the tables.

    Args:
        metrics: The content of metrics.json.
        columns: The runs over all folds, in order; the metrics of each have the controls.
    """
    data = metrics["data"]
    tables = [
        _with_folds(table_1({data: columns}, {}), metrics, _difference_grid(metrics["differences"])),
        _named_table(metrics),
        _with_true_labels(_with_folds(table_2({data: columns}), metrics), metrics, columns),
    ]
    return [table for table in tables if table is not None]


def _with_folds(table: Table | None, metrics: Mapping, tests: Grid | None = None) -> Table | None:
    """A table of the paper with notes on the folds, and Table 1 with the differences."""
    if table is None:
        return None
    (block,) = table.blocks
    of_auc = [_PAIRS_NOTE] if table.name == "table1" else []
    notes = (_folds_note(metrics), *of_auc, *block.notes, *([] if tests is None else [_DIFFERENCE_NOTE]))
    return dataclasses.replace(table, blocks=(dataclasses.replace(block, tests=tests, notes=notes),))


def _with_true_labels(table: Table | None, metrics: Mapping, columns: Sequence[Column]) -> Table | None:
    """Table 2 with the rates of the findings in the written reports against the true labels, if they are known."""
    if table is None:
        return None
    (block,) = table.blocks
    of_heads = {(column.paper_name, column.run): column.metrics for column in columns}
    of_heads |= {(name.replace("_", " "), None): found for name, found in metrics["controls"].items()}
    findings = [of_heads[head.name, head.run]["report_findings"] for head in block.results.heads]
    rates = [found and found["against_labels"] for found in findings]
    if not any(rates):
        return table
    rows = [
        Row(f"micro {title}, true labels", tuple(found and _rate_cell(found["micro"], rate) for found in rates))
        for rate, title in _RATE_TITLES.items()
    ]
    results = dataclasses.replace(block.results, groups=(*block.results.groups, tuple(rows)))
    block = dataclasses.replace(block, results=results, notes=(*block.notes, _TRUE_LABELS_NOTE))
    return dataclasses.replace(table, blocks=(block,))


def _folds_note(metrics: Mapping) -> str:
    folds, studies = metrics["folds"], metrics["studies"]
    missing = metrics["of_studies"] - studies
    each = "each was judged once, by runs that have not seen its patient"
    gap = f"; {missing:,} studies are missing (--partial)" if missing else ""
    return f"{len(folds)} folds, {studies:,} studies of {metrics['patients']:,} patients: {each}{gap}."


def _difference_grid(differences: Sequence[Mapping]) -> Grid | None:
    if not differences:
        return None
    titles = MEAN_TITLES | {"f1": "F1"}
    rows = [
        Row(f"{_readable(d['a'])} - {_readable(d['b'])}", tuple(_difference_cell(d[key]) for key in titles))
        for d in differences
    ]
    return Grid("Difference", tuple(map(Head, titles.values())), (tuple(rows),), beside="p", signed=True)


def _difference_cell(entry: Mapping | None) -> Cell | None:
    return None if entry is None else Cell(entry["difference"], entry["lo"], entry["hi"], entry["p"])


def _readable(title: str) -> str:
    """The title of a column, or the name of a control as the tables have it."""
    return title.replace("_", " ") if title.endswith("_logistic") else title


def _named_table(metrics: Mapping) -> Table | None:
    """The table of the labels that are named: F1 of each label, then micro and macro rates."""
    columns = {title: found["labels"] for title, found in metrics["columns"].items() if found["labels"]}
    if not columns:
        return None
    of_controls = {_readable(name): found["labels"] for name, found in metrics["controls"].items() if found["labels"]}
    shown = columns | of_controls
    first = next(iter(columns.values()))
    labels = [
        Row(label, (Cell(first[label]["true"]), *(_rate_cell(found[label], "f1") for found in shown.values())))
        for label in LABELS
    ]
    means = [
        [
            Row(f"{mean} {title}", (None, *(_rate_cell(found[mean], rate) for found in shown.values())))
            for rate, title in _RATE_TITLES.items()
        ]
        for mean in LABEL_MEANS
    ]
    grid = Grid("F1", (Head("#"), *map(Head, shown)), (tuple(labels), *map(tuple, means)))
    notes = (
        _folds_note(metrics),
        "Each study is named by thresholds that its own fold's run, or control, has chosen on its validation split.",
        f"micro: the cases of the {len(FINDINGS)} findings together; macro: the mean over those that have a case.",
    )
    block = Block(metrics["data"], metrics["split"], metrics["studies"], grid, None, notes)
    return Table("labels", "Labels that are named", (block,))


def _rate_cell(entry: Mapping, rate: str) -> Cell:
    return Cell(entry[rate], entry[f"{rate}_lo"], entry[f"{rate}_hi"])


def write_tables(out: Path, tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Write table.txt, a CSV file of each table, and tables.html into `out`; returns the tables as text."""
    more = ["Notes:", *map(wrapped, notes)] if notes else []
    text = "\n".join([*map(table_text, tables), *more]).rstrip("\n") + "\n"
    for name in _NAMES:
        (out / f"{name}.csv").unlink(missing_ok=True)  # that of an earlier call may not be written this time
    for table in tables:
        files.write_text(out / f"{table.name}.csv", table_csv(table))
    files.write_text(out / "table.txt", text)
    write_page(out / "tables.html", [part for table in tables for part in table_html(table)], "Notes", notes)
    return text
