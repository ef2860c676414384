"""Writing a report, inside the graph: greedy, beam search, and sampling.

Step t reads word t (step 0 reads <START>) into the state h_t and chooses word t + 1 from p(w | h_t). A report of n
words thus has n + 1 states, as when it is read, and the attention maps come from these. A report ends with <END>, which
is not one of its words, or at `max_words`. <PAD>, <START> and <OOV> are never written.
Axes: B batch, T words, W beam width, L locations, H LSTM units, V vocabulary.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tienet.data.text import END, PAD, START
from tienet.modeling.decoder import Decoder, ImageContext
from tienet.modeling.decoding import ALONE, Decoding
from tienet.modeling.lstm import way
from tienet.modeling.lstm.attention import Locations, locations
from tienet.modeling.lstm.groups import in_groups, number_of_groups
from tienet.modeling.lstm.xla import compiled
from tienet.modeling.word_choice import NEVER, column, draw, forbidden, likeliest, repeated, with_late_impression
from tienet.modeling.word_loop import turns_until

Choose = Callable[..., tf.Tensor]
"""`choose(t, scores [R, V], *by_row)` gives word t + 1 of each report, int32 [R]."""


class Written(NamedTuple):
    """Reports that were written, in the form in which `Decoder.read` takes and gives them."""

    word_ids: tf.Tensor  # int32 [B, T], <START> w_1 ... w_n, then <PAD>
    word_len: tf.Tensor  # int32 [B], n + 1
    log_probability: tf.Tensor  # float32 [B], of the words, and of <END> if it came before `max_words`
    h: tf.Tensor  # float32 [B, T, H], 0 on padding
    a: tf.Tensor  # float32 [B, T, D, D], 0 on padding

    @property
    def mask(self) -> tf.Tensor:
        """bool [B, T], True for <START> and the words."""
        return tf.sequence_mask(self.word_len, tf.shape(self.word_ids)[1])


def write(
    decoder: Decoder, decoding: Decoding, image_context: ImageContext | None = None, seed: tf.Tensor | None = None
) -> Written:
    """Write a report for each image.

    Args:
        image_context: The images; None: `decoder.image_context`, all of the batch.
        seed: int [2], the seed of sampling; None: (decoding.seed, 0).
    """
    assert decoding.method in ALONE, f"{decoding.method}: only its candidates are written in the graph"
    decoding = decoding.completed(decoder.config)
    image_context, max_words = image_context or decoder.image_context, decoding.max_words
    if decoding.method == "beam":
        return _in_groups(decoder, image_context, max_words, partial(_search_beams, decoder, decoding))
    loop = partial(write_word_by_word, decoder, max_words, no_repeat=decoding.no_repeat)
    if decoding.method == "greedy":
        return _in_groups(decoder, image_context, max_words, partial(loop, partial(_likeliest_word, decoding)))
    seed = tf.constant([decoding.seed, 0], tf.int64) if seed is None else seed
    draws = tf.random.stateless_uniform([tf.shape(image_context.h_0)[0], max_words + 1], seed)

    def draw_word(t, scores, u):
        return draw(scores / decoding.temperature, column(u, t))

    return _in_groups(decoder, image_context, max_words, partial(loop, draw_word), draws)


def _likeliest_word(decoding: Decoding, t: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    return likeliest(with_late_impression(t, scores, decoding))


def draw_words(logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw one word after each state from softmax(logits): logits [N, V], seed int [2] -> int32 [N]."""
    return draw(logits + forbidden(logits), tf.random.stateless_uniform(tf.shape(logits)[:1], seed))


def force(
    decoder: Decoder, word_ids: tf.Tensor, word_len: tf.Tensor, max_words: int | tf.Tensor | None = None
) -> Written:
    """Run the loop of writing with the words given instead of chosen: int32 [B, T], of which word_len [B] count.

    Args:
        max_words: The length at which a report was cut, so that no <END> is expected; None: every report ended.
    """
    T = tf.shape(word_ids)[1]
    max_words = T if max_words is None else max_words
    following = tf.pad(word_ids[:, 1:], [[0, 0], [0, 1]], constant_values=PAD)
    following = tf.where(tf.sequence_mask(word_len - 1, T), following, END)
    given = partial(write_word_by_word, decoder, max_words, lambda t, _, following: column(following, t))
    return _in_groups(decoder, decoder.image_context, max_words, given, following)


# ---- groups of images ----


class WrittenSteps(NamedTuple):
    """The reports of a group as its loop writes them, with <PAD> and 0 after the end of each."""

    word_ids: tf.Tensor  # int32 [T, B]
    h: tf.Tensor  # [T, B, H]
    a: tf.Tensor  # [T, B, L]
    log_probability: tf.Tensor  # [B]

    def rows(self, length: int | tf.Tensor) -> "WrittenSteps":
        """The same with B as the first axis and then `length` steps, at least as many as the reports have."""
        return WrittenSteps(*(_rows(array, length) for array in self[:3]), self.log_probability)


def _rows(array: tf.Tensor, length: int | tf.Tensor) -> tf.Tensor:
    """An array [T, B, ...] as [B, length, ...], cut or filled up with 0."""
    array = array[:length]
    rest = [[0, 0] for _ in array.shape]
    rest[0][1] = length - tf.shape(array)[0]
    return tf.transpose(tf.pad(array, rest), [1, 0, *range(2, array.shape.rank)])


def _in_groups(
    decoder: Decoder, image_context: ImageContext, max_words: int | tf.Tensor, loop: Callable, *by_row
) -> Written:
    """Write the reports of each group of images with `loop`; a group ends when all of its own reports have ended.

    Args:
        loop: Called as `loop(images, h_0, c_0, *by_row)`, it gives the group's `WrittenSteps`.
        by_row: What else the loop takes of each image, [B, ...].
    """
    H, L = image_context.h_0.shape[1], image_context.x.shape[1]
    images = locations(image_context.x, image_context.u)

    def write_group(*arrays) -> WrittenSteps:
        return loop(*arrays).rows(max_words + 1)  # groups are joined along B

    BT = [None, None]
    specs = WrittenSteps(
        tf.TensorSpec(BT, tf.int32), tf.TensorSpec([*BT, H]), tf.TensorSpec([*BT, L]), tf.TensorSpec([None])
    )
    # A word takes many small operations, so the groups are as large as can be.
    n = number_of_groups(tf.shape(image_context.h_0)[0])
    arrays = (images, image_context.h_0, image_context.c_0, *by_row)
    word_ids, h, a, log_probability = in_groups(write_group, arrays, specs, n)
    word_len = tf.reduce_sum(tf.cast(tf.not_equal(word_ids, PAD), tf.int32), 1)
    T = tf.reduce_max(word_len)
    return Written(word_ids[:, :T], word_len, log_probability, h[:, :T], decoder.on_grid(a[:, :T]))


# ---- one report per image ----


class _Reports(NamedTuple):
    """The reports of all rows, before a word of each is read."""

    word: tf.Tensor  # int32 [R], the last word, which is not read yet
    h: tf.Tensor  # [R, H]
    c: tf.Tensor  # [R, H]
    done: tf.Tensor  # bool [R]
    log_probability: tf.Tensor  # [R]
    history: tf.Tensor  # int32 [R, n - 1 + M], as in `word_choice.repeated`; no column where sequences may come again


def write_word_by_word(
    decoder: Decoder,
    max_words: int | tf.Tensor,
    choose: Choose,
    images: Locations,
    h_0: tf.Tensor,
    c_0: tf.Tensor,
    *by_row,
    no_repeat: int = 0,
    beams: int = 1,
) -> WrittenSteps:
    """The loop of greedy decoding and sampling.

    Args:
        choose: Chooses the next words; `by_row` is what it takes of each image or report.
        no_repeat: As in `Decoding`.
        beams: W, how many reports of each image are written; h_0, c_0 and the result then have a row for each report,
            in which those of an image stand beside each other.
    """
    R, H, L = tf.shape(h_0)[0], h_0.shape[1], images.x.shape[1]

    def turn(t, reports: _Reports):
        word, h, c, done, log_probability, history = reports
        result = decoder.step(images, word, h, c, beams)
        logits = decoder.word_logits(result.h, word, result.z)
        scores = logits + forbidden(logits)
        if no_repeat:
            history = tf.where(tf.equal(tf.range(tf.shape(history)[1]), no_repeat - 1 + t), word[:, None], history)
            scores += repeated(history, t, no_repeat, logits.shape[1])
        full = t >= max_words
        following = tf.where(full, END, choose(t, scores, *by_row))
        gain = tf.gather(tf.nn.log_softmax(logits), following, batch_dims=1)
        log_probability += tf.where(done | full, 0.0, gain)
        written = (
            tf.where(done, PAD, word),
            tf.where(done[:, None], 0.0, result.h),
            tf.where(done[:, None], 0.0, result.a),
        )
        done |= tf.equal(following, END)
        return _Reports(following, result.h, result.c, done, log_probability, history), written

    history = tf.fill([R, no_repeat - 1 + max_words + 1 if no_repeat else 0], PAD)
    reports = _Reports(tf.fill([R], START), h_0, c_0, tf.fill([R], False), tf.zeros([R]), history)
    kept = (tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, H]), tf.TensorSpec([None, L]))
    reports, written = turns_until(lambda reports: tf.reduce_all(reports.done), turn, reports, kept)
    return WrittenSteps(*written, reports.log_probability)


# ---- beam search ----


class _Beams(NamedTuple):
    """The beams of all images; an image's best beam is its first one."""

    word: tf.Tensor  # int32 [B, W], the last word, which is not read yet; <PAD> once the report has ended
    h: tf.Tensor  # [B * W, H]
    c: tf.Tensor  # [B * W, H]
    log_probability: tf.Tensor  # [B, W]
    length: tf.Tensor  # float32 [B, W], the number of words, <END> counted
    done: tf.Tensor  # bool [B, W]


def _search_beams(decoder: Decoder, decoding: Decoding, images: Locations, h_0, c_0) -> WrittenSteps:
    """Beam search. An image is finished when its best beam has ended, or at `max_words`.

    The beams of an image share its locations. The loop keeps the states of every beam and step, and which beam each
    came from. At the end the states of the best report are picked.
    """
    W, B = decoding.width, tf.shape(h_0)[0]
    rows = tf.range(B)[:, None] * W

    def turn(t, beams: _Beams):
        read = tf.reshape(beams.word, [-1])
        result = decoder.step(images, read, beams.h, beams.c, W)
        logits = decoder.word_logits(result.h, read, result.z)
        parent, beams_after = _extend(beams, logits, decoding, t >= decoding.max_words)
        finished = beams.done[:, :1]  # the order of a finished image's beams must not change any more
        parent = tf.where(finished, tf.range(W)[None], parent)
        came_from = tf.reshape(rows + parent, [-1])
        kept = [
            tf.where(finished, old, new) for old, new in zip(_scores_of(beams), _scores_of(beams_after), strict=True)
        ]
        after = _Beams(kept[0], tf.gather(result.h, came_from), tf.gather(result.c, came_from), *kept[1:])
        return after, (read, result.h, result.a, parent)

    H, L = h_0.shape[1], images.x.shape[1]
    kept = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, H]), tf.TensorSpec([None, L])]
    # There is one beam at the start, not W equal ones.
    first = tf.repeat(tf.constant([[0.0] + [NEVER] * (W - 1)]), B, axis=0)
    none = tf.fill([B, W], False)
    h_0, c_0 = (tf.repeat(state, W, axis=0) for state in (h_0, c_0))
    beams = _Beams(tf.fill([B, W], START), h_0, c_0, first, tf.zeros([B, W]), none)
    ended, kept = (lambda beams: tf.reduce_all(beams.done[:, 0])), (*kept, tf.TensorSpec([None, W], tf.int32))
    beams, (words, h, a, parents) = turns_until(ended, turn, beams, kept)
    beam = rows[:, 0] + (compiled(_path) if way.whole() else _path)(parents)  # [T, B], rows of B * W
    words, h, a = (tf.gather(stack, beam, batch_dims=1) for stack in (words, h, a))
    mask = tf.not_equal(words, PAD)[..., None]
    return WrittenSteps(words, tf.where(mask, h, 0.0), tf.where(mask, a, 0.0), beams.log_probability[:, 0])


def _scores_of(beams: _Beams) -> tuple[tf.Tensor, ...]:
    return beams.word, beams.log_probability, beams.length, beams.done


def _extend(beams: _Beams, logits: tf.Tensor, decoding: Decoding, full: tf.Tensor) -> tuple[tf.Tensor, _Beams]:
    """The W best continuations of each image's beams.

    Args:
        logits: [B * W, V], of the next word after each beam.
        full: bool [], whether the reports have `max_words` words.
    Returns:
        The beam that each continuation came from, int32 [B, W], and the continued beams; their h and c are still those
        of `beams`.
    """
    W, V = decoding.width, logits.shape[-1]
    gains = tf.reshape(tf.nn.log_softmax(logits) + forbidden(logits), [-1, W, V])
    only_end = tf.one_hot(END, V, on_value=0.0, off_value=NEVER)
    gains = tf.where(full, only_end, gains)  # a full report ends here, which costs nothing
    only_pad = tf.one_hot(PAD, V, on_value=0.0, off_value=NEVER)
    gains = tf.where(beams.done[..., None], only_pad, gains)
    totals = beams.log_probability[..., None] + gains
    length = beams.length + tf.where(beams.done | full, 0.0, 1.0)
    normed = totals / tf.maximum(length, 1.0)[..., None] ** decoding.length_norm
    _, chosen = tf.math.top_k(tf.reshape(normed, [-1, W * V]), W)
    parent, word = chosen // V, chosen % V
    done = tf.gather(beams.done, parent, batch_dims=1)
    return parent, _Beams(
        word=tf.where(tf.equal(word, END), PAD, word),
        h=beams.h,
        c=beams.c,
        log_probability=tf.gather(tf.reshape(totals, [-1, W * V]), chosen, batch_dims=1),
        length=tf.gather(length, parent, batch_dims=1),
        done=done | tf.equal(word, END),
    )


def _path(parents: tf.Tensor) -> tf.Tensor:
    """The beam in which the best report stood at each step, int32 [T, B].

    Args:
        parents: int32 [T, B, W], which beam each beam came from.
    """
    T = tf.shape(parents)[0]
    path = tf.TensorArray(tf.int32, T, element_shape=[None])

    def body(t, beam, path):
        beam = tf.gather(parents[t], beam, batch_dims=1)
        return t - 1, beam, path.write(t, beam)

    state = (T - 1, tf.zeros_like(parents[0, :, 0]), path)
    *_, path = tf.while_loop(lambda t, *_: t >= 0, body, state, back_prop=False)
    return path.stack()
