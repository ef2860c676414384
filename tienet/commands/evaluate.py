"""Evaluate trained TieNets: AUCs, ROC curves, caption metrics, scores, reports and pages.

    tienet evaluate --load checkpoint --data chestxray14

Several runs or data sets also give the paper's two tables.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tienet.commands import flags
from tienet.errors import InputError
from tienet.folders import contents

if TYPE_CHECKING:
    from tienet.evaluation.options import Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--load",
        required=True,
        nargs="+",
        metavar="DIR|FILE",
        help="a run's folder (its best checkpoint) or a checkpoint; or several, of one mode also as one model",
    )
    parser.add_argument(
        "--data",
        required=True,
        nargs="+",
        metavar="NAME|DIR|FILE",
        help="NAME of data/NAME, a data set's folder, or a manifest; or several",
    )
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR", help="folder of the data sets (data)")
    parser.add_argument("--split", default="test", help="train, val or test (test)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (RUN/eval/NAME-SPLIT)")
    parser.add_argument("--gpu", default="0", metavar="N", help="a GPU, or cpu (0)")
    parser.add_argument("--features", default="cache", help="cache or off, as in train.py (cache)")
    parser.add_argument("--metrics", default="all", help="auc, captions, or all that the mode has (all)")
    parser.add_argument(
        "--controls",
        action="store_true",
        help="also judge plain scikit-learn models, the most frequent report and the nearest image's report",
    )
    parser.add_argument(
        "--labeller",
        nargs="+",
        metavar="DIR|FILE",
        help="an annotate-text checkpoint that names the findings in reports; or several as one model",
    )
    parser.add_argument("--no-java", action="store_true", help="go on without METEOR")
    parser.add_argument("--pages", type=int, default=20, metavar="N", help="studies that get a page (20)")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")
    parser.add_argument(
        "--allow-seen", action="store_true", help="judge studies that the checkpoint was trained on; else refused"
    )
    writing = parser.add_argument_group("how reports are written")
    writing.add_argument("--decode", metavar="METHOD", help="greedy, beam or sample (greedy)")
    writing.add_argument("--beam", type=int, metavar="N", help="width of the beam (3)")
    writing.add_argument(
        "--length-norm",
        type=float,
        metavar="X",
        help="0: the sum of ln p, which favours short reports; 1: its mean (1)",
    )
    writing.add_argument("--temperature", type=float, metavar="X", help="of sampling (1)")
    writing.add_argument("--decode-seed", type=int, metavar="N", help="of sampling (0)")
    writing.add_argument("--max-written", type=int, metavar="N", help="most words of a report (100)")


def decoding_of(args: argparse.Namespace) -> dict[str, object] | None:
    """The settings of `Decoding` that were given, by name; None if there were none.

    Raises:
        InputError: A setting was given that the method of --decode does not have.
    """
    flags = {
        "method": args.decode, "width": args.beam, "length_norm": args.length_norm, "temperature": args.temperature,
        "seed": args.decode_seed, "max_words": args.max_written,
    }  # fmt: skip
    given = {name: value for name, value in flags.items() if value is not None}
    for name, method in (("width", "beam"), ("length_norm", "beam"), ("temperature", "sample"), ("seed", "sample")):
        if name in given and args.decode != method:
            raise InputError(f"--decode {args.decode or 'greedy'}: {name} is a setting of --decode {method}")
    return given or None


def options_of(args: argparse.Namespace) -> "Options":
    """What the flags ask for; raises InputError if a value is wrong."""
    from tienet.evaluation.options import Options
    from tienet.modeling.decoding import Decoding

    decoding = decoding_of(args)
    return Options(
        split=args.split,
        features=args.features,
        metrics=args.metrics,
        controls=args.controls,
        pages=args.pages,
        resamples=args.resamples,
        decoding=None if decoding is None else Decoding(**decoding),
        labeller=None if args.labeller is None else tuple(args.labeller),
        java=not args.no_java,
        allow_seen=args.allow_seen,
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print the tables and the folder of the results."""
    options = options_of(args)
    several = len(args.load) > 1 or len(args.data) > 1
    if several and args.out is None:
        raise InputError("--out is missing: several runs or data sets need a folder for their tables")
    if args.out is not None:
        contents.check(args.out, contents.EVALUATION, "--out")
    from tienet.evaluation.cache import EvaluationCache
    from tienet.evaluation.inputs import check_out, open_all

    with EvaluationCache(options) as cache:
        inputs = open_all(args.load, args.data, args.data_root, cache)
        one = next(iter(next(iter(inputs.values())).values()))
        out = args.out or one.default_out(options)
        check_out(out)
        flags.start(args.gpu)
        from tienet.evaluation.compare import compare_inputs
        from tienet.evaluation.evaluate import evaluate_inputs

        print(compare_inputs(inputs, out, cache) if several else evaluate_inputs(one, out, cache).table)
    print(out)
    return 0
