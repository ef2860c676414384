#!/usr/bin/env python
"""Seconds and peak memory of one training step of `annotate`, by how the LSTM's loop is written.

    written    one tf.while_loop, its gradient written out (what the package uses)
    automatic  one tf.while_loop, differentiated by TensorFlow
    unrolled   the steps one after the other in the graph

B 32, T 64, 16 x 16 locations, C 1024 (transition included), H 256, Adam; features are random. Each way runs in a
process of its own, in turn, several times.

    python benchmarks/step.py [--rounds 3] [--steps 8]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

from tienet import cli

WAYS = ("written", "automatic", "unrolled")
B, T, V, E = 32, 64, 1457, 200


def automatic(x, u, w_gates, h_0, c_0, weights):
    """`attention_lstm` with TensorFlow's own gradient of the loop."""
    from tienet.modeling.attention_lstm import _forward

    steps = _forward(x, u, w_gates, h_0, c_0, weights)
    return steps.h, steps.a


def unrolled(x, u, w_gates, h_0, c_0, weights):
    """`attention_lstm` as T copies of its step."""
    import tensorflow as tf

    from tienet.modeling.attention_lstm import step

    h, c, steps = h_0, c_0, []
    for t in range(T):
        steps.append(step(x, u, w_gates[t], h, c, weights))
        h, c = steps[-1].h, steps[-1].c
    return tf.stack([s.h for s in steps]), tf.stack([s.a for s in steps])


def measure(way: str, steps: int) -> dict[str, float]:
    """Median seconds of a step, and this process's peak memory in GB."""
    cli.start_tensorflow()
    import tensorflow as tf
    from tensorpack.tfutils.tower import TowerContext

    from tienet.config import Config
    from tienet.labels import K
    from tienet.modeling import attention_lstm
    from tienet.modeling.model import TieNet

    if way != "written":
        attention_lstm.attention_lstm = {"automatic": automatic, "unrolled": unrolled}[way]
    tf1 = tf.compat.v1
    rng = np.random.default_rng(0)
    arrays = [
        rng.random((B, 16, 16, 1024)).astype(np.float16),
        rng.integers(4, V, (B, T)).astype(np.int32),
        np.full(B, T, np.int32),
        rng.integers(0, 2, (B, K)).astype(np.float32),
        np.zeros(2, np.int32),
    ]
    with tf.Graph().as_default():
        model = TieNet(Config().replace(backbone_end="res4f", image_px=256), V, E)
        placeholders = [tf1.placeholder(spec.dtype, spec.shape) for spec in model.inputs()]
        with TowerContext("", is_training=True):
            loss = model.build_graph(*placeholders)
        train = tf1.train.AdamOptimizer(1e-3).minimize(loss)
        with tf1.Session() as session:
            session.run(tf1.global_variables_initializer())
            feed = dict(zip(placeholders, arrays, strict=True))
            session.run(train, feed)  # compiles
            seconds = []
            for _ in range(steps):
                start = time.perf_counter()
                session.run(train, feed)
                seconds.append(time.perf_counter() - start)
    return {
        "seconds": statistics.median(seconds),
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def main() -> None:
    """Run each way in turn, `rounds` times, and print medians and ratios."""
    parser = cli.Parser(description="Time a training step.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only, args.steps)))
        return
    results: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--only", way, "--steps", str(args.steps)]
            output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
            results[way].append(json.loads(output.splitlines()[-1]))
    print(f"{'way':<10} {'s/step':>7} {'GB':>6} {'ratio':>6}   (medians of {args.rounds} rounds; ratio to written)")
    for way in WAYS:
        seconds, gigabytes = (statistics.median(r[key] for r in results[way]) for key in ("seconds", "gigabytes"))
        pairs = zip(results[way], results["written"], strict=True)
        ratio = statistics.median(ours["seconds"] / written["seconds"] for ours, written in pairs)
        print(f"{way:<10} {seconds:7.2f} {gigabytes:6.2f} {ratio:6.2f}")


if __name__ == "__main__":
    cli.run(main)
