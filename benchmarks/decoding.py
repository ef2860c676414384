#!/usr/bin/env python
"""How many seconds writing reports takes, from cached features, by greedy decoding and by beam search.

    python benchmarks/decoding.py --load RUN --data NAME [--studies 600] [--beam 3] [--rounds 2]

RUN is a run of mode `report` or `caption`. Both methods work in turn in one process. A first round, which is not timed,
compiles and reads the features, so that the system has them in memory for both.
"""

import statistics
import time
from pathlib import Path

from tienet import cli


def main() -> None:
    """Time each method `rounds` times; print median seconds, the ratio to greedy, and the mean words of a report."""
    parser = cli.Parser(description="Time greedy decoding and beam search.")
    parser.add_argument("--load", required=True, metavar="DIR|FILE")
    parser.add_argument("--data", required=True, metavar="NAME|FILE")
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR")
    parser.add_argument("--studies", type=int, default=600)
    parser.add_argument("--beam", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    cli.start_tensorflow()
    import numpy as np

    from tienet.data import manifest as manifests
    from tienet.modeling.decoding import Decoding
    from tienet.predict import Predictor

    manifest = manifests.load(args.data, args.data_root)
    manifest = manifest.take(np.arange(min(args.studies, len(manifest))))
    ways = {"greedy": Decoding(), f"beam {args.beam}": Decoding("beam", width=args.beam)}
    networks = {name: Predictor(args.load, decoding=decoding) for name, decoding in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    words = {}
    for n in range(args.rounds + 1):  # the first round compiles and reads the disk
        for name, network in networks.items():
            studies = network.studies(manifest)
            start = time.perf_counter()
            reports = network.predict(studies).reports
            if n:
                seconds[name].append(time.perf_counter() - start)
            words[name] = sum(len(report.split()) for report in reports) / len(reports)
    print(f"{'way':<8} {'s':>7} {'ratio':>6} {'words':>6}   ({len(manifest)} studies, medians of {args.rounds} rounds)")
    greedy = statistics.median(seconds["greedy"])
    for name in ways:
        taken = statistics.median(seconds[name])
        print(f"{name:<8} {taken:7.1f} {taken / greedy:6.2f} {words[name]:6.1f}")


if __name__ == "__main__":
    cli.run(main)
