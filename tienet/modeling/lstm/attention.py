"""Soft attention over the locations: one step, its gradient, and the sums of the scores' gradient over all steps.

    e = v . tanh(u + query)        scores of the locations, [B, L]; u [B, L, A] of the image, query [B, A] of the step
    a = softmax(e)                 [B, L]
    z = sum_l a[l] x[l]            [B, C]

It is computed as tanh(u + query) = 1 - 2 r with r = sigm(-2 (u + query)) = 1 / (1 + e^{2u} e^{2 query}): on a CPU the
exponential of u is computed once per image, and a step costs a division where it would cost a tanh. A GPU waits for
memory and not for exponentials, so that it takes u itself. The tanh's derivative, 1 - tanh^2, is 4 (r - r^2).

Axes: B batch, L locations, A attention units, C channels, T steps.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tienet.modeling.lstm import way
from tienet.modeling.lstm.xla import compiled

MAX_PARTS, MIN_PART = 8, 64
"""A sum over the locations is the sum of at most so many parts, each of at least so many locations.

XLA is slow with smaller parts.
"""
_MAX_EXPONENT = 86.0  # e^86 is a float32, and so is e^-86


def exponential(u: tf.Tensor) -> tf.Tensor:
    """E = e^{2u}, of u or of a query; on a GPU u itself.

    On a CPU a magnitude above 43 counts as 43. The tanh of the sum is 1 to the last digit there, unless u and the query
    are both so large and of opposite signs.
    """
    if way.whole():
        return u
    return tf.exp(tf.clip_by_value(2 * u, -_MAX_EXPONENT, _MAX_EXPONENT))


class Locations(NamedTuple):
    """The locations that all steps attend to, made once for a batch of images."""

    x: tf.Tensor  # [B, L, C]
    E: tf.Tensor  # [B, L, A], `exponential` of u (on a GPU u itself)


def locations(x: tf.Tensor, u: tf.Tensor) -> Locations:
    """The `Locations` of x [B, L, C] and u [B, L, A]."""
    return Locations(x, exponential(u))


def attend(images: Locations, query: tf.Tensor, v: tf.Tensor, beams: int = 1) -> tuple[tf.Tensor, tf.Tensor]:
    """One step: query [B, A], v [A] -> a [B, L] and z [B, C].

    With W `beams` for each image query, a and z have B * W rows, in which the rows of an image stand beside each other.
    x and E are then read once for all beams of an image.
    """
    if beams == 1:
        a = tf.nn.softmax(-2 * _scores(_r(images.E, exponential(query)), v))  # the 1 of 1 - 2 r cancels
        return a, _context(a, images.x)
    r = _r(images.E[:, None], exponential(tf.reshape(query, [-1, beams, query.shape[-1]])))  # [B, W, L, A]
    a = tf.nn.softmax(-2 * _scores(r, v))
    z = tf.matmul(a, images.x)
    return tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(z, [-1, z.shape[-1]])


def attend_gradient(images: Locations, query, v, a, dz, da) -> tuple[tf.Tensor, tf.Tensor]:
    """One step backward: from the gradients of z and a to those of the scores, de [B, L], and of the query, [B, A]."""
    da += tf.reduce_sum(dz[:, None] * images.x, -1) if way.whole() else tf.einsum("bc,blc->bl", dz, images.x)
    de = a * (da - tf.reduce_sum(a * da, -1, keepdims=True))
    return de, _slopes(images.E, query, de) * (4 * v)


def _scores(r: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """r . v over the attention units, [..., L], for r [..., L, A].

    As a sum of products a GPU computes it in one pass with r; a product of matrix and vector would have r written out.
    """
    if way.whole():
        return tf.reduce_sum(r * v, -1)
    # Not matvec on four axes: uncompiled, where the second has length 1, it ends the process in oneDNN.
    return tf.linalg.matvec(r, v) if r.shape.rank == 3 else tf.tensordot(r, v, 1)


def _context(a: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """sum_l a_l x_l, [B, C].

    A CPU sums in parts, since XLA takes 25 times as long there for the product of one vector and one matrix.
    """
    if way.whole():
        return tf.reduce_sum(a[..., None] * x, 1)
    L, C, parts = *x.shape[1:], _parts(x.shape[1])
    of_parts = tf.einsum(
        "bpl,bplc->bpc", tf.reshape(a, [-1, parts, L // parts]), tf.reshape(x, [-1, parts, L // parts, C])
    )
    return tf.reduce_sum(of_parts, 1)


def _slopes(E: tf.Tensor, query: tf.Tensor, de: tf.Tensor) -> tf.Tensor:
    """sum_l de_l (r_l - r_l^2), [B, A], on a CPU in parts of the locations: its vectors then go along A."""
    parts, Q = 1 if way.whole() else _parts(E.shape[1]), exponential(query)
    total = 0.0
    for E_part, de_part in zip(tf.split(E, parts, 1), tf.split(de, parts, 1), strict=True):
        r = _r(E_part, Q)
        total += de_part[..., None] * (r - r * r)
    return tf.reduce_sum(total, 1)


def _parts(L: int) -> int:
    """The number of equal parts that L locations are divided into."""
    return max(n for n in range(1, MAX_PARTS + 1) if L % n == 0 and (n == 1 or L // n >= MIN_PART))


def _r(E: tf.Tensor, Q: tf.Tensor) -> tf.Tensor:
    """r, [..., L, A], from the `exponential`s of u and of the query."""
    if way.whole():
        return tf.sigmoid(-2 * (E + Q[..., None, :]))
    return 1 / (1 + E * Q[..., None, :])


# ---- over several steps ----


class ScoresGradient(NamedTuple):
    """Sums over the steps, from which `scores_gradient` gets the gradients of u and v."""

    r: tf.Tensor  # [B, L, A], sum_t de_t r_t
    slope: tf.Tensor  # [B, L, A], sum_t de_t (r_t - r_t^2)


def add_scores_gradient(sums: ScoresGradient, E: tf.Tensor, queries: tf.Tensor, de: tf.Tensor) -> ScoresGradient:
    """Add S more steps to the sums, from their queries [S, B, A] and de [S, B, L]; S is known in the graph."""
    return ScoresGradient(_add_r(sums.r, E, queries, de), _add_slope(sums.slope, E, queries, de))


def _adder_of(part: Callable) -> Callable:
    """A function that adds sum_t de_t part(r_t) to a total [B, L, A], which it reads and writes once."""

    @compiled
    def add(total, E, queries, de):
        for Q, de_t in zip(tf.unstack(exponential(queries)), tf.unstack(de[..., None]), strict=True):
            total += de_t * part(_r(E, Q))
        return total

    return add


_add_r = _adder_of(lambda r: r)
_add_slope = _adder_of(lambda r: r - r * r)  # XLA would compile two sums in one function into many passes


def scores_gradient(sums: ScoresGradient, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients of u [B, L, A] and v [A], from the sums over all steps."""
    return sums.slope * (4 * v), -2 * tf.reduce_sum(sums.r, [0, 1])  # the sum of de over the locations is 0
