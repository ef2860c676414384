"""Labels and a preliminary report for each image.

    tienet report --load runs/report chest.png scans/ --out pages
    tienet report --load runs/report --json chest.dcm

Images are PNG, JPEG or DICOM files, folders of these, or CSV files with a column image. A run of mode classify gives
no report, one of caption no labels; several of classify label as one model. --json prints a line for each image: image,
study_id, probabilities, thresholds, labels (1, 0, or null without a threshold), precision and recall of the thresholds
in validation, report, cut_at (the number of words at which it was cut, or null), log_probability. What cannot be read
is named on standard error; the exit status is then 1, or 2 if nothing could be read.
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
    import numpy as np

    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.commands.study_input import StudyInput
    from tienet.pages.study import StudyPage
    from tienet.predict import Reporter

    Batch = tuple[list[StudyInput], list[np.ndarray]]

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
    with contextlib.ExitStack() as stack:
        if args.out:
            stack.enter_context(contents.writing(args.out, contents.PAGES, "--out"))
        return _report(args)


def _report(args: argparse.Namespace) -> int:
    from tienet.commands.output_formats import DISCLAIMER
    from tienet.pages.study import write_pages
    from tienet.predict import Reporter

    decoding = writing_flags.decoding_of(args)
    opened = Reporter.open_run(args.load)
    mode = opened.runs[0].config.mode_parts
    if decoding is not None and not mode.writes:
        raise InputError(f"{opened.load}: mode {mode.name} writes no reports; leave --decode out")
    judges = writing_flags.judges_of(args, opened)
    for note in judges.notes if judges else ():
        print(f"note: {note}", file=sys.stderr)
    flags.choose_gpus(args.gpu)
    for one in opened.runs:
        if one.writing_flaw:
            print(f"note: {one.folder}: {one.writing_flaw}", file=sys.stderr)
    if args.json:
        print(DISCLAIMER, file=sys.stderr)
    job = _Job(opened.runs, args)
    batches = job.batches()
    first = next(batches, None)
    if first is not None:  # nothing is loaded or written where no image can be read
        flags.start_tensorflow()
        with judges or contextlib.nullcontext(), Reporter.load(opened, decoding, judges) as reporter:
            pages = job.pages(reporter, itertools.chain([first], batches))
            if args.out:
                write_pages(args.out, pages)
            else:
                for _ in pages:
                    pass
    if not args.json:
        print(DISCLAIMER)
    if args.out and first is not None:
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

    def __init__(self, runs: "Sequence[OpenedRun]", args: argparse.Namespace) -> None:
        from tienet.checkpoint.together import image_px_of

        self._image_px, self._page_px = image_px_of(runs), runs[0].config.image_px
        self._paths, self._json, self._maps = args.images, args.json, args.out is not None
        self.predicted = self.failed = 0

    def batches(self) -> "Iterator[Batch]":
        """Read the images, and yield those that could be read, as the network takes them; the others are named."""
        from tienet.commands.image_input import read_image_input

        studies = self._studies()
        while batch := list(itertools.islice(studies, MAX_BATCH)):
            readable, images = [], []
            for study in batch:
                image = None if study.fault else read_image_input(study.image, self._image_px)
                fault = study.fault or image.fault
                if fault:
                    self.failed += 1
                    print(f"passed over: {fault.message}", file=sys.stderr)
                else:
                    readable.append(study)
                    images.append(image.pixels)
                    for remark in image.remarks:
                        print(f"note: {study.image}: the file {remark}", file=sys.stderr)
            if readable:
                yield readable, images

    def pages(self, reporter: "Reporter", batches: "Iterable[Batch]") -> "Iterator[StudyPage | bool]":
        """Print the prediction for each image, and yield the image's page, or True if no pages are wanted."""
        from tienet.commands.output_formats import as_json, as_page, as_text
        from tienet.data.image import resize

        for readable, images in batches:
            predictions = reporter.report(images, maps=self._maps)
            for study, pixels, prediction in zip(readable, images, predictions, strict=True):
                self.predicted += 1
                print(as_json(study, prediction) if self._json else as_text(study, prediction), flush=True)
                shown = pixels if self._image_px else resize(pixels, self._page_px)
                yield as_page(study.study_id, shown, prediction) if self._maps else True

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
