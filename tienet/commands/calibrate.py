"""Temperatures and thresholds for a run, from its own validation split: RUN/calibration.json.

    tienet calibrate --load runs/report --data-root data

From then on all that reads the checkpoint gives calibrated probabilities and labels by these thresholds.
"""

import argparse
from pathlib import Path

from tienet.cli import UsageError
from tienet.commands import flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet calibrate`."""
    flags.add_load(parser, "annotate, annotate-text, classify or report")
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR", help="folder of the data sets (data)")
    parser.add_argument(
        "--objective",
        metavar="WHAT",
        help="what the thresholds are chosen for: f1, youden, sensitivity=X or precision=X (f1)",
    )
    parser.add_argument("--sensitivity", type=float, metavar="X", help="the same as --objective sensitivity=X")
    parser.add_argument("--features", default="cache", choices=("cache", "off"), help="as in train.py (cache)")
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Calibrate the run and print a table of it; returns the exit status."""
    if args.objective is not None and args.sensitivity is not None:
        raise UsageError("--sensitivity and --objective both say what the thresholds are chosen for; leave one out")
    from tienet.checkpoint import calibration
    from tienet.evaluation.calibrate import calibrate_inputs, format_table, open_inputs

    objective = args.objective or ("f1" if args.sensitivity is None else f"sensitivity={args.sensitivity}")
    inputs = open_inputs(args.load, args.data_root, objective)
    flags.start(args.gpu)
    print(format_table(calibrate_inputs(inputs, args.features)))
    print(inputs.run.folder / calibration.FILE_NAME)
    return 0
