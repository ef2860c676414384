#!/usr/bin/env python
"""Judge a trained TieNet: python eval.py --load checkpoint --data chestxray14."""

import argparse
from pathlib import Path

from tienet import cli


def parse() -> argparse.Namespace:
    """The command line."""
    parser = cli.Parser(description="Judge a trained TieNet: AUCs, ROC curves, scores and pages.")
    parser.add_argument(
        "--load",
        required=True,
        metavar="DIR|FILE",
        help="a run's folder (its best checkpoint) or a checkpoint",
    )
    parser.add_argument("--data", required=True, metavar="NAME|FILE", help="data/NAME/manifest.csv or a manifest")
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR", help="folder of the data sets (data)")
    parser.add_argument("--split", default="test", help="train, val or test (test)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (RUN/eval/NAME-SPLIT)")
    parser.add_argument("--gpu", default="0", metavar="N", help="a GPU, or cpu (0)")
    parser.add_argument("--features", default="cache", help="cache or off, as in train.py (cache)")
    parser.add_argument(
        "--controls", action="store_true", help="also judge plain scikit-learn models on the same split"
    )
    parser.add_argument("--pages", type=int, default=20, metavar="N", help="studies that get a page (20)")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")
    return parser.parse_args()


def main() -> None:
    """Parse, evaluate, print the table."""
    args = parse()
    cli.start_tensorflow()  # only here: a wrong flag should not wait for it
    from tienet import training
    from tienet.evaluation import evaluate

    training.choose_devices(args.gpu)
    options = evaluate.Options(args.split, args.features, args.controls, args.pages, args.resamples)
    out, table = evaluate.evaluate(args.load, args.data, args.data_root, args.out, options)
    print(table)
    print(out)


if __name__ == "__main__":
    cli.run(main)
