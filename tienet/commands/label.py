"""Label studies by hand in the browser, as two readers, and judge networks by it.

    tienet label data/ours --reader anna --out labels/ours                # 900 studies, drawn by a seed; a page
    tienet label data/ours --reader ben --out labels/ours                 # the same ones, in another order
    tienet label --agree labels/ours/anna.csv labels/ours/ben.csv         # kappa, and a page of what differs
    tienet label --adjudicate labels/ours/anna.csv labels/ours/ben.csv --reader carla --out data/ours-by-hand
    tienet evaluate --load runs/ours --data data/ours-by-hand             # the set that comes out, as any other
    tienet label --judge runs/ours --readers labels/ours/anna.csv labels/ours/ben.csv

The page is operated by keys. Each answer is on the disk before the page says so, and the same command goes on where it
was stopped. A reader sees no label of the data set and none of a network, unless --assist shows those of one.
"""

import argparse
from pathlib import Path

from tienet import cli
from tienet.commands import flags, serving
from tienet.data.splits import SPLITS
from tienet.errors import InputError
from tienet.hand_labels import ALL_SPLITS, DEFAULT_SEED, DEFAULT_SPLIT, DEFAULT_STUDIES

_ONLY = {
    "--reader": "DATA and --adjudicate", "--studies": "DATA", "--seed": "DATA", "--split": "DATA", "--balance": "DATA",
    "--assist": "DATA", "--readers": "--judge", "--decided": "--judge",
}  # fmt: skip
"""What each flag goes with, for messages."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    add = parser.add_argument
    add("data", nargs="?", metavar="DATA", help="data/NAME, NAME or FILE.csv, whose studies are labelled")
    several = {"nargs": "+", "action": cli.Several}
    add("--agree", **several, type=Path, metavar="CSV", help="compare the sheets of two readers or more")
    add("--adjudicate", nargs=2, type=Path, metavar="CSV", help="a third reader decides where two differ")
    add("--judge", **several, metavar="RUN", help="set a network's labels beside the readers'")
    add("--reader", metavar="NAME", help="who labels or decides: a name of letters, digits, blanks, - and _")
    add("--out", type=Path, metavar="DIR", help="where answers, figures or the decided data set go")
    add("--studies", type=int, metavar="N", help=f"how many are drawn ({DEFAULT_STUDIES})")
    add("--seed", type=int, metavar="N", help=f"draws them ({DEFAULT_SEED})")
    add("--split", choices=(*SPLITS, ALL_SPLITS), help=f"from which they are drawn ({DEFAULT_SPLIT})")
    add(
        "--balance",
        nargs="*",
        metavar="LABEL=SHARE",
        help="draw each label of the data set in this share of the studies; without shares all equally often",
    )
    add("--assist", metavar="RUN", help="show this network's labels to the reader, which each answer notes")
    add("--readers", **several, type=Path, metavar="CSV", help="the readers' sheets, for --judge")
    add(
        "--decided", type=Path, metavar="CSV|DIR", help="the third reader's sheet, or the decided data set, for --judge"
    )
    add("--allow-seen", action="store_true", help="judge by studies that the network was trained on; else refused")
    add(
        "--data",
        dest="of",
        metavar="DATA",
        help="the data set of the sheets, where labelling.json beside them names none",
    )
    add("--data-root", type=Path, default=Path("data"), metavar="DIR", help="where NAME is (data)")
    add("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")
    flags.add_gpu(parser)
    serving.add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Do one of the four; returns the exit status."""
    tasks = {"DATA": args.data, "--agree": args.agree, "--adjudicate": args.adjudicate, "--judge": args.judge}
    given = [name for name, value in tasks.items() if value]
    if len(given) != 1:
        raise cli.UsageError(f"{' and '.join(given) or 'nothing'} given; expected one of {', '.join(tasks)}")
    (task,) = given
    for flag, whose in _ONLY.items():
        if getattr(args, flag.removeprefix("--")) is not None and task not in whose:
            raise cli.UsageError(f"{flag} goes with {whose}, not with {task}")
    if task == "--agree":
        from tienet.commands.label_agree import run_agree

        return run_agree(args.agree, args.out, args.of, args.data_root, args.resamples)
    if task == "--judge":
        from tienet.commands.label_judge import run_judge

        if not args.readers:
            raise cli.UsageError("--judge: --readers is missing; give the readers' sheets")
        return run_judge(
            args.judge,
            args.readers,
            args.decided,
            args.of,
            args.data_root,
            args.out,
            args.gpu,
            args.resamples,
            args.allow_seen,
        )
    for flag in ("reader", "out"):
        if getattr(args, flag) is None:
            raise cli.UsageError(f"{task}: --{flag} is missing")
    from tienet.hand_labels.sheet import check_reader

    check_reader(args.reader)
    if task == "--adjudicate":
        from tienet.commands.label_decide import run_decide

        return run_decide(args)
    from tienet.commands.label_studies import run_label

    if args.studies is not None and args.studies < 1:
        raise InputError(f"--studies {args.studies}: expected 1 or more")
    if args.seed is not None and args.seed < 0:
        raise InputError(f"--seed {args.seed}: expected 0 or more")
    return run_label(args)


def main() -> int:
    """Run `python -m tienet.commands.label`; returns the exit status."""
    parser = cli.Parser(prog="tienet label", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
