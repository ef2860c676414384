"""The loops over given reports as a GPU takes them: all steps forward are one compiled call, and all steps backward.

The equations are those of `loop` and `cell`, whose results these functions give but for rounding. Reports are padded
to one of a few lengths (`way.LENGTHS`), for each of which XLA compiles once: the padded steps come after the words, so
no word sees them, and no gradient comes from them.
Axes: B batch, T words, N the padded length, L locations, C channels, H LSTM units, A attention units.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from tienet.modeling.lstm import attention, cell, step
from tienet.modeling.lstm.attention import Locations, ScoresGradient
from tienet.modeling.lstm.block import LSTMState, widths_of
from tienet.modeling.lstm.step import Step, StepGradient, Weights
from tienet.modeling.lstm.step_arrays import over_steps, stacks_of, swap_axes
from tienet.modeling.lstm.way import padded
from tienet.modeling.lstm.xla import compiled

_STEPS_AT_ONCE = 8  # of the sums over all steps; each length in `way.LENGTHS` is a multiple of it


def attention_lstm(x, u, w_gates, h_0, c_0, weights: Weights) -> tuple[tf.Tensor, tf.Tensor]:
    """`loop.attention_lstm`: its arguments, its results and its gradients."""

    @tf.custom_gradient
    def run(x, u, w_gates, h_0, c_0, *tensors):
        weights, T = Weights(*tensors), tf.shape(w_gates)[1]
        images = attention.locations(x, u)
        steps = _forward(images, padded(swap_axes(w_gates), 0), LSTMState(h_0, c_0), weights)
        widths = _widths(images, h_0.shape[-1])

        def gradient(dh, da):
            return _gradients(images, weights, steps, dh, da)

        h, a = (swap_axes(_part(steps[1 : T + 1], widths, name)) for name in ("h", "a"))
        return (h, a), gradient

    return run(x, u, w_gates, h_0, c_0, *(weight for weight in weights if weight is not None))


# ---- what a step gives, as one row of an array of all steps ----


def _widths(images: Locations, H: int) -> Step:
    """The widths of a step's arrays in its row."""
    return widths_of(H, *images.x.shape[1:], images.E.shape[-1]).done


def _row(arrays: Any) -> tf.Tensor:
    """All arrays of a step beside each other, [B, ...]: a GPU writes one array sooner than six."""
    return tf.concat(tf.nest.flatten(arrays), -1)


def _parts(rows: tf.Tensor, widths: Any) -> Any:
    """The arrays that `_row` put beside each other, by their widths."""
    return tf.nest.pack_sequence_as(widths, tf.split(rows, tf.nest.flatten(widths), -1))


def _part(rows: tf.Tensor, widths: NamedTuple, name: str) -> tf.Tensor:
    """One of `_parts`, by its name; the others are not read."""
    n = widths._fields.index(name)
    start = sum(widths[:n])
    return rows[..., start : start + widths[n]]


# ---- all steps ----


@compiled
def _forward(images: Locations, w_gates: tf.Tensor, state: LSTMState, weights: Weights) -> tf.Tensor:
    """All steps, from `w_gates` [N, B, 4H] and the state before the first one.

    Returns:
        [N + 1, B, ...]: row t + 1 is the `_row` of step t, and row 0 has the state before the first step.
    """
    N = tf.shape(w_gates)[0]
    width = sum(_widths(images, state.h.shape[-1]))
    nothing = tf.zeros([tf.shape(state.h)[0], width - state.h.shape[-1] - state.c.shape[-1]])

    def body(t, state, rows):
        done = step.step(images, w_gates[t], *state, weights)
        return t + 1, LSTMState(done.h, done.c), rows.write(t + 1, _row(done))

    rows = stacks_of(N + 1, width).write(0, _row((state, nothing)))
    *_, rows = tf.while_loop(lambda t, *_: t < N, body, (0, state, rows))
    return rows.stack()


def _gradients(images: Locations, weights: Weights, steps: tf.Tensor, dh, da) -> list[tf.Tensor]:
    """The gradients of `attention_lstm`'s arguments, from `_forward`'s steps and those of h [B, T, H] and a [B, T, L].

    The products over all steps are not compiled: XLA would try its ways to compute each of them, for seconds, anew for
    each length.
    """
    (T, H), widths = (tf.shape(dh)[1], dh.shape[-1]), _widths(images, dh.shape[-1])
    of_steps, dstate, sums = _backward(images, weights, steps, *(padded(swap_axes(part), 0) for part in (dh, da)))
    h, a, z = _part(steps[:-1], widths, "h"), _part(steps[1:], widths, "a"), _part(steps[1:], widths, "z")
    du, dv = attention.scores_gradient(sums, weights.v)
    dx = tf.einsum("tbl,tbc->blc", a, of_steps.dz)
    dgates = of_steps.dproduct[..., : 4 * H]
    gradients = [dx, du, swap_axes(dgates[:T]), *dstate, over_steps(h, of_steps.dproduct), dv, over_steps(z, dgates)]
    if weights.w_beta is not None:
        gradients += [over_steps(h, of_steps.dgate)[:, 0], tf.reduce_sum(of_steps.dgate)]
    return gradients


@compiled
def _backward(
    images: Locations, weights: Weights, steps: tf.Tensor, dh, da
) -> tuple[StepGradient, LSTMState, ScoresGradient]:
    """All steps backward, from the gradients of each step's h and a, [N, B, ...].

    Returns:
        The steps' gradients, [N, B, ...]; the gradient of the state before the first step; and the sums over the steps
        from which the gradients of u and v come.
    """
    N, widths = tf.shape(dh)[0], _widths(images, dh.shape[-1])
    kept = StepGradient(weights.W_rh.shape[-1], dz=widths.z, dgate=1, de=widths.a)
    transposed = weights._replace(W_z=tf.transpose(weights.W_z), W_rh=tf.transpose(weights.W_rh))

    def body(t, dstate, rows):
        before, done = _parts(steps[t], widths), _parts(steps[t + 1], widths)
        gradient, *dstate = step.step_gradient(
            images, weights, transposed, before.h, before.c, done, dstate.h + dh[t], dstate.c, da[t]
        )
        return t - 1, LSTMState(*dstate), rows.write(t, _row(gradient))

    zero = tf.zeros_like(dh[0])
    state = (N - 1, LSTMState(zero, zero), stacks_of(N, sum(kept)))
    _, dstate, rows = tf.while_loop(lambda t, *_: t >= 0, body, state)
    gradient, queries = _parts(rows.stack(), kept), _part(steps[1:], widths, "query")
    return gradient, dstate, _scores_gradient(images.E, queries, gradient.de)


def _scores_gradient(E: tf.Tensor, queries: tf.Tensor, de: tf.Tensor) -> ScoresGradient:
    """The sums over all steps, in which E and the totals are read once for some steps together."""
    blocks = tf.shape(queries)[0] // _STEPS_AT_ONCE
    queries, de = (tf.reshape(array, [-1, _STEPS_AT_ONCE, *_tail(array)]) for array in (queries, de))

    def body(k, sums):
        return k + 1, attention.add_scores_gradient(sums, E, queries[k], de[k])

    nothing = tf.zeros_like(E)
    return tf.while_loop(lambda k, _: k < blocks, body, (0, ScoresGradient(nothing, nothing)))[1]


def _tail(array: tf.Tensor) -> tuple[tf.Tensor, int]:
    return tf.shape(array)[1], array.shape[2]


# ---- the plain LSTM ----

_plain_forward, _plain_backward = compiled(cell.forward), compiled(cell.backward)


def lstm(w_gates: tf.Tensor, W_r: tf.Tensor) -> tf.Tensor:
    """`cell.lstm`: its arguments, its result and its gradients."""

    @tf.custom_gradient
    def run(w_gates, W_r):
        T = tf.shape(w_gates)[1]
        h, c, gates = _plain_forward(padded(swap_axes(w_gates), 0), W_r)

        def gradient(dh):
            dgates, dW_r = _plain_backward(W_r, h, c, gates, padded(swap_axes(dh), 0))
            return swap_axes(dgates[:T]), dW_r

        return swap_axes(h[:T]), gradient

    return run(w_gates, W_r)
