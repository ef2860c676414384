"""Writing a report, inside the graph: greedy, beam search, and sampling.

Step t reads word t (step 0 reads <START>) into the state h_t and chooses word t + 1 from p(w | h_t). A report of n
words thus has n + 1 states, as when it is read, and H, G and a come from these. It ends with <END>, which is not among
its words, or at `max_words`. <PAD>, <START> and <OOV> are never written.
Axes: B batch, T words, W beam width, L locations, H LSTM units, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tienet.data.text import END, OOV, PAD, START
from tienet.errors import InputError
from tienet.modeling.decoder import Decoder, ImageContext
from tienet.modeling.lstm.attention import Locations, locations
from tienet.modeling.lstm.groups import in_groups, number_of_groups
from tienet.modeling.lstm.step_arrays import swap_axes

METHODS = ("greedy", "beam", "sample")
_NEVER = -1e30  # a score that no word with it is chosen


@dataclass(frozen=True)
class Decoding:
    """How a report is written.

    Attributes:
        method: greedy, beam or sample.
        max_words: most words of a report.
        width: of the beam.
        length_norm: a beam's log-probability is divided by (its length, <END> counted) ** length_norm; 0: not at all.
        temperature: of sampling; below 1 likely words become likelier.
        seed: of sampling.
    """

    method: str = "greedy"
    max_words: int = 100
    width: int = 3
    length_norm: float = 1.0
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"decoding {self.method!r} is not known; choose one of {', '.join(METHODS)}")
        for name in ("max_words", "width"):
            if getattr(self, name) < 1:
                raise InputError(f"decoding: {name} is {getattr(self, name)}, expected 1 or more")
        if not 0 <= self.length_norm < float("inf"):
            raise InputError(f"decoding: length_norm is {self.length_norm}, expected 0 or more")
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"decoding: temperature is {self.temperature}, expected a number above 0")


class Written(NamedTuple):
    """Reports that were written, in the form in which they are read."""

    word_ids: tf.Tensor  # int32 [B, T], <START> w_1 ... w_n, then <PAD>
    word_len: tf.Tensor  # int32 [B], n + 1
    log_probability: tf.Tensor  # float32 [B], of the words and of <END>, if it came before `max_words`
    h: tf.Tensor  # float32 [B, T, H]; 0 on padding, as is a
    a: tf.Tensor  # float32 [B, T, D, D]

    @property
    def mask(self) -> tf.Tensor:
        """bool [B, T], True for <START> and the words."""
        return tf.sequence_mask(self.word_len, tf.shape(self.word_ids)[1])


def write(
    decoder: Decoder, decoding: Decoding, picture: ImageContext | None = None, seed: tf.Tensor | None = None
) -> Written:
    """Write a report for each image.

    Args:
        picture: the images; default: `decoder.picture`.
        seed: int [2], of sampling; default: (decoding.seed, 0).
    """
    picture, most = picture or decoder.picture, decoding.max_words
    if decoding.method == "beam":
        return _in_groups(decoder, picture, most, partial(_beam, decoder, decoding))
    if decoding.method == "greedy":
        choose = partial(_one_by_one, decoder, most, lambda t, scores: tf.argmax(scores, -1, tf.int32))
        return _in_groups(decoder, picture, most, choose)
    seed = tf.constant([decoding.seed, 0], tf.int64) if seed is None else seed
    draws = tf.random.stateless_uniform([tf.shape(picture.h_0)[0], most + 1], seed)
    draw = partial(_one_by_one, decoder, most, lambda t, scores, u: _draw(scores / decoding.temperature, u[:, t]))
    return _in_groups(decoder, picture, most, draw, draws)


def draw_words(logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One word after each state, drawn from p: logits [N, V] -> int32 [N]. `seed`: int [2]."""
    return _draw(logits + _forbidden(logits), tf.random.stateless_uniform(tf.shape(logits)[:1], seed))


def _draw(scores: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """The word w with P(words before w) <= u < P(words up to w), int32 [B], for scores [B, V] and u [B] in [0, 1)."""
    sums = tf.cumsum(tf.nn.softmax(scores), axis=-1)
    before = tf.cast(sums <= u[:, None] * sums[:, -1:], tf.int32)
    return tf.minimum(tf.reduce_sum(before, -1), scores.shape[-1] - 1)


def forced(decoder: Decoder, word_ids: tf.Tensor, word_len: tf.Tensor) -> Written:
    """The same loop with the words given, int32 [B, T] of which [B] count: it chooses nothing."""
    T = tf.shape(word_ids)[1]
    following = tf.pad(word_ids[:, 1:], [[0, 0], [0, 1]], constant_values=PAD)
    following = tf.where(tf.sequence_mask(word_len - 1, T), following, END)
    given = partial(_one_by_one, decoder, T, lambda t, _, following: following[:, t])
    return _in_groups(decoder, decoder.picture, T, given, following)


# ---- the images, in groups ----


class _Steps(NamedTuple):
    """Reports of a group as its loop writes them, T first (joined: B first); <PAD> and 0 after each one's end."""

    word_ids: tf.Tensor  # int32 [T, B]
    h: tf.Tensor  # [T, B, H]
    a: tf.Tensor  # [T, B, L]
    log_probability: tf.Tensor  # [B]


def _in_groups(decoder: Decoder, picture: ImageContext, max_words: int | tf.Tensor, loop: Callable, *by_row) -> Written:
    """Each group ends by itself: `loop(images, h_0, c_0, *by_row)` gives its `_Steps`; `by_row` are [B, ...]."""
    H, L = picture.h_0.shape[1], picture.x.shape[1]
    images = locations(picture.x, picture.u)

    def write_group(*arrays) -> _Steps:
        steps = loop(*arrays)
        rest = max_words + 1 - tf.shape(steps.word_ids)[0]  # groups are joined along B
        h, a = (swap_axes(tf.pad(stack, [[0, rest], [0, 0], [0, 0]])) for stack in (steps.h, steps.a))
        return _Steps(tf.transpose(tf.pad(steps.word_ids, [[0, rest], [0, 0]])), h, a, steps.log_probability)

    two = [None, None]
    specs = _Steps(
        tf.TensorSpec(two, tf.int32), tf.TensorSpec([*two, H]), tf.TensorSpec([*two, L]), tf.TensorSpec([None])
    )
    n = number_of_groups(tf.shape(picture.h_0)[0])  # a word takes many small operations: groups as large as can be
    arrays = (images, picture.h_0, picture.c_0, *by_row)
    word_ids, h, a, log_probability = in_groups(write_group, arrays, specs, n)
    word_len = tf.reduce_sum(tf.cast(tf.not_equal(word_ids, PAD), tf.int32), 1)
    T = tf.reduce_max(word_len)
    return Written(word_ids[:, :T], word_len, log_probability, h[:, :T], decoder.on_grid(a[:, :T]))


# ---- one report per image ----


def _one_by_one(
    decoder: Decoder, max_words: int | tf.Tensor, choose: Callable, images: Locations, h_0, c_0, *by_row
) -> _Steps:
    """The loop of greedy decoding and sampling; `choose(t, scores [B, V], *by_row)` gives word t + 1, int32 [B]."""
    B, H, L = tf.shape(h_0)[0], h_0.shape[1], images.x.shape[1]

    def body(t, word, h, c, done, log_probability, stacks):
        result = decoder.step(images, word, h, c)
        logits = decoder.word_logits(result.h, word, result.z)
        full = tf.equal(t, max_words)
        following = tf.where(full, END, choose(t, logits + _forbidden(logits), *by_row))
        gain = tf.gather(tf.nn.log_softmax(logits), following, batch_dims=1)
        log_probability += tf.where(done | full, 0.0, gain)
        stacks = [
            stacks[0].write(t, tf.where(done, PAD, word)),
            stacks[1].write(t, tf.where(done[:, None], 0.0, result.h)),
            stacks[2].write(t, tf.where(done[:, None], 0.0, result.a)),
        ]
        return t + 1, following, result.h, result.c, done | tf.equal(following, END), log_probability, stacks

    stacks = [
        tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=shape)
        for dtype, shape in ((tf.int32, [None]), (tf.float32, [None, H]), (tf.float32, [None, L]))
    ]
    state = (0, tf.fill([B], START), h_0, c_0, tf.fill([B], False), tf.zeros([B]), stacks)
    *_, log_probability, stacks = tf.while_loop(
        lambda t, word, h, c, done, *_: ~tf.reduce_all(done), body, state, back_prop=False
    )
    return _Steps(*(stack.stack() for stack in stacks), log_probability)


def _forbidden(logits: tf.Tensor) -> tf.Tensor:
    """[V]: 0, and a score below all others for the words that are never written."""
    never = tf.constant([PAD, START, OOV])[:, None]
    return tf.scatter_nd(never, tf.fill([3], _NEVER), tf.shape(logits)[-1:])


# ---- beam search ----


class _Beams(NamedTuple):
    """The beams of all images; the best first."""

    word: tf.Tensor  # int32 [B, W], the last word, not read yet; <PAD> once the report has ended
    h: tf.Tensor  # [B * W, H]
    c: tf.Tensor  # [B * W, H]
    log_probability: tf.Tensor  # [B, W]
    length: tf.Tensor  # float32 [B, W], words and <END>
    done: tf.Tensor  # bool [B, W]


def _beam(decoder: Decoder, decoding: Decoding, images: Locations, h_0, c_0) -> _Steps:
    """Beam search. An image is finished when its best beam has ended, or at `max_words`.

    The beams of an image share its locations. The states are kept by beam and step with the beam that each came from;
    the best report's are picked at the end.
    """
    W, B = decoding.width, tf.shape(h_0)[0]
    rows = tf.range(B)[:, None] * W

    def body(t, beams: _Beams, stacks):
        read = tf.reshape(beams.word, [-1])
        result = decoder.step(images, read, beams.h, beams.c, W)
        logits = decoder.word_logits(result.h, read, result.z)
        parent, beams_after = _best(beams, logits, decoding, tf.equal(t, decoding.max_words))
        finished = beams.done[:, :1]  # its order must not change any more
        parent = tf.where(finished, tf.range(W)[None], parent)
        came_from = tf.reshape(rows + parent, [-1])
        kept = [
            tf.where(finished, old, new) for old, new in zip(_scores_of(beams), _scores_of(beams_after), strict=True)
        ]
        after = _Beams(kept[0], tf.gather(result.h, came_from), tf.gather(result.c, came_from), *kept[1:])
        stacks = [stack.write(t, part) for stack, part in zip(stacks, (read, result.h, result.a, parent), strict=True)]
        return t + 1, after, stacks

    H, L = h_0.shape[1], images.x.shape[1]
    shapes = ((tf.int32, [None]), (tf.float32, [None, H]), (tf.float32, [None, L]), (tf.int32, [None, W]))
    stacks = [tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=shape) for dtype, shape in shapes]
    first = tf.repeat(tf.constant([[0.0] + [_NEVER] * (W - 1)]), B, axis=0)  # one beam at the start, not W equal ones
    none = tf.fill([B, W], False)
    h_0, c_0 = (tf.repeat(state, W, axis=0) for state in (h_0, c_0))
    beams = _Beams(tf.fill([B, W], START), h_0, c_0, first, tf.zeros([B, W]), none)
    T, beams, stacks = tf.while_loop(
        lambda t, beams, _: ~tf.reduce_all(beams.done[:, 0]),
        body,
        (0, beams, stacks),
        back_prop=False,
    )
    words, h, a, parents = (stack.stack() for stack in stacks)
    beam = rows[:, 0] + _path(parents, T)  # [T, B], rows of B * W
    words, h, a = (tf.gather(stack, beam, batch_dims=1) for stack in (words, h, a))
    there = tf.not_equal(words, PAD)[..., None]
    return _Steps(words, tf.where(there, h, 0.0), tf.where(there, a, 0.0), beams.log_probability[:, 0])


def _scores_of(beams: _Beams) -> tuple[tf.Tensor, ...]:
    return beams.word, beams.log_probability, beams.length, beams.done


def _best(beams: _Beams, logits: tf.Tensor, decoding: Decoding, full: tf.Tensor) -> tuple[tf.Tensor, _Beams]:
    """The W best continuations of an image's beams: where each came from, int32 [B, W], and the beams without h, c."""
    W, V = decoding.width, logits.shape[-1]
    gains = tf.reshape(tf.nn.log_softmax(logits) + _forbidden(logits), [-1, W, V])
    only_end = tf.one_hot(END, V, on_value=0.0, off_value=_NEVER)
    gains = tf.where(full, only_end, gains)  # no room: it ends here, which costs nothing
    only_pad = tf.one_hot(PAD, V, on_value=0.0, off_value=_NEVER)
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


def _path(parents: tf.Tensor, T: tf.Tensor) -> tf.Tensor:
    """int32 [T, B, W], which beam each came from -> int32 [T, B], the beam of the best report at each step."""
    path = tf.TensorArray(tf.int32, T, element_shape=[None])

    def body(t, beam, path):
        beam = tf.gather(parents[t], beam, batch_dims=1)
        return t - 1, beam, path.write(t, beam)

    state = (T - 1, tf.zeros_like(parents[0, :, 0]), path)
    *_, path = tf.while_loop(lambda t, *_: t >= 0, body, state, back_prop=False)
    return path.stack()
