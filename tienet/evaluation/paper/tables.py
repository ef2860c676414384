"""The paper's two tables with our figures, and the paper's beside them, as text, CSV, JSON and one HTML page.

`table_1` and `table_2` compose a `Table`, from which all four forms are made.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tienet import files
from tienet.evaluation.metrics.auroc import AVG10_POSITIVES, MEANS
from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.paper.html import links_html, list_html, table_html
from tienet.evaluation.paper.layout import (
    Block,
    Cell,
    Grid,
    Head,
    Row,
    Table,
    figure_text,
    table_csv,
    table_json,
    table_text,
)
from tienet.evaluation.paper.published import (
    BASELINE_LSE_R,
    CAPTION_COLUMNS,
    CAPTION_DATA,
    COLUMNS,
    PAPER_AUC,
    PAPER_CAPTIONS,
    PAPER_POSITIVES,
    base_column,
    column_alone,
    paper_test_set,
    place_of,
)
from tienet.labels import FINDINGS, LABELS
from tienet.pages import template
from tienet.pages.plain_text import wrapped
from tienet.pages.study import DISCLAIMER

MEAN_TITLES = dict(zip(MEANS, ("AVG", "#wAVG", "AVG10"), strict=True))

_NOT_WRITTEN = {
    "table1": "Table 1 is not written: nothing here was judged by AUC.",
    "table2": "Table 2 is not written: nothing here wrote reports that could be judged.",
}
_STATISTICS = {
    "distinct_share": ("distinct reports, share", 3),
    "words_mean": ("words written, mean", 1),
    "true_words_mean": ("words of the true report, mean", 1),
    "unwritten_share": ("true words never written, share", 3),
}


@dataclass(frozen=True)
class Column:
    """The evaluation of one checkpoint on one data set.

    Attributes:
        paper_name: The name of its mode in the paper: R, I+R, I, I+GR or Captioning (`Mode.paper_name`); for one of
            mode `classify` that pools otherwise than the paper's I, also how (`published.column_of`); of several runs
            that are judged as one model, also how many they are (`published.column_together`).
        run: The run's folder, as it was typed; of several runs, their folders.
        metrics: The content of its metrics.json.
    """

    paper_name: str
    run: str
    metrics: Mapping


# ---- Table 1 ----


def table_1(
    columns_by_data: Mapping[str, Sequence[Column]], paired: Mapping[str, Mapping[tuple[str, str], Mapping]]
) -> Table | None:
    """Compose Table 1: the AUC of each label and the means, in the paper's order R, I+R, I, I+GR, then the controls.

    Args:
        columns_by_data: The checkpoints of each data set. Those whose `metrics["auc"]` is None are left out. Two runs
            of one mode are told apart by their folders.
        paired: For each data set, and for the titles (a, b) of two columns, the result of
            `paired_bootstrap.paired_auc`.
    Returns:
        The table; None if no checkpoint has an AUC.
    """
    blocks = []
    for data, columns in columns_by_data.items():
        if with_auc := _in_paper_order(columns, "auc", COLUMNS):
            blocks.append(_auc_block(data, with_auc, paired.get(data) or {}))
    return Table("table1", "Table 1: AUC of each finding", tuple(blocks)) if blocks else None


def _in_paper_order(columns: Sequence[Column], key: str, order: Sequence[str]) -> list[Column]:
    """The columns that have metrics[key], in the paper's order (`published.place_of`)."""
    with_key = [column for column in columns if column.metrics.get(key) is not None]
    return sorted(with_key, key=lambda column: place_of(column.paper_name, order))


def _heads_and_metrics(columns: Sequence[Column], key: str) -> tuple[list[Head], list[Mapping]]:
    """The heads and the metrics of the checkpoints, and then once of each control that has metrics[key]."""
    names = [column.paper_name for column in columns]
    heads = [Head(column.paper_name, column.run, names.count(column.paper_name) > 1) for column in columns]
    controls: dict[str, Mapping] = {}
    for column in columns:
        for name, control in (column.metrics.get("controls") or {}).items():
            if control.get(key) is not None:
                controls.setdefault(name, control)
    heads += [Head(name.replace("_", " ")) for name in controls]
    return heads, [*(column.metrics for column in columns), *controls.values()]


def _auc_block(data: str, columns: Sequence[Column], paired: Mapping[tuple[str, str], Mapping]) -> Block:
    heads, metrics = _heads_and_metrics(columns, "auc")
    test_set = paper_test_set(data)
    papers = [PAPER_AUC[test_set].get(head.name, {}) if test_set else {} for head in heads]
    counts = PAPER_POSITIVES.get(test_set or "", {})
    labels = []
    for label in LABELS:
        entries = [of_column["auc"][label] for of_column in metrics]
        cells = [_cell(e["auc"], e["lo"], e["hi"], p.get(label)) for e, p in zip(entries, papers, strict=True)]
        labels.append(Row(label, (Cell(entries[0]["positives"], beside=counts.get(label)), *cells)))
    means = []
    for key, title in MEAN_TITLES.items():
        cells = [
            _cell(of_column[key], of_column[f"{key}_lo"], of_column[f"{key}_hi"], paper.get(title))
            for of_column, paper in zip(metrics, papers, strict=True)
        ]
        means.append(Row(title, (None, *cells)))
    grid = Grid("Finding", (Head("#"), *heads), (tuple(labels), tuple(means)))
    notes = (
        *_auc_notes(heads, metrics, test_set),
        *_pooling_notes([column.paper_name for column in columns]),
        *_true_report_notes(columns, heads),
    )
    return Block(data, columns[0].metrics["split"], columns[0].metrics["studies"], grid, _test_grid(paired), notes)


def _cell(value: float | None, lo: float | None = None, hi: float | None = None, beside: float | None = None) -> Cell:
    """A cell of plain floats, from numbers of any type."""
    return Cell(*(None if number is None else float(number) for number in (value, lo, hi, beside)))


def _test_grid(paired: Mapping[tuple[str, str], Mapping]) -> Grid | None:
    if not paired:
        return None
    rows = []
    for (a, b), means in paired.items():
        entries = [means[key] for key in MEAN_TITLES]
        rows.append(Row(f"{a} - {b}", tuple(_cell(e["difference"], e["lo"], e["hi"], e["p"]) for e in entries)))
    return Grid("Difference", tuple(map(Head, MEAN_TITLES.values())), (tuple(rows),), beside="p", signed=True)


def _auc_notes(heads: Sequence[Head], metrics: Sequence[Mapping], test_set: str | None) -> list[str]:
    """Notes on the findings that the means are over, on the intervals, and on the paper's figures."""
    covered: dict[str, list[str]] = {}
    for head, of_column in zip(heads, metrics, strict=True):
        lacking = [name for name in FINDINGS if of_column["auc"][name]["auc"] is None]
        frequent = f"{of_column['avg10_findings']} with at least {AVG10_POSITIVES} positives"
        findings = f"{_count_findings(lacking)}, without No_Finding; AVG10 over the {frequent}"
        covered.setdefault(findings, []).append(head.title)
    notes = []
    for findings, titles in covered.items():
        whose = f"{', '.join(titles)}: " if len(covered) > 1 else ""
        notes.append(f"{whose}AVG and #wAVG (weighted by positives) are over {findings}.")
    if len(covered) > 1:
        notes.append("Means over different findings cannot be compared; a paired difference is over those of both.")
    notes.append(_bootstrap_note(metrics[0]))
    if test_set is None:
        return [*notes, "The paper has no figures on this data set."]
    unprinted = [name for name in FINDINGS if PAPER_AUC[test_set][COLUMNS[0]][name] is None]
    findings = _count_findings(unprinted)
    return [*notes, f"paper: its Table 1, test set {test_set}; its means are over {findings}; it has no AVG10."]


def _count_findings(lacking: Sequence[str]) -> str:
    undefined = f" (undefined: {', '.join(lacking)})" if lacking else ""
    return f"{len(FINDINGS) - len(lacking)} of {len(FINDINGS)} findings{undefined}"


def _bootstrap_note(metrics: Mapping) -> str:
    bootstrap = metrics.get("bootstrap") or {}
    drawn = f"{bootstrap['resamples']} bootstrap resamples" if "resamples" in bootstrap else "the bootstrap"
    return f"Intervals: {100 * bootstrap.get('level', 0.95):g}%, from {drawn} of patients. #: studies with the finding."


def _pooling_notes(names: Sequence[str]) -> Iterator[str]:
    """Notes on which columns of mode `classify` are the paper's I, and which are not."""
    alone = dict.fromkeys(map(column_alone, names))
    others = [name for name in alone if base_column(name) != name]
    if others or "I" in alone:
        yield f"The paper's I is its baseline [35], which pools by LSE with r = {BASELINE_LSE_R:g}."
    if others:
        yield f"{'; '.join(others)}: another baseline than the paper's I, so that no figure of the paper is beside it."


def _true_report_notes(columns: Sequence[Column], heads: Sequence[Head]) -> Iterator[str]:
    """Notes on the mean AUCs that networks of mode `report` have when they are given the true reports."""
    for column, head in zip(columns, heads[: len(columns)], strict=True):
        if given := column.metrics.get("true_reports_read"):
            means = ", ".join(f"{title} {figure_text(given[key], 3)}" for key, title in MEAN_TITLES.items())
            yield f"{head.title}, given the true reports instead of its own: {means}."


# ---- Table 2 ----


def table_2(columns_by_data: Mapping[str, Sequence[Column]]) -> Table | None:
    """Compose Table 2: the metrics of written reports of Captioning and I+GR, then of the controls.

    These are the caption metrics, the reports' variety and length, and the F1 of the findings that they name.

    Args:
        columns_by_data: As in `table_1`; checkpoints whose `metrics["captions"]` is None are left out.
    Returns:
        The table; None if no checkpoint has caption metrics.
    """
    blocks = []
    for data, columns in columns_by_data.items():
        if with_captions := _in_paper_order(columns, "captions", CAPTION_COLUMNS):
            blocks.append(_caption_block(data, with_captions))
    return Table("table2", "Table 2: written reports", tuple(blocks)) if blocks else None


def _caption_block(data: str, columns: Sequence[Column]) -> Block:
    heads, metrics = _heads_and_metrics(columns, "captions")
    papers = [PAPER_CAPTIONS.get(head.name, {}) if paper_test_set(data) else {} for head in heads]
    pairs = [(of_column["captions"], paper) for of_column, paper in zip(metrics, papers, strict=True)]
    scores = [
        Row(name, tuple(_cell(ours[name], beside=paper.get(name)) for ours, paper in pairs), digits=4)
        for name in CAPTION_METRICS
    ]
    reports = [of_column.get("reports") for of_column in metrics]
    variety = [
        Row(title, tuple(None if of_column is None else _cell(of_column.get(key)) for of_column in reports), digits)
        for key, (title, digits) in _STATISTICS.items()
        if any(reports)
    ]
    findings = [of_column.get("report_findings") for of_column in metrics]
    f1 = [
        Row(f"{mean} F1 of findings", tuple(_f1_cell(of_column, mean) for of_column in findings))
        for mean in ("micro", "macro")
    ]
    groups = (tuple(scores), tuple(variety), tuple(f1 if any(findings) else ()))
    grid = Grid("Reports", tuple(heads), tuple(group for group in groups if group))
    notes = tuple(_caption_notes(data, heads, metrics))
    return Block(data, columns[0].metrics["split"], columns[0].metrics["studies"], grid, None, notes)


def _f1_cell(findings: Mapping | None, mean: str) -> Cell | None:
    return None if findings is None else _cell(*(findings[mean][key] for key in ("f1", "f1_lo", "f1_hi")))


def _caption_notes(data: str, heads: Sequence[Head], metrics: Sequence[Mapping]) -> Iterator[str]:
    yield f"Over {metrics[0]['captions']['studies']} studies with a true report."
    for head, of_column in zip(heads, metrics, strict=True):
        if empty := of_column["captions"]["empty"]:
            yield f"{head.title}: {empty} written reports are empty; they score 0."
    if any(of_column["captions"]["METEOR"] is None for of_column in metrics):
        yield "METEOR needs Java and was left out (--no-java)."
    if findings := next((found for of_column in metrics if (found := of_column.get("report_findings"))), None):
        covered = findings["macro"]["findings_covered"]
        yield f"F1: of the {len(FINDINGS)} findings, as a labeller names them in the written and in the true report."
        yield f"macro F1: the mean over the {covered} findings that a true report has."
    if paper_test_set(data) is None:
        yield "The paper has no figures on this data set."
    else:
        other = "" if data == CAPTION_DATA else ", so on other studies than these"
        yield f"paper: its Table 2, on {CAPTION_DATA}{other}; it has no CIDEr."


# ---- the files ----


def write_tables(
    out: Path,
    table_1: Table | None,
    table_2: Table | None,
    notes: Sequence[str],
    links: Sequence[tuple[str, str]] = (),
) -> str:
    """Write table1 and table2 as .txt, .csv and .json, and both as tables.html, into `out`.

    A table that is None is not written, and its files of an earlier call are removed.

    Args:
        out: The folder to write into.
        table_1, table_2: The tables, as the functions of these names compose them.
        notes: Lines on how each run differs from the paper's, which stand under every table.
        links: The text and the address, relative to `out`, of what lies beside the tables; only on the page.
    Returns:
        The tables as text for the terminal.
    """
    texts, html_parts = [], []
    differs = "\n".join(["How the runs differ from the paper:", *map(wrapped, notes)]) + "\n" if notes else ""
    for name, table in (("table1", table_1), ("table2", table_2)):
        if table is None:
            for end in ("txt", "csv", "json"):
                (out / f"{name}.{end}").unlink(missing_ok=True)
            texts.append(_NOT_WRITTEN[name] + "\n")
            html_parts.append(f"<p>{_NOT_WRITTEN[name]}</p>")
            continue
        texts.append(table_text(table))
        files.write_text(out / f"{name}.txt", "\n".join(text for text in (texts[-1], differs) if text))
        files.write_text(out / f"{name}.csv", table_csv(table))
        files.write_json(out / f"{name}.json", table_json(table) | {"runs": list(notes)})
        html_parts += table_html(table)
    if links:
        html_parts += ["<section>", "<h2>Figures and studies</h2>", links_html(links), "</section>"]
    write_page(out / "tables.html", html_parts, "How the runs differ from the paper", notes)
    return "\n".join(text for text in (*texts, differs) if text)


def write_page(path: Path, tables: Sequence[str], title: str, notes: Sequence[str]) -> None:
    """Write a page of tables, which are HTML already, with notes under a title of their own if there are any."""
    more = [f"<section>\n<h2>{title}</h2>", list_html(notes), "</section>"] if notes else []
    page = template.document(
        "tables.html",
        "TieNet: the paper's tables",
        template.read("page.css") + template.read("tables.css"),
        tables="\n".join([*tables, *more]),
        disclaimer=DISCLAIMER,
    )
    files.write_text(path, page)
