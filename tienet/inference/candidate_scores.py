"""Scores of the candidates of a report, and the choice among them (`Decoding` method `consistent`).

    S(y) = w_l S_l(y) + w_c S_c(y) + w_a S_a(y)
    S_l  = ln p(y) / length                                likelihood: as the writer trusts it
    S_c  = sum over findings y_k (logit p_k - logit t_k + m)   consistency: what the report says, and the image shows
    S_a  = mean over the other candidates y' of sim(y, y') agreement: minimum Bayes risk (Kumar and Byrne 2004)

y_k is the probability, by a reader, that the report says finding k. p_k is the probability of k by a judge, which knows
the image and not the report, t_k the one from which it names k, and m a margin. A finding that the image shows counts
for a report that says it, and one that the image does not show counts against it. S_a tells candidates apart that say
the same, and its weight is small: with a large one the same report is chosen for many images.

Axes: N images, W candidates of an image, K = 15 labels of `tienet.labels.LABELS`.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from tienet.labels import FINDINGS
from tienet.modeling.decoding import Decoding

LONGEST_NGRAM = 4
"""Two reports are compared by their sequences of 1 to so many words."""

_F = len(FINDINGS)  # the findings are the first columns of LABELS
_LEAST = 1e-6  # a probability counts as at least this, and as at most 1 minus this


@dataclass(frozen=True)
class Evidence:
    """All that candidates are scored by.

    Attributes:
        log_probability: float [N, W], the writer's.
        word_len: int [N, W], the words of a candidate, <START> or <END> counted.
        said: float [N, W, K], the reader's probabilities.
        seen: float [N, K], the judge's probabilities.
        thresholds: float [K], the judge's; a finding whose threshold is NaN does not count.
        agreement: float [N, W], as from the function.
    """

    log_probability: np.ndarray
    word_len: np.ndarray
    said: np.ndarray
    seen: np.ndarray
    thresholds: np.ndarray
    agreement: np.ndarray


def choose(evidence: Evidence, decoding: Decoding) -> np.ndarray:
    """Which candidate of each image has the largest weighted sum of scores, int64 [N]; of equal ones the first."""
    return score(evidence, decoding).argmax(-1)


def score(evidence: Evidence, decoding: Decoding) -> np.ndarray:
    """S, float64 [N, W], with the weights of `decoding`."""
    return (
        decoding.likelihood_weight * likelihood(evidence.log_probability, evidence.word_len)
        + decoding.consistency_weight * consistency(evidence.said, evidence.seen, evidence.thresholds, decoding.margin)
        + decoding.agreement_weight * evidence.agreement
    )


def likelihood(log_probability: np.ndarray, word_len: np.ndarray) -> np.ndarray:
    """S_l, the mean of ln p over the words and <END>: float64 of the arguments' shape, at most 0."""
    return np.asarray(log_probability, np.float64) / word_len


def consistency(said: np.ndarray, seen: np.ndarray, thresholds: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """S_c, float64 [..., W], from what is said [..., W, K] and seen [..., K]."""
    seen, thresholds = (np.clip(np.asarray(values, np.float64), _LEAST, 1 - _LEAST) for values in (seen, thresholds))
    evidence = np.nan_to_num(logit(seen) - logit(thresholds) + margin)[..., :_F]
    return (np.asarray(said, np.float64)[..., :_F] * evidence[..., None, :]).sum(-1)


def agreement(reports: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """S_a of the W candidates of one image, float64 [W] in 0 to 1; 0 for a single one.

    Args:
        reports: The words of each candidate.
    """
    W = len(reports)
    similar = similarity(reports)
    return (similar.sum(1) - similar.diagonal()) / max(W - 1, 1)


def similarity(reports: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """How similar the reports are, float64 [W, W] in 0 to 1: symmetric, and 1 for reports of the same words.

    It is the mean over n = 1 to `LONGEST_NGRAM` of 2 |common n-grams| / (|those of one| + |those of the other|); an n
    for which both reports are too short does not count.
    """
    shares = np.stack([_common_share(reports, n) for n in range(1, LONGEST_NGRAM + 1)])
    counted = (~np.isnan(shares)).sum(0)
    return np.where(counted > 0, np.nansum(shares, 0) / np.maximum(counted, 1), 1.0)


def _common_share(reports: Sequence[Sequence[Hashable]], n: int) -> np.ndarray:
    """The share of common n-grams of each pair, [W, W]; NaN for two reports without any."""
    ngrams = [Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in reports]
    columns = {ngram: column for column, ngram in enumerate(dict.fromkeys(ngram for of in ngrams for ngram in of))}
    counts = np.zeros((len(reports), len(columns)))
    for row, of_report in zip(counts, ngrams, strict=True):
        row[[columns[ngram] for ngram in of_report]] = list(of_report.values())
    totals = counts.sum(1)
    both = totals[:, None] + totals
    common = np.minimum(counts[:, None], counts).sum(-1)
    return np.divide(2 * common, both, out=np.full(both.shape, np.nan), where=both > 0)
