"""The loops over given reports as a GPU takes them: all steps forward are one compiled call, and all steps backward.

The equations are those of `loop` and `cell`, whose results these functions give but for rounding. Reports are padded
to one of a few lengths (`way.LENGTHS`), for each of which XLA compiles once: the padded steps come after the words, so
no word sees them, and no gradient comes from them.
Axes: B batch, T words, N the padded length, L locations, C channels, H LSTM units, A attention units.
"""

import tensorflow as tf

from tienet.modeling.lstm import attention, cell, step
from tienet.modeling.lstm.attention import Locations, ScoresGradient
from tienet.modeling.lstm.block import LSTMState, widths_of
from tienet.modeling.lstm.step import Step, StepGradient, Weights
from tienet.modeling.lstm.step_arrays import over_steps, stacked, stacks_of, swap_axes, write
from tienet.modeling.lstm.way import padded
from tienet.modeling.lstm.xla import compiled

_STEPS_AT_ONCE = 8  # of the sums over all steps; each length in `way.LENGTHS` is a multiple of it


def attention_lstm(x, u, w_gates, h_0, c_0, weights: Weights) -> tuple[tf.Tensor, tf.Tensor]:
    """`loop.attention_lstm`: its arguments, its results and its gradients."""

    @tf.custom_gradient
    def run(x, u, w_gates, h_0, c_0, *tensors):
        weights, images = Weights(*tensors), attention.locations(x, u)
        T = tf.shape(w_gates)[1]
        steps = _forward(images, padded(swap_axes(w_gates), 0), LSTMState(h_0, c_0), weights)

        def gradient(dh, da):
            return _gradients(weights, images, LSTMState(h_0, c_0), steps, dh, da)

        return (swap_axes(steps.h[:T]), swap_axes(steps.a[:T])), gradient

    return run(x, u, w_gates, h_0, c_0, *(weight for weight in weights if weight is not None))


@compiled
def _forward(images: Locations, w_gates: tf.Tensor, state: LSTMState, weights: Weights) -> Step:
    """All steps, [N, B, ...], from `w_gates` [N, B, 4H] and the state before the first one."""
    N = tf.shape(w_gates)[0]

    def body(t, state, stacks):
        done = step.step(images, w_gates[t], *state, weights)
        return t + 1, LSTMState(done.h, done.c), write(stacks, t, done)

    widths = widths_of(state.h.shape[-1], *images.x.shape[1:], images.E.shape[-1]).done
    *_, stacks = tf.while_loop(lambda t, *_: t < N, body, (0, state, stacks_of(N, widths)))
    return stacked(stacks)


def _gradients(weights: Weights, images: Locations, before: LSTMState, steps: Step, dh, da) -> list[tf.Tensor]:
    """The gradients of `attention_lstm`'s arguments, from those of h [B, T, H] and a [B, T, L]."""
    T, H4 = tf.shape(dh)[1], steps.gates.shape[-1]
    h, c = (tf.concat([first[None], states[:-1]], 0) for first, states in zip(before, steps[:2], strict=True))
    dh, da = (padded(swap_axes(gradient), 0) for gradient in (dh, da))
    of_steps, dstate, sums = _backward(images, weights, LSTMState(h, c), steps, dh, da)
    du, dv = attention.scores_gradient(sums, weights.v)
    dx = tf.einsum("tbl,tbc->blc", steps.a, of_steps.dz)
    dgates = of_steps.dproduct[..., :H4]
    gradients = [dx, du, swap_axes(dgates[:T]), *dstate]
    gradients += [over_steps(h, of_steps.dproduct), dv, over_steps(steps.z, dgates)]
    if weights.w_beta is not None:
        gradients += [over_steps(h, of_steps.dgate)[:, 0], tf.reduce_sum(of_steps.dgate)]
    return gradients


@compiled
def _backward(
    images: Locations, weights: Weights, before: LSTMState, steps: Step, dh, da
) -> tuple[StepGradient, LSTMState, ScoresGradient]:
    """All steps backward.

    Args:
        before: The state before each step, [N, B, H].
        steps: The steps that `_forward` gave.
        dh, da: [N, B, ...], the gradients of each step's h and a.
    Returns:
        The steps' gradients, [N, B, ...]; the gradient of the state before the first step; and the sums over the steps
        from which the gradients of u and v come.
    """
    N = tf.shape(dh)[0]
    transposed = weights._replace(W_z=tf.transpose(weights.W_z), W_rh=tf.transpose(weights.W_rh))

    def body(t, dstate, stacks):
        h, c, done = tf.nest.map_structure(lambda array: array[t], (*before, steps))
        gradient, *dstate = step.step_gradient(
            images, weights, transposed, h, c, done, dstate.h + dh[t], dstate.c, da[t]
        )
        return t - 1, LSTMState(*dstate), write(stacks, t, gradient)

    widths = StepGradient(weights.W_rh.shape[-1], dz=steps.z.shape[-1], dgate=1, de=steps.a.shape[-1])
    zero = tf.zeros_like(steps.h[0])
    state = (N - 1, LSTMState(zero, zero), stacks_of(N, widths))
    _, dstate, stacks = tf.while_loop(lambda t, *_: t >= 0, body, state)
    gradient = stacked(stacks)
    return gradient, dstate, _scores_gradient(images.E, steps.query, gradient.de)


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
