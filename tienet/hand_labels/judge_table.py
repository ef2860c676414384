"""A network judged by readers, as plain text: a summary first, then how close readers are, then every label."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tienet.evaluation.metrics.named_labels import MEANS
from tienet.evaluation.metrics.report_findings import RATES
from tienet.hand_labels.judge import DECIDED, MEAN_READER
from tienet.hand_labels.kappa import ALL, MEAN
from tienet.labels import FINDINGS, LABELS
from tienet.pages.plain_text import align, level_text, number_text, span_text, wrapped

MEAN_READER_RULE = (
    "the mean reader: a label is there where more than half of the readers who can tell say so, and not there where "
    "fewer do; where it is just half, and where nobody can tell, it is unknown and counts in nothing. So two readers "
    "who differ have no mean, and what is judged by it are the easier cases."
)
_COMPARED = ("network", "others")
_MEANS = {ALL: "micro", MEAN: "macro"}
"""By what is said of kappa, what named labels call it."""


def format_judge(result: Mapping, thresholds: np.ndarray | None = None) -> str:
    """The result of `judge.judge` as aligned plain text.

    Args:
        thresholds: The network's, float [15]: labels without one, NaN, are noted; None: all have one.
    """
    parts = [*(f"{wrapped(note)}\n" for note in result["notes"]), _summary(result)]
    parts += [_closeness(result, reader) for reader in result["beside"]]
    parts += [_labels(result, reference) for reference in result["against"]]
    without = [] if thresholds is None else [LABELS[k] for k in np.flatnonzero(np.isnan(thresholds))]
    return "\n".join([*parts, *(f"{wrapped(note)}\n" for note in _notes(result, without))])


def _summary(result: Mapping) -> str:
    """A row for each reference: the means over the findings."""
    interval = f"{level_text(result)} interval"
    header = ["Judged by", "studies", "micro F1", interval, "macro F1", "AVG", interval, "kappa", interval]
    rows = []
    for reference, entry in result["against"].items():
        micro, macro, kappa = entry["labels"]["micro"], entry["labels"]["macro"], entry["kappa"][ALL]
        cells = [reference, f"{entry['studies']:,}", *_with_span(micro, "f1"), number_text(macro["f1"])]
        rows.append([*cells, *_with_span(entry["auc"], "avg"), *_with_span(kappa, "kappa")])
    return "\n".join(align(header, rows)) + "\n"


def _closeness(result: Mapping, reader: str) -> str:
    """The kappas with a reader of the network and of the other readers, and their difference."""
    entry, interval = result["beside"][reader], f"{level_text(result)} interval"
    others = [name for name in result["readers"] if name != reader]
    of_others = others[0] if len(others) == 1 else "the mean of the others"
    title = f"How close to {reader} are the network and {of_others}? {entry['studies']:,} studies"
    header = ["Kappa", "network", interval, "others", interval, "difference", interval]
    groups = [[_close_row(entry, group) for group in groups] for groups in (LABELS, (ALL, MEAN))]
    kappas = align(header, *groups)
    rates = align(
        ["Named", *(f"{rate} of {who}" for rate in ("precision", "recall", "F1") for who in _COMPARED)],
        [[mean, *(number_text(entry[who][mean][rate]) for rate in RATES for who in _COMPARED)] for mean in MEANS],
    )
    return "\n".join([wrapped(title), *kappas, "", *rates]) + "\n"


def _close_row(entry: Mapping, group: str) -> list[str]:
    kappas = entry["kappa"][group]
    cells = [group, *(cell for who in _COMPARED for cell in _with_span(kappas[who], "kappa"))]
    return [*cells, *_with_span(kappas["difference"], "difference")]


def _labels(result: Mapping, reference: str) -> str:
    """Every label of the network against one reference."""
    entry, interval = result["against"][reference], f"{level_text(result)} interval"
    header = ["Label", "precision", "recall", "F1", interval, "AUC", "kappa", interval, "there", "named"]
    groups = [[_label_row(entry, group) for group in groups] for groups in (LABELS, (ALL, MEAN))]
    return "\n".join([f"Judged by {reference}", *align(header, *groups)]) + "\n"


def _label_row(entry: Mapping, group: str) -> list[str]:
    rates = entry["labels"][_MEANS.get(group, group)]
    area = {ALL: "", MEAN: number_text(entry["auc"]["avg"])}.get(group)
    if area is None:
        area = number_text(entry["auc"]["auc"][group]["auc"])
    cells = [group, number_text(rates["precision"]), number_text(rates["recall"]), *_with_span(rates, "f1"), area]
    counts = [str(rates.get(key, "")) for key in ("true", "named")]
    return [*cells, *_with_span(entry["kappa"][group], "kappa"), *counts]


def _with_span(entry: Mapping, name: str) -> list[str]:
    return [number_text(entry[name]), span_text(entry[f"{name}_lo"], entry[f"{name}_hi"])]


def _notes(result: Mapping, without_threshold: Sequence[str]) -> Iterator[str]:
    against = result["against"]
    yield (
        "A label counts where the one who judges can tell. kappa: Cohen's, of the two answers there and not there. "
        f"micro, all findings: the {len(FINDINGS)} findings together; macro, mean, AVG: the mean over those that have "
        "a value; all without No_Finding."
    )
    if MEAN_READER in against:
        yield MEAN_READER_RULE
    if DECIDED in against:
        yield (
            f"{DECIDED}: the answer of the reader who decided, and where that one was not asked the readers' own where "
            "they agree."
        )
    if result["beside"]:
        others = "the other reader" if len(result["readers"]) == 2 else "the mean of the other readers"
        yield (
            f"How close: the network and {others} are judged by the same reader, on the labels for which all have an "
            "answer, in the same resamples. difference: network less others; where its interval is below 0, the "
            "network is farther from this reader than people are. The means are over the findings for which both have "
            "a kappa."
        )
    if without_threshold:
        yield f"Without a threshold, and so never named: {', '.join(without_threshold)}."
    left_out = [one["left_out"] for part in ("against", "beside") for one in result[part].values() if one["left_out"]]
    more = "; a resample without a kappa is left out of its interval: at most {:,} of a label's" if left_out else ""
    most = max((max(counts.values()) for counts in left_out), default=0)
    yield f"Intervals: {result['bootstrap']['resamples']:,} bootstrap resamples of patients{more.format(most)}."
