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
"""

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tienet.cli import UsageError
from tienet.commands import flags, writing_flags
from tienet.errors import InputError
from tienet.folders import contents

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.clinical.fhir import Image
    from tienet.commands.documents import Documents
    from tienet.commands.image_input import ImageInput
    from tienet.commands.study_input import StudyInput
    from tienet.pages.study import StudyPage
    from tienet.predict import Reporter

    Batch = list[tuple[StudyInput, ImageInput, Image | None]]

MAX_BATCH = 8
"""The largest number of images that are read and predicted together."""


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
    with contextlib.ExitStack() as stack:
        if args.out:
            kind = contents.DOCUMENTS if args.format else contents.PAGES
            stack.enter_context(contents.writing(args.out, kind, "--out"))
        return _report(args)


def _check_format(args: argparse.Namespace) -> None:
    from tienet.commands.documents import check_image, check_installed

    if not args.out:
        raise UsageError(f"--format {args.format} writes a file for each image; --out DIR says where")
    check_installed(args.format)
    if len(args.images) == 1:  # of several, one that is of no use stops nothing
        check_image(args.format, args.images[0])


def _report(args: argparse.Namespace) -> int:
    from tienet.commands.output_formats import DISCLAIMER
    from tienet.pages.pages_folder import write_pages
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
    job = _Job(opened.runs, args, documents)
    batches = job.batches()
    first = next(batches, None)
    if first is not None:  # nothing is loaded or written where no image can be read
        flags.start_tensorflow()
        with judges or contextlib.nullcontext(), Reporter.load(opened, decoding, judges) as reporter:
            pages = job.pages(reporter, itertools.chain([first], batches))
            if args.out and not args.format:
                write_pages(args.out, pages)
            else:
                for _ in pages:
                    pass
    if not args.json:
        print(DISCLAIMER)
    if args.out and not args.format and first is not None:
        print(args.out / "index.html", file=sys.stderr if args.json else sys.stdout)
    if job.failed:
        print(f"{job.failed:,} of {job.failed + job.predicted:,} could not be read", file=sys.stderr)
    return 0 if not job.failed else 1 if job.predicted else 2


class _Job:
    """One pass over the images.

    Attributes:
        predicted: The number of images that were read and predicted.
        failed: The number of images that could not be read.
    """

    def __init__(
        self, runs: "Sequence[OpenedRun]", args: argparse.Namespace, documents: "Documents | None" = None
    ) -> None:
        from tienet.checkpoint.together import image_px_of

        self._image_px, self._page_px = image_px_of(runs), runs[0].config.image_px
        self._paths, self._json, self._documents = args.images, args.json, documents
        self._maps = args.out is not None and args.format != "fhir"
        self.predicted = self.failed = 0

    def batches(self) -> "Iterator[Batch]":
        """Read the images, and yield those that could be read, as the network takes them; the others are named."""
        studies = self._studies()
        while batch := list(itertools.islice(studies, MAX_BATCH)):
            readable = []
            for study in batch:
                image, document = self._read(study)
                if image.fault:
                    self.failed += 1
                    print(f"passed over: {image.fault.message}", file=sys.stderr)
                    continue
                readable.append((study, image, document))
            if readable:
                yield readable

    def _read(self, study: "StudyInput") -> "tuple[ImageInput, Image | None]":
        """An image, and what a document on it needs of its file if there are documents."""
        from tienet.commands.image_input import UNREADABLE, ImageInput, read_image_input
        from tienet.commands.study_input import Fault

        image = ImageInput(None, study.fault) if study.fault else read_image_input(study.image, self._image_px)
        if image.fault or not self._documents:
            return image, None
        try:
            document = self._documents.open(study)
        except InputError as error:
            return ImageInput(None, Fault(UNREADABLE, str(error))), None
        return ImageInput(image.pixels, remarks=(*image.remarks, *document.remarks)), document

    def pages(self, reporter: "Reporter", batches: "Iterable[Batch]") -> "Iterator[StudyPage | bool]":
        """Print the prediction for each image, and yield the image's page, or True if no pages are wanted.

        If there are documents, write that of the image, and print its path.
        """
        from tienet.commands.output_formats import as_json, as_page, as_text, notes_on
        from tienet.data.image import resize

        for batch in batches:
            predictions = reporter.report([image.pixels for _, image, _ in batch], maps=self._maps)
            for (study, image, document), prediction in zip(batch, predictions, strict=True):
                self.predicted += 1
                notes = notes_on(image.remarks, prediction)
                as_output = as_json if self._json else as_text
                print(as_output(study, prediction, notes), flush=True)
                if document:
                    path = self._documents.write(document, prediction, notes)
                    print(path, file=sys.stderr if self._json else sys.stdout, flush=True)
                    yield True
                    continue
                shown = image.pixels if self._image_px else resize(image.pixels, self._page_px)
                yield as_page(study.study_id, shown, prediction, notes) if self._maps else True

    def _studies(self) -> "Iterator[StudyInput]":
        """The images of all arguments; an argument that cannot be read becomes a study with a fault."""
        from tienet.commands.study_input import Fault, Needs, StudyInput, open_studies

        for path in self._paths:
            # os.path says no of a name that is too long, where Path.is_dir raises: it is one of several images
            if not os.path.isdir(path) and path.suffix.lower() != ".csv":  # noqa: PTH112
                yield StudyInput(1, path.name, path)
                continue
            try:
                studies = open_studies(path, Needs(image=True, report=False))
                if studies.columns_taken:
                    print(studies.columns_taken, file=sys.stderr)
                yield from studies
            except (InputError, OSError) as error:
                yield StudyInput(1, path.name, fault=Fault("input that cannot be read", str(error)))
