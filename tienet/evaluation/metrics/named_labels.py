"""Precision, recall and F1 of the labels that a network names: those whose probability reaches the threshold.

An AUC says how well studies are ordered; these say what a user reads. Axes: N studies, K = 15 labels of
`tienet.labels.LABELS`. A study whose label is unknown counts in no rate of that label. A rate without a case is None:
see `tienet.evaluation.metrics.report_findings`, whose counts, means and intervals these are.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tienet.evaluation.metrics.report_findings import RATES, evaluate_findings
from tienet.labels import FINDINGS, LABELS
from tienet.pages.plain_text import align, level_text, number_text, span_text

MEANS = ("micro", "macro")


def evaluate_labels(
    named: np.ndarray,
    true: np.ndarray,
    patient_ids: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict:
    """Compare the labels that are named with the true ones.

    Args:
        named: [N, K], 1 or 0, or NaN for a label without a threshold, which is never named.
        true: [N, K], 1, 0 or NaN (unknown).
        patient_ids: [N], the patient of each study.
        resamples, seed, level: As in `auroc.evaluate_auc`.
    Returns:
        {LABEL: entry, "micro": entry, "macro": entry, "studies": N, "bootstrap": ...}, ready for JSON; an entry has
        "precision", "recall" and "f1", the interval of each ("precision_lo", "precision_hi", ...), and, except for
        macro, the numbers of cases that are "true" and "named". micro and macro are over the 14 findings.
    Raises:
        ValueError: A shape is wrong, or a label is not 0, 1 or NaN.
    """
    cases = known_cases(named, true)
    result = evaluate_findings(*cases, patient_ids, resamples=resamples, seed=seed, level=level)
    entries = {**result["findings"], **{mean: result[mean] for mean in MEANS}}
    for entry in entries.values():
        if "written" in entry:
            entry["named"] = entry.pop("written")
    return {**entries, "studies": result["studies"], "bootstrap": result["bootstrap"]}


def known_cases(named: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays as float64 of 1 and 0 alone: what is not known is neither named nor true, so it counts in no rate."""
    named, true = np.nan_to_num(np.asarray(named, np.float64)), np.asarray(true, np.float64)
    known = ~np.isnan(true)
    return np.where(known, named, 0), np.where(known, true, 0)


def format_labels_table(result: Mapping, controls: Mapping[str, Mapping]) -> str:
    """The result of `evaluate_labels` as aligned plain text, with notes.

    Args:
        result: What the network named.
        controls: Results of controls by their names: the F1 of each is a column.
    """
    interval = f"{level_text(result)} interval"
    header = ["Named", "precision", interval, "recall", interval, "F1", interval, "true", "named"]
    header += [f"F1 of {name}" for name in controls]
    groups = [[_row(name, result, controls) for name in names] for names in (LABELS, MEANS)]
    macro = result["macro"]
    without = [name for name in FINDINGS if not result[name]["true"]]
    lacking = f" (none: {', '.join(without)})" if without else ""
    notes = [
        f"micro: the cases of the {len(FINDINGS)} findings together; macro: the mean over the "
        f"{macro['findings_covered']} findings with a true case{lacking}.",
        "Controls: at thresholds that were chosen on the validation split in the same way." if controls else "",
    ]
    return "\n".join([*align(header, *groups), "", *filter(None, notes)]) + "\n"


def _row(name: str, result: Mapping, controls: Mapping[str, Mapping]) -> list[str]:
    entry, cells = result[name], [name]
    for rate in RATES:
        cells += [number_text(entry[rate]), span_text(entry[f"{rate}_lo"], entry[f"{rate}_hi"])]
    cells += [str(entry.get("true", "")), str(entry.get("named", ""))]
    return [*cells, *(number_text(control[name]["f1"]) for control in controls.values())]
