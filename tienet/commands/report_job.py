"""The work of `tienet report`: batch by batch from the images to what is printed and what is written into a folder."""

import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from tienet.commands.image_input import UNREADABLE, ImageInput, read_image_input
from tienet.commands.output_formats import as_json, as_page, as_text, notes_on
from tienet.commands.report_journal import Key, Record
from tienet.commands.studies_of_folder import name_of_image
from tienet.commands.study_input import Fault, Needs, StudyInput, StudyInputs, open_studies
from tienet.errors import InputError
from tienet.interruption import Interruption
from tienet.progress import Progress

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.clinical.fhir import Image
    from tienet.commands.documents import Documents
    from tienet.commands.report_folder import ReportFolder
    from tienet.predict import Prediction, Reporter

_UNREADABLE = ("cannot be read", "does not exist")  # how the kinds of fault end of what nobody could read

MAX_BATCH = 8
"""The largest number of images that are read and predicted together. A batch depends on the order of the arguments
alone, so that a command that was stopped and goes on gives the same numbers."""


@dataclass(eq=False)
class _Item:
    """One image of a batch.

    Attributes:
        study: What the user has named.
        where: The row of the table that it comes from, for messages; empty where the image's path says enough.
        key, record: What its result is known by, and the result that is in place; None without a folder.
        image: The image, or why it cannot be read; None while it is not needed.
        document: What a document on it needs of its file, if there are documents.
    """

    study: StudyInput
    where: str = ""
    key: Key | None = None
    record: Record | None = None
    image: ImageInput | None = None
    document: "Image | None" = None

    @property
    def is_readable(self) -> bool:
        return self.image is not None and self.image.fault is None

    @property
    def is_new(self) -> bool:
        return self.record is None and self.is_readable


Batch = list[_Item]


class Job:
    """One pass over the images.

    Args:
        paths: The arguments: files, folders and tables.
        runs: The runs, as one model.
        json: Whether what is printed is JSON.
        out: Where the results go; None: they are only printed.
        documents: What writes documents into `out`; None: pages go there.

    Attributes:
        total: The number of images; None if nobody knows.
        predicted: The number of images that were read and predicted.
        found: The number of images whose result was in place.
        faults: The number of images that were passed over, by the kind of fault.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        runs: "Sequence[OpenedRun]",
        json: bool,
        out: "ReportFolder | None" = None,
        documents: "Documents | None" = None,
    ) -> None:
        from tienet.checkpoint.together import image_px_of

        self._image_px, self._page_px = image_px_of(runs), runs[0].config.image_px
        self._json, self._out, self._documents = json, out, documents
        self._needs_maps = out is not None and (documents is None or documents.needs_maps)
        self._sources = [_open(path) for path in paths]
        self._is_piped = any(getattr(source, "is_piped", False) for source in self._sources)
        totals = [1 if isinstance(source, StudyInput) else source.total for source in self._sources]
        self.total = None if None in totals else sum(totals)
        self.predicted = self.found = 0
        self.faults: Counter[str] = Counter()

    # ---- reading ----

    def batches(self, interruption: Interruption) -> Iterator[Batch]:
        """Read the images, and yield those batches in which one has to be predicted; settle the others."""
        studies = itertools.chain.from_iterable(map(_studies_of, self._sources))
        while True:
            with interruption.heeded() if self._is_piped else nullcontext():  # it may wait for hours
                window = list(itertools.islice(studies, MAX_BATCH))
            if not window:
                return
            batch = [self._item(study, where) for study, where in window]
            for item in batch:
                if item.record is None:
                    self._read(item)
            if interruption.wanted is not None:  # the signal may have ended a process that decoded an image
                raise interruption.error()
            if not any(item.is_new for item in batch):
                self._settle(batch, [])
                continue
            for item in batch:  # the numbers of an image may depend on the others of its batch, in their last digits
                if item.image is None:
                    item.image = read_image_input(item.study.image, self._image_px)
            yield batch

    def _item(self, study: StudyInput, where: str) -> _Item:
        if self._out is None:
            return _Item(study, where)
        key = self._out.key_of(study)
        return _Item(study, where, key, self._out.find(key))

    def _read(self, item: _Item) -> None:
        """Read an image, and what a document on it needs of its file if there are documents."""
        study = item.study
        image = ImageInput(None, study.fault) if study.fault else read_image_input(study.image, self._image_px)
        item.image = image
        if image.fault or not self._documents:
            return
        try:
            item.document = self._documents.open(study)
        except InputError as error:
            item.image = ImageInput(None, Fault(UNREADABLE, str(error)))
            return
        item.image = ImageInput(image.pixels, remarks=(*image.remarks, *item.document.remarks))

    # ---- predicting ----

    def run(self, reporter: "Reporter", batches: Iterable[Batch], interruption: Interruption) -> None:
        """Predict for the batches; raises `Interrupted` between two of them."""
        show = self._out is not None and self.total != 1
        with Progress(self.total, "report", "images", show=show) as progress, interruption.deferred():
            counted = 0
            for batch in batches:
                progress.skip(self._settled - counted)
                readable = [item for item in batch if item.is_readable]
                predictions = reporter.report([item.image.pixels for item in readable], maps=self._needs_maps)
                of_new = [said for item, said in zip(readable, predictions, strict=True) if item.is_new]
                self._settle(batch, of_new)
                progress.update(len(batch))
                counted = self._settled
                if interruption.wanted is not None:
                    raise interruption.error()
            progress.skip(self._settled - counted)

    @property
    def _settled(self) -> int:
        return self.predicted + self.found + self.faults.total()

    def _settle(self, batch: Batch, predictions: "Sequence[Prediction]") -> None:
        """Print and write what came of a batch, image by image; `predictions` are those of the new ones."""
        remaining = iter(predictions)
        for item in batch:
            if item.record is not None:
                self.found += 1
                self._out.keep(item.study, item.record)
            elif item.image.fault:
                self._pass_over(item, item.image.fault)
            else:
                self.predicted += 1
                self._write(item, next(remaining))

    def _pass_over(self, item: _Item, fault: Fault) -> None:
        if item.where:
            fault = replace(fault, message=f"{item.where}: {fault.message}")
        self.faults[fault.kind] += 1
        _print(f"passed over: {fault.message}", sys.stderr)
        if self._out:
            self._out.pass_over(item.study, fault)

    def _write(self, item: _Item, prediction: "Prediction") -> None:
        study, notes = item.study, notes_on(item.image.remarks, prediction)
        line = as_json(study, prediction, notes)
        _print(line if self._json else as_text(study, prediction, notes), sys.stdout)
        if self._documents:
            path = self._documents.write(item.document, prediction, notes)
            self._out.add_document(study, item.key, path, line)
            _print(str(path), sys.stderr if self._json else sys.stdout)
        elif self._out:
            from tienet.data.image import resize

            shown = item.image.pixels if self._image_px else resize(item.image.pixels, self._page_px)
            self._out.add_page(study, item.key, as_page(study.study_id, shown, prediction, notes), line)

    # ---- the end ----

    def log_stop(self) -> None:
        """Print how far the work is that was stopped."""
        of = "" if self.total is None else f" of {self.total:,}"
        print(f"{self._out.folder}: {self._settled:,}{of} images; the same command goes on", file=sys.stderr)

    def log_summary(self) -> int:
        """Print what was not printed of the images; returns the exit status."""
        if self.found:
            from tienet.commands.report_folder import LINES

            print(
                f"{self.found:,} of {self._settled:,} were there already and are not printed again; "
                f"{self._out.folder / LINES} has all of them",
                file=sys.stderr,
            )
        if failed := self.faults.total():
            if all(kind.endswith(_UNREADABLE) for kind in self.faults):
                print(f"{failed:,} of {self._settled:,} could not be read", file=sys.stderr)
            else:
                kinds = "; ".join(f"{count:,} x {kind}" for kind, count in self.faults.most_common())
                print(f"passed over: {failed:,} of {self._settled:,}: {kinds}", file=sys.stderr)
        notes = [note for source in self._sources if not isinstance(source, StudyInput) for note in source.notes]
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        return 0 if not failed and not notes else 1 if self.predicted or self.found else 2


def _open(path: Path) -> StudyInput | StudyInputs:
    """An argument's images; one that cannot be read becomes a study with a fault."""
    # os.path says no of a name that is too long, where Path.is_dir raises: it is one of several images
    if not os.path.isdir(path) and path.suffix.lower() != ".csv":  # noqa: PTH112
        return StudyInput(1, name_of_image(path), path)
    try:
        studies = open_studies(path, Needs(image=True, report=False))
    except (InputError, OSError) as error:
        return _unread(path.name, error)
    if studies.columns_taken:
        print(studies.columns_taken, file=sys.stderr)
    return studies


def _studies_of(source: StudyInput | StudyInputs) -> Iterator[tuple[StudyInput, str]]:
    """The images of an argument, and where each comes from if its path does not say it, as `_Item.where`.

    An error that comes after some of them becomes a study with a fault.
    """
    if isinstance(source, StudyInput):
        yield source, ""
        return
    try:
        for study in source:
            yield study, source.where(study)
    except (InputError, OSError) as error:
        yield _unread(Path(source.name).name, error), ""


def _unread(name: str, error: Exception) -> StudyInput:
    return StudyInput(1, name, fault=Fault("input that cannot be read", str(error)))


def _print(text: str, file: TextIO) -> None:
    """Print a text, above the bar of the progress if there is one."""
    tqdm.write(text, file=file)
    file.flush()
