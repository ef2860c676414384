"""The sentences of a report, and what each of their words counts in L_R (`sentence_power`).

Most sentences of an archive are a few hundred that stand in many reports and say that nothing was found. They are what
a network writes that has to predict the next word of all reports, whatever the image.
"""

from collections import Counter

import numpy as np

MOST_TIMES = 25
"""A sentence that stands in the training reports more often counts as one that stands there so many times."""


def split_sentences(words: np.ndarray, full_stop: int) -> list[np.ndarray]:
    """The sentences of a report.

    Args:
        words: int32 [n], w_1 ... w_n.
        full_stop: The word id that ends a sentence; what follows the last one is a sentence too.
    Returns:
        At least one array; joined they are `words`.
    """
    return np.split(words, np.flatnonzero(words == full_stop) + 1)


def word_weights(reports: list[np.ndarray], full_stop: int, power: float) -> list[np.ndarray]:
    """What each word of the training reports counts in L_R, so that common sentences count less.

    A word of a sentence that stands n times in all reports counts min(n, MOST_TIMES)^-power, divided by the mean of
    this over the words of all reports. <END> counts 1. The mean over all words is 1, with and without <END>.

    Args:
        reports: For each study int32 [n + 1]: <START> w_1 ... w_n.
        full_stop: The word id that ends a sentence.
        power: From 0, all words count 1, to 1: all of a sentence's n copies together count as one.
    Returns:
        For each study float32 [n + 1]: the weights of w_1 ... w_n and <END>.
    """
    sentences = [split_sentences(report[1:], full_stop) for report in reports]
    times = Counter(sentence.tobytes() for report in sentences for sentence in report)
    weights = [
        np.repeat(
            [min(times[sentence.tobytes()], MOST_TIMES) ** -power for sentence in report], [len(s) for s in report]
        )
        for report in sentences
    ]
    words = sum(map(len, weights))
    mean = sum(of_report.sum() for of_report in weights) / words if words else 1.0
    return [np.append(of_report / mean, 1.0).astype(np.float32) for of_report in weights]
