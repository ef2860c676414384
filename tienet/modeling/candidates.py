"""Several reports of each image in one batch, of which one is chosen outside of the graph: greedy and samples.

What is drawn for an image depends on the image and the seed alone: not on the images beside it, nor on their order, so
that an image has the same candidates wherever it is judged, explained or shown.
Axes: B batch, W candidates of an image, T words, V vocabulary.
"""

from typing import NamedTuple

import tensorflow as tf

from tienet.data.text import PAD
from tienet.modeling.decoder import Decoder
from tienet.modeling.decoding import Decoding
from tienet.modeling.generate import write_word_by_word
from tienet.modeling.lstm.attention import locations
from tienet.modeling.lstm.groups import in_groups, number_of_groups
from tienet.modeling.word_choice import column, draw, likeliest, with_late_impression

_MAX_REPORTS = 256  # of a group: the attention of all its reports is in memory at the same time
_KEY_BITS, _WEIGHT_BITS, _FLOAT_BITS = 31, 20, 24


class Candidates(NamedTuple):
    """The candidates of each image, the greedy report first."""

    word_ids: tf.Tensor  # int32 [B, W, T], <START> w_1 ... w_n, then <PAD>
    word_len: tf.Tensor  # int32 [B, W], n + 1
    log_probability: tf.Tensor  # float32 [B, W], as in `generate.Written`


def write_candidates(decoder: Decoder, decoding: Decoding, keys: tf.Tensor) -> Candidates:
    """Write `decoding.candidates` reports for each image.

    Args:
        keys: int64 [B], `image_keys` of the images.
    """
    decoding = decoding.completed(decoder.config)
    W, max_words = decoding.candidates, decoding.max_words
    x, u, h_0, c_0 = decoder.image_context
    draws = uniform_draws(keys, decoding.seed, W, max_words + 1)

    def choose(t, scores, draws):
        scores = with_late_impression(t, scores, decoding)  # below temperature 1 the findings of samples end early, too
        drawn = draw(scores / decoding.temperature, tf.reshape(column(draws, t), [-1]))
        is_greedy = tf.equal(tf.range(tf.shape(scores)[0]) % W, 0)
        return tf.where(is_greedy, likeliest(scores), drawn)

    def write_group(images, h_0, c_0, draws) -> tuple[tf.Tensor, tf.Tensor]:
        states = (tf.repeat(state, W, axis=0) for state in (h_0, c_0))
        steps = write_word_by_word(
            decoder, max_words, choose, images, *states, draws, no_repeat=decoding.no_repeat, beams=W
        )
        steps = steps.rows(max_words + 1)  # groups are joined along B
        return tf.reshape(steps.word_ids, [-1, W, max_words + 1]), tf.reshape(steps.log_probability, [-1, W])

    specs = tf.TensorSpec([None, W, max_words + 1], tf.int32), tf.TensorSpec([None, W])
    n = number_of_groups(tf.shape(h_0)[0], max(_MAX_REPORTS // W, 1))
    word_ids, log_probability = in_groups(write_group, (locations(x, u), h_0, c_0, draws), specs, n)
    word_len = tf.reduce_sum(tf.cast(tf.not_equal(word_ids, PAD), tf.int32), -1)
    return Candidates(word_ids[..., : tf.reduce_max(word_len)], word_len, log_probability)


def image_keys(images: tf.Tensor) -> tf.Tensor:
    """A number for each image, int64 [B] in 0 to 2^31 - 1, that depends on each of its values.

    Args:
        images: uint8 or float16 [B, ...]. Equal images have equal keys, as these are computed without rounding.
    """
    bits = images if images.dtype == tf.uint8 else tf.bitcast(images, tf.uint16)
    bits = tf.cast(tf.reshape(bits, [tf.shape(images)[0], -1]), tf.int64)
    weights = (tf.range(tf.shape(bits, tf.int64)[1]) * 0x9E3779B1 + 1) % 2**_WEIGHT_BITS
    return tf.reduce_sum(bits * weights, -1) % 2**_KEY_BITS


def uniform_draws(keys: tf.Tensor, seed: int, W: int, T: int) -> tf.Tensor:
    """float32 [B, W, T] in [0, 1): independent in an image, and in pairs of images with different keys.

    It is the multiplicative hash u = (m key + c mod 2^31) / 2^31 with m and c drawn anew for each place [W, T].
    """
    limits = tf.constant([0, 2**_KEY_BITS], tf.int64)
    m, c = tf.unstack(tf.random.stateless_uniform([2, W, T], [seed, 1], *tf.unstack(limits), tf.int64))
    hashed = (keys[:, None, None] * m + c) % 2**_KEY_BITS
    leading = hashed // 2 ** (_KEY_BITS - _FLOAT_BITS)  # as many bits as float32 has, so that none becomes 1
    return tf.cast(leading, tf.float32) / 2**_FLOAT_BITS
