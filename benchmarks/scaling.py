"""What towers cost, and how many studies a second many GPUs would train, by a model whose parts are measured here.

    python benchmarks/scaling.py

These are measured on this machine's CPU, with the trainer that train.py uses and random batches in memory:
- One update of 32 studies in 4 parts of 8, on 1 tower one after another, on 2 towers, and on 4. The work is the same,
  so the ratio is what towers cost. One process holds all layouts and lets them make their updates in turns, so that
  other work of the machine slows all of them; the ratio is the median over the turns. The ratio of CPU time tells work
  from waiting: where one tower leaves cores idle, several towers are faster although they do the same work.
- One update on one tower by its batch, in one part.
- The bytes that are all-reduced, which are those of the gradient.

Then, for N GPUs in machines of 4, a step takes
    t(b) / S + 2 k g / P + 2 (M - 1) / M g / W + 2 (M - 1) L
where t(b) is the measured time for b studies, S how much faster a GPU is than this CPU, g the gradient's bytes, k the
towers of a machine, which exchange weights and gradients with its CPU over a bus of P bytes/s, M = N / k machines in a
ring over a network of W bytes/s and a latency of L. S, P, W and L are assumptions; the flags change them.
"""

import argparse
import os
import statistics
import time

from tqdm import tqdm

from tienet import cli, devices
from tienet.errors import InputError

T, V, E, STUDIES = 64, 1457, 200, 32
PART = 8
TOWERS = (1, 2, 4)
LAYOUTS = (*((towers, STUDIES, PART) for towers in TOWERS), *((1, batch, batch) for batch in (4, 8, 16, 32)))
"""The towers, the studies of an update, and the studies of a part."""
MACHINE = 4


class Layout:
    """A trainer on random batches in memory.

    Args:
        towers: The towers of this process.
        batch: The studies of an update.
        part: The studies that a tower takes at a time.

    Attributes:
        wall, cpu: The seconds of each update, by the clock and by all cores together.
        bytes: The size of the gradient.
    """

    def __init__(self, towers: int, batch: int, part: int):
        import numpy as np
        import tensorflow as tf
        from tensorpack import QueueInput
        from tensorpack.dataflow import DataFlow
        from tensorpack.tfutils.sesscreate import NewSessionCreator
        from tensorpack.tfutils.sessinit import JustCurrentSession

        from tienet.config import Config
        from tienet.data.batch_split import BatchSplit
        from tienet.interruption import Interruption
        from tienet.labels import K
        from tienet.modeling.model import TieNet
        from tienet.training.trainer import Trainer

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

        self.wall, self.cpu = [], []
        with tf.Graph().as_default():
            model = TieNet(Config().replace(backbone_end="res4f", image_px=256), V, E)
            self._trainer = Trainer(BatchSplit(batch // part // towers, towers=towers), Batches(), Interruption())
            queue = tf.compat.v1.FIFOQueue(4, [spec.dtype for spec in model.inputs()])
            signature = model.get_input_signature()
            self._trainer.setup_graph(signature, QueueInput(Batches(), queue), model.build_graph, model.optimizer)
            self.bytes = sum(4 * v.shape.num_elements() for v in tf.compat.v1.trainable_variables())
            self._trainer.setup_callbacks([], [])
            self._trainer.initialize(NewSessionCreator(config=devices.session_config()), JustCurrentSession())
        with self._trainer.sess.as_default():
            self._trainer.loop.config(1, 1, 1)
            self._trainer._callbacks.before_train()

    def update(self) -> None:
        """Make one update and add its times to `wall` and `cpu`."""
        wall, cpu = time.perf_counter(), time.process_time()
        with self._trainer.sess.as_default():
            self._trainer.run_step()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def measure(updates: int, warm: int = 2) -> dict[tuple[int, int, int], Layout]:
    """Build all layouts and let them make `warm` + `updates` updates in turns; the first `warm` times are dropped."""
    layouts = {}
    for place in tqdm(LAYOUTS, desc="building", unit="layout"):
        layouts[place] = Layout(*place)
    for n in tqdm(range(warm + updates), desc="updates of each", unit="update"):
        for layout in list(layouts.values())[:: -1 if n % 2 else 1]:
            layout.update()
    for layout in layouts.values():
        del layout.wall[:warm], layout.cpu[:warm]
    return layouts


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the turns of our seconds divided by theirs in the same turn."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def report(layouts: dict[tuple[int, int, int], Layout], args: argparse.Namespace) -> str:
    """The three tables, as Markdown."""
    seconds = {place: statistics.median(layout.wall) for place, layout in layouts.items()}
    one, size = layouts[1, STUDIES, PART], layouts[1, STUDIES, PART].bytes
    lines = ["| towers, 4 parts of 8 studies | s an update | ratio | ratio of CPU time |", "|---|---:|---:|---:|"]
    for towers in TOWERS:
        ours = layouts[towers, STUDIES, PART]
        ratios = f"{ratio(ours.wall, one.wall):.2f} | {ratio(ours.cpu, one.cpu):.2f}"
        lines.append(f"| {towers} | {seconds[towers, STUDIES, PART]:.3f} | {ratios} |")
    lines += ["", "| studies on a tower | s an update | studies/s |", "|---|---:|---:|"]
    for batch in (4, 8, 16, 32):
        lines.append(f"| {batch} | {seconds[1, batch, batch]:.3f} | {batch / seconds[1, batch, batch]:.1f} |")
    lines += ["", f"Gradient, all-reduced with each update: {size / 1e6:.1f} MB.", ""]
    lines += ["| GPUs | studies an update | compute ms | bus ms | network ms | studies/s | of N times one |",
              "|---:|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    alone = None
    for gpus in (1, 4, 16, 64):
        towers, machines = min(gpus, MACHINE), max(gpus // MACHINE, 1)
        compute = seconds[1, STUDIES, STUDIES] / args.speed
        bus = 2 * towers * size / args.bus if towers > 1 else 0.0
        network = 2 * (machines - 1) / machines * size / args.network + 2 * (machines - 1) * args.latency
        rate = gpus * STUDIES / (compute + bus + network)
        alone = alone or rate
        lines.append(
            f"| {gpus} | {gpus * STUDIES} | {1e3 * compute:.1f} | {1e3 * bus:.1f} | {1e3 * network:.1f} | "
            f"{rate:,.0f} | {rate / alone / gpus:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the layouts and print the tables."""
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=12, help="that are timed of each layout (12)")
    parser.add_argument("--speed", type=float, default=50.0, metavar="S", help="a GPU against this CPU (50)")
    parser.add_argument("--bus", type=float, default=12e9, metavar="P", help="bytes/s between GPU and CPU (12e9)")
    parser.add_argument("--network", type=float, default=10e9, metavar="W", help="bytes/s between machines (10e9)")
    parser.add_argument("--latency", type=float, default=50e-6, metavar="L", help="seconds a message (50e-6)")
    args = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if args.updates < 1:
        raise InputError(f"--updates {args.updates}: expected 1 or more")
    cli.start_tensorflow()
    print(report(measure(args.updates), args))


if __name__ == "__main__":
    cli.run(main)
