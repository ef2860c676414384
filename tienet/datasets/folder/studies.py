"""Which images of a folder become studies, and the report, the labels, the patient and the split of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tienet.data import splits
from tienet.data.dicom import view
from tienet.data.dicom.reader import Dicom
from tienet.data.dicom.subject import NO_MODALITY, OTHER_MODALITIES, X_RAY
from tienet.datasets.folder.files import Folder, NamedValues, Source
from tienet.datasets.folder.matching import Film
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS

COLUMN = "column"
LATERAL = "lateral view"
OTHER_VIEW = "view that is neither frontal nor lateral"
MIRRORED = "stored mirrored or turned (PatientOrientation)"
MODALITY = "modality {}, no X-ray of the chest"
CHOSEN = (LATERAL, OTHER_VIEW, MODALITY.partition("{}")[0])
"""The starts of the reasons of images that are left out by choice and not because of a fault."""

NO_REPORT = "image without a report"
NO_IMAGE = "report without an image"
NO_LABELLED_IMAGE = "labels without an image"
SECOND_NAME = "second image file of one name"
SECOND_COPY = "copy of another image (SOP instance UID)"
IN_TWO_SPLITS = "the same picture as an image of another split"
UNREADABLE = "image file that cannot be read"
NOT_UTF8 = "file name that is not UTF-8, which --keep-ids cannot write"


@dataclass
class FolderStudy:
    """An image that may become a row of the manifest.

    Attributes:
        source: The image file.
        header: The header of a DICOM file; None for other files.
        report: The report; may be empty.
        labels: float [15] in the order of LABELS; 1 or 0, NaN where a label is unknown.
        patient: The id of the patient; may be empty.
        split: The name of the split; may be empty.
    """

    source: Source
    header: Dicom | None
    report: str = ""
    labels: np.ndarray = field(default_factory=lambda: np.full(len(LABELS), np.nan))
    patient: str = ""
    split: str = ""


@dataclass
class Fault:
    """An image, a report or a row that is left out, and the reason.

    Attributes:
        name: The name of the image, report or row.
        reason: The kind of fault, which may be written anywhere.
        message: A line that names the file and what is wrong with it. It is only shown and must not be written to a
            file, because it may name a patient.
        what: "image", "report" or "labels".
        path: The file of the image.
    """

    name: str
    reason: str
    message: str = ""
    what: str = "image"
    path: Path | None = None

    @classmethod
    def from_source(cls, source: Source, reason: str, message: str = "") -> "Fault":
        """The fault of an image file; without a message, the message is its path and the reason."""
        return cls(source.name, reason, message or f"{source.path}: {reason}", path=source.path)


@dataclass
class Tables:
    """What tables and texts say about the images; None if a table was not given.

    Attributes:
        reports, labels, patients, splits: The values by the names of images; labels are float [15] as in `FolderStudy`.
        bad_reports: Maps the names of reports that are left out to the reason.
    """

    reports: NamedValues[str] | None
    labels: NamedValues[np.ndarray] | None
    patients: NamedValues[str] | None
    splits: NamedValues[str] | None
    bad_reports: dict[str, str]


def join(studies: Sequence[FolderStudy], tables: Tables, folder: Folder) -> None:
    """Give each study its report, labels, patient and split.

    Raises:
        InputError: A name in a table is that of several images, or no name in a table is that of an image.
    """
    header_of = {study.source.path: study.header for study in studies}
    films = [_film(source, header_of.get(source.path)) for source in folder.sources]
    for table in (tables.reports, tables.labels, tables.patients, tables.splits):
        if table:
            table.match(films)
            table.check(films)
    for study in studies:
        file = study.source.path
        if tables.reports:
            study.report = tables.reports.find(file) or ""
        if tables.labels:
            labels = tables.labels.find(file)
            study.labels = study.labels if labels is None else labels
        if tables.splits:
            study.split = tables.splits.find(file) or ""
        if tables.patients:
            study.patient = tables.patients.find(file) or ""
        if not study.patient and study.header:
            study.patient = study.header.patient_id or study.header.study_uid


def _film(source: Source, header: Dicom | None) -> Film:
    if header is None:
        return Film.of(source.path, source.name)
    ids = (header.sop_uid, header.study_uid, header.accession)
    return Film.of(source.path, source.name, ids=ids, patient=header.patient_id)


def choose(
    studies: Sequence[FolderStudy], tables: Tables, keep: Sequence[str]
) -> tuple[list[FolderStudy], list[Fault]]:
    """Choose the studies that become rows; returns them, and the others with their reasons.

    Args:
        studies: All studies.
        tables: The tables that were given.
        keep: The kinds of images that are not left out although they usually are: lateral, mirrored, modality,
            no-report.
    """
    chosen, left_out, seen = [], [], set()
    for study in studies:
        uid = study.header.sop_uid if study.header else ""
        reason = _reason_to_leave_out(study, tables, keep) or (SECOND_COPY if uid in seen else None)
        if reason:
            left_out.append(Fault.from_source(study.source, reason))
        else:
            chosen.append(study)
            seen |= {uid} - {""}
    return chosen, left_out


def _reason_to_leave_out(study: FolderStudy, tables: Tables, keep: Sequence[str]) -> str | None:
    header = study.header
    if header:
        if header.modality not in (*X_RAY, *NO_MODALITY) and "modality" not in keep:
            return MODALITY.format(header.modality if header.modality in OTHER_MODALITIES else "that is not known")
        if header.view in (view.LATERAL, view.OTHER) and "lateral" not in keep:
            return LATERAL if header.view == view.LATERAL else OTHER_VIEW
        if not header.upright and "mirrored" not in keep:
            return MIRRORED
    if tables.reports and not study.report and "no-report" not in keep:
        return NO_REPORT
    return None


def leftovers(folder: Folder, tables: Tables) -> list[Fault]:
    """The files and rows that belong to no image, and second files of one name, as faults."""
    faults = [
        Fault(source.name + source.path.suffix, SECOND_NAME, f"{source.path}: {SECOND_NAME}", path=source.path)
        for source in folder.second
    ]
    faults += [Fault(name, reason, f"{name}: {reason}", "report") for name, reason in tables.bad_reports.items()]
    if tables.reports:
        values = tables.reports.values
        faults += [_fault_of_row(name, NO_IMAGE, "report") for name in tables.reports.unused() if values[name]]
    if tables.labels:
        faults += [_fault_of_row(name, NO_LABELLED_IMAGE, "labels") for name in tables.labels.unused()]
    return faults


def _fault_of_row(name: str, reason: str, what: str) -> Fault:
    return Fault(name, reason, f"{name}: {reason}", what)


def assign_splits(studies: Sequence[FolderStudy], way: str) -> None:
    """Set the split of each study.

    Args:
        studies: The studies.
        way: "hash" (by a hash of the patient), "test" (all are tested), or "column" (the split in the table is kept).
    Raises:
        InputError: A split is not known, a patient is in two splits, or nothing can be learnt from the training split.
            This is checked here because the work that follows is long.
    """
    of_patient: dict[str, str] = {}
    for study in studies:
        if way != COLUMN:
            study.split = splits.by_hash(study.patient) if way == "hash" else "test"
        if study.split not in splits.SPLITS:
            raise InputError(f"{study.source.path}: its split is {study.split!r}; expected train, val or test")
        if of_patient.setdefault(study.patient, study.split) != study.split:
            raise InputError(f"{study.source.path}: its patient is in {study.split} and in {of_patient[study.patient]}")
    train = np.array([study.labels[: len(FINDINGS)] for study in studies if study.split == "train"])
    if (train == 0).any() and not (train == 1).any():
        raise InputError(
            f"--split {way}: none of the {len(train)} training studies has a finding; give --labels that have some, "
            "or --split test"
        )
