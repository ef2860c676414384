"""Evaluate trained TieNets: AUCs, ROC curves, caption metrics, scores, reports and pages.

    tienet evaluate --load runs/ours --data ours                                    # into runs/ours/eval/ours-test
    tienet evaluate --load runs/ours --data ours --split val --controls --pages 50
    tienet evaluate --load runs/report --data ours --labeller runs/annotate-text    # also the findings in the reports
    tienet evaluate --load runs/report --data ours --decode consistent --reader runs/annotate-text --judge runs/classify
    tienet evaluate --load runs/report runs/annotate runs/annotate-text --data ours openi --out tables
    tienet evaluate --load checkpoint --data chestxray14
    tienet evaluate --load runs/report --data openi-r2gen --protocol r2gen --protocol-file annotation.json

--load takes a run's folder, for its best checkpoint, or a checkpoint. Several runs or data sets also give the paper's
two tables. With --protocol reports are judged as another work does, and nothing else is measured.
"""

import argparse
from pathlib import Path

from tienet import cli
from tienet.commands import flags, writing_flags
from tienet.config import CHOICES
from tienet.data.splits import SPLITS
from tienet.errors import InputError
from tienet.evaluation.options import METRICS, PROTOCOLS, Options
from tienet.folders import contents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--load",
        required=True,
        nargs="+",
        action=cli.Several,
        metavar="DIR|FILE",
        help="a run's folder (its best checkpoint) or a checkpoint; or several, of one mode also as one model",
    )
    parser.add_argument(
        "--data",
        required=True,
        nargs="+",
        action=cli.Several,
        metavar="NAME|DIR|FILE",
        help="NAME of data/NAME, a data set's folder, or a manifest; or several",
    )
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR", help="folder of the data sets (data)")
    parser.add_argument("--split", default="test", choices=SPLITS, help="whose studies are judged (test)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (RUN/eval/NAME-SPLIT)")
    parser.add_argument("--gpu", default="0", metavar="N", help="a GPU, or cpu (0)")
    parser.add_argument("--features", default="cache", choices=CHOICES["features"], help="as in train.py (cache)")
    parser.add_argument("--metrics", default="all", choices=METRICS, help="all: those that the mode has (all)")
    parser.add_argument(
        "--controls",
        action="store_true",
        help="also judge plain scikit-learn models, the most frequent report and the nearest image's report",
    )
    parser.add_argument(
        "--labeller",
        nargs="+",
        action=cli.Several,
        metavar="DIR|FILE",
        help="an annotate-text checkpoint that names the findings in reports; or several as one model",
    )
    parser.add_argument(
        "--no-java", action="store_true", help="go on without METEOR and the standard tokenizer, which need Java"
    )
    parser.add_argument("--pages", type=int, default=20, metavar="N", help="studies that get a page (20)")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")
    parser.add_argument(
        "--allow-seen", action="store_true", help="judge studies that the checkpoint was trained on; else refused"
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, help="judge reports as R2Gen does, or write the file that ReXrank takes"
    )
    parser.add_argument(
        "--protocol-file",
        type=Path,
        metavar="JSON",
        help="the studies of the protocol: R2Gen's annotation.json, or for rexrank also ReXrank's test set",
    )
    writing_flags.add_arguments(parser)


def options_of(args: argparse.Namespace) -> Options:
    """What the flags ask for; raises InputError if a value is wrong."""
    return Options(
        split=args.split,
        features=args.features,
        metrics=args.metrics,
        controls=args.controls,
        pages=args.pages,
        resamples=args.resamples,
        decoding=writing_flags.decoding_of(args),
        reader=writing_flags.runs_of(args.reader),
        judge=writing_flags.runs_of(args.judge),
        labeller=None if args.labeller is None else tuple(args.labeller),
        java=not args.no_java,
        allow_seen=args.allow_seen,
        protocol=args.protocol,
        protocol_file=args.protocol_file,
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print the tables and the folder of the results."""
    options = options_of(args)
    several = len(args.load) > 1 or len(args.data) > 1
    if options.protocol is not None and len(args.data) > 1:
        raise InputError(f"--protocol {options.protocol}: judges one data set, and --data names {len(args.data)}")
    if several and args.out is None:
        raise InputError("--out is missing: several runs or data sets need a folder for their tables")
    if args.out is not None:
        contents.check(args.out, contents.EVALUATION, "--out")
    from tienet.evaluation.cache import EvaluationCache
    from tienet.evaluation.inputs import check_out, open_all

    with EvaluationCache(options) as cache:
        inputs = open_all(args.load, args.data, args.data_root, cache)
        by_run = next(iter(inputs.values()))
        one = next(iter(by_run.values()))
        out = args.out or one.default_out(options)
        check_out(out)
        if options.protocol is not None:
            from tienet.evaluation.protocols.judge import judge, open_protocol

            protocol = open_protocol(by_run, cache)
            flags.start(args.gpu)
            print(judge(protocol, by_run, out, cache))
        else:
            flags.start(args.gpu)
            from tienet.evaluation.compare import compare_inputs
            from tienet.evaluation.evaluate import evaluate_inputs

            print(compare_inputs(inputs, out, cache) if several else evaluate_inputs(one, out, cache).table)
    print(out)
    return 0
