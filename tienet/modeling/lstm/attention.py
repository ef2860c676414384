"""Soft attention over the locations: one step, its gradient, and what the scores' gradient gives over all steps.

    e = v . tanh(u + query)        scores of the locations, [B, L]; u [B, L, A] of the image, query [B, A] of the step
    a = softmax(e)                 [B, L]
    z = sum_l a[l] x[l]            [B, C]

tanh(u + query) = 1 - 2 r with r = 1 / (1 + e^{2u} e^{2 query}): the exponential of u is computed once per image, and a
step costs a division where it would cost a tanh. 1 - tanh^2 is 4 (r - r^2).

Axes: B batch, L locations, A attention units, C channels, T steps.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tienet.modeling.lstm.xla import compiled

PARTS, LEAST = 8, 64
"""Sums over the locations are of parts, at most so many, and of so many locations at least: XLA is slow with fewer."""
_MAX_EXPONENT = 86.0  # e^86 is a float32, and so is e^-86


def exponential(u: tf.Tensor) -> tf.Tensor:
    """E = e^{2u}, of u or of a query. Above 43 in magnitude u counts as 43: its tanh is 1 to the last digit, unless the
    other one is as large and of the other sign."""
    return tf.exp(tf.clip_by_value(2 * u, -_MAX_EXPONENT, _MAX_EXPONENT))


class Locations(NamedTuple):
    """What all steps attend to, made once for a batch of images."""

    x: tf.Tensor  # [B, L, C]
    E: tf.Tensor  # [B, L, A], `exponential` of u


def locations(x: tf.Tensor, u: tf.Tensor) -> Locations:
    """Of x [B, L, C] and u [B, L, A]."""
    return Locations(x, exponential(u))


def attend(images: Locations, query: tf.Tensor, v: tf.Tensor, beams: int = 1) -> tuple[tf.Tensor, tf.Tensor]:
    """One step: query [B, A], v [A] -> a [B, L] and z [B, C].

    With W `beams` for each image query, a and z have B * W rows, an image's beside each other: x and E are read once.
    """
    if beams == 1:
        a = tf.nn.softmax(-2 * tf.linalg.matvec(_r(images.E, exponential(query)), v))  # the 1 of 1 - 2 r cancels
        return a, _context(a, images.x)
    r = _r(images.E[:, None], exponential(tf.reshape(query, [-1, beams, query.shape[-1]])))  # [B, W, L, A]
    # Not matvec: uncompiled, on four axes of which the second has length 1, it ends the process in oneDNN.
    a = tf.nn.softmax(-2 * tf.tensordot(r, v, 1))
    z = tf.matmul(a, images.x)
    return tf.reshape(a, [-1, a.shape[-1]]), tf.reshape(z, [-1, z.shape[-1]])


def attend_gradient(images: Locations, query, v, a, dz, da) -> tuple[tf.Tensor, tf.Tensor]:
    """One step backward: gradients de [B, L] of the scores and [B, A] of the query, from those of z and of a."""
    da += tf.einsum("bc,blc->bl", dz, images.x)
    de = a * (da - tf.reduce_sum(a * da, -1, keepdims=True))
    return de, _slopes(images.E, query, de) * (4 * v)


def _context(a: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """sum_l a_l x_l, [B, C]; in parts, as XLA's product of one vector and one matrix takes 25 times as long."""
    L, C, parts = *x.shape[1:], _parts(x.shape[1])
    of_parts = tf.einsum(
        "bpl,bplc->bpc", tf.reshape(a, [-1, parts, L // parts]), tf.reshape(x, [-1, parts, L // parts, C])
    )
    return tf.reduce_sum(of_parts, 1)


def _slopes(E: tf.Tensor, query: tf.Tensor, de: tf.Tensor) -> tf.Tensor:
    """sum_l de_l (r_l - r_l^2), [B, A]. Parts of the locations are added up: the processor's vectors go along A."""
    parts, Q = _parts(E.shape[1]), exponential(query)
    total = 0.0
    for E_part, de_part in zip(tf.split(E, parts, 1), tf.split(de, parts, 1), strict=True):
        r = _r(E_part, Q)
        total += de_part[..., None] * (r - r * r)
    return tf.reduce_sum(total, 1)


def _parts(L: int) -> int:
    """Into how many parts of one size L locations are divided."""
    return max(n for n in range(1, PARTS + 1) if L % n == 0 and (n == 1 or L // n >= LEAST))


def _r(E: tf.Tensor, Q: tf.Tensor) -> tf.Tensor:
    """r, [..., L, A], from the `exponential`s of u and of the query."""
    return 1 / (1 + E * Q[..., None, :])


# ---- over several steps ----


class ScoresGradient(NamedTuple):
    """What the scores' gradient adds up to over the steps."""

    r: tf.Tensor  # [B, L, A], sum_t de_t r_t
    slope: tf.Tensor  # [B, L, A], sum_t de_t (r_t - r_t^2)


def add_scores_gradient(sums: ScoresGradient, E: tf.Tensor, queries: tf.Tensor, de: tf.Tensor) -> ScoresGradient:
    """With S more steps, of queries [S, B, A] and de [S, B, L]; S is known."""
    return ScoresGradient(_add_r(sums.r, E, queries, de), _add_slope(sums.slope, E, queries, de))


def _summing(part: Callable) -> Callable:
    """Adds sum_t de_t part(r_t) to a total [B, L, A], reading and writing it once."""

    @compiled
    def add(total, E, queries, de):
        for Q, de_t in zip(tf.unstack(exponential(queries)), tf.unstack(de[..., None]), strict=True):
            total += de_t * part(_r(E, Q))
        return total

    return add


_add_r = _summing(lambda r: r)
_add_slope = _summing(lambda r: r - r * r)  # two sums in one function would be compiled into many passes


def scores_gradient(sums: ScoresGradient, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """du [B, L, A] and dv [A], from the sums over all steps."""
    return sums.slope * (4 * v), -2 * tf.reduce_sum(sums.r, [0, 1])  # the sum of de over the locations is 0
