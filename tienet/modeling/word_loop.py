"""The loop of writing: turn after turn until all reports have ended.

On a CPU each turn is a few calls, and the loop ends with the last report. On a GPU `way.WORDS` turns are one compiled
call, so that up to `way.WORDS - 1` turns more are made than needed. They write <PAD>, and change nothing before them.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tienet.modeling.lstm import way
from tienet.modeling.lstm.xla import compiled

Turn = Callable[[tf.Tensor, Any], tuple[Any, Any]]
"""`turn(t, state)` gives the state after turn t, int32 [], and what is kept of the turn."""


def turns_until(ended: Callable[[Any], tf.Tensor], turn: Turn, state: Any, kept: Any) -> tuple[Any, Any]:
    """Make turns 0, 1, ... until `ended(state)`, bool []; no gradient flows through them.

    Args:
        state: The state before turn 0, of the shapes that every state has.
        kept: The `tf.TensorSpec` of each tensor that a turn keeps, nested as `turn` nests them.
    Returns:
        The last state, and of each kept tensor [N, ...], where N is the number of turns.
    """
    specs = tf.nest.flatten(kept)
    per_turn, at_once = (_block_of(turn, specs), way.WORDS) if way.whole() else (turn, 1)

    def body(t, state, stacks):
        state, parts = per_turn(t, state)
        return t + at_once, state, _write(stacks, t // at_once, parts)

    _, state, stacks = tf.while_loop(
        lambda t, state, _: ~ended(state), body, (0, state, _stacks(specs, at_once)), back_prop=False
    )
    arrays = [stack.stack() if at_once == 1 else stack.concat() for stack in stacks]
    return state, tf.nest.pack_sequence_as(kept, arrays)


def _block_of(turn: Turn, specs: list[tf.TensorSpec]) -> Turn:
    """`way.WORDS` turns as one compiled call, which keeps [WORDS, ...] of each tensor."""

    @compiled
    def block(first, state):
        def body(k, state, stacks):
            state, parts = turn(first + k, state)
            return k + 1, state, _write(stacks, k, parts)

        stacks = [tf.TensorArray(spec.dtype, way.WORDS, element_shape=spec.shape) for spec in specs]
        _, state, stacks = tf.while_loop(lambda k, *_: k < way.WORDS, body, (0, state, stacks), back_prop=False)
        return state, [stack.stack() for stack in stacks]

    return block


def _stacks(specs: list[tf.TensorSpec], at_once: int) -> list[tf.TensorArray]:
    outer = [] if at_once == 1 else [at_once]
    return [
        tf.TensorArray(spec.dtype, 0, dynamic_size=True, element_shape=[*outer, *spec.shape], infer_shape=False)
        for spec in specs
    ]


def _write(stacks: list[tf.TensorArray], n: tf.Tensor, parts: Any) -> list[tf.TensorArray]:
    return [stack.write(n, part) for stack, part in zip(stacks, tf.nest.flatten(parts), strict=True)]
