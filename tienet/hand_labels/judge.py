"""A network's labels against those of each reader, of the mean reader, and of what was decided.

Axes: M readers, N studies, K = 15 labels of `tienet.labels.LABELS`. A label that a reader cannot tell is unknown.

The mean reader says what most readers say who can tell: with s the share of them that say "there", the label is 1 where
s > 1/2 and 0 where s < 1/2; it is unknown where s = 1/2 and where nobody can tell. So of two readers who differ the
mean reader has no answer.

Whether a network is as close to a reader as people are is seen where both are judged by the same: each reader's labels
judge the network's, and those of the mean of the other readers, on the studies and labels for which all of them have an
answer, in the same resamples. The difference of the two kappas has an interval of its own.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.hand_labels.agreement import assist_notes, compare_all, share
from tienet.hand_labels.kappa import GROUPS, Measure, count_pairs, kappa, measure, measure_both
from tienet.hand_labels.sheet import Sheet, known
from tienet.labels import K

MEAN_READER, DECIDED = "the mean reader", "what was decided"


@dataclass(frozen=True, eq=False)
class Readings:
    """What M readers say of the N studies that at least one of them has finished.

    Attributes:
        sheets: M sheets.
        studies: The N studies, in the order of their data set.
        answers: float32 [M, N, K], as in `Sheet`; NaN where a reader has not finished the study.
        labels: float32 [M, N, K], 1 or 0; NaN where a reader cannot tell, too.
    """

    sheets: tuple[Sheet, ...]
    studies: Manifest
    answers: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return np.stack([known(answers) for answers in self.answers])


@dataclass(frozen=True, eq=False)
class NetworkLabels:
    """What a network says of N studies.

    Attributes:
        scores: float [N, K], a higher one means more likely there.
        named: float32 [N, K], 1 or 0; NaN for a label without a threshold.
    """

    scores: np.ndarray
    named: np.ndarray


def gather(sheets: Sequence[Sheet], dataset: Manifest) -> Readings:
    """Put the answers of readers together.

    Raises:
        InputError: Two sheets are of one reader or share no study (`agreement.share`), or a study is not in the data
            set, or is of another patient there.
    """
    sheets, readers = tuple(sheets), [sheet.reader for sheet in sheets]
    if len(set(readers)) < len(readers):
        twice = next(reader for reader in readers if readers.count(reader) > 1)
        raise InputError(f"--readers: two sheets are of reader {twice}; expected a sheet of each reader")
    for name in (MEAN_READER, DECIDED):
        if name in readers:
            raise InputError(f"--readers: a reader is called {name!r}, as a row of the tables; rename that reader")
    for a, b in itertools.combinations(sheets, 2):
        share(a, b)
    rows_of = [positions(sheet, dataset) for sheet in sheets]
    rows = np.unique(np.concatenate(rows_of))
    answers = np.full((len(sheets), len(rows), K), np.nan, np.float32)
    for m, (sheet, of_sheet) in enumerate(zip(sheets, rows_of, strict=True)):
        answers[m, np.searchsorted(rows, of_sheet)] = sheet.answers
    return Readings(sheets, dataset.take(rows), answers)


def positions(sheet: Sheet, dataset: Manifest) -> np.ndarray:
    """int64 [n], where the sheet's studies are in a data set; raises InputError as `gather`."""
    row_of = {study: n for n, study in enumerate(dataset.study_ids)}
    for study, patient in zip(sheet.study_ids, sheet.patient_ids, strict=True):
        if study not in row_of:
            raise InputError(
                f"{sheet.path}: {dataset.path} has no study {study}; give the data set that it was drawn from with "
                "--data"
            )
        if patient != (theirs := dataset.patient_ids[row_of[study]]):
            raise InputError(
                f"{sheet.path}: study {study} is of patient {patient!r}, and of {theirs!r} in {dataset.path}; give the "
                "data set that it was drawn from with --data"
            )
    return np.array([row_of[study] for study in sheet.study_ids], np.int64)


def mean_labels(labels: np.ndarray) -> np.ndarray:
    """The labels of the mean reader (see above), float32 [N, K], from float [M, N, K]: 1, 0, NaN (unknown)."""
    there, told = (labels == 1).sum(axis=0), (~np.isnan(labels)).sum(axis=0)
    return np.select([2 * there > told, 2 * there < told], [1.0, 0.0], np.nan).astype(np.float32)


def decided_labels(readings: Readings, decided: Sheet) -> np.ndarray:
    """The labels that were decided, float32 [N, K], 1 or 0, NaN (unknown).

    They are those of the deciding reader, and where that one was not asked those on which all readers agree who were;
    what a single reader has answered is not decided.

    Raises:
        InputError: The deciding reader is one of the readers, or has a study that none of them has.
    """
    if decided.reader in [sheet.reader for sheet in readings.sheets]:
        raise InputError(f"--decided {decided.path}: is of {decided.reader}, who is one of the readers")
    rows, asked = positions(decided, readings.studies), ~np.isnan(readings.answers)
    smallest = np.where(asked, readings.answers, np.inf).min(axis=0)
    largest = np.where(asked, readings.answers, -np.inf).max(axis=0)
    agreed = (asked.sum(axis=0) > 1) & (smallest == largest)
    answers = np.where(agreed, smallest, np.nan)
    answers[rows] = np.where(np.isnan(decided.answers), answers[rows], decided.answers)
    return known(answers)


def labels_of_data_set(readings: Readings, decided: Manifest) -> np.ndarray:
    """The labels float32 [N, K] that a data set has of the readers' studies; NaN where it does not know them.

    Raises:
        InputError: It has none of the studies.
    """
    row_of = {study: n for n, study in enumerate(decided.study_ids)}
    found = [(n, row_of[study]) for n, study in enumerate(readings.studies.study_ids) if study in row_of]
    if not found:
        raise InputError(f"--decided {decided.path}: has none of the {len(readings.studies):,} studies of the sheets")
    labels = np.full((len(readings.studies), K), np.nan, np.float32)
    ours, theirs = (list(rows) for rows in zip(*found, strict=True))
    labels[ours] = decided.labels[theirs]
    return labels


def judge(
    network: NetworkLabels,
    readings: Readings,
    decided: np.ndarray | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict:
    """Judge a network's labels by readers.

    Args:
        network: What it says of the N studies of `readings`.
        readings: What the readers say.
        decided: float [N, K], 1, 0 or NaN (unknown): what was decided; None: nothing was.
        resamples, seed, level: Of the bootstrap of patients, as in `auroc.evaluate_auc`.
    Returns:
        Ready for JSON: {"readers": M names, "studies", "against": {REFERENCE: entry}, "beside": {READER: entry},
        "agreement": of each pair of readers as `agreement.compare`, "notes", "bootstrap"}.

        A REFERENCE is a reader, MEAN_READER (of two readers or more) or DECIDED. Its entry has "labels" (as
        `evaluate_labels`), "auc" (as `evaluate_auc`), "kappa" and "left_out" (`kappas`), over its "studies", in which
        it has a known label.

        `beside` judges the network's labels and those of the mean of the other readers by one reader's (`beside`).
    """
    options = {"resamples": resamples, "seed": seed, "level": level}
    names, labels = [sheet.reader for sheet in readings.sheets], readings.labels
    references = dict(zip(names, labels, strict=True))
    if len(names) > 1:
        references[MEAN_READER] = mean_labels(labels)
    if decided is not None:
        references[DECIDED] = decided
    patients = np.array(readings.studies.patient_ids, object)
    closeness = {}
    for m, name in enumerate(names if len(names) > 1 else []):
        others = mean_labels(np.delete(labels, m, axis=0))
        closeness[name] = beside(network.named, others, labels[m], patients, **options)
    return {
        "readers": names,
        "studies": len(readings.studies),
        "against": {name: against(network, of_one, patients, **options) for name, of_one in references.items()},
        "beside": closeness,
        "agreement": compare_all(readings.sheets, **options) if len(names) > 1 else [],
        "notes": assist_notes(readings.sheets),
        "bootstrap": options,
    }


def against(network: NetworkLabels, true: np.ndarray, patient_ids: np.ndarray, **options: float) -> dict:
    """The entry of one reference in `judge`; `true` is float [N, K], 1, 0 or NaN (unknown)."""
    rows = ~np.isnan(true).all(axis=1)
    named, scores, true, patients = network.named[rows], network.scores[rows], true[rows], list(patient_ids[rows])
    return {
        "studies": int(rows.sum()),
        "labels": evaluate_labels(named, true, patients, **options),
        "auc": evaluate_auc(scores, true, patients, **options),
        **kappas(named, true, patients, **options),
    }


def kappas(
    a: np.ndarray, b: np.ndarray, patient_ids: Sequence[str], *, resamples: int, seed: int, level: float
) -> dict:
    """Cohen's kappa of labels [N, K], 1, 0 or NaN (unknown), over the studies for which both are known.

    Returns:
        "kappa": {GROUP: {"kappa", "kappa_lo", "kappa_hi"}} for each of `kappa.GROUPS`, None where it is undefined; and
        "left_out": {GROUP: the number of resamples in which a kappa is undefined that is defined in the data}.
    """
    found = measure(count_pairs(a, b, patient_ids, resamples, seed), kappa)
    return {
        "kappa": {group: found.entry("kappa", k, level) for k, group in enumerate(GROUPS)},
        "left_out": _left_out(found),
    }


def _left_out(found: Measure) -> dict[str, int]:
    return {group: count for k, group in enumerate(GROUPS) if (count := found.left_out(k))}


def beside(
    named: np.ndarray,
    others: np.ndarray,
    true: np.ndarray,
    patient_ids: np.ndarray,
    *,
    resamples: int,
    seed: int,
    level: float,
) -> dict:
    """Judge the network's labels and those of other readers by one reader's, where all three are known.

    Args:
        named, others, true: float [N, K], 1, 0 or NaN (unknown): the network's, the others' and the reader's labels.
        patient_ids: [N].
    Returns:
        {"studies", "kappa": {GROUP: {"network": ..., "others": ..., "difference": ...}}, "network", "others"}: the
        kappas of each and network - others, with their intervals, as {"kappa", "kappa_lo", "kappa_hi"} and
        {"difference", "difference_lo", "difference_hi"}, and as `evaluate_labels` what each names; "left_out": {GROUP:
        the number of resamples without a difference that is defined in the data}.
    """
    lacking = np.isnan(named) | np.isnan(others) | np.isnan(true)
    rows = ~lacking.all(axis=1)
    named, others, true = (np.where(lacking, np.nan, of_one)[rows] for of_one in (named, others, true))
    patients, options = list(patient_ids[rows]), {"resamples": resamples, "seed": seed}
    pairs = [count_pairs(of_one, true, patients, **options) for of_one in (named, others)]
    found = dict(zip(("network", "others", "difference"), measure_both(*pairs, kappa), strict=True))
    return {
        "studies": int(rows.sum()),
        "kappa": {group: _beside_entry(found, k, level) for k, group in enumerate(GROUPS)},
        "left_out": _left_out(found["difference"]),
        "network": evaluate_labels(named, true, patients, level=level, **options),
        "others": evaluate_labels(others, true, patients, level=level, **options),
    }


def _beside_entry(found: Mapping, k: int, level: float) -> dict:
    return {who: one.entry("difference" if who == "difference" else "kappa", k, level) for who, one in found.items()}
