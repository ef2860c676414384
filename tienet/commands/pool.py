"""Put the evaluations of several folds together, so that every study is judged once.

    tienet pool tables/openi-fold-1 tables/openi-fold-2 tables/openi-fold-3 --out tables/openi-cv

Each folder is what `tienet evaluate --load RUN... --data FOLD --controls --labeller R --out FOLDER` has left for one
fold (tienet prepare openi --split fold=K/N). The runs of the folds are matched by mode, pooling and the name of the
run's folder. AUCs are from pairs of studies within a fold, F1 and captions over all studies.
"""

import argparse
import sys
from pathlib import Path

from tienet.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "evaluations", nargs="+", type=Path, metavar="EVALUATION", help="the folder of one fold's evaluation"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where results go")
    parser.add_argument("--partial", action="store_true", help="go on where folds are missing; else refused")
    parser.add_argument("--no-java", action="store_true", help="go on without METEOR")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")


def run(args: argparse.Namespace) -> int:
    """Put the folds together, and print the tables and the folder of the results."""
    if args.resamples < 1:
        raise InputError(f"--resamples {args.resamples}: expected 1 or more")
    from tienet.evaluation.metrics.captions import CaptionScorer
    from tienet.evaluation.pooled.folds import open_folds
    from tienet.evaluation.pooled.pool import check_out, pool_folds

    folds = open_folds(args.evaluations, args.partial)
    check_out(args.out, folds)
    writes = any(run.judged.written is not None for fold in folds for run in fold.runs.values())
    with CaptionScorer(java=writes and not args.no_java) as scorer:
        if writes and scorer.note:
            print(f"note: {scorer.note}", file=sys.stderr)
        print(pool_folds(folds, args.out, scorer, args.resamples))
    print(args.out)
    return 0
