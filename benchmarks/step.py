"""Seconds and peak memory of one training step of `annotate`, by how the LSTM's loop is written.

    written    one tf.while_loop whose gradient is written out (what the package uses)
    automatic  one tf.while_loop, differentiated by TensorFlow
    unrolled   the steps one after the other in the graph

The sizes are B 32, T 64, 16 x 16 locations, C 1024 (with the transition) and H 256, with Adam; features are random.
The three ways run in turn, several times, each time in a process of its own.

    python -m benchmarks.step [--rounds 3] [--steps 8]
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from unittest import mock

from benchmarks import measure_network
from benchmarks.case import Case
from benchmarks.measuring import Measured
from tienet import cli

WAYS = ("written", "automatic", "unrolled")
T = 64


def automatic(x, u, w_gates, h_0, c_0, weights):
    """`attention_lstm` with TensorFlow's own gradient of the loop."""
    import tensorflow as tf

    from tienet.modeling.lstm.attention import locations
    from tienet.modeling.lstm.step import step
    from tienet.modeling.lstm.step_arrays import swap_axes

    images, n = locations(x, u), tf.shape(w_gates)[1]

    def body(t, h, c, states, attention):
        done = step(images, w_gates[:, t], h, c, weights)
        return t + 1, done.h, done.c, states.write(t, done.h), attention.write(t, done.a)

    stacks = [tf.TensorArray(tf.float32, n, element_shape=[None, width]) for width in (h_0.shape[1], x.shape[1])]
    *_, states, attention = tf.while_loop(lambda t, *_: t < n, body, (0, h_0, c_0, *stacks), maximum_iterations=n)
    return swap_axes(states.stack()), swap_axes(attention.stack())


def unrolled(x, u, w_gates, h_0, c_0, weights, words=T):
    """`attention_lstm` as T copies of its step."""
    import tensorflow as tf

    from tienet.modeling.lstm.attention import locations
    from tienet.modeling.lstm.step import step

    images, h, c, steps = locations(x, u), h_0, c_0, []
    for t in range(words):
        steps.append(step(images, w_gates[:, t], h, c, weights))
        h, c = steps[-1].h, steps[-1].c
    return tf.stack([s.h for s in steps], 1), tf.stack([s.a for s in steps], 1)


def measure(way: str, steps: int) -> Measured:
    """Measure a training step with the loop written in this way."""
    cli.start_tensorflow()
    from tienet.modeling.lstm import loop

    run = {"written": loop.attention_lstm, "automatic": automatic, "unrolled": unrolled}[way]
    with mock.patch.object(loop, "attention_lstm", run):
        return measure_network.step("annotate", T, steps=steps, least_seconds=0.0, product=0)


def main() -> None:
    """Run the three ways in turn, `rounds` times, and print the medians and ratios."""
    parser = cli.Parser(
        prog="benchmarks.step", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    results: dict[str, list[dict]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as temporary:
        for n in range(args.rounds):
            for way in WAYS:
                print(f"round {n + 1} of {args.rounds}: {way}", file=sys.stderr)
                case = Case(way, "step:measure", {"way": way, "steps": args.steps})
                results[way].append(case.run(Path(temporary)))
    print(f"{'way':<10} {'s/step':>7} {'GB':>6} {'ratio':>6}   (medians of {args.rounds} rounds; ratio to written)")
    for way in WAYS:
        seconds = statistics.median(found["seconds"] for found in results[way])
        gigabytes = statistics.median(found["peak_bytes"] for found in results[way]) / 1e9
        pairs = zip(results[way], results["written"], strict=True)
        ratio = statistics.median(ours["seconds"] / written["seconds"] for ours, written in pairs)
        print(f"{way:<10} {seconds:7.2f} {gigabytes:6.2f} {ratio:6.2f}")


if __name__ == "__main__":
    cli.run(main)
