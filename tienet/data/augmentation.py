"""How training reports vary from update to update in the modes that annotate: `join_reports` and `shuffle_sentences`.

A sentence says the same wherever it stands and whatever stands beside it. With few reports a network does not learn
that by itself, so it reads reports with their sentences in another order, and two studies as one: both reports, one
behind the other, the mean of both images, and the labels of both. What is drawn depends on the run's seed, the update
and the study alone, so that neither resuming nor the parts of a batch change it.
"""

import numpy as np

from tienet.config import Config
from tienet.data.sentences import split_sentences
from tienet.data.threads import map_in_threads
from tienet.labels import LABELS, NO_FINDING


def partners(config: Config, indices: np.ndarray, studies: int, step: int) -> np.ndarray | None:
    """The study that each study is joined with at an update, int64 [B]; None where they are not joined.

    All studies of an update are joined or none, since the longest report of a batch says how long the update takes.

    Args:
        indices: int64 [B], the positions of the studies.
        studies: The number of training studies.
        step: The update.
    """
    if np.random.default_rng([config.seed, step]).random() >= config.join_reports:
        return None
    return np.array([np.random.default_rng([config.seed, step, n, 1]).integers(studies) for n in indices])


def joined_images(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The mean of two studies' images or features, in their type: [B, ...] each."""
    joined = np.empty_like(images)

    def join(n: int) -> None:
        mean = (images[n].astype(np.float32) + others[n].astype(np.float32)) / 2
        joined[n] = np.round(mean) if images.dtype == np.uint8 else mean

    map_in_threads(join, range(len(images)), least_cores=3)  # two cores are busy with the network
    return joined


def joined_reports(word_ids: np.ndarray, others: np.ndarray, max_words: int) -> np.ndarray:
    """Two reports as one of at most `max_words` words: int32 [n + 1] and [m + 1], <START> first, -> int32 [k + 1]."""
    return np.concatenate([word_ids, others[1:]])[: max_words + 1]


def joined_labels(labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The labels of two studies that are read as one: a finding is there if one of them has it.

    Args:
        labels, others: float32 [..., K], 1, 0 or NaN (unknown).
    Returns:
        float32 [..., K]; for a finding 1 if one is 1, 0 if both are 0, else NaN; for No_Finding 0 if one is 0, 1 if
        both are 1, else NaN.
    """
    unknown = np.isnan(labels) | np.isnan(others)
    joined = np.where((labels == 1) | (others == 1), 1, np.where(unknown, np.nan, 0))
    last = LABELS.index(NO_FINDING)
    absent = (labels == 0) | (others == 0)
    joined[..., last] = np.where(absent, 0, np.where(unknown, np.nan, 1))[..., last]
    return joined.astype(np.float32)


def shuffled_sentences(word_ids: np.ndarray, full_stop: int, seed: list[int]) -> np.ndarray:
    """A report with its sentences in a random order; the words of a sentence stay together.

    Args:
        word_ids: int32 [n + 1], <START> w_1 ... w_n.
        full_stop: The word id that ends a sentence; what follows the last one is a sentence too.
        seed: What the order depends on.
    """
    sentences = split_sentences(word_ids[1:], full_stop)
    order = np.random.default_rng(seed).permutation(len(sentences))
    return np.concatenate([word_ids[:1], *(sentences[n] for n in order)])
