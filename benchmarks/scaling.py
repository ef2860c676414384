"""What towers cost, and images a second for many GPUs, by a model whose parts are measured here.

    python benchmarks/scaling.py

Measured on this machine's CPU, with the trainer that train.py uses and made-up batches in memory:
- one update of 32 studies in 4 parts of 8, on 1 tower one after another, on 2, on 4: the same work, so the ratio is
  what towers cost;
- one update on one tower by its batch, in one part;
- the bytes that are all-reduced, which are those of the gradient.

Then, for N GPUs in machines of 4, a step takes
    t(b) / S + 2 k g / P + 2 (M - 1) / M g / W + 2 (M - 1) L
where t(b) is the measured time for b studies, S how much faster a GPU is than this CPU, g the gradient's bytes, k the
towers of a machine, which exchange weights and gradients with its CPU over a bus of P bytes/s, M = N / k machines in a
ring over a network of W bytes/s and a latency of L. S, P, W and L are assumptions; the flags change them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from tienet import cli

T, V, E, STUDIES = 64, 1457, 200, 32
PART = 8
TOWERS = (1, 2, 4)
LAYOUTS = (*((towers, STUDIES, PART) for towers in TOWERS), *((1, batch, batch) for batch in (4, 8, 16, 32)))
"""Towers, studies an update, studies of a part."""
MACHINE = 4


def updates(towers: int, batch: int, part: int, steps: int, warm: int = 3) -> dict[str, float]:
    """Seconds of each update after the first `warm`, and the gradient's bytes."""
    import numpy as np
    import tensorflow as tf
    from tensorpack import QueueInput
    from tensorpack.callbacks import Callback
    from tensorpack.dataflow import DataFlow
    from tensorpack.tfutils.sesscreate import NewSessionCreator
    from tensorpack.tfutils.sessinit import JustCurrentSession

    from tienet.config import Config
    from tienet.division import Division
    from tienet.interruption import Interruption
    from tienet.labels import K
    from tienet.modeling.model import TieNet
    from tienet.trainer import Trainer

    class Batches(DataFlow):
        def __iter__(self):
            rng = np.random.default_rng(0)
            features = rng.random((part, 16, 16, 1024)).astype(np.float16)
            word_ids = rng.integers(4, V, (part, T)).astype(np.int32)
            labels = rng.integers(0, 2, (part, K)).astype(np.float32)
            while True:
                yield [features, word_ids, np.full(part, T, np.int32), labels, np.zeros(2, np.int32)]

        def __len__(self) -> int:
            return 1

    class Clock(Callback):
        def __init__(self):
            self.seconds = []

        def _trigger_step(self) -> None:
            self.seconds.append(time.perf_counter())

    with tf.Graph().as_default():
        model = TieNet(Config().replace(backbone_end="res4f", image_px=256), V, E)
        trainer = Trainer(Division(batch // part // towers, towers=towers), Batches(), Interruption())
        queue = tf.compat.v1.FIFOQueue(4, [spec.dtype for spec in model.inputs()])
        trainer.setup_graph(
            model.get_input_signature(), QueueInput(Batches(), queue), model.build_graph, model.optimizer
        )
        clock = Clock()
        trainer.train_with_defaults(
            callbacks=[clock], extra_callbacks=[], monitors=[], session_creator=NewSessionCreator(),
            session_init=JustCurrentSession(), steps_per_epoch=warm + steps, starting_epoch=1, max_epoch=1,
        )  # fmt: skip
        size = sum(4 * v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
    return {"seconds": statistics.median(np.diff(clock.seconds[warm - 1 :])), "bytes": size}


def measure(rounds: int, steps: int) -> tuple[dict[tuple[int, int, int], float], float]:
    """Layout -> seconds of an update in the quietest of the rounds, which take the layouts in turn; bytes."""
    found: dict[tuple[int, int, int], list[float]] = {layout: [] for layout in LAYOUTS}
    for _ in range(rounds):
        for layout in LAYOUTS:
            command = [sys.executable, __file__, "--only", ",".join(map(str, layout)), "--steps", str(steps)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ})
            result = json.loads(done.stdout.splitlines()[-1])
            found[layout].append(result["seconds"])
            print(f"towers, studies, part {layout}: {result['seconds']:.3f} s", file=sys.stderr)
    return {layout: min(seconds) for layout, seconds in found.items()}, result["bytes"]


def report(seconds: dict[tuple[int, int, int], float], size: float, args: argparse.Namespace) -> str:
    """The three tables as Markdown."""
    lines = ["| towers, 4 parts of 8 studies | s an update | ratio |", "|---|---:|---:|"]
    for towers in TOWERS:
        ratio = seconds[towers, STUDIES, PART] / seconds[1, STUDIES, PART]
        lines.append(f"| {towers} | {seconds[towers, STUDIES, PART]:.3f} | {ratio:.2f} |")
    lines += ["", "| studies on a tower | s an update | studies/s |", "|---|---:|---:|"]
    for batch in (4, 8, 16, 32):
        lines.append(f"| {batch} | {seconds[1, batch, batch]:.3f} | {batch / seconds[1, batch, batch]:.1f} |")
    lines += ["", f"Gradient, all-reduced with each update: {size / 1e6:.1f} MB.", ""]
    lines += ["| GPUs | studies an update | compute ms | bus ms | network ms | studies/s | of N times one |",
              "|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    one = None
    for gpus in (1, 4, 16, 64):
        towers, machines = min(gpus, MACHINE), max(gpus // MACHINE, 1)
        compute = seconds[1, STUDIES, STUDIES] / args.speed
        bus = 2 * towers * size / args.bus if towers > 1 else 0.0
        network = 2 * (machines - 1) / machines * size / args.network + 2 * (machines - 1) * args.latency
        rate = gpus * STUDIES / (compute + bus + network)
        one = one or rate
        lines.append(
            f"| {gpus} | {gpus * STUDIES} | {1e3 * compute:.1f} | {1e3 * bus:.1f} | {1e3 * network:.1f} | "
            f"{rate:,.0f} | {rate / one / gpus:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6, help="updates that are timed in each")
    parser.add_argument("--speed", type=float, default=50.0, metavar="S", help="a GPU against this CPU (50)")
    parser.add_argument("--bus", type=float, default=12e9, metavar="P", help="bytes/s between GPU and CPU (12e9)")
    parser.add_argument("--network", type=float, default=10e9, metavar="W", help="bytes/s between machines (10e9)")
    parser.add_argument("--latency", type=float, default=50e-6, metavar="L", help="seconds a message (50e-6)")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if args.only:
        cli.start_tensorflow()
        print(json.dumps(updates(*map(int, args.only.split(",")), args.steps)))
        return
    print(report(*measure(args.rounds, args.steps), args))


if __name__ == "__main__":
    cli.run(main)
