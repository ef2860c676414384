"""Which checkpoint is the best: the score against pycocoevalcap's figures, its order, and older runs."""

from pathlib import Path

import numpy as np
import pytest

from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.writing import Writing
from tienet.data.manifest import Manifest
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.labels import K
from tienet.modes import MODES
from tienet.training.choice import Choice, choose_by, describe_writing

TRUE = [
    "the heart is large .",
    "small effusion on the left side .",
    "no effusion and no nodule .",
    "the heart is normal .",
    "large nodule in the right lung .",
    "",
]
CONSTANT = "the heart is normal ."
"""The most frequent report of TRAIN."""
TRAIN = ["no effusion .", CONSTANT, f"{CONSTANT} ", "The heart is normal.", ""]
ENDLESS, SHOWN = [f"{true} and and" for true in TRUE], [f"{TRUE[0]} x", f"{TRUE[1]} y", *TRUE[2:5], "z"]
BELOW = ["a b", "no", *["c d e f"] * 4]
CUT_AT = 10


def manifest_of(reports: list[str], split: str) -> Manifest:
    names = [str(n) for n in range(len(reports))]
    labels = np.zeros((len(reports), K), np.float32)
    return Manifest(
        "x", Path("x.csv"), names, names, [None] * len(names), reports, np.array([split] * len(names)), labels
    )


def choice() -> Choice:
    return Choice(manifest_of(TRAIN, "train"), manifest_of(TRUE, "val"))


def writing_of(reports: list[str], cut: int = 0) -> Writing:
    """What reports are like of which the first `cut` have not come to an end."""
    words = [CUT_AT if n < cut else len(report.split()) for n, report in enumerate(reports)]
    return describe_writing(TRUE, reports, np.array(words), CUT_AT)


def sum_of(reports: list[str]) -> float:
    """BLEU-4 and a quarter of CIDEr, from pycocoevalcap."""
    with CaptionScorer(java=False) as scorer:
        found = scorer.score(TRUE, reports)
    return found["BLEU-4"] + found["CIDEr"] / 4


def test_what_reports_are_like():
    found = describe_writing(TRUE, [*TRUE[:4], "no effusion .", "no effusion ."], np.array([5, 10, 12, 5, 3, 3]), 10)
    assert (found.studies, found.cut, found.cut_at, found.distinct) == (6, 2, 10, 5)
    assert found.words_mean == pytest.approx((5 + 10 + 12 + 5 + 3 + 3) / 6) and found.ended == pytest.approx(4 / 6)
    nothing = describe_writing(["", ""], ["a", "b"], np.array([1, 1]), 10)
    assert nothing.bleu4 is nothing.cider is None


def test_the_score_is_the_sum_less_ten_for_each_rank():
    score = choice().score
    for reports, cut, rank in ((SHOWN, 0, 2), (BELOW, 0, 1), (SHOWN, 1, 0), (["the heart is large ."] * 6, 0, 0)):
        expected = sum_of(reports) - 10 * (2 - rank)
        assert score(0.75, writing_of(reports, cut)) == pytest.approx(0.75 + expected)
        assert score(None, writing_of(reports, cut)) == pytest.approx(expected)  # mode caption, or an undefined AUC


def test_both_metrics_of_the_constant_report_must_be_reached():
    with CaptionScorer(java=False) as scorer:
        found = scorer.score(TRUE, [CONSTANT] * 6)
    bleu4, cider = choice().constant
    assert (bleu4, cider) == pytest.approx((found["BLEU-4"], found["CIDEr"])) and bleu4 > 0 and cider > 0
    for ours, shown in (((bleu4, cider), True), ((bleu4 * 0.99, 9.0), False), ((1.0, cider * 0.99), False)):
        writing = Writing(6, 0, CUT_AT, 6, 5.0, *ours)
        assert (choice().score(0.5, writing) > 0) == shown, ours


def test_modes_that_do_not_write_are_chosen_by_their_auc():
    assert choice().score(0.75, None) == 0.75 and choice().score(None, None) is None
    assert choice().score(0.75, describe_writing(["", ""], ["a", "b"], np.array([1, 1]), 10)) == 0.75


def test_an_epoch_with_a_higher_auc_whose_reports_nobody_can_use_is_not_kept():
    epochs = (
        (0.99, writing_of(SHOWN, cut=6), True),  # the first is the best, whatever it is
        (0.60, writing_of(BELOW), True),
        (0.98, writing_of(["no effusion ."] * 6), False),
        (0.51, writing_of(SHOWN), True),
        (0.97, writing_of(SHOWN, cut=1), False),
        (0.96, writing_of(BELOW), False),
        (0.52, writing_of(SHOWN), True),
    )
    state = TrainingState()
    for epoch, (auc, writing, kept) in enumerate(epochs, 1):
        assert state.record_epoch(10 * epoch, epoch, choice().score(auc, writing)) == kept, epoch
    assert (state.best_epoch, state.epochs_since_best) == (7, 0)


def test_no_sum_is_as_large_as_the_distance_of_two_ranks():
    best_of_worse = choice().score(1.0, Writing(6, 6, CUT_AT, 6, 10.0, 1.0, 10.0))
    worst_of_better = choice().score(0.0, Writing(6, 0, CUT_AT, 6, 10.0, 0.0, 0.0))
    assert best_of_worse < worst_of_better


@pytest.mark.parametrize("mode", MODES.values(), ids=list(MODES))
def test_the_score_of_an_older_run_stays_where_the_rule_is_the_same(mode):
    older = TrainingState(50, 5, 0.75, 3, 2)
    expected = None if mode.writes else 0.75
    assert choose_by(mode.chosen_by, mode, older) == TrainingState(50, 5, expected, 3, 2, mode.chosen_by)
    newer = TrainingState(50, 5, -9.25, 3, 2, mode.chosen_by)
    assert choose_by(mode.chosen_by, mode, newer) == newer
    assert choose_by(mode.chosen_by, mode, TrainingState()) == TrainingState(chosen_by=mode.chosen_by)
    if mode.writes:  # the next epoch is the best, whatever it is like
        state = choose_by(mode.chosen_by, mode, older)
        assert state.record_epoch(60, 6, -19.5) and (state.best_score, state.best_epoch) == (-19.5, 6)
