"""Which word is written next: the scores that forbid one, and the choice among the others.

Axes: R reports, M words, V vocabulary.
"""

import numpy as np
import tensorflow as tf

from tienet.data.text import OOV, PAD, START
from tienet.modeling.decoding import Decoding

NEVER = -1e30
"""The score of a word that must not be chosen."""


def column(array: tf.Tensor, t: tf.Tensor) -> tf.Tensor:
    """array[..., t], for one t or several that XLA need not know when it compiles.

    It would have to for a slice, and would compile a block of turns anew for each place at which one begins.
    """
    return tf.gather(array, t, axis=-1)


def draw(scores: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """The word w with P(words before w) <= u < P(words up to w), int32 [B], for scores [B, V] and u [B] in [0, 1)."""
    sums = tf.cumsum(tf.nn.softmax(scores), axis=-1)
    before = tf.cast(sums <= u[:, None] * sums[:, -1:], tf.int32)
    return tf.minimum(tf.reduce_sum(before, -1), scores.shape[-1] - 1)


def forbidden(logits: tf.Tensor) -> tf.Tensor:
    """[V], added to the scores: `NEVER` for the words that are never written, 0 for all others."""
    scores = np.zeros(logits.shape[-1], np.float32)
    scores[[PAD, START, OOV]] = NEVER
    return tf.constant(scores)


def with_late_impression(t: tf.Tensor, scores: tf.Tensor, decoding: Decoding) -> tf.Tensor:
    """The scores [R, V] after t words without what `Decoding.findings_penalty` takes from the heading."""
    if not decoding.findings_penalty or decoding.impression is None:
        return scores
    missing = tf.maximum(0.0, 1.0 - tf.cast(t, tf.float32) / decoding.findings_words)
    return scores - decoding.findings_penalty * missing * tf.one_hot(decoding.impression, tf.shape(scores)[1])


def likeliest(scores: tf.Tensor) -> tf.Tensor:
    """The word of the largest score, int32 [R], for scores [R, V]."""
    return tf.argmax(scores, -1, tf.int32)


def repeated(history: tf.Tensor, t: tf.Tensor, n: int, V: int) -> tf.Tensor:
    """Scores that forbid to write a sequence of n words again: `NEVER` or less for its last word, 0 for all others.

    Args:
        history: int32 [R, n - 1 + M], n - 1 times <PAD>, then places for M words, of which the first t + 1 were read,
            <START> first.
    Returns:
        float32 [R, V].
    """
    R, M = tf.shape(history)[0], tf.shape(history)[1] - (n - 1)
    before = tf.stack([history[:, j : j + M] for j in range(n - 1)], -1)  # [R, M, n - 1], and then a word of each
    following, latest = history[:, n - 1 :], column(history, t + 1 + tf.range(n - 1))
    same = tf.reduce_all(tf.equal(before, latest[:, None]), -1) & (tf.range(M) <= t)
    indices = tf.stack([tf.broadcast_to(tf.range(R)[:, None], [R, M]), following], -1)
    return tf.scatter_nd(indices, tf.where(same, NEVER, 0.0), [R, V])
