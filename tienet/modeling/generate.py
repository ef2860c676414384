"""Writing a report, inside the graph: greedy, beam search, and sampling.

Step t reads word t (step 0 reads <START>) into the state h_t and chooses word t + 1 from p(w | h_t). A report of n
words thus has n + 1 states, as when it is read, and H, G and a come from these. It ends with <END>, which is not among
its words, or at `max_words`. <PAD>, <START> and <OOV> are never written.
Axes: B batch, T words, W beam width, L locations, H LSTM units, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from tienet.data.text import END, OOV, PAD, START
from tienet.errors import InputError
from tienet.modeling.decoder import Decoder, Picture
from tienet.modeling.spatial_attention import locations

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
    decoder: Decoder, decoding: Decoding, picture: Picture | None = None, seed: tf.Tensor | None = None
) -> Written:
    """Write a report for each image.

    Args:
        picture: the images; default: `decoder.picture`.
        seed: int [2], of sampling; default: (decoding.seed, 0).
    """
    picture = picture or decoder.picture
    if decoding.method == "beam":
        return _beam(decoder, decoding, picture)
    if decoding.method == "greedy":
        return _one_by_one(decoder, picture, decoding.max_words, lambda t, scores: tf.argmax(scores, -1, tf.int32))
    seed = tf.constant([decoding.seed, 0], tf.int64) if seed is None else tf.cast(seed, tf.int64)

    def draw(t, scores):
        step_seed = tf.stack([seed[0], seed[1] * (decoding.max_words + 1) + tf.cast(t, tf.int64)])
        return _draw(scores / decoding.temperature, step_seed)

    return _one_by_one(decoder, picture, decoding.max_words, draw)


def draw_words(logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One word after each state, drawn from p: logits [N, V] -> int32 [N]. `seed`: int [2]."""
    return _draw(logits + _forbidden(logits), seed)


def _draw(scores: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.stateless_categorical(scores, 1, seed, tf.int32)[:, 0]


def forced(decoder: Decoder, word_ids: tf.Tensor, word_len: tf.Tensor) -> Written:
    """The same loop with the words given, int32 [B, T] of which [B] count: it chooses nothing."""
    T = tf.shape(word_ids)[1]
    following = tf.pad(word_ids[:, 1:], [[0, 0], [0, 1]], constant_values=PAD)
    following = tf.where(tf.sequence_mask(word_len - 1, T), following, END)
    return _one_by_one(decoder, decoder.picture, T, lambda t, _: following[:, t])


# ---- one report per image ----


def _one_by_one(decoder: Decoder, picture: Picture, max_words: int | tf.Tensor, choose: Callable) -> Written:
    """The loop of greedy decoding and sampling; `choose(t, scores [B, V])` gives word t + 1, int32 [B]."""
    B = tf.shape(picture.h_0)[0]
    images = locations(picture.x, picture.u)

    def body(t, word, h, c, done, log_probability, stacks):
        result = decoder.step(images, word, h, c)
        logits = decoder.word_logits(result.h, word, result.z)
        full = tf.equal(t, max_words)
        following = tf.where(full, END, choose(t, logits + _forbidden(logits)))
        gain = tf.gather(tf.nn.log_softmax(logits), following, batch_dims=1)
        log_probability += tf.where(done | full, 0.0, gain)
        stacks = [
            stacks[0].write(t, tf.where(done, PAD, word)),
            stacks[1].write(t, tf.where(done[:, None], 0.0, result.h)),
            stacks[2].write(t, tf.where(done[:, None], 0.0, result.a)),
        ]
        return t + 1, following, result.h, result.c, done | tf.equal(following, END), log_probability, stacks

    L, H = picture.x.shape[1], picture.h_0.shape[1]
    stacks = [
        tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=shape)
        for dtype, shape in ((tf.int32, [None]), (tf.float32, [None, H]), (tf.float32, [None, L]))
    ]
    state = (0, tf.fill([B], START), picture.h_0, picture.c_0, tf.fill([B], False), tf.zeros([B]), stacks)
    *_, log_probability, stacks = tf.while_loop(
        lambda t, word, h, c, done, *_: ~tf.reduce_all(done), body, state, back_prop=False
    )
    word_ids, h, a = (stack.stack() for stack in stacks)
    return _written(decoder, word_ids, log_probability, h, a)


def _forbidden(logits: tf.Tensor) -> tf.Tensor:
    """[V]: 0, and a score below all others for the words that are never written."""
    never = tf.constant([PAD, START, OOV])[:, None]
    return tf.scatter_nd(never, tf.fill([3], _NEVER), tf.shape(logits)[-1:])


def _written(decoder: Decoder, word_ids, log_probability, h, a) -> Written:
    """From stacks along T first; padding is where `word_ids` is <PAD>."""
    word_ids = tf.transpose(word_ids)
    word_len = tf.reduce_sum(tf.cast(tf.not_equal(word_ids, PAD), tf.int32), 1)
    a = decoder.on_grid(tf.transpose(a, [1, 0, 2]))
    return Written(word_ids, word_len, log_probability, tf.transpose(h, [1, 0, 2]), a)


# ---- beam search ----


class _Beams(NamedTuple):
    """The beams of all images; the best first."""

    word: tf.Tensor  # int32 [B, W], the last word, not read yet; <PAD> once the report has ended
    h: tf.Tensor  # [B * W, H]
    c: tf.Tensor  # [B * W, H]
    log_probability: tf.Tensor  # [B, W]
    length: tf.Tensor  # float32 [B, W], words and <END>
    done: tf.Tensor  # bool [B, W]


def _beam(decoder: Decoder, decoding: Decoding, picture: Picture) -> Written:
    """Beam search. An image is finished when its best beam has ended, or at `max_words`.

    The states are kept by beam and step with the beam that each came from; the best report's are picked at the end.
    """
    W = decoding.width
    B = tf.shape(picture.h_0)[0]
    images = locations(picture.x, picture.u)  # each for all its beams
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

    L, H = picture.x.shape[1], picture.h_0.shape[1]
    shapes = ((tf.int32, [None]), (tf.float32, [None, H]), (tf.float32, [None, L]), (tf.int32, [None, W]))
    stacks = [tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=shape) for dtype, shape in shapes]
    first = tf.repeat(tf.constant([[0.0] + [_NEVER] * (W - 1)]), B, axis=0)  # one beam at the start, not W equal ones
    none = tf.fill([B, W], False)
    h_0, c_0 = (tf.repeat(state, W, axis=0) for state in (picture.h_0, picture.c_0))
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
    return _written(decoder, words, beams.log_probability[:, 0], tf.where(there, h, 0.0), tf.where(there, a, 0.0))


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
