"""Labels and a preliminary report for each image.

    tienet report --load runs/report chest.png scans/ --out pages
    tienet report --load runs/report --json chest.dcm
    tienet report --load runs/report --format dicom-sr chest.dcm --out documents

Images are PNG, JPEG or DICOM files, folders of these, or CSV files with a column image. A run of mode classify gives
no report, one of caption no labels; several of classify label as one model. --json prints a line for each image: image,
study_id, notes (sentences that a reader should know), image_distance (how far it is from the training images; an image
past 1.15 is unlike them), probabilities, thresholds, labels (1, 0, or null without a threshold), precision and recall
of the thresholds in validation, report (its words), text (the same to read), cut_at (the number of words at which it
was cut, or null), log_probability. --format writes a document for each image into --out, and its path is printed:
dicom-sr for a PACS, fhir for a record system; both say that nobody has verified them. What cannot be read is named on
standard error; the exit status is then 1, or 2 if nothing could be read.

With --out the same command again goes on where it was stopped: what is in DIR of the same image, run and settings stays
as it is and is not printed again. At the end DIR has index.html, the list of all pages, or documents.csv, that of all
documents (image, study_id, document, named, notes, passed_over), and report.jsonl, the JSON lines of all images.
"""

import argparse
import contextlib
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tienet.cli import UsageError
from tienet.commands import flags, writing_flags
from tienet.errors import InputError
from tienet.folders import contents
from tienet.interruption import Interrupted, Interruption

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.checkpoint.together import OpenedRuns
    from tienet.commands.documents import Documents
    from tienet.commands.report_folder import ReportFolder
    from tienet.inference.judges import Judges
    from tienet.modeling.decoding import Decoding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet report`."""
    flags.add_load(parser, "report, classify or caption", several=True)
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="files, folders, or CSV files")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of text")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="also a page for each image, and index.html; replaces earlier pages"
    )
    parser.add_argument(
        "--format",
        choices=("dicom-sr", "fhir"),
        help="documents in place of the pages: DICOM structured reports of DICOM files (.sr.dcm), or FHIR R4B "
        "DiagnosticReports (.fhir.json)",
    )
    flags.add_gpu(parser)
    writing_flags.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Predict for the images.

    Returns:
        The exit status: 0 if every image was read, 1 if some could not be read, 2 if none could.
    """
    behind = []  # images that stand behind a flag that takes several runs
    for name in ("load", "reader", "judge"):
        if given := getattr(args, name):
            runs, rest = flags.runs_and_rest(given, bool(args.images))
            setattr(args, name, runs if name == "load" else [runs])
            behind += rest
    args.images = [Path(image) for image in args.images or behind]
    if not args.images:
        raise UsageError("the following arguments are required: IMAGE")
    if args.out and args.out.exists() and not args.out.is_dir():
        raise InputError(f"--out {args.out} is a file; expected a folder")
    if args.format:
        _check_format(args)
    interruption = Interruption()
    with contextlib.ExitStack() as stack:
        if args.out:
            stack.enter_context(interruption)
            kind = contents.DOCUMENTS if args.format else contents.PAGES
            stack.enter_context(contents.writing(args.out, kind, "--out"))
        return _report(args, interruption)


def _check_format(args: argparse.Namespace) -> None:
    from tienet.commands.documents import check_image, check_installed

    if not args.out:
        raise UsageError(f"--format {args.format} writes a file for each image; --out DIR says where")
    check_installed(args.format)
    if len(args.images) == 1:  # of several, one that is of no use stops nothing
        check_image(args.format, args.images[0])


def _report(args: argparse.Namespace, interruption: Interruption) -> int:
    from tienet.commands.output_formats import DISCLAIMER
    from tienet.predict import Reporter

    decoding = writing_flags.decoding_of(args)
    opened = Reporter.open_run(args.load)
    mode = opened.runs[0].config.mode_parts
    if decoding is not None and not mode.writes:
        raise InputError(f"{opened.load}: mode {mode.name} writes no reports; leave --decode out")
    documents = None
    if args.format:
        from tienet.commands.documents import Documents

        documents = Documents(args.format, args.out, opened.runs)
    judges = writing_flags.judges_of(args, opened)
    for note in judges.notes if judges else ():
        print(f"note: {note}", file=sys.stderr)
    flags.choose_gpus(args.gpu)
    for one in opened.runs:
        if one.writing_flaw:
            print(f"note: {one.folder}: {one.writing_flaw}", file=sys.stderr)
    if args.json:
        print(DISCLAIMER, file=sys.stderr)
    with _open_folder(args, opened, decoding, judges) as out:
        return _predict(args, opened, decoding, judges, documents, out, interruption)


def _open_folder(
    args: argparse.Namespace, opened: "OpenedRun | OpenedRuns", decoding: "Decoding | None", judges: "Judges | None"
) -> "contextlib.AbstractContextManager[ReportFolder | None]":
    if not args.out:
        return contextlib.nullcontext()
    from tienet.commands.report_folder import ReportFolder, identity_of

    identity = identity_of(opened, decoding, judges, args.format or "pages")
    return ReportFolder(args.out, identity, has_pages=not args.format)


def _predict(
    args: argparse.Namespace,
    opened: "OpenedRun | OpenedRuns",
    decoding: "Decoding | None",
    judges: "Judges | None",
    documents: "Documents | None",
    out: "ReportFolder | None",
    interruption: Interruption,
) -> int:
    from tienet.commands.output_formats import DISCLAIMER
    from tienet.commands.report_job import Job
    from tienet.predict import Reporter

    job = Job(args.images, opened.runs, args.json, out, documents)
    try:
        batches = job.batches(interruption)
        first = next(batches, None)
        if first is not None:  # nothing is loaded or written where no image can be read
            flags.start_tensorflow()
            with judges or contextlib.nullcontext(), Reporter.load(opened, decoding, judges) as reporter:
                job.run(reporter, itertools.chain([first], batches), interruption)
        if out and (job.predicted or job.found):
            out.finish()
    except Interrupted:
        job.log_stop()
        raise
    if not args.json:
        print(DISCLAIMER)
    if out and (job.predicted or job.found):
        print(out.index, file=sys.stderr if args.json else sys.stdout)
    return job.log_summary()
