"""Which lesions a phantom report names; this inverts the grammar of `reports`."""

import re
from collections.abc import Iterable, Sequence

import pandas as pd

from tienet.datasets.phantom.facts import BILATERAL, LEFT, MIDLINE, RIGHT
from tienet.datasets.phantom.reports import NAMES, NEGATIONS

_SENTENCE_END = re.compile(r"\.(?:\s|$)")
_SIDES = ((BILATERAL, "bilateral"), (RIGHT, "right"), (LEFT, "left"))  # "bilateral" also finds "bilaterally"


def lesions_named(report: str) -> set[tuple[str, str]]:
    """The (finding, side) of each sentence that names a finding and does not deny it.

    The case of letters does not matter, and the report may be plain text or tokens joined by spaces.
    """
    named = set()
    for sentence in _SENTENCE_END.split(report.lower()):
        sentence = re.sub(r"^\s*((findings|impression)\s*:\s*|\d+\s*\.?\s*)*", "", sentence)
        if any(negation in f"{sentence} " for negation in NEGATIONS):
            continue
        side = next((name for name, word in _SIDES if word in sentence), MIDLINE)
        named |= {(finding, side) for finding, names in NAMES.items() if any(name in sentence for name in names)}
    return named


def score_lesions(reports: Iterable[str], lesions: Sequence[set[tuple[str, str]]]) -> dict[str, float | int | None]:
    """Count how many of the true lesions the reports name.

    Args:
        reports: The reports that were written by a network.
        lesions: The true (finding, side) of the lesions of each report.
    Returns:
        "lesions" is the number of true lesions; "kind" the share of them whose finding is named; "kind_and_side" the
        share whose finding is named with its side; "invented" the share of the named lesions that are not true. A share
        is None if there are no such lesions.
    """
    total = kinds = both = named_total = invented = 0
    for report, true in zip(reports, lesions, strict=True):
        named = lesions_named(report)
        total, named_total = total + len(true), named_total + len(named)
        kinds += sum(finding in {kind for kind, _ in named} for finding, _ in true)
        both += len(true & named)
        invented += len(named - true)
    return {
        "lesions": total,
        "kind": kinds / total if total else None,
        "kind_and_side": both / total if total else None,
        "invented": invented / named_total if named_total else None,
    }


def lesions_of(boxes: pd.DataFrame, study_ids: Sequence[str]) -> list[set[tuple[str, str]]]:
    """The true (finding, side) of the lesions of each study, from the table boxes.csv."""
    by_study: dict[str, set[tuple[str, str]]] = {study_id: set() for study_id in study_ids}
    for study_id, finding, side in boxes[["study_id", "finding", "side"]].to_numpy(str):
        if study_id in by_study:
            by_study[study_id].add((str(finding), str(side)))
    return [by_study[study_id] for study_id in study_ids]
