"""By which score the best checkpoint is chosen: by the mean AUC, and in the modes that write by their reports, too.

A checkpoint that writes is shown to people. One whose reports nobody can use (`Writing.flaw`: they do not end, or are
all one or nearly) is worse than any whose reports one can, and of these one below the constant report, the most
frequent training report written for every study, is worse than any that reaches its BLEU-4 and its CIDEr. Among
checkpoints of the same rank the largest sum decides:

    score = AUC + BLEU-4 + CIDEr / 4 - 10 * (2 - rank)        rank 0: unusable, 1: below the constant report, 2: neither

A score of 0 or more is that of a checkpoint that can be shown. CIDEr is divided by 4 because it moves more than the
others: from the constant report to a network that writes, BLEU-4 rises by about .06 and CIDEr by .03 to .08 on OpenI,
and in a phantom run from epoch 16 to 26 by .02 and .27 (benchmarks/RESULTS.md). So neither metric decides alone.
In mode `caption` the AUC is left out, and in a validation split where it is undefined; `tienet.training.ranking` says
what is defined there.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tienet.checkpoint.entries import TrainingState
from tienet.checkpoint.writing import Writing
from tienet.data.manifest import Manifest
from tienet.evaluation.controls.reports import most_frequent_report
from tienet.evaluation.metrics.captions import bleu4, cider
from tienet.inference.predictor import Rows
from tienet.modeling import outputs
from tienet.modes import Mode

CIDER_DIVISOR = 4.0
BELOW = 10.0
"""How far a rank is below the next one: more than the largest sum, 1 + 1 + 10 / CIDER_DIVISOR."""


def describe_writing(true: Sequence[str], written: Sequence[str], words: np.ndarray, cut_at: int) -> Writing:
    """What written reports are like.

    Args:
        true: N true reports; BLEU-4 and CIDEr leave the studies out whose true report has no word.
        written: N written reports.
        words: int [N], the number of words of each written report.
        cut_at: The largest number of words that were written; a report of as many did not come to its end.
    """
    metrics = [float(metric(true, written)) for metric in (bleu4, cider)]
    return Writing(
        studies=len(written),
        cut=int((np.asarray(words) >= cut_at).sum()),
        cut_at=cut_at,
        distinct=len(set(written)),
        words_mean=float(np.mean(words)),
        bleu4=None if np.isnan(metrics[0]) else metrics[0],
        cider=None if np.isnan(metrics[1]) else metrics[1],
    )


def written_words(rows: Rows) -> np.ndarray:
    """int [N], the number of words of each written report, from the rows of `outputs.WORD_LEN`."""
    return np.array(rows[outputs.WORD_LEN]) - 1  # without <START>


class Choice:
    """The score by which the checkpoints of a run are compared.

    Args:
        train: The training split, whose most frequent report is the constant one.
        val: The validation split.
    """

    def __init__(self, train: Manifest, val: Manifest):
        self._train, self._val = train, val

    @cached_property
    def constant(self) -> tuple[float, float]:
        """BLEU-4 and CIDEr of the constant report on the validation split.

        Raises:
            InputError: No training report has a word.
        """
        reports = [most_frequent_report(self._train.reports)] * len(self._val)
        return bleu4(self._val.reports, reports), cider(self._val.reports, reports)

    def score(self, auc: float | None, writing: Writing | None) -> float | None:
        """The score of an epoch; None if it is undefined.

        Args:
            auc: The mean AUC; None if it is undefined, and in mode `caption`.
            writing: What the written reports are like; None in modes that do not write.
        """
        if writing is None or writing.bleu4 is None:
            return auc
        sums = (auc or 0.0) + writing.bleu4 + writing.cider / CIDER_DIVISOR
        return sums - BELOW * (2 - self._rank(writing))

    def _rank(self, writing: Writing) -> int:
        if writing.flaw:
            return 0
        reached = zip((writing.bleu4, writing.cider), self.constant, strict=True)
        return 2 if all(ours >= theirs for ours, theirs in reached) else 1


def choose_by(rule: str, mode: Mode, state: TrainingState) -> TrainingState:
    """The state of a run that is started or resumed, with the rule by which its checkpoints are chosen from now on.

    The score of a run that was chosen by another rule cannot be compared, and is dropped: its best checkpoint is kept
    until the next epoch. In modes that do not write the rule is what it always was. An older run names the mode's rule
    where a term of it is undefined, too: its score is the same without that.

    Args:
        rule: As from `ranking.rule_for`.
    """
    same = state.chosen_by in (rule, mode.chosen_by) or (state.chosen_by is None and not mode.writes)
    score = state.best_score if same else None
    return TrainingState(**{**vars(state), "best_score": score, "chosen_by": rule})
