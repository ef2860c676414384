"""The lengths to which reports are padded in a training on a GPU: few, since XLA compiles for seconds for each.

An update takes as many steps as the longest report of its batch, padded to one of the lengths (`way.lengths`). Of k
lengths l_1 < ... < l_k, of which the last holds every report, the best ones have the fewest steps in the mean,

    E = sum over batches of l(T_b) / number of batches    l(T): the smallest length that is at least T

and k is the smallest for which E is within a tenth of that of the most.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from tienet.data.dataflow import Studies
from tienet.modeling.lstm import way
from tienet.modeling.lstm.way import STEP

MOST = 4
"""The most lengths that are chosen."""

WITHIN = 1.1
"""How many times the steps of the most lengths fewer may take."""

_BATCHES, _CANDIDATES = 400, 40


def lengths_for(studies: Studies) -> tuple[int, ...]:
    """The lengths for a training on these studies; `way.LENGTHS` where no reports are read."""
    config = studies.config
    if not config.mode_parts.reads:
        return way.LENGTHS
    words = studies.lengths - 1  # without <START>
    return choose_lengths(words, config.batch, config.max_words, config.join_reports, config.seed)


def choose_lengths(
    word_counts: Sequence[int], batch: int, max_words: int, join_share: float = 0.0, seed: int = 0
) -> tuple[int, ...]:
    """The lengths for a training.

    Args:
        word_counts: The number of words of each training report, <START> not counted.
        batch: The studies of an update.
        max_words: The most words that are read.
        join_share: The share of the updates at which two reports are read as one.
        seed: Of the batches that are drawn to tell how long their longest reports are.
    Returns:
        1 to MOST rising multiples of STEP; no batch is longer than the last.
    """
    counts = np.asarray(word_counts, np.int64)
    random = np.random.default_rng(seed)
    drawn = counts[random.integers(len(counts), size=(_BATCHES, batch))]
    joined = random.random(_BATCHES) < join_share
    drawn[joined] += counts[random.integers(len(counts), size=(int(joined.sum()), batch))]
    longest = np.minimum(drawn, max_words).max(axis=1) + 1  # with <START>
    most = min(max_words, counts.max() * (2 if join_share else 1)) + 1
    last = -(-int(most) // STEP) * STEP
    best = [_best(longest, last, k) for k in range(1, MOST + 1)]
    enough = min(steps for steps, _ in best) * WITHIN
    return next(lengths for steps, lengths in best if steps <= enough)


def _best(longest: np.ndarray, last: int, k: int) -> tuple[float, tuple[int, ...]]:
    """The mean number of steps with the best k lengths or fewer, of which the last is given, and these lengths."""
    places = np.quantile(longest, np.linspace(0, 1, _CANDIDATES), method="higher")
    steps = np.unique(-(-places // STEP) * STEP)
    steps = steps[steps < last]
    below = np.searchsorted(np.sort(longest), steps, side="right")  # the batches that each length holds
    held = dict(zip(steps.tolist(), below.tolist(), strict=True)) | {last: len(longest)}
    found = (float(last), (last,))
    for chosen in itertools.combinations(steps.tolist(), min(k - 1, len(steps))):
        lengths, before, total = (*chosen, last), 0, 0
        for length in lengths:
            total += length * (held[length] - before)
            before = held[length]
        found = min(found, (total / len(longest), lengths))
    return found
