"""Labels for studies: a row of probabilities and labels for each, as it comes.

    tienet annotate --load runs/annotate-text reports.csv --out labels.csv
    tienet annotate --load runs/annotate studies/ --out labels.csv
    tienet annotate --load runs/a runs/b runs/c reports.csv --out labels.csv     # three runs as one model

A CSV has columns study_id (or study, uid or image), report (or text, or findings and impression) and, for mode
annotate, image (PNG, JPEG or DICOM, relative to the CSV). A folder has images with a .txt file of the same name; for
annotate-text .txt files alone. The same command again goes on where it was stopped. What cannot be read, such as a
report of words that the network does not know, is passed over and named in OUT.errors.csv; the exit status is then 1.
"""

import argparse
import itertools
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet.cli import UsageError
from tienet.commands import flags
from tienet.data.text import MAX_UNKNOWN_SHARE_OF_ALL
from tienet.errors import InputError
from tienet.interruption import Interruption

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.checkpoint.together import OpenedRuns
    from tienet.commands.image_input import ImageInput
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.study_input import StudyInput
    from tienet.predict import Annotator, Prediction

TEXT_WINDOW, IMAGE_WINDOW = 2048, 32
"""How many studies are predicted together, without and with images; batches hold reports of like length among them.
A window depends on the input's order alone, so that a run that was stopped and goes on gives the same numbers."""

MAX_LOGGED_FAULTS = 20
"""How many studies that are passed over are named on standard error; OUT.errors.csv names all."""

Window = list["StudyInput"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `tienet annotate`."""
    flags.add_load(parser, "annotate or annotate-text", several=True)
    parser.add_argument("studies", nargs="?", metavar="CSV|FOLDER", help="reports, and images for mode annotate")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV of labels, appended to")
    parser.add_argument(
        "--evidence",
        action="store_true",
        help="also each named finding's sentence: the one without which its probability falls most; with images it"
        " takes as long as a study for each sentence",
    )
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Predict for the studies; returns the exit status, 1 if a study was passed over."""
    args.load, rest = flags.runs_and_rest(args.load, args.studies is not None)
    if len(rest) > 1:
        raise UsageError(f"unrecognized arguments: {' '.join(rest[1:])}")
    if args.studies is None and not rest:
        raise UsageError("the following arguments are required: CSV|FOLDER")
    args.studies = Path(args.studies or rest[0])
    if not args.studies.exists():
        raise FileNotFoundError(f"{args.studies} does not exist; expected a CSV file or a folder")
    if args.out.is_dir():
        raise InputError(f"--out {args.out} is a folder; expected the name of a CSV file")
    if args.out.resolve() == args.studies.resolve():
        raise InputError(f"--out {args.out} is the input; choose another name")
    with Interruption() as interruption:
        return _annotate(args, interruption)


def _annotate(args: argparse.Namespace, interruption: Interruption) -> int:
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.output_formats import threshold_table
    from tienet.commands.study_input import Needs, open_studies
    from tienet.predict import Annotator

    opened = Annotator.open_run(args.load)
    studies = open_studies(args.studies, Needs(image=opened.runs[0].config.mode_parts.image, report=True))
    flags.choose_gpus(args.gpu)
    identity = _identity(opened) | {"input": studies.identity} | ({"evidence": True} if args.evidence else {})
    with LabelsFile(args.out, identity, args.studies, args.evidence) as out:
        if studies.columns_taken:
            print(studies.columns_taken, file=sys.stderr)
        if opened.calibration is not None:
            print(threshold_table(opened.calibration), file=sys.stderr)
        flags.start_tensorflow()
        with Annotator.load(opened) as annotator:
            job = _Job(annotator, out, studies.total, args.evidence)
            job.run(studies, interruption)
            out.check_end()
            if args.evidence:
                print(out.write_json_lines())
            return job.log_summary(studies.notes)


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


class _Job:
    """One pass over the studies."""

    def __init__(self, annotator: "Annotator", out: "LabelsFile", total: int, evidence: bool = False) -> None:
        from tienet.checkpoint.together import image_px_of

        self._evidence = evidence
        self._annotator, self._out, self._total = annotator, out, total
        self._image_px = image_px_of(annotator.run.runs)
        self._logged_faults = self._truncated_reports = self._words = self._unknown_words = 0
        self._remarks: Counter[str] = Counter()
        self._thresholds_checked = False

    def run(self, studies: "Iterable[StudyInput]", interruption: Interruption) -> None:
        """Write the rows that the table lacks, window by window; raises `Interrupted` between two windows."""
        from tqdm import tqdm

        size = IMAGE_WINDOW if self._annotator.needs_image else TEXT_WINDOW
        bar = tqdm(total=self._total, desc="annotate", unit="study", smoothing=0.05, file=sys.stderr)
        with bar, _ImagePrefetcher(self._read_image) as prefetcher, interruption.deferred():
            for window, missing, images in prefetcher.prefetch(self._windows(iter(studies), size, bar)):
                done = self._annotate(window, missing, images, lambda: interruption.wanted is not None, bar)
                if interruption.wanted is not None:
                    bar.close()
                    self._log_interrupted()
                    raise interruption.error()
                assert done
                bar.update(len(missing))

    def _windows(self, studies: "Iterator[StudyInput]", size: int, bar) -> Iterator[tuple[Window, set[int]]]:
        """Each window that the table does not have as a whole, and which of its rows the table lacks."""
        while window := list(itertools.islice(studies, size)):
            missing = {study.row for study in window if not self._out.has(study)}
            if missing:
                bar.update(len(window) - len(missing))
                yield [self._checked(study) for study in window], missing
            else:
                bar.update(len(window))

    def _checked(self, study: "StudyInput") -> "StudyInput":
        """The study, with a fault if the network knows too few words of its report."""
        from tienet.commands.study_input import Fault

        found = None if study.fault else self._annotator.find_fault(study.report)
        return replace(study, fault=Fault(*found)) if found else study

    def _read_image(self, study: "StudyInput") -> "ImageInput":
        from tienet.commands.image_input import read_image_input

        return read_image_input(study.image, self._image_px)

    def _annotate(
        self, window: Window, missing: set[int], images: "list[ImageInput | None]", stopping: Callable[[], bool], bar
    ) -> bool:
        """Predict for a window, and append the rows that are missing.

        Returns:
            False, without a row appended, if the signal that stops this run has ended a process that decoded an image.
        """
        from tienet.data.dicom.reader import DIED

        studies = []
        for study, image in zip(window, images, strict=True):
            fault = study.fault or (image.fault if image else None)
            studies.append(replace(study, fault=fault))
        if stopping() and any(study.fault and study.fault.kind == DIED for study in studies):
            return False
        readable = [n for n, study in enumerate(studies) if study.fault is None]
        pixels = [images[n].pixels for n in readable] if self._annotator.needs_image else None
        reports = [studies[n].report for n in readable]
        predictions = self._annotator.annotate(reports, pixels) if readable else []
        evidence = self._find_evidence(reports, predictions, pixels)
        self._log_thresholds(predictions)
        for study in studies:
            if study.fault and study.row in missing:
                self._log_fault(study, bar)
                self._out.pass_over(study)
        for n, prediction, found in zip(readable, predictions, evidence, strict=True):
            if studies[n].row in missing:
                self._out.write(studies[n], prediction.probabilities, prediction.labels, found)
                self._count_words(prediction)
                self._remarks.update(images[n].remarks if images[n] else ())
        return True

    def _find_evidence(
        self, reports: list[str], predictions: "list[Prediction]", pixels: list[np.ndarray] | None
    ) -> list[list[dict] | None]:
        """What each study's column `evidence` holds; None without --evidence."""
        if not self._evidence:
            return [None] * len(reports)
        from tienet.inference.evidence import find_evidence

        found = find_evidence(self._annotator, reports, predictions, pixels)
        return [[evidence.to_json() for evidence in of_study] for of_study in found]

    # ---- messages ----

    def _count_words(self, prediction: "Prediction") -> None:
        """Count the words that were read of a report, for the notes at the end."""
        words = prediction.words[1:]
        self._words += len(words)
        self._unknown_words += self._annotator.count_unknown(words)
        self._truncated_reports += prediction.cut_at is not None

    def _log_thresholds(self, predictions: list) -> None:
        """Print a note on labels without a threshold, once."""
        if predictions and not self._thresholds_checked:
            self._thresholds_checked = True
            without = int(np.isnan(predictions[0].thresholds).sum())
            if without:
                _log_note(f"{without} labels have no threshold; their cells stay empty (tienet calibrate chooses them)")

    def _log_fault(self, study: "StudyInput", bar) -> None:
        if self._logged_faults < MAX_LOGGED_FAULTS:
            bar.write(f"passed over: row {study.row}, {study.study_id}: {study.fault.message}", file=sys.stderr)
        elif self._logged_faults == MAX_LOGGED_FAULTS:
            bar.write(f"further ones are named in {self._out.errors_path} only", file=sys.stderr)
        self._logged_faults += 1

    def log_summary(self, notes: Sequence[str]) -> int:
        """Print how many studies were written and passed over, and notes on them; returns the exit status."""
        passed_over = sum(self._out.reasons.values())
        print(f"{self._out.path}: {self._out.written:,} studies")
        for note in notes:
            _log_note(note)
        for remark, count in self._remarks.most_common():
            _log_note(f"of {count:,} images the file {remark}")
        if self._unknown_words > MAX_UNKNOWN_SHARE_OF_ALL * self._words:
            share = self._unknown_words / self._words
            _log_note(f"the network does not know {share:.0%} of the words; was it trained on reports like these?")
        if self._truncated_reports:
            count = f"{self._truncated_reports:,}"
            _log_note(f"{count} reports have more than {self._annotator.max_words} words and were read up to there")
        if passed_over:
            reasons = "; ".join(f"{count:,} x {reason}" for reason, count in self._out.reasons.most_common())
            print(f"passed over: {passed_over:,}, each named in {self._out.errors_path}: {reasons}", file=sys.stderr)
        return 1 if passed_over else 0

    def _log_interrupted(self) -> None:
        written = f"{self._out.written:,} of {self._total:,} studies"
        print(f"{self._out.path}: {written}; the same command goes on", file=sys.stderr)


class _ImagePrefetcher:
    """Reads the images of the next window in threads while the network predicts for this one."""

    def __init__(self, read: "Callable[[StudyInput], ImageInput]") -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> "_ImagePrefetcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def prefetch(
        self, windows: Iterator[tuple[Window, set[int]]]
    ) -> "Iterator[tuple[Window, set[int], list[ImageInput | None]]]":
        """Each window, its missing rows, and the images of its studies; None for a study without one."""
        waiting: deque = deque()
        for window, missing in windows:
            waiting.append((window, missing, [self._submit(study) for study in window]))
            if len(waiting) > 1:
                yield self._finish(*waiting.popleft())
        for entry in waiting:
            yield self._finish(*entry)

    def _submit(self, study: "StudyInput") -> Future | None:
        return None if study.image is None or study.fault else self._pool.submit(self._read, study)

    @staticmethod
    def _finish(window: Window, missing: set[int], futures: list[Future | None]) -> tuple:
        return window, missing, [None if future is None else future.result() for future in futures]


def _log_note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
