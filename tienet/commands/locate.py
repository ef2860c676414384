"""Where runs look, judged by boxes that radiologists drew: pointing game, IoU and IoBB, beside four controls.

    tienet locate --load runs/report runs/classify --data chestxray14 --boxes BBox_List_2017.csv --out tables/boxes

The map of a run of mode report is a_ws while it writes its own report, of annotate a_ws while it reads the report, and
of classify the class activation of each finding. A box is made from a map by a fixed rule
(tienet/evaluation/metrics/localisation.py). Without --boxes, the boxes are those of boxes.csv beside the manifest.
DIR gets locate.csv, locate.txt, which is printed, and locate.html, which shows images, maps and boxes.
"""

import argparse
from pathlib import Path

from tienet import cli
from tienet.commands import flags
from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.folders import contents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--load",
        required=True,
        nargs="+",
        action=cli.Several,
        metavar="DIR|FILE",
        help="a run's folder (its best checkpoint) or a checkpoint, of mode report, annotate or classify; or several",
    )
    parser.add_argument(
        "--data", required=True, metavar="NAME|DIR|FILE", help="NAME of data/NAME, a data set's folder, or a manifest"
    )
    parser.add_argument("--data-root", default="data", type=Path, metavar="DIR", help="folder of the data sets (data)")
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="NIH's BBox_List_2017.csv, or study_id, finding, x, y, w, h (boxes.csv beside the manifest)",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where results go")
    parser.add_argument("--split", default="test", help="train, val or test (test)")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of resamples and untrained weights (0)")
    parser.add_argument("--pictures", type=int, default=100, metavar="N", help="cases that the page shows (100)")
    parser.add_argument(
        "--allow-seen", action="store_true", help="judge studies that a run was trained on; else refused"
    )
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Judge the maps, and print the table and the folder of the results."""
    for flag, value, least in (
        ("--resamples", args.resamples, 1),
        ("--seed", args.seed, 0),
        ("--pictures", args.pictures, 0),
    ):
        if value < least:
            raise InputError(f"{flag} {value}: expected {least} or more")
    contents.check(args.out, contents.LOCATIONS, "--out")
    from tienet.evaluation.locate.cases import read_cases
    from tienet.evaluation.locate.locate import locate, open_runs
    from tienet.evaluation.options import Options

    split = manifests.load(args.data, args.data_root).split(args.split)
    cases = read_cases(split, args.boxes)
    runs = open_runs(args.load, cases, Options(split=args.split, allow_seen=args.allow_seen))
    with contents.writing(args.out, contents.LOCATIONS, "--out") as out:
        flags.start(args.gpu)
        settings = {"resamples": args.resamples, "seed": args.seed, "pictures": args.pictures}
        print(locate(runs, cases, out, split=args.split, **settings))
    print(args.out)
    return 0
