"""The documents of `tienet report --format`: a DICOM structured report or a FHIR DiagnosticReport for each image."""

import hashlib
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tienet import __version__, files
from tienet.checkpoint.entries import sha256
from tienet.checkpoint.together import checkpoint_sha256
from tienet.clinical import fhir
from tienet.clinical.result import Result, Software, findings_of
from tienet.clinical.source import read_source
from tienet.clinical.structured_report import check_source, structured_report
from tienet.commands.study_columns import IMAGE_ENDING
from tienet.commands.study_input import StudyInput
from tienet.data.dicom.reader import is_dicom
from tienet.errors import InputError
from tienet.pages.prose import as_report
from tienet.pages.study import DISCLAIMER, cut_text

if TYPE_CHECKING:
    from tienet.checkpoint.run_folder import OpenedRun
    from tienet.predict import Prediction

UNVERIFIED = "Written by software from the image alone. Nobody has verified it."


class Format(NamedTuple):
    """A format of documents: the package that it needs, and how the names of its files end."""

    package: str
    ending: str


DICOM_SR, FHIR = "dicom-sr", "fhir"
FORMATS = {
    DICOM_SR: Format("highdicom", ".sr.dcm"),
    FHIR: Format("fhir.resources", ".fhir.json"),
}


def check_installed(name: str) -> None:
    """Raise InputError, with what to install, if the package that a format needs is missing."""
    package = FORMATS[name].package
    try:
        missing = find_spec(package) is None
    except ModuleNotFoundError:  # of a package that it is in
        missing = True
    if missing:
        raise InputError(f"--format {name} needs {package}; pip install -e '.[clinical]'")


def check_image(name: str, path: Path) -> None:
    """Raise InputError if a file that can be opened is none that a document in this format can be on."""
    try:
        if name != DICOM_SR or not path.is_file() or is_dicom(path):
            return
    except OSError:
        return  # whoever reads it will say why it cannot be read
    raise InputError(
        f"{path} is no DICOM file; --format {DICOM_SR} needs one, which names the patient and the study "
        f"(--format {FHIR} takes any image)"
    )


class Documents:
    """Writes a document for each image into a folder.

    Its file is named after the study and the image, so that no other image's document is ever replaced.
    """

    def __init__(self, name: str, folder: Path, runs: "Sequence[OpenedRun]") -> None:
        """Args: name: One of FORMATS; runs: The runs that label as one model.

        Raises:
            InputError: The format needs labels, and the runs give none.
        """
        mode = runs[0].config.mode_parts
        if name == DICOM_SR and not mode.classifies:
            raise InputError(
                f"{runs[0].load}: mode {mode.name} gives no labels, and --format {DICOM_SR} needs them; load a run of "
                f"report or classify, or use --format {FHIR}"
            )
        self._name, self._folder = name, folder
        checkpoints = [checkpoint_sha256(run) for run in runs]
        together = hashlib.sha256("".join(checkpoints).encode()).hexdigest()
        self._software = Software(__version__, mode.name, checkpoints[0] if len(checkpoints) == 1 else together)

    @property
    def needs_maps(self) -> bool:
        """Whether a document shows the region that an attention map gives."""
        return self._name == DICOM_SR

    def open(self, study: StudyInput) -> fhir.Image:
        """What a document on an image repeats of its file.

        Raises:
            InputError: The file is none that a document can be on.
        """
        check_image(self._name, study.image)
        source = read_source(study.image) if is_dicom(study.image) else None
        sop_uid = source["SOPInstanceUID"] if source else ""
        if source and self._name == DICOM_SR:
            check_source(source)
        name = " ".join(files.printable(study.study_id).split())  # FHIR's strings hold no other white space
        return fhir.Image(name, sop_uid or sha256(study.image), source)

    def write(self, image: fhir.Image, prediction: "Prediction", notes: Sequence[str]) -> Path:
        """Write the document on an image, and return its path.

        Args:
            notes: Sentences that a reader should know.
        """
        result = self._result(prediction, notes)
        path = self._folder / _file_name(image, FORMATS[self._name].ending)
        if self._name == FHIR:
            files.write_text(path, fhir.diagnostic_report(result, image))
            return path
        report = structured_report(result, image.source)
        with files.replacing(path) as temporary:
            report.save_as(temporary, enforce_file_format=True)
        return path

    def _result(self, prediction: "Prediction", notes: Sequence[str]) -> Result:
        comments = [f"{UNVERIFIED} {DISCLAIMER}"]
        if prediction.cut_at is not None:
            comments.append(cut_text(prediction.cut_at, written=True))
        comments += notes
        return Result(
            self._software,
            findings_of(prediction.probabilities, prediction.thresholds, prediction.labels),
            None if prediction.report is None else as_report(prediction.report),
            prediction.cut_at,
            prediction.a_ws if self.needs_maps else None,
            tuple(comments),
        )


def _file_name(image: fhir.Image, ending: str) -> str:
    """A safe name: the study's, and a hash, so that studies of the same name do not share one."""
    name = IMAGE_ENDING.sub("", image.name)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:100]
    of_image = hashlib.sha256(f"{name}\0{image.key}".encode()).hexdigest()[:8]
    return f"{stem}-{of_image}{ending}"
