"""How cost grows: a training step of mode `report` by words, batch and locations; an epoch by the number of studies.

    python -m benchmarks.growth                             all of it
    python -m benchmarks.growth --studies 1000 100000       the epochs alone

The smallest data set is trained for as many epochs as make the steps of the largest, so that the two take about the
same time; the last line compares the large epoch with that many small ones. The feature cache is synthetic: its data
are a hole in a file, which takes no space on the disk. DIR must not be a tmpfs, where the parts of a hole that were
read take memory.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import cases, plots
from benchmarks.results import Results, run_cases
from benchmarks.run import add_flags
from benchmarks.table import growth_table
from tienet import cli, files
from tienet.folders import locks

WORDS, BATCHES, SIDES = (16, 32, 64, 128, 256), (8, 16, 32, 64), (8, 16, 32)
STUDIES = (1000, 10_000, 100_000)
STEPS = 5


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = cli.Parser(
        prog="benchmarks.growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_flags(parser)
    parser.add_argument(
        "--studies", type=int, nargs="+", metavar="N", help="only an epoch of each of so many studies (all; for the "
        f"epochs {' '.join(map(str, STUDIES))})",
    )  # fmt: skip
    args = parser.parse_args()
    for studies in args.studies or ():
        if studies < 1:
            parser.error(f"--studies {studies}: it must be 1 or more")
    return args


def growth_cases(studies: list[int] | None) -> list[cases.Case]:
    """The cases: training steps, unless `studies` is given, and epochs of each number of studies.

    Smaller data sets are trained for more epochs, so that each case takes as many steps as the largest one.
    """
    steps = [] if studies else cases.growth(WORDS, BATCHES, SIDES, STEPS)
    sizes = sorted(set(studies or STUDIES))
    return steps + [cases.epochs(size, max(1, round(sizes[-1] / size))) for size in sizes]


def comparison(results: Results, sizes: list[int]) -> str:
    """A line that compares an epoch of the largest data set with as many epochs of the smallest as have its studies."""
    small, large = (results.cases[f"growth/studies={size}"] for size in (sizes[0], sizes[-1]))
    times = sizes[-1] / sizes[0]
    ratio = large["seconds"] / (times * small["seconds"])
    return (
        f"an epoch of {sizes[-1]:,} studies: {large['seconds']:.1f} s, {ratio:.3f} of {times:g} epochs of {sizes[0]:,} "
        f"({times * small['seconds']:.1f} s); peak memory {large['peak_gb']:.2f} and {small['peak_gb']:.2f} GB"
    )


def main() -> int:
    """Run the cases, print the table and the comparison."""
    args = parse()
    out = args.out.absolute()
    with locks.writing(out, "--out"):
        return _measure(args, out)


def _measure(args: argparse.Namespace, out: Path) -> int:
    results = Results(out / "growth.json", args.fresh)
    status = run_cases(growth_cases(args.studies), results)
    text = growth_table(results)
    sizes = sorted(set(args.studies or STUDIES))
    if len(sizes) > 1 and not status:
        text += f"\n{comparison(results, sizes)}\n"
    files.write_text(out / "growth.md", text)
    plots.plot_growth(results, out / "growth.png")
    print(text, end="")
    print(f"{out}: growth.json, growth.md, growth.png", file=sys.stderr)
    return status


if __name__ == "__main__":
    cli.run(main)
