"""The metrics of a column over all folds: those of one evaluation, but for the pairs of the AUCs."""

import dataclasses

import numpy as np
import pytest

from tests.evaluation.pooled.evaluations import FOLDS, MadeUp
from tienet.evaluation.judged import Judged
from tienet.evaluation.metrics.auroc import MEANS, auc, evaluate_auc
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.report_findings import evaluate_findings
from tienet.evaluation.metrics.report_variety import report_statistics
from tienet.evaluation.pooled.columns import column_metrics, pool
from tienet.labels import LABELS

R = 12


@pytest.fixture
def of_folds(tmp_path) -> list[Judged]:
    made_up = MadeUp(tmp_path)
    rows = [np.flatnonzero(made_up.fold_of == fold) for fold in range(FOLDS)]
    return [made_up.judged(rows[fold], fold, 1.5, classifies=True, writes=True) for fold in range(FOLDS)]


def scored(of_folds: list[Judged]) -> dict:
    with CaptionScorer(java=False) as scorer:
        return column_metrics(pool("I+GR", of_folds, R), scorer)


def test_one_fold_is_the_plain_evaluation(of_folds):
    judged, found = of_folds[0], scored(of_folds[:1])
    assert found["studies"] == len(judged)
    for name, value in evaluate_auc(judged.logits, judged.labels, judged.patient_ids, resamples=R).items():
        assert found[name] == value
    assert found["labels"] == evaluate_labels(judged.named, judged.labels, judged.patient_ids, resamples=R)
    with CaptionScorer(java=False) as scorer:
        assert found["captions"] == scorer.score(judged.reports, judged.written)
    assert found["reports"] == report_statistics(judged.reports, judged.written)
    rows = [n for n, report in enumerate(judged.reports) if report]
    assert 0 < len(rows) < len(judged)
    patients = [judged.patient_ids[n] for n in rows]
    written, read, true = (x[rows] for x in (judged.written_labels, judged.read_labels, judged.labels))
    against, labeller = (found["report_findings"].pop(name) for name in ("against_labels", "labeller"))
    assert found["report_findings"] == evaluate_findings(written, read, patients, resamples=R)
    assert against["micro"] == evaluate_labels(written, true, patients, resamples=R)["micro"]
    assert labeller["micro"] == evaluate_labels(read, true, patients, resamples=R)["micro"]


def test_of_several_folds_the_pairs_are_within_each_and_all_else_is_over_all(of_folds):
    found = scored(of_folds)
    k = LABELS.index("Edema")
    parts = [(judged.logits[:, k], judged.labels[:, k]) for judged in of_folds]
    pairs = [(labels == 1).sum() * (labels == 0).sum() for _, labels in parts]
    expected = np.average([auc(*part) for part in parts], weights=pairs)
    assert found["auc"]["Edema"]["auc"] == pytest.approx(expected, abs=1e-12)
    assert found["auc"]["Edema"]["positives"] == sum((labels == 1).sum() for _, labels in parts)
    named, labels = (np.concatenate([getattr(j, name) for j in of_folds]) for name in ("named", "labels"))
    patients = [patient for judged in of_folds for patient in judged.patient_ids]
    assert found["labels"] == evaluate_labels(named, labels, patients, resamples=R)
    true, written = ([text for j in of_folds for text in getattr(j, name)] for name in ("reports", "written"))
    with CaptionScorer(java=False) as scorer:
        assert found["captions"] == scorer.score(true, written)
        assert found["captions"]["CIDEr"] != scorer.score(of_folds[0].reports, of_folds[0].written)["CIDEr"]


def test_the_order_of_the_folds_changes_nothing(of_folds):
    found, turned = scored(of_folds), scored(of_folds[::-1])
    for name in (*MEANS, "auc", "labels", "reports", "report_findings"):
        assert found[name] == turned[name]


def test_what_only_some_folds_have_is_left_out_and_said(of_folds):
    of_folds[1] = dataclasses.replace(of_folds[1], written_labels=None)
    assert pool("x", of_folds, R).lacking == ("written_labels",)
    found = scored(of_folds)
    assert found["report_findings"] is None and found["captions"] is not None


def test_a_column_that_only_writes_has_no_auc(of_folds):
    found = scored([dataclasses.replace(judged, logits=None, named=None) for judged in of_folds])
    assert found["auc"] is found["avg"] is found["labels"] is None and found["captions"]["studies"] > 0
    column = pool("Captioning", [dataclasses.replace(judged, logits=None, named=None) for judged in of_folds], R)
    assert column.drawn_auc is column.drawn_rates is None


def test_without_true_reports_nothing_is_said_of_the_written_ones(of_folds):
    found = scored([dataclasses.replace(judged, reports=[""] * len(judged)) for judged in of_folds])
    assert found["captions"] is found["reports"] is found["report_findings"] is None
