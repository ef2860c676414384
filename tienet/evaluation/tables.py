"""The table of AUCs as text, for the terminal and for Markdown."""

from collections.abc import Mapping

from tienet.evaluation.auroc import AVG10_POSITIVES
from tienet.labels import FINDINGS, LABELS

UNDEFINED = "undefined"

_MEAN_NAMES = {"avg": "AVG", "wavg": "#wAVG", "avg10": "AVG10"}


def format_auc_table(metrics: Mapping, controls: Mapping[str, Mapping] | None = None) -> str:
    """The table as aligned plain text, with notes under it on what the means cover.

    Args:
        metrics: what `auroc.evaluate_auc` returns, or a metrics.json that contains it.
        controls: the same by name; each becomes a column (default: metrics["controls"], if there).
    """
    controls = _controls(metrics, controls)
    header, rows = _header(metrics, controls), _rows(metrics, controls)
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(row: list[str]) -> str:
        # the first column is text, the others end at the same digit
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip()

    rule = "  ".join("-" * width for width in widths)
    labels, means = rows[: len(LABELS)], rows[len(LABELS) :]
    lines = [line(header), rule, *map(line, labels), rule, *map(line, means)]
    return "\n".join([*lines, "", *_notes(metrics, controls)]) + "\n"


def format_markdown(metrics: Mapping, controls: Mapping[str, Mapping] | None = None) -> str:
    """The same table and notes as Markdown (arguments as `format_auc_table`)."""
    controls = _controls(metrics, controls)
    header = [cell.replace("|", r"\|") for cell in _header(metrics, controls)]
    rows = _rows(metrics, controls)
    for row in rows[len(LABELS) :]:
        row[0] = f"**{row[0]}**"
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in _notes(metrics, controls))]) + "\n"


def _controls(metrics: Mapping, controls: Mapping[str, Mapping] | None) -> Mapping[str, Mapping]:
    return (metrics.get("controls") or {}) if controls is None else controls


def _level(metrics: Mapping) -> str:
    return f"{100 * metrics.get('bootstrap', {}).get('level', 0.95):g}%"


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def _span(lo: float | None, hi: float | None) -> str:
    return UNDEFINED if lo is None or hi is None else f"{lo:.3f} to {hi:.3f}"


def _header(metrics: Mapping, controls: Mapping[str, Mapping]) -> list[str]:
    return ["Finding", "AUC", f"{_level(metrics)} interval", "positives", *controls]


def _rows(metrics: Mapping, controls: Mapping[str, Mapping]) -> list[list[str]]:
    """The 15 labels, then the three means; as many cells as `_header`."""
    rows = []
    for name in LABELS:
        entry = metrics["auc"][name]
        compared = [_number(control.get("auc", {}).get(name, {}).get("auc")) for control in controls.values()]
        cells = [_number(entry["auc"]), _span(entry["lo"], entry["hi"]), str(entry["positives"])]
        rows.append([name, *cells, *compared])
    for key, title in _MEAN_NAMES.items():
        compared = [_number(control.get(key)) for control in controls.values()]
        span = _span(metrics[f"{key}_lo"], metrics[f"{key}_hi"])
        rows.append([title, _number(metrics[key]), span, "", *compared])
    return rows


def _notes(metrics: Mapping, controls: Mapping[str, Mapping]) -> list[str]:
    """What the means cover, where a control's cover something else, and how the intervals were made."""
    lacking = _undefined(metrics)
    notes = [
        f"AVG and #wAVG (weighted by positives) are over {_covered(lacking)}, without No_Finding.",
        f"AVG10 is over the {metrics['avg10_findings']} findings with at least {AVG10_POSITIVES} positives.",
    ]
    for name, control in controls.items():
        theirs = _undefined(control)
        if theirs != lacking:
            notes.append(f"{name}: its means are over {_covered(theirs)}: do not compare them with the others.")
    bootstrap = metrics.get("bootstrap")
    if bootstrap:
        left_out = ", ".join(f"{label} {count}" for label, count in bootstrap["left_out"].items())
        more = f"; left out because they had one class only: {left_out}" if left_out else ""
        notes.append(f"Intervals: {bootstrap['resamples']} bootstrap resamples of patients{more}.")
    return notes


def _undefined(metrics: Mapping) -> list[str]:
    return [name for name in FINDINGS if metrics.get("auc", {}).get(name, {}).get("auc") is None]


def _covered(lacking: list[str]) -> str:
    named = f" (undefined: {', '.join(lacking)})" if lacking else ""
    return f"{len(FINDINGS) - len(lacking)} of {len(FINDINGS)} findings{named}"
