"""The folder of `tienet report --out`: pages or documents, an index of them, and what lets a stopped command go on.

study-*.html, index.html    a page for each image, and the list of them; or
*.sr.dcm, *.fhir.json       a document for each image, and
documents.csv               of each image, in the order of the arguments: its path and name, the document, the labels
                            that are named, with ; between them, the notes, and why it was passed over
report.jsonl                of each image what --json prints, in the order of the arguments
.report-journal.jsonl       `tienet.commands.report_journal`

The lists are written at the end, when all images are done. They are of the images of one command.
"""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tienet import __version__, files
from tienet.checkpoint.entries import sha256
from tienet.checkpoint.together import checkpoint_sha256
from tienet.commands.labels_row import NAMED, PASSED_OVER, SEPARATOR, line
from tienet.commands.report_journal import Journal, Key, Record
from tienet.commands.study_input import Fault, StudyInput
from tienet.data.features import image_distribution
from tienet.modeling.decoding import Decoding
from tienet.pages.pages_folder import INDEX, Listed, PageNames, write_index, write_page

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.checkpoint.together import OpenedRuns
    from tienet.inference.judges import Judges
    from tienet.pages.study import StudyPage

LINES, DOCUMENTS = "report.jsonl", "documents.csv"
DOCUMENTS_HEADER = ("image", "study_id", "document", NAMED, "notes", PASSED_OVER)


class ReportFolder:
    """The folder, to which the results are given in the order of the arguments.

    Args:
        folder: The folder, which only this process writes into.
        identity: What all results depend on, of `identity_of`.
        has_pages: Whether the results are pages, and not documents.
    """

    def __init__(self, folder: Path, identity: dict[str, object], has_pages: bool) -> None:
        self.folder = folder
        self.index = folder / (INDEX if has_pages else DOCUMENTS)
        self._names = PageNames() if has_pages else None
        self._journal = Journal(folder, identity)
        self._done: list[tuple[StudyInput, Record | Fault]] = []
        if self._journal.is_of_others:
            print(
                f"note: {folder}: holds results of another run, or with other settings; all are made anew",
                file=sys.stderr,
            )

    def __enter__(self) -> "ReportFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    def key_of(self, study: StudyInput) -> Key:
        """What the result of a study is known by; call it once for each study, also for one that cannot be read."""
        place = self._names.take(study.study_id) if self._names else ""
        return Key(str(study.image), _sha256(study), study.study_id, place)

    def find(self, key: Key) -> Record | None:
        """The result that is in place already; None if there is none."""
        return self._journal.find(key)

    def keep(self, study: StudyInput, record: Record) -> None:
        """Take the result that `find` has found."""
        self._done.append((study, record))

    def pass_over(self, study: StudyInput, fault: Fault) -> None:
        """Take a study that cannot be read."""
        self._done.append((study, fault))

    def add_page(self, study: StudyInput, key: Key, page: "StudyPage", as_json: str) -> None:
        """Write the page of a study, and take it."""
        listed = write_page(self.folder, page, key.place)
        self._add(study, key, self.folder / key.place, as_json, dataclasses.asdict(listed))

    def add_document(self, study: StudyInput, key: Key, path: Path, as_json: str) -> None:
        """Take the document of a study, which is written."""
        self._add(study, key, path, as_json, None)

    def _add(self, study: StudyInput, key: Key, path: Path, as_json: str, listed: dict | None) -> None:
        record = Record(key, path.name, path.stat().st_size, as_json, listed)
        self._journal.add(record)
        self._done.append((study, record))

    def finish(self) -> None:
        """Write the index and report.jsonl, and remove the pages of earlier commands, when all studies were given."""
        records = [result for _, result in self._done if isinstance(result, Record)]
        files.write_text(self.folder / LINES, "".join(f"{record.line}\n" for record in records))
        if self._names:
            write_index(self.folder, [Listed(**record.listed) for record in records])
        else:
            rows = [line([], DOCUMENTS_HEADER), *(line([], _row(*done)) for done in self._done)]
            files.write_text(self.index, "".join(rows))
        self._journal.keep(records)


def _row(study: StudyInput, result: Record | Fault) -> tuple[str, ...]:
    """A row of documents.csv."""
    image = "" if study.image is None else files.printable(study.image)
    name = files.printable(study.study_id)
    if isinstance(result, Fault):
        return image, name, "", "", "", files.printable(result.message)
    said = json.loads(result.line)
    named = SEPARATOR.join(label for label, value in (said["labels"] or {}).items() if value == 1)
    return image, name, result.file_name, named, " ".join(said["notes"]), ""


def _sha256(study: StudyInput) -> str:
    try:
        return sha256(study.image) if not study.fault and study.image.is_file() else ""
    except (OSError, ValueError):  # whoever reads it will say why it cannot be read
        return ""


def identity_of(
    opened: "OpenedRun | OpenedRuns", decoding: Decoding | None, judges: "Judges | None", kind: str
) -> dict[str, object]:
    """What the results depend on beside the image; `kind` says what they are, such as pages."""
    return {
        "version": __version__,
        "kind": kind,
        "runs": _facts(opened),
        "decoding": dataclasses.asdict(decoding or Decoding()),
        "reader": _facts(judges.reader) if judges else None,
        "judge": _facts(judges.judge) if judges else None,
    }


def _facts(opened: "OpenedRun | OpenedRuns") -> dict[str, object]:
    """What the numbers of a run, or of several, depend on: checkpoints, and a hash of all else."""
    else_ = [opened.thresholds().tolist(), _values(opened.calibration)]
    for run in opened.runs:
        images = run.folder / image_distribution.FILE_NAME
        else_ += [repr(run.config), _values(run.calibration), sha256(images) if images.is_file() else ""]
    return {
        "checkpoints": [checkpoint_sha256(run) for run in opened.runs],
        "settings": hashlib.sha256(json.dumps(else_).encode()).hexdigest(),
    }


def _values(calibration: object | None) -> dict[str, object] | None:
    if calibration is None:
        return None
    values = vars(calibration).items()
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values}
