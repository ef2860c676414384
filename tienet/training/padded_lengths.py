"""The lengths to which reports are padded in a training on a GPU: few, since XLA compiles for seconds for each.

An update takes as many steps as the longest report of its part of a batch, T, padded to one of the lengths
(`way.lengths`). Of k lengths l_1 < ... < l_k, of which the last holds every report, the best ones have the fewest steps
in the mean,

    E = sum over parts of l(T) / number of parts    l(T): the smallest length that is at least T

and k is the smallest for which E is within a tenth of that of the most.
"""

from collections.abc import Sequence

import numpy as np

from tienet.data.dataflow import Studies, TrainingBatches
from tienet.modeling.lstm import way
from tienet.modeling.lstm.way import STEP

MOST = 8
"""The most lengths that are chosen."""

WITHIN = 1.1
"""How many times the steps of the most lengths fewer may take."""

_UPDATES = 400  # whose parts are looked at


def lengths_for(studies: Studies, batches: TrainingBatches) -> tuple[int, ...]:
    """The lengths for a training on the batches of these studies; `way.LENGTHS` where no reports are read."""
    config = studies.config
    if not config.mode_parts.reads:
        return way.LENGTHS
    longest, most = batches.longest_reports(_UPDATES), studies.longest_possible()
    if config.reads_own_words:
        own = _own_reports(studies.lengths, len(range(batches.part_size)[config.own_rows]), len(longest), config.seed)
        most_own = config.written_words + 1
        longest, most = np.concatenate([longest, np.minimum(own, most_own)]), max(most, most_own)
    return choose_lengths(longest, most)


def choose_lengths(longest: Sequence[int], most_words: int) -> tuple[int, ...]:
    """The lengths for a training.

    Args:
        longest: T of some of its parts of batches, as they come.
        most_words: The largest T that any part may have.
    Returns:
        1 to MOST rising multiples of STEP; the last is at least `most_words`.
    """
    steps = -(-np.asarray(longest) // STEP)
    last = -(-most_words // STEP)
    best = _best(np.bincount(steps, minlength=last + 1)[1:], MOST)
    enough = best[-1][0] * WITHIN
    return next(tuple(STEP * length for length in lengths) for mean, lengths in best if mean <= enough)


def _own_reports(lengths: np.ndarray, rows: int, parts: int, seed: int) -> np.ndarray:
    """About the longest report of each part that the network writes itself; they are not sorted by length."""
    drawn = np.random.default_rng(seed).integers(len(lengths), size=(parts, rows))
    return lengths[drawn].max(axis=1)


def _best(counts: np.ndarray, most: int) -> list[tuple[float, tuple[int, ...]]]:
    """For each k up to `most` the best k lengths or fewer, of which the last is len(counts), and the mean E with them.

    Args:
        counts: How many parts have T = 1, 2, ..., in the unit of the lengths.
    """
    below = np.concatenate([[0], np.cumsum(counts)])  # below[n]: how many parts the length n holds
    last, total = len(counts), max(int(below[-1]), 1)
    sums = np.array([length * below[length] for length in range(last + 1)], float)  # of the parts held by one length
    choices = [(length,) for length in range(last + 1)]
    best = [(sums[last] / total, choices[last])]
    for _ in range(most - 1):  # one length more below each
        longer, chosen = sums.copy(), list(choices)
        for length in range(1, last + 1):
            with_shorter = sums[:length] + length * (below[length] - below[:length])
            if with_shorter.min() < longer[length]:
                shorter = int(with_shorter.argmin())
                longer[length], chosen[length] = with_shorter[shorter], (*choices[shorter], length)
        sums, choices = longer, chosen
        best.append((sums[last] / total, choices[last]))
    return best
