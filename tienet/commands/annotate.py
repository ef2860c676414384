"""Labels for studies: a row of probabilities and labels for each, as it comes.

    tienet annotate --load runs/annotate-text reports.csv --out labels.csv
    tienet annotate --load runs/annotate studies/ --out labels.csv
    tienet annotate --load runs/a runs/b runs/c reports.csv --out labels.csv     # three runs as one model
    tienet annotate --load runs/annotate-text archive.parquet --keep accession,site --out labels.parquet
    zcat archive.csv.gz | tienet annotate --load runs/annotate-text - --out - | gzip > labels.csv.gz

A table has columns study_id (or study, uid or image), report (or text, or findings and impression) and, for mode
annotate, image (PNG, JPEG or DICOM, relative to the table). It is CSV, plain or gzipped, or Parquet (pip install
'tienet[parquet]'). A folder has images with a .txt file of the same name; for annotate-text .txt files alone.

The output has a row for each study, in the input's order. Column named has the labels that reach their threshold, with
; between them. A study that cannot be read, such as a report of words that the network does not know, has empty cells
and the reason in column passed_over; OUT.errors.csv says more, and the exit status is then 1. Columns image_distance
and notes warn of an image that is no frontal chest X-ray. The same command again goes on where it was stopped, but for
a pipe.
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tienet.cli import UsageError
from tienet.commands import flags, standard_output
from tienet.commands.kept_columns import Keep
from tienet.commands.standard_output import PIPE
from tienet.errors import InputError
from tienet.interruption import Interruption

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.checkpoint.together import OpenedRuns
    from tienet.commands.labels_table import LabelsTable
    from tienet.commands.study_input import StudyInputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet annotate`."""
    flags.add_load(parser, "annotate or annotate-text", several=True)
    parser.add_argument(
        "studies", nargs="?", metavar="FILE|FOLDER|-", help="reports, and images for mode annotate; - reads CSV"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="table of labels: .csv or .csv.gz, both appended to, or .parquet; - writes CSV to standard output",
    )
    parser.add_argument(
        "--keep",
        nargs="?",
        const="",
        metavar="COL,COL",
        help="also these columns of the input, as they are; without names all that are not read",
    )
    parser.add_argument(
        "--evidence",
        action="store_true",
        help="also each named finding's sentence: the one without which its probability falls most; with images it"
        " takes as long as a study for each sentence",
    )
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Predict for the studies; returns the exit status, 1 if a study was passed over."""
    _find_studies(args)
    if args.out != PIPE:
        from tienet.commands.labels_file import check_name

        check_name(args.out)
        if args.out.resolve() == args.studies.resolve():
            raise InputError(f"--out {args.out} is the input; choose another name")
    with Interruption() as interruption, ExitStack() as stack:
        pipe = stack.enter_context(standard_output.taken()) if args.out == PIPE else None
        return _annotate(args, interruption, pipe)


def _find_studies(args: argparse.Namespace) -> None:
    """Set `args.load` and `args.studies`, whichever flag the words stand behind."""
    args.load, rest = flags.runs_and_rest(args.load, args.studies is not None)
    if len(rest) > 1:
        raise UsageError(f"unrecognized arguments: {' '.join(rest[1:])}")
    given = args.studies or (rest[0] if rest else None)
    if given is None and args.keep and (args.keep == str(PIPE) or Path(args.keep).exists()):
        given, args.keep = args.keep, ""  # --keep has taken it, as it takes names if there are any
    if given is None:
        raise UsageError("the following arguments are required: FILE|FOLDER|-")
    args.studies = Path(given)
    if args.studies != PIPE and not args.studies.exists():
        raise FileNotFoundError(f"{args.studies} does not exist; expected a CSV or Parquet file, a folder, or -")


def _annotate(args: argparse.Namespace, interruption: Interruption, pipe: BinaryIO | None) -> int:
    from tienet.commands.annotate_job import Job
    from tienet.commands.output_formats import threshold_table
    from tienet.commands.study_input import Needs, open_studies
    from tienet.predict import Annotator

    opened = Annotator.open_run(args.load)
    needs = Needs(image=opened.runs[0].config.mode_parts.image, report=True)
    studies = open_studies(args.studies, needs, _keep(args.keep))
    flags.choose_gpus(args.gpu)
    with _open_table(args, studies, opened, pipe) as out:
        if studies.columns_taken:
            print(studies.columns_taken, file=sys.stderr)
        if opened.calibration is not None:
            print(threshold_table(opened.calibration), file=sys.stderr)
        flags.start_tensorflow()
        with Annotator.load(opened) as annotator:
            job = Job(annotator, out, studies, args.evidence)
            job.run(interruption)
            for path in out.finish():
                print(path)
            return job.log_summary()


def _keep(flag: str | None) -> Keep | None:
    from tienet.commands import labels_row

    return None if flag is None else Keep.from_flag(flag, labels_row.columns(evidence=True))


def _open_table(
    args: argparse.Namespace, studies: "StudyInputs", opened: "OpenedRuns", pipe: BinaryIO | None
) -> "LabelsTable":
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.labels_table import LabelsPipe

    if pipe is not None:
        return LabelsPipe(pipe, args.evidence, studies.kept)
    identity = _identity(opened) | {"input": studies.identity} | ({"evidence": True} if args.evidence else {})
    return LabelsFile(args.out, identity, args.studies, args.evidence, studies.kept, studies.kept_from)


def _identity(opened: "OpenedRun | OpenedRuns") -> dict[str, object]:
    """What the numbers in a table of labels depend on, so that only a run with the same goes on with the table.

    Several runs are named in an order of their own, because their order in --load changes no number.
    """
    from tienet.checkpoint.together import checkpoint_sha256

    runs = sorted(opened.runs, key=checkpoint_sha256)
    thresholds = opened.thresholds()
    temperatures = [None if run.calibration is None else run.calibration.temperatures for run in runs]
    numbers = [None if np.isnan(thresholds).all() else thresholds, *temperatures]
    return {
        "checkpoint": " ".join(map(checkpoint_sha256, runs)),
        "thresholds_or_temperatures": [None if value is None else [str(v) for v in value] for value in numbers],
    }
