"""Made-up evaluations for the tests of the paper's tables, and what the composed tables say."""

from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.paper.layout import Table
from tienet.evaluation.paper.tables import Column
from tienet.labels import LABELS

MEANS = {"avg": "AVG", "wavg": "#wAVG", "avg10": "AVG10"}
NO_AUC = {"auc": None, **{f"{key}{end}": None for key in MEANS for end in ("", "_lo", "_hi")}}
NO_REPORTS = {"captions": None, "reports": None, "report_findings": None}


def aucs(start: float, undefined: tuple[str, ...] = ()) -> dict:
    """The AUC part of metrics.json: figures that differ everywhere and need rounding."""
    auc = {}
    for k, label in enumerate(LABELS):
        value = start + k / 977
        there = label not in undefined
        ends = (value, value - 0.01234567, value + 0.01234567) if there else (None,) * 3
        auc[label] = dict(zip(("auc", "lo", "hi"), ends, strict=True)) | {"positives": 10 + k if there else 0}
    means = {}
    for m, key in enumerate(MEANS):
        means |= {key: start + 0.1 + m / 991, f"{key}_lo": start + 0.09, f"{key}_hi": start + 0.12}
    covered = 14 - len(undefined)
    return {"auc": auc, **means, "findings_covered": covered, "avg10_findings": covered}


def reports(start: float, labeller: bool = True, java: bool = True) -> dict:
    """The part of metrics.json on written reports."""
    captions = {name: start + i / 983 for i, name in enumerate(CAPTION_METRICS)} | {"empty": 0, "studies": 37}
    if not java:
        captions["METEOR"] = None
    f1 = {"f1": start + 0.111, "f1_lo": start + 0.05, "f1_hi": start + 0.2, "findings_covered": 13}
    return {
        "captions": captions,
        "reports": {
            "distinct": 3,
            "distinct_share": start + 0.0123,
            "words_mean": 20.26,
            "true_words_mean": 33.31,
            "unwritten_share": start + 0.0456,
        },
        "report_findings": {"micro": f1, "macro": f1 | {"f1": start + 0.222}} if labeller else None,
    }


def column(name: str, run: str, *parts: dict, controls: dict | None = None, data: str = "openi-r2gen") -> Column:
    metrics = {"mode": name, "data": data, "split": "test", "studies": 40, **NO_AUC, **NO_REPORTS}
    for part in parts:
        metrics |= part
    return Column(name, run, metrics | {"controls": controls or {}, "differs": []})


def modes(start: float = 0.5, **kwargs) -> list[Column]:
    """One column of each mode, in an order that is not the paper's."""
    return [
        column("I+GR", "runs/igr", aucs(start), reports(0.1), **kwargs),
        column("I+R", "runs/ir", aucs(start + 0.1), **kwargs),
        column("Captioning", "runs/cap", reports(0.2), **kwargs),
        column("I", "runs/i", aucs(start + 0.05), **kwargs),
        column("R", "runs/r", aucs(start + 0.15), **kwargs),
    ]


def entry(difference: float | None, p: float | None = 0.5) -> dict:
    low, high = (None, None) if difference is None else (difference - 0.01, difference + 0.01)
    return {"difference": difference, "lo": low, "hi": high, "p": p}


def titles(table: Table, block: int = 0) -> list[str]:
    return [head.title for head in table.blocks[block].results.heads]


def cells_of(table: Table, title: str, block: int = 0) -> dict:
    grid = table.blocks[block].results
    c = [head.title for head in grid.heads].index(title)
    return {row.name: row.cells[c] for row in grid.rows}


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"{name}  "))
