"""The work of `tienet annotate`: window by window from the studies to the rows of the table."""

import itertools
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tienet.commands.study import Fault, StudyInput
from tienet.data.text import MAX_UNKNOWN_SHARE_OF_ALL
from tienet.errors import InputError
from tienet.interruption import Interrupted, Interruption
from tienet.progress import Progress

if TYPE_CHECKING:
    from tienet.commands.image_input import ImageInput
    from tienet.commands.labels_table import LabelsTable
    from tienet.commands.study_input import StudyInputs
    from tienet.predict import Annotator, Prediction

TEXT_WINDOW, IMAGE_WINDOW = 2048, 32
"""How many studies are predicted together, without and with images; batches hold reports of like length among them.
A window depends on the input's order alone, so that a run that was stopped and goes on gives the same numbers."""

FIRST_PIPED_WINDOW = 32
"""The first window of a pipe; each further one is twice as large, up to TEXT_WINDOW, so that rows come out soon."""

MAX_LOGGED_FAULTS = 20
"""How many studies that are passed over are named on standard error; the table and OUT.errors.csv name all."""

Window = list[StudyInput]


class Job:
    """One pass over the studies."""

    def __init__(
        self, annotator: "Annotator", out: "LabelsTable", studies: "StudyInputs", evidence: bool = False
    ) -> None:
        from tienet.checkpoint.together import image_px_of

        self._evidence = evidence
        self._annotator, self._out, self._studies = annotator, out, studies
        self._image_px = image_px_of(annotator.run.runs)
        self._logged_faults = self._truncated_reports = self._words = self._unknown_words = 0
        self._remarks: Counter[str] = Counter()
        self._unlike = 0
        self._thresholds_checked = False

    def run(self, interruption: Interruption) -> None:
        """Write the rows that the table lacks, window by window; raises `Interrupted` between two windows."""
        progress = Progress(self._studies.total, "annotate", "studies")
        ahead = 1 if self._annotator.needs_image else 0
        with progress, _ImagePrefetcher(self._read_image, ahead) as prefetcher, interruption.deferred():
            try:
                for window, missing, images in prefetcher.prefetch(self._windows(interruption, progress)):
                    done = self._annotate(window, missing, images, lambda: interruption.wanted is not None, progress)
                    if interruption.wanted is not None:
                        raise interruption.error()
                    assert done
                    progress.update(len(missing))
            except Interrupted:
                progress.close()
                self._log_interrupted()
                raise

    def _windows(self, interruption: Interruption, progress: Progress) -> Iterator[tuple[Window, set[int]]]:
        """Each window that the table does not have as a whole, and which of its rows the table lacks."""
        studies = iter(self._studies)
        for size in self._window_sizes():
            window, error = self._read_window(itertools.islice(studies, size), interruption)
            missing = {study.row for study in window if not self._out.has(study)}
            if len(missing) < len(window):
                progress.skip(len(window) - len(missing))
            if missing:
                yield [self._checked(study) for study in window], missing
            if error is not None:
                raise error
            if len(window) < size:
                return

    def _read_window(
        self, studies: Iterator[StudyInput], interruption: Interruption
    ) -> tuple[Window, InputError | None]:
        """The studies, and the error that has come after them: what a pipe gave before it is not given again."""
        window: Window = []
        try:
            with interruption.heeded() if self._studies.is_piped else nullcontext():  # it may wait for hours
                for study in studies:
                    window.append(study)
        except InputError as error:
            return window, error
        return window, None

    def _window_sizes(self) -> Iterator[int]:
        if self._annotator.needs_image:
            yield from itertools.repeat(IMAGE_WINDOW)
        if self._studies.is_piped:
            size = FIRST_PIPED_WINDOW
            while size < TEXT_WINDOW:
                yield size
                size *= 2
        yield from itertools.repeat(TEXT_WINDOW)

    def _checked(self, study: StudyInput) -> StudyInput:
        """The study, with a fault if the network knows too few words of its report."""
        found = None if study.fault else self._annotator.find_fault(study.report)
        return replace(study, fault=Fault(*found)) if found else study

    def _read_image(self, study: StudyInput) -> "ImageInput":
        from tienet.commands.image_input import read_image_input

        return read_image_input(study.image, self._image_px)

    def _annotate(
        self,
        window: Window,
        missing: set[int],
        images: "list[ImageInput | None]",
        stopping: Callable[[], bool],
        progress: Progress,
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
        results = iter(zip(readable, predictions, evidence, strict=True))
        for n, study in enumerate(studies):
            if study.fault and study.row in missing:
                self._log_fault(study, progress)
                self._out.pass_over(study)
            elif not study.fault:
                _, prediction, found = next(results)
                if study.row in missing:
                    self._write(study, prediction, found, images[n].remarks if images[n] else ())
        self._out.flush()
        return True

    def _write(
        self, study: StudyInput, prediction: "Prediction", evidence: list[dict] | None, remarks: Sequence[str]
    ) -> None:
        """Add the row of a study that was labelled, and count what the notes at the end tell."""
        from tienet.commands.output_formats import notes_on

        notes = notes_on(remarks, prediction)
        self._out.write(study, prediction.probabilities, prediction.labels, evidence, prediction.image_distance, notes)
        self._count_words(prediction)
        self._remarks.update(remarks)
        self._unlike += bool(prediction.notes)

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

    def _log_fault(self, study: StudyInput, progress: Progress) -> None:
        if self._logged_faults < MAX_LOGGED_FAULTS:
            progress.write(f"passed over: row {study.row}, {study.study_id}: {study.fault.message}")
        elif self._logged_faults == MAX_LOGGED_FAULTS:
            progress.write(f"further ones are named in {self._out.rest}")
        self._logged_faults += 1

    def log_summary(self) -> int:
        """Print how many studies were written and passed over, and notes on them; returns the exit status."""
        passed_over = self._out.reasons.total()
        print(f"{self._out.name}: {self._out.written:,} studies")
        for note in self._studies.notes:
            _log_note(note)
        for remark, count in self._remarks.most_common():
            _log_note(f"of {count:,} images the file {remark}")
        if self._unlike:
            _log_note(f"{self._unlike:,} images are unlike the training images (columns image_distance and notes)")
        if self._unknown_words > MAX_UNKNOWN_SHARE_OF_ALL * self._words:
            share = self._unknown_words / self._words
            _log_note(f"the network does not know {share:.0%} of the words; was it trained on reports like these?")
        if self._truncated_reports:
            count = f"{self._truncated_reports:,}"
            _log_note(f"{count} reports have more than {self._annotator.max_words} words and were read up to there")
        if passed_over:
            reasons = "; ".join(f"{count:,} x {reason}" for reason, count in self._out.reasons.most_common())
            print(f"passed over: {passed_over:,}, each named in {self._out.rest}: {reasons}", file=sys.stderr)
        return 1 if passed_over else 0

    def _log_interrupted(self) -> None:
        done = self._out.written + self._out.reasons.total()
        if self._studies.total is None or not self._out.can_go_on:
            print(f"{self._out.name}: {done:,} studies, and then it was stopped", file=sys.stderr)
        else:
            written = f"{done:,} of {self._studies.total:,} studies"
            print(f"{self._out.name}: {written}; the same command goes on", file=sys.stderr)


class _ImagePrefetcher:
    """Reads the images of the next windows in threads while the network predicts for this one."""

    def __init__(self, read: "Callable[[StudyInput], ImageInput]", ahead: int) -> None:
        self._read, self._ahead = read, ahead
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
            if len(waiting) > self._ahead:
                yield self._finish(*waiting.popleft())
        for entry in waiting:
            yield self._finish(*entry)

    def _submit(self, study: StudyInput) -> Future | None:
        return None if study.image is None or study.fault else self._pool.submit(self._read, study)

    @staticmethod
    def _finish(window: Window, missing: set[int], futures: list[Future | None]) -> tuple:
        return window, missing, [None if future is None else future.result() for future in futures]


def _log_note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)
