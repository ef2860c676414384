"""The words of a batch of reports: which ones the network reads in training, and which ones should follow.

Axes: B batch, T words, N words of all reports, packed, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tienet.config import Config
from tienet.data.text import END, OOV, PAD
from tienet.modeling import generate
from tienet.modeling.decoder import Decoder, ImageContext
from tienet.modeling.decoding import Decoding
from tienet.modeling.draws import Draws
from tienet.modeling.lstm import way

# ---- the words that are read ----


def words_in_training(
    config: Config, draws: Draws, decoder: Decoder, word_ids: tf.Tensor, word_len: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The words that the network reads in training: the true ones, some of them hidden or replaced.

    Args:
        word_ids: int32 [B, T], the true words, <START> first. word_len: int32 [B], how many of T count.
    Returns:
        word_ids and word_len of the same shapes.
    """
    if config.mode_parts.writes and config.scheduled_sampling:
        word_ids = sample_words(config, draws, decoder, word_ids, word_len)
    return drop_text(config, draws, word_ids, word_len) if config.report_drop else (word_ids, word_len)


def drop_text(config: Config, draws: Draws, word_ids: tf.Tensor, word_len: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Section 3.5: hide a share of the words (read as <OOV>) or of the reports (only <START> is read)."""
    if config.report_drop_unit == "reports":
        draw = tf.random.stateless_uniform(tf.shape(word_len), draws.seed_for("reports"))
        return word_ids, tf.where(draw < config.report_drop, 1, word_len)
    draw = tf.random.stateless_uniform(tf.shape(word_ids), draws.seed_for("words"))
    hidden = (draw < config.report_drop) & (tf.range(tf.shape(word_ids)[1]) > 0)  # <START> stays
    return tf.where(hidden, OOV, word_ids), word_len


def sample_words(config: Config, draws: Draws, decoder: Decoder, word_ids: tf.Tensor, word_len: tf.Tensor) -> tf.Tensor:
    """Scheduled sampling (Bengio et al. 2015) in two passes: words drawn after the true ones replace some of them."""
    mask = tf.sequence_mask(word_len - 1, tf.shape(word_ids)[1])  # the steps that a word follows
    logits = _word_logits(decoder, decoder.read(word_ids), word_ids, partial(tf.boolean_mask, mask=mask))
    drawn = generate.draw_words(logits, draws.seed_for("drawn"))
    use = tf.random.stateless_uniform(tf.shape(drawn), draws.seed_for("sampling")) < config.scheduled_sampling
    places = tf.where(mask) + [[0, 1]]
    mixed = tf.where(use, drawn, tf.gather_nd(word_ids, places))
    return tf.stop_gradient(tf.tensor_scatter_nd_update(word_ids, places, mixed))


def write_own_words(
    decoding: Decoding, draws: Draws, decoder: Decoder, image_context: ImageContext
) -> tuple[tf.Tensor, tf.Tensor]:
    """Reports that the network writes at this update: greedily in even updates, drawn at random in odd ones.

    Args:
        decoding: How it writes otherwise.
    Returns:
        word_ids int32 [B, T] and word_len int32 [B]; no gradient flows back through them.
    """

    def write(method: str) -> tuple[tf.Tensor, tf.Tensor]:
        written = generate.write(decoder, replace(decoding, method=method), image_context, draws.seed_for("writing"))
        return tf.stop_gradient(written.word_ids), tf.stop_gradient(written.word_len)

    even = tf.equal(draws.update[0] % 2, 0)
    return tf.cond(even, lambda: write("greedy"), lambda: write("sample"))


# ---- the words that should follow ----


class NextWords(NamedTuple):
    """The words that should follow those that were read: N of them in all reports, packed.

    Where a GPU computes N is B * T, and the places without a word have the weight 0: to pack them, the host would have
    to wait for their number at each update.
    """

    logits: tf.Tensor  # [N, V]
    targets: tf.Tensor  # int32 [N]
    rows: tf.Tensor  # int64 [N], the report of each word
    counts: tf.Tensor  # float32 [B], how many words of N each report has
    weights: tf.Tensor | None  # float32 [N], what each word counts in L_R; None: all count the same


def next_words(config: Config, decoder: Decoder, read, words_in, word_ids, word_len, weights=None) -> NextWords:
    """For each word that was read, the logits of the next word and what it should be: a true word, or <END>.

    A report that was cut at `max_words` has no <END>. A whole one of `max_words` words has <END> in `word_ids`, behind
    the words that count. An empty report, which is one that is not known, has no words.

    Args:
        read: The states `h` [B, T, H] and the attention `a` [B, T, D, D] after the words `words_in`, int32 [B, T].
        word_ids: int32 [B, T], the true words. word_len: int32 [B], how many of T count.
        weights: float32 [B, T], what the word that follows each of T counts in L_R; None: all count the same.
    """
    T = tf.shape(word_ids)[1]
    behind = tf.gather(tf.pad(word_ids, [[0, 0], [0, 1]], constant_values=PAD), word_len, batch_dims=1)
    cut = (word_len > config.max_words) & tf.not_equal(behind, END)
    ends = tf.where(cut, word_len - 1, word_len)
    counts = tf.where(word_len > 1, ends, 0)
    mask = tf.sequence_mask(counts, T)
    following = tf.pad(word_ids[:, 1:], [[0, 0], [0, 1]], constant_values=PAD)
    following = tf.where(tf.range(T)[None] < word_len[:, None] - 1, following, END)
    pack = _flat if way.whole() else partial(tf.boolean_mask, mask=mask)
    if way.whole():
        weights = tf.cast(mask, tf.float32) if weights is None else tf.where(mask, weights, 0.0)
    rows = pack(tf.broadcast_to(tf.range(tf.shape(mask, tf.int64)[0])[:, None], tf.shape(mask)))
    logits = _word_logits(decoder, read, words_in, pack)
    weights = None if weights is None else pack(weights)
    return NextWords(logits, pack(following), rows, tf.cast(counts, tf.float32), weights)


def _flat(array: tf.Tensor) -> tf.Tensor:
    """[B, T, ...] -> [B * T, ...]."""
    return tf.reshape(array, [-1, *array.shape[2:]])


def _word_logits(decoder: Decoder, read, words_in: tf.Tensor, pack: Callable) -> tf.Tensor:
    """Logits [N, V] of the next word after the steps that `pack` leaves of arrays [B, T, ...]."""
    z = decoder.contexts(read.a, read.h)
    z = None if z is None else pack(z)
    return decoder.word_logits(pack(read.h), pack(words_in), z)
