"""The tables of one evaluation as text: AUCs (for the terminal and in Markdown), and written reports."""

from collections.abc import Mapping

from tienet.evaluation.metrics.auroc import AVG10_POSITIVES
from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.metrics.named_labels import format_labels_table
from tienet.labels import FINDINGS, LABELS
from tienet.pages.plain_text import align, level_text, number_text, span_text

_MEAN_NAMES = {"avg": "AVG", "wavg": "#wAVG", "avg10": "AVG10"}


def format_auc_table(metrics: Mapping, controls: Mapping[str, Mapping] | None = None) -> str:
    """The AUC table as aligned plain text, with notes under it on the findings that the means are over.

    Args:
        metrics: The result of `auroc.evaluate_auc`, or a metrics.json that contains it.
        controls: Such results of controls by their names, each a column; default: metrics["controls"], if present.
    """
    controls = _controls(metrics, controls)
    header, rows = _header(metrics, controls), _rows(metrics, controls)
    lines = align(header, rows[: len(LABELS)], rows[len(LABELS) :])
    return "\n".join([*lines, "", *_notes(metrics, controls)]) + "\n"


def format_report_table(metrics: Mapping) -> str:
    """The metrics of the written reports, beside those of the controls, as aligned plain text with notes.

    Args:
        metrics: A metrics.json whose entry `captions` is not None.
    """
    columns = {"written": metrics} | {
        name: control for name, control in (metrics.get("controls") or {}).items() if control.get("captions")
    }
    rows = [[name, *(number_text(column["captions"][name]) for column in columns.values())] for name in CAPTION_METRICS]
    variety = [
        [title, *(_figure(column["reports"][key]) for column in columns.values())] for key, title in _VARIETY.items()
    ]
    findings = [
        [
            f"{mean} F1 of the findings",
            *(number_text(column["report_findings"][mean]["f1"]) for column in columns.values()),
        ]
        for mean in ("micro", "macro")
        if metrics["report_findings"]
    ]
    against_labels = [
        [
            f"{mean} {rate} against the true labels",
            *(number_text(column["report_findings"]["against_labels"][mean][rate]) for column in columns.values()),
        ]
        for mean, rate in (("micro", "precision"), ("micro", "recall"), ("micro", "f1"), ("macro", "f1"))
        if (metrics["report_findings"] or {}).get("against_labels")
    ]
    groups = [group for group in (rows, variety, findings, against_labels) if group]
    captions, reports = metrics["captions"], metrics["reports"]
    notes = [
        f"Over {captions['studies']} studies with a true report, of {reports['true_words_mean']:.1f} words on average.",
    ]
    if captions["empty"]:
        notes.append(f"{captions['empty']} written reports are empty; they score 0.")
    if captions["METEOR"] is None:
        notes.append("METEOR needs Java and was left out (--no-java); the words are cut without it, too.")
    if (decoding := metrics.get("decoding") or {}).get("judge"):
        notes.append(
            f"Each is one of {decoding['candidates']} candidates, chosen with the reader {decoding['reader']} and the "
            f"judge {decoding['judge']}."
        )
        if decoding["reader_is_labeller"]:
            notes.append(
                "The reader that chose the reports is the labeller, or one of its runs, which flatters the findings as "
                "it reads them: compare by the rates against the true labels."
            )
    if given := metrics.get("true_reports_read"):
        notes.append(f"Given the true reports instead of its own, the network has AVG {number_text(given['avg'])}.")
    return "\n".join([*align(["Reports", *columns], *groups), "", *notes]) + "\n"


def format_places(metrics: Mapping) -> str:
    """Lines of text on the pointing game and on the lesions that the reports name; empty if there are no boxes."""
    lines = []
    if (pointing := metrics.get("pointing")) and pointing["studies"]:
        lines.append(
            f"Pointing game: the peak of a_ws lies in a lesion's box in {pointing['hits']} of {pointing['studies']} "
            f"studies ({pointing['share']:.3f}; by chance {pointing['chance']:.3f})."
        )
    if (lesions := metrics.get("lesions")) and lesions["lesions"]:
        lines.append(
            f"Of {lesions['lesions']} lesions the reports name {lesions['kind']:.3f} with their kind, "
            f"{lesions['kind_and_side']:.3f} with kind and side; of those named {number_text(lesions['invented'])} "
            "are not there."
        )
    return "\n".join(lines) + "\n" if lines else ""


_VARIETY = {
    "distinct": "distinct reports",
    "words_mean": "words, mean",
    "words_median": "words, median",
    "unwritten_share": "true reports' words never written",
}


def _figure(value: float | int | None) -> str:
    return str(value) if isinstance(value, int) else number_text(value)


def format_markdown(metrics: Mapping, controls: Mapping[str, Mapping] | None = None) -> str:
    """The AUC table and its notes as Markdown (arguments as in `format_auc_table`)."""
    controls = _controls(metrics, controls)
    header = [cell.replace("|", r"\|") for cell in _header(metrics, controls)]
    rows = _rows(metrics, controls)
    for row in rows[len(LABELS) :]:
        row[0] = f"**{row[0]}**"
    rule = ["---", *["---:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
    return "\n".join([*lines, "", *(f"- {note}" for note in _notes(metrics, controls))]) + "\n"


def _controls(metrics: Mapping, controls: Mapping[str, Mapping] | None) -> Mapping[str, Mapping]:
    if controls is None:
        controls = {name: control for name, control in (metrics.get("controls") or {}).items() if control.get("auc")}
    return controls


def _header(metrics: Mapping, controls: Mapping[str, Mapping]) -> list[str]:
    return ["Finding", "AUC", f"{level_text(metrics)} interval", "positives", *controls]


def _rows(metrics: Mapping, controls: Mapping[str, Mapping]) -> list[list[str]]:
    """The rows of the AUC table: the 15 labels, then the three means, each with as many cells as the header."""
    rows = []
    for name in LABELS:
        entry = metrics["auc"][name]
        compared = [number_text(control.get("auc", {}).get(name, {}).get("auc")) for control in controls.values()]
        cells = [number_text(entry["auc"]), span_text(entry["lo"], entry["hi"]), str(entry["positives"])]
        rows.append([name, *cells, *compared])
    for key, title in _MEAN_NAMES.items():
        compared = [number_text(control.get(key)) for control in controls.values()]
        span = span_text(metrics[f"{key}_lo"], metrics[f"{key}_hi"])
        rows.append([title, number_text(metrics[key]), span, "", *compared])
    return rows


def _notes(metrics: Mapping, controls: Mapping[str, Mapping]) -> list[str]:
    """Notes on the findings that the means are over, on controls that differ in them, and on the intervals."""
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


def format_named(metrics: Mapping) -> str:
    """Precision, recall and F1 of the named labels of a metrics.json that has them, beside those of the controls."""
    controls = metrics["controls"].items()
    of_controls = {name: control["labels"] for name, control in controls if control.get("labels")}
    return format_labels_table(metrics["labels"], of_controls)


def format_singles(metrics: Mapping) -> str:
    """The figures of several runs judged together, and of each of them alone, as aligned plain text.

    Args:
        metrics: The metrics.json of an evaluation together, with `runs` and `singles`.
    """
    names = {
        "avg": "AVG", "micro_f1": "micro F1", "bleu4": "BLEU-4", "cider": "CIDEr",
        "distinct_reports": "distinct reports", "words_mean": "words, mean",
        "report_findings_f1": "micro f1 of reports against the true labels",
    }  # fmt: skip
    labels = metrics["labels"]
    together = {"avg": metrics["avg"], "micro_f1": labels and labels["micro"]["f1"]}
    rows = []
    for name, title in names.items():
        if summary := metrics["singles"].get(name):
            of_mean = number_text(together[name]) if name in together else ""  # the mean of runs writes no report
            rows.append([title, of_mean, *(number_text(summary[key]) for key in ("mean", "std", "min", "max"))])
    if not rows:
        return ""
    header = ["Runs", "together", "mean of the single ones", "standard deviation", "smallest", "largest"]
    return "\n".join([*align(header, rows), "", f"Runs: {', '.join(metrics['runs'])}."]) + "\n"
