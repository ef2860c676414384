"""Measure all cases: seconds, operations, their rate as a share of a large matrix product's, and peak memory.

    python -m benchmarks.run                        all cases
    python -m benchmarks.run --only step/report     the cases whose name contains this
    python -m benchmarks.run --list                 the names of the cases

Each case runs in a process of its own. Its result is written to DIR/results.json at once, so the same command
continues a run that was stopped. At the end DIR has table.md, shares.png and growth_few.png too.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.case import ROOT, Case
from benchmarks.cases import SHARED_CORPUS, all_cases, torch_head
from benchmarks.results import Results, run_cases
from benchmarks.table import growth_table, table
from tienet import cli, files
from tienet.errors import InputError
from tienet.folders import locks

DEFAULT_OUT = ROOT / "benchmarks" / "results"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that `benchmarks.growth` has too."""
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="DIR",
        help="folder of the results, and of temporary files of up to 0.6 GB (benchmarks/results)",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="measure what is there already once more")


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = cli.Parser(
        prog="benchmarks.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_flags(parser)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="cases whose names contain one of these")
    parser.add_argument(
        "--corpus", type=Path, metavar="FILE", help="text for build_vocab.sh, one abstract a line, .gz too"
    )
    parser.add_argument("--list", action="store_true", help="only print the cases' names")
    return parser.parse_args()


def chosen(cases: list[Case], only: list[str] | None) -> list[Case]:
    """The cases whose names contain one of `only`; all if it is None. Raises InputError if no name contains one."""
    for text in only or ():
        if not any(text in case.name for case in cases):
            raise InputError(f"--only {text}: no case has this in its name; --list prints the names")
    return [case for case in cases if only is None or any(text in case.name for text in only)]


def corpus_of(named: Path | None) -> Path | None:
    """The path of the text for the vocabulary; None, with a note to the user, where there is none."""
    if named is not None and not named.is_file():
        raise InputError(f"--corpus {named}: there is no such file")
    if named or SHARED_CORPUS.is_file():
        return (named or SHARED_CORPUS).absolute()
    print("vocabulary: left out, as there is no text for it; give one with --corpus FILE", file=sys.stderr)
    return None


def main() -> int:
    """Run the cases and print the table; returns the exit status."""
    args = parse()
    out = args.out.absolute()
    if not torch_head():
        print("step/report head/torch: left out, as PyTorch is not installed", file=sys.stderr)
    cases = chosen(all_cases(corpus_of(args.corpus)), args.only)
    if args.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    with locks.writing(out, "--out"):
        results = Results(out / "results.json", args.fresh)
        status = run_cases(cases, results)
        write_out(results, out)
    return status


def write_out(results: Results, out: Path) -> None:
    """Print the table, and write it and the figures into the folder `out`."""
    from benchmarks import plots

    text, names = table(results), ["results.json", "table.md", "shares.png"]
    plots.plot_shares(results, out / "shares.png")
    if any(name.startswith("growth/") for name in results.cases):
        text += "\n" + growth_table(results)
        plots.plot_growth(results, out / "growth_few.png")
        names.append("growth_few.png")
    files.write_text(out / "table.md", text)
    print(text, end="")
    print(f"{out}: {', '.join(names)}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main)
