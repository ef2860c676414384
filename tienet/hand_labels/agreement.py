"""Two readers compared: the studies that both have finished, and how far their answers agree.

Counts, measures and kappa are in `tienet.hand_labels.kappa`. Axes: N studies that both have, K = 15 labels.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tienet.errors import InputError
from tienet.hand_labels.kappa import ALL, GROUPS, MEAN, MEASURES, STATES_IN_ORDER, PairCounts, count_pairs, measure
from tienet.hand_labels.sheet import CANNOT_TELL, STATES, THERE, Sheet
from tienet.labels import FINDINGS, LABELS, readable

HIGH_AGREEMENT, LOW_KAPPA = 0.8, 0.4
"""A label's kappa is called a paradox of its rarity where the readers agree in this share and kappa is below this."""

_F = len(FINDINGS)
_THERE, _CANNOT_TELL = STATES_IN_ORDER.index(THERE), STATES_IN_ORDER.index(CANNOT_TELL)


@dataclass(frozen=True, eq=False)
class Shared:
    """The N studies that two sheets share, in the order of their names.

    Attributes:
        a, b: The sheets.
        study_ids, patient_ids: N strings each.
        answers_a, answers_b: float32 [N, K], as in `Sheet`.
        only_a, only_b: The studies that only one has.
    """

    a: Sheet
    b: Sheet
    study_ids: list[str]
    patient_ids: list[str]
    answers_a: np.ndarray
    answers_b: np.ndarray
    only_a: list[str]
    only_b: list[str]


def share(a: Sheet, b: Sheet) -> Shared:
    """The studies that two sheets share.

    Raises:
        InputError: Both are of one reader, they share no study or no label that both were asked, or a study is of two
            patients.
    """
    if a.reader == b.reader:
        raise InputError(f"{a.path} and {b.path}: are both of reader {a.reader}; expected sheets of different readers")
    rows_a, rows_b = ({study: n for n, study in enumerate(sheet.study_ids)} for sheet in (a, b))
    study_ids = sorted(rows_a.keys() & rows_b.keys())
    if not study_ids:
        raise InputError(
            f"{a.path} and {b.path}: share none of their {len(a):,} and {len(b):,} studies (the first are "
            f"{next(iter(a.study_ids), 'none')} and {next(iter(b.study_ids), 'none')}); give sheets of one drawing"
        )
    for study in study_ids:
        patients = a.patient_ids[rows_a[study]], b.patient_ids[rows_b[study]]
        if patients[0] != patients[1]:
            raise InputError(
                f"{b.path}: study {study} is of patient {patients[1]!r}, and of {patients[0]!r} in {a.path}; "
                "expected sheets of one data set"
            )
    answers_a, answers_b = (sheet.answers[[rows[s] for s in study_ids]] for sheet, rows in ((a, rows_a), (b, rows_b)))
    if (np.isnan(answers_a) | np.isnan(answers_b)).all():
        raise InputError(
            f"{a.path} and {b.path}: no label was asked of both in the {len(study_ids):,} studies they share"
        )
    patient_ids = [a.patient_ids[rows_a[study]] for study in study_ids]
    only_a, only_b = sorted(rows_a.keys() - rows_b.keys()), sorted(rows_b.keys() - rows_a.keys())
    return Shared(a, b, study_ids, patient_ids, answers_a, answers_b, only_a, only_b)


def compare(a: Sheet, b: Sheet, *, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> dict:
    """Compare two readers.

    Args:
        a, b: Their sheets.
        resamples, seed, level: Of the bootstrap of patients, as in `auroc.evaluate_auc`.
    Returns:
        Ready for JSON: {"readers": [A, B], "studies", "patients", "only": {reader: the studies that only that one
        has}, "assist": {reader: {network: the number of studies in which its labels were shown}}, "labels": {LABEL:
        entry}, "all findings": entry, "mean": entry, "bootstrap": {"resamples", "seed", "level", "left_out": {GROUP:
        {MEASURE: count}}}}.

        An entry has each of MEASURES with its interval (`kappa`, `kappa_lo`, `kappa_hi`, ...), None where it is
        undefined; but for the mean also the counts `_counts` names, and for a label "paradox": whether its agreement
        is high and its kappa low. The mean has "covered", the number of findings that each measure is defined for.
        `left_out` counts the resamples in which a measure is undefined that is defined in the data.
    Raises:
        InputError: As `share`.
    """
    shared = share(a, b)
    pairs = count_pairs(shared.answers_a, shared.answers_b, shared.patient_ids, resamples, seed)
    measures = {name: measure(pairs, of_counts) for name, of_counts in MEASURES.items()}
    entries, left_out = {}, {}
    for k, group in enumerate(GROUPS):
        entries[group] = _counts(_counts_of(pairs, group)) if group != MEAN else {}
        for name, found in measures.items():
            entries[group] |= found.entry(name, k, level)
        if counts := {name: count for name, found in measures.items() if (count := found.left_out(k))}:
            left_out[group] = counts
    for label in LABELS:
        entries[label]["paradox"] = _is_paradox(entries[label])
    covered = {name: int((~np.isnan(found.values[:_F])).sum()) for name, found in measures.items()}
    return {
        "readers": [a.reader, b.reader],
        "studies": len(shared.study_ids),
        "patients": len(set(shared.patient_ids)),
        "only": {a.reader: shared.only_a, b.reader: shared.only_b},
        "assist": {sheet.reader: shown for sheet in (a, b) if (shown := assisted(sheet))},
        "labels": {label: entries[label] for label in LABELS},
        ALL: entries[ALL],
        MEAN: entries[MEAN] | {"covered": covered},
        "bootstrap": {"resamples": resamples, "seed": seed, "level": level, "left_out": left_out},
    }


def compare_all(sheets: Sequence[Sheet], **options: float) -> list[dict]:
    """`compare` for each pair of two or more readers, with its options.

    Raises:
        InputError: As `compare`, or there are fewer than two.
    """
    if len(sheets) < 2:
        raise InputError(f"--agree: {len(sheets)} sheet; expected two or more, of different readers")
    return [compare(a, b, **options) for a, b in itertools.combinations(sheets, 2)]


def assisted(sheet: Sheet) -> dict[str, int]:
    """In how many studies the labels of which network were shown to the reader; empty if none were."""
    return {network: sheet.assist.count(network) for network in dict.fromkeys(sheet.assist) if network}


def assist_notes(sheets: Sequence[Sheet]) -> list[str]:
    """A warning for each reader who saw a network's labels."""
    return [
        f"warning: {sheet.reader} saw the labels of {network} in {count:,} of {len(sheet):,} studies; what people "
        "see draws their answers to it, and so to each other and to that network"
        for sheet in sheets
        for network, count in assisted(sheet).items()
    ]


def _counts_of(pairs: PairCounts, group: str) -> np.ndarray:
    """int64 [3, 3]."""
    return pairs.counts[:_F].sum(axis=0) if group == ALL else pairs.counts[LABELS.index(group)]


def _counts(counts: np.ndarray) -> dict:
    """The counts of int64 [3, 3]: "pairs" has A's state, then B's; the others are sums of it that tables show."""
    names = [STATES[state] for state in STATES_IN_ORDER]
    of_a, of_b = counts.sum(axis=1), counts.sum(axis=0)
    return {
        "studies": int(counts.sum()),
        "there_a": int(of_a[_THERE]),
        "there_b": int(of_b[_THERE]),
        "there_both": int(counts[_THERE, _THERE]),
        "cannot_tell_a": int(of_a[_CANNOT_TELL]),
        "cannot_tell_b": int(of_b[_CANNOT_TELL]),
        "differ": int(counts.sum() - np.trace(counts)),
        "pairs": {name: dict(zip(names, map(int, row), strict=True)) for name, row in zip(names, counts, strict=True)},
    }


def _is_paradox(entry: dict) -> bool:
    agreed, kappa = entry["agreement"], entry["kappa"]
    return kappa is not None and agreed >= HIGH_AGREEMENT and kappa < LOW_KAPPA


def names_of(labels: Sequence[str]) -> str:
    """The labels as a list that people read."""
    return ", ".join(map(readable, labels))
