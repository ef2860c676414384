"""Labels for studies: a row of probabilities and labels for each, as it comes.

    tienet annotate --load runs/annotate-text reports.csv --out labels.csv
    tienet annotate --load runs/annotate studies/ --out labels.csv

A CSV has columns study_id (or study, or image), report (or text, or findings and impression) and, for mode annotate,
image (PNG, JPEG or DICOM, relative to the CSV). A folder has images with a .txt file of the same name; for
annotate-text .txt files alone. The same command again goes on where it was stopped. What cannot be read is passed over
and named in OUT.errors.csv; the exit status is then 1.
"""

import argparse
import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet.commands import flags
from tienet.errors import InputError
from tienet.interruption import Interruption

if TYPE_CHECKING:  # these import TensorFlow
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.commands.image_input import ImageInput
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.study_input import StudyInput
    from tienet.predict import Annotator

TEXT_WINDOW, IMAGE_WINDOW = 2048, 32
"""Studies that are read together, sorted by length among themselves. Which these are depends on the input's order
alone, so that a run that was stopped gives the same numbers."""

MAX_NAMED = 20  # studies with a fault that are named on the screen
MAX_UNKNOWN_SHARE = 0.2  # of the words

Window = list["StudyInput"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    flags.add_load(parser, "annotate or annotate-text")
    parser.add_argument("studies", type=Path, metavar="CSV|FOLDER", help="reports, and images for mode annotate")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV of labels, appended to")
    flags.add_gpu(parser)


def run(args: argparse.Namespace) -> int:
    """Annotate; returns 1 if a study was passed over."""
    if not args.studies.exists():
        raise FileNotFoundError(f"{args.studies} does not exist; expected a CSV file or a folder")
    if args.out.resolve() == args.studies.resolve():
        raise InputError(f"--out {args.out} is the input; choose another name")
    with Interruption() as interruption:
        flags.start(args.gpu)
        return _annotate(args, interruption)


def _annotate(args: argparse.Namespace, interruption: Interruption) -> int:
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.study_input import Needs, open_studies
    from tienet.predict import Annotator

    with Annotator.load(args.load) as annotator:
        studies = open_studies(args.studies, Needs(image=annotator.needs_image, report=True))
        identity = _identity(annotator.run) | {"input": studies.identity}
        with LabelsFile(args.out, identity, args.studies) as out:
            work = _Work(annotator, out, studies.total)
            work.run(studies, interruption)
            out.check_end()
            return work.tell()


def _identity(opened: "OpenedRun") -> dict[str, object]:
    """What the numbers in a file of labels depend on, and has to stay the same."""
    from tienet.checkpoint.entries import sha256

    thresholds = opened.thresholds()
    temperatures = None if opened.calibration is None else opened.calibration.temperatures
    numbers = [None if np.isnan(thresholds).all() else thresholds, temperatures]
    return {
        "checkpoint": sha256(opened.prefix.with_name(f"{opened.prefix.name}.index")),
        "thresholds_or_temperatures": [None if value is None else [str(v) for v in value] for value in numbers],
    }


class _Work:
    """The pass over the studies."""

    def __init__(self, annotator: "Annotator", out: "LabelsFile", total: int) -> None:
        self._annotator, self._out, self._total = annotator, out, total
        run = annotator.run
        self._vocab, self._px, self._max_words = run.vocab, run.config.image_px, run.config.max_words
        self._named = self._cut = 0
        self._words_checked = self._told_no_threshold = False

    def run(self, studies: "Iterable[StudyInput]", interruption: Interruption) -> None:
        """All studies that are not there yet, window by window. Raises `Interrupted` between two of them."""
        from tqdm import tqdm

        size = IMAGE_WINDOW if self._annotator.needs_image else TEXT_WINDOW
        bar = tqdm(total=self._total, desc="annotate", unit="study", smoothing=0.05, file=sys.stderr)
        with bar, _Ahead(self._picture) as ahead, interruption.deferred():
            for window, missing, pictures in ahead.over(self._windows(iter(studies), size, bar)):
                done = self._annotate(window, missing, pictures, lambda: interruption.wanted is not None, bar)
                if interruption.wanted is not None:
                    bar.close()
                    self._tell_stopped()
                    raise interruption.error()
                assert done
                bar.update(len(missing))

    def _windows(self, studies: "Iterator[StudyInput]", size: int, bar) -> Iterator[tuple[Window, set[int]]]:
        """Each window that is not there yet as a whole, and which of its rows are not."""
        while window := list(itertools.islice(studies, size)):
            missing = {study.row for study in window if not self._out.has(study)}
            if missing:
                bar.update(len(window) - len(missing))
                yield window, missing
            else:
                bar.update(len(window))

    def _picture(self, study: "StudyInput") -> "ImageInput":
        from tienet.commands.image_input import read_image_input

        return read_image_input(study.image, self._px)

    def _annotate(
        self, window: Window, missing: set[int], pictures: "list[ImageInput | None]", stop: Callable[[], bool], bar
    ) -> bool:
        """Read a window and append what is missing; False if a reader of images was stopped on the way."""
        from tienet.data.dicom.reader import DIED

        seen = []
        for study, picture in zip(window, pictures, strict=True):
            fault = study.fault or (picture.fault if picture else None)
            seen.append(replace(study, fault=fault))
        if stop() and any(study.fault and study.fault.kind == DIED for study in seen):
            return False
        good = [n for n, study in enumerate(seen) if study.fault is None]
        images = [pictures[n].small for n in good] if self._annotator.needs_image else None
        predictions = self._annotator.annotate([seen[n].report for n in good], images) if good else []
        self._look_at(predictions)
        for study in seen:
            if study.fault and study.row in missing:
                self._name(study, bar)
                self._out.pass_over(study)
        for n, prediction in zip(good, predictions, strict=True):
            if seen[n].row in missing:
                self._out.write(seen[n], prediction.probabilities, prediction.labels)
                self._cut += self._is_cut(seen[n].report, len(prediction.words) - 1)
        return True

    # ---- what is said ----

    def _is_cut(self, report: str, words_read: int) -> bool:
        from tienet.data.text import tokenize

        return words_read == self._max_words and len(tokenize(report)) > words_read

    def _look_at(self, predictions: list) -> None:
        """Notes on the first window."""
        words = [word for prediction in predictions for word in prediction.words[1:]]
        if predictions and not self._told_no_threshold:
            self._told_no_threshold = True
            without = int((predictions[0].thresholds != predictions[0].thresholds).sum())
            if without:
                _note(f"{without} labels have no threshold; their cells stay empty (tienet calibrate chooses them)")
        if words and not self._words_checked:
            self._words_checked = True
            unknown = sum(word not in self._vocab.ids for word in words) / len(words)
            if unknown > MAX_UNKNOWN_SHARE:
                _note(f"the network does not know {unknown:.0%} of the words; was it trained on reports like these?")

    def _name(self, study: "StudyInput", bar) -> None:
        if self._named < MAX_NAMED:
            bar.write(f"passed over: row {study.row}, {study.study_id}: {study.fault.message}", file=sys.stderr)
        elif self._named == MAX_NAMED:
            bar.write(f"further ones are named in {self._out.errors_path} only", file=sys.stderr)
        self._named += 1

    def tell(self) -> int:
        """Say what came of it; the exit status."""
        bad = sum(self._out.reasons.values())
        print(f"{self._out.path}: {self._out.written:,} studies")
        if self._cut:
            _note(f"{self._cut:,} reports have more than {self._max_words} words and were read up to there")
        if bad:
            reasons = "; ".join(f"{count:,} x {reason}" for reason, count in self._out.reasons.most_common())
            print(f"passed over: {bad:,}, each named in {self._out.errors_path}: {reasons}", file=sys.stderr)
        return 1 if bad else 0

    def _tell_stopped(self) -> None:
        written = f"{self._out.written:,} of {self._total:,} studies"
        print(f"{self._out.path}: {written}; the same command goes on", file=sys.stderr)


class _Ahead:
    """Reads the next window's images while the network looks at this one's."""

    def __init__(self, read: "Callable[[StudyInput], ImageInput]") -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> "_Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def over(
        self, windows: Iterator[tuple[Window, set[int]]]
    ) -> "Iterator[tuple[Window, set[int], list[ImageInput | None]]]":
        """Each window with its images."""
        waiting: deque = deque()
        for window, missing in windows:
            waiting.append((window, missing, [self._submit(study) for study in window]))
            if len(waiting) > 1:
                yield self._finish(*waiting.popleft())
        for one in waiting:
            yield self._finish(*one)

    def _submit(self, study: "StudyInput") -> Future | None:
        return None if study.image is None or study.fault else self._pool.submit(self._read, study)

    @staticmethod
    def _finish(window: Window, missing: set[int], futures: list[Future | None]) -> tuple:
        return window, missing, [None if future is None else future.result() for future in futures]


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
