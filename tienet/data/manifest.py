"""The data contract of all data sets: a CSV file with a row for each study, `data/NAME/manifest.csv`.

The columns may stand in any order. Other columns are ignored with a note. White space around a cell does not count,
except in reports.
    study_id    A unique name.
    patient_id  All studies of a patient must lie in one split.
    image       A PNG or JPEG file, absolute, or relative to the folder of the manifest and inside it; may be empty.
    report      Free text of at most `tienet.data.text.MAX_REPORT_CHARACTERS`; may be empty, but not if `image` is too.
    split       train, val or test.
    15 labels   The columns `tienet.labels.LABELS`: 1, 0 or empty (unknown).
    view        PA, AP or what the source says, for people to look at; this column may be missing.
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.data import image_files, readers
from tienet.data.csv_table import Table
from tienet.data.splits import SPLITS
from tienet.data.text import length_problem
from tienet.errors import InputError
from tienet.labels import FINDINGS, LABELS, NO_FINDING, K, canonical

COLUMNS: tuple[str, ...] = ("study_id", "patient_id", "image", "report", "split", *LABELS)
VIEW = "view"

_CHESTXRAY14 = (
    "python data_prep/chestxray14.py --entry CSV --images DIR --train-val-list FILE --test-list FILE"
    " --out data/chestxray14"
)
COMMANDS = {
    "chestxray14": _CHESTXRAY14,
    "hand-labeled": f"{_CHESTXRAY14} --hand-labels CSV",
    "openi": "python data_prep/openi.py --reports TGZ --images DIR --projections CSV --labels FILE --out data/openi",
    "mimic-cxr": "python data_prep/mimic_cxr.py --root DIR --labels chexpert --out data/mimic-cxr",
    "phantom": "python data_prep/phantom.py --out data/phantom",
}
"""Maps each data set to the command that makes it."""

_LABEL_VALUES = {"1": 1.0, "0": 0.0, "": np.nan, "1.0": 1.0, "0.0": 0.0}


@dataclass(frozen=True, eq=False)
class Manifest:
    """The N studies of a data set, or of a part of it, which have been checked.

    Attributes:
        name: NAME of data/NAME/manifest.csv; for any other path the name of the file without .csv.
        path: The path of the CSV file.
        study_ids, patient_ids, reports: N strings each.
        images: N absolute paths, None where a study has no image.
        splits: str [N], each "train", "val" or "test".
        labels: float32 [N, 15] in the order of LABELS; 1 or 0, NaN where a label is unknown.
        notes: Remarks that a user should see before using the data set; empty for a part (`split`, `take`).
    """

    name: str
    path: Path
    study_ids: list[str]
    patient_ids: list[str]
    images: list[Path | None]
    reports: list[str]
    splits: np.ndarray
    labels: np.ndarray
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.study_ids)

    def take(self, indices: Iterable[int]) -> "Manifest":
        """The studies at these positions, in this order."""
        chosen = np.asarray(list(indices), dtype=np.int64)
        parts = (self.study_ids, self.patient_ids, self.images, self.reports)
        lists = [[part[i] for i in chosen] for part in parts]
        return Manifest(self.name, self.path, *lists, self.splits[chosen], self.labels[chosen])

    def split(self, name: str) -> "Manifest":
        """The studies of one split, in the order of the file. Raises InputError if there are none."""
        chosen = np.flatnonzero(self.splits == name)
        if not len(chosen):
            splits = ", ".join(f"{split} ({n})" for split, n in _split_sizes(self).items() if n)
            raise InputError(f"{self.path}: no study is in split {name!r}; the splits there are: {splits or 'none'}")
        return self.take(chosen)

    def fingerprint(self) -> str:
        """The sha256 (hexadecimal) of all rows; it stays the same when the data set moves with its folder."""
        folder, digest = _absolute(self.path.parent), hashlib.sha256()
        for n, image in enumerate(self.images):
            if image is not None and image.is_relative_to(folder):
                image = image.relative_to(folder)
            labels = [None if np.isnan(value) else int(value) for value in self.labels[n]]
            row = (self.study_ids[n], self.patient_ids[n], str(image or ""), self.reports[n], str(self.splits[n]))
            digest.update(json.dumps([*row, labels]).encode() + b"\n")
        return digest.hexdigest()


def resolve(data: str, data_root: Path | str) -> Path:
    """The manifest that `--data` means: a path that ends in .csv, NAME of DATA_ROOT/NAME/manifest.csv, or its folder.

    The folder is what --out names where a data set is made. A NAME in DATA_ROOT goes first.

    Raises:
        InputError: The manifest does not exist. The message names the data sets that exist and how to make this one.
    """
    data_root, given = Path(data_root), Path(data)
    if data.lower().endswith(".csv") and not given.is_dir():
        path = given
    else:
        path, of_folder = data_root / data / "manifest.csv", given / "manifest.csv"
        if data and not path.is_file() and (of_folder.is_file() or data != given.name):
            path = of_folder
    if path.is_file():
        return path
    names = sorted(found.parent.name for found in data_root.glob("*/manifest.csv"))
    listed = f"data sets in {data_root}: {', '.join(names)}" if names else f"{data_root} has no data set"
    if given.name in COMMANDS:
        todo = f"{COMMANDS[given.name]} makes it"
    else:
        todo = f"write it (README, 'Prepare your data'); {COMMANDS['phantom']} makes one to try"
    raise InputError(f"{path} does not exist ({listed}); {todo}")


def name_of(data: str) -> str:
    """The name of the data set that `--data` means, before its manifest is read; empty for the folder /."""
    path = Path(data)
    if not data.lower().endswith(".csv"):
        return _absolute(path).name
    return path.parent.name if path.name == "manifest.csv" and path.parent.name else path.stem


def load(data: str, data_root: Path | str = "data") -> Manifest:
    """Read and check the manifest that `resolve` finds; its image files are opened once each, but not decoded.

    Raises:
        InputError: The manifest breaks the contract. The message has one line for each of the first 200 problems, with
            the row (the line of the file where the row starts, as an editor counts) and the column.
    """
    path = resolve(str(data), data_root)
    table = Table(path, COLUMNS, canonical)
    table.note_other_columns(but=(VIEW,))
    columns = {name: table.cells(name, strip=name != "report") for name in COLUMNS}
    folder = _absolute(path.parent)

    _check_ids(table, columns)
    labels = _labels(table, columns)
    images = _images(table, columns, folder)
    for n, (image, report) in enumerate(zip(columns["image"], columns["report"], strict=True)):
        if not image and not report.strip():
            table.problem(n, "image", "is empty, and so is report; a study needs one of them")
        if problem := length_problem(report):
            table.problem(n, "report", problem)
    manifest = Manifest(
        name=folder.name if path.name == "manifest.csv" and folder.name else path.stem,
        path=path,
        study_ids=columns["study_id"],
        patient_ids=columns["patient_id"],
        images=images,
        reports=columns["report"],
        splits=np.array([split if split in SPLITS else "" for split in columns["split"]]),
        labels=labels,
        notes=table.notes,
    )
    _check_train(table, manifest)
    table.raise_problems()
    manifest.notes.extend(_label_notes(manifest))
    by_hand = readers.read(path.parent)
    if by_hand is not None:
        manifest.notes.insert(0, by_hand.note())
    return manifest


def write(path: Path | str, rows: pd.DataFrame) -> None:
    """Write a manifest.

    Args:
        rows: A table with all of COLUMNS, and VIEW if it is known; the labels are 1, 0 or NaN (unknown).
    Raises:
        InputError: The path of an image is not UTF-8.
    """
    table = rows[[*COLUMNS, *[VIEW] * (VIEW in rows)]].copy()
    for label in LABELS:
        table[label] = table[label].map(lambda value: "" if pd.isna(value) else str(int(value)), na_action=None)
    with files.replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for row in (tuple(table), *table.itertuples(index=False)):
            try:
                file.write(_csv_line(row))
            except UnicodeEncodeError:
                cell = next(files.printable(cell) for cell in row if not files.is_utf8(cell))
                raise InputError(f"{path}: {cell} is not UTF-8 and cannot be written; rename the file") from None


def _csv_line(row: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(row)  # the csv module quotes only its own line break
    return line.getvalue().removesuffix("\r\n") + "\n"


def counts_table(manifest: Manifest) -> str:
    """A text table of the studies, patients, images, reports and positive cases of each split.

    A "?" marks a label that is unknown in all studies of the split.
    """
    table: dict[str, list[str | int]] = {}
    for split in (*SPLITS, "all"):
        chosen = np.arange(len(manifest)) if split == "all" else np.flatnonzero(manifest.splits == split)
        part = manifest.take(chosen)
        known = ~np.isnan(part.labels)
        positives = np.nansum(part.labels, axis=0).astype(int)
        table[split] = [
            len(part),
            len(set(part.patient_ids)),
            sum(image is not None for image in part.images),
            sum(bool(report.strip()) for report in part.reports),
            *("?" if len(part) and not known[:, k].any() else positives[k] for k in range(K)),
        ]
    return pd.DataFrame(table, index=["studies", "patients", "images", "reports", *LABELS]).to_string()


# ---- checks ----


def _check_ids(table: Table, columns: dict[str, list[str]]) -> None:
    """Ids are there, study_id is unique, split is known, a patient is in one split."""
    first_study: dict[str, int] = {}
    first_of: dict[str, int] = {}
    reported: set[str] = set()
    for n, (study, patient, split) in enumerate(
        zip(columns["study_id"], columns["patient_id"], columns["split"], strict=True)
    ):
        if not study:
            table.problem(n, "study_id", "is empty; expected a unique name")
        elif study in first_study:
            table.problem(n, "study_id", f"{study!r} is there already, at row {table.lines[first_study[study]]}")
        first_study.setdefault(study, n)
        if not patient:
            table.problem(n, "patient_id", "is empty; if patients are not known, repeat the study_id")
        if split not in SPLITS:
            table.problem(n, "split", f"{split!r}; expected {', '.join(SPLITS)}")
        elif patient:
            first = first_of.setdefault(patient, n)
            before = columns["split"][first]
            if before != split and patient not in reported:
                reported.add(patient)
                where = f"in {split} here and in {before} at row {table.lines[first]}"
                table.problem(n, "split", f"patient {patient!r} is {where}; a patient belongs in one split")


def _labels(table: Table, columns: dict[str, list[str]]) -> np.ndarray:
    """float32 [N, 15]: 1 or 0, NaN where a label is unknown; other cells are recorded in `table`."""
    labels = np.full((len(table), K), np.nan, dtype=np.float32)
    for k, label in enumerate(LABELS):
        for n, cell in enumerate(columns[label]):
            if cell in _LABEL_VALUES:
                labels[n, k] = _LABEL_VALUES[cell]
            else:
                table.problem(n, label, f"{cell!r}; expected 1, 0 or empty (unknown)")
    return labels


def _images(table: Table, columns: dict[str, list[str]], folder: Path) -> list[Path | None]:
    """The absolute path of the image of each row, or None; problems with the images are recorded in `table`."""
    paths = []
    for n, cell in enumerate(columns["image"]):
        path = Path(os.path.normpath(folder / cell))  # by text only: a link in the folder may lead out of it
        inside = Path(cell).is_absolute() or path.is_relative_to(folder)
        if not inside:
            table.problem(n, "image", f"{cell!r} leads out of {folder}; if that is meant, write the absolute path")
        paths.append(path if cell and inside else None)
    checked = image_files.check(paths, columns["split"])
    for n, path in enumerate(paths):
        if path in checked.wrong:
            table.problem(n, "image", checked.wrong[path])
    for n, first in checked.same_as.items():
        report = columns["report"][n].strip()
        what = "image and report are" if report and report == columns["report"][first].strip() else "image is"
        where = f"in {columns['split'][n]} here and in {columns['split'][first]} at row {table.lines[first]}"
        table.problem(n, "image", f"the same {what} {where}, byte for byte; a picture belongs in one split")
    return paths


def _check_train(table: Table, manifest: Manifest) -> None:
    train = manifest.labels[manifest.splits == "train", : len(FINDINGS)]
    if (train == 0).any() and not (train == 1).any():  # without any label, captions can still be learnt
        table.problem_of_file(f"train split: none of its {len(train)} studies has a finding; nothing can be learnt")


def _label_notes(manifest: Manifest) -> list[str]:
    """Notes about labels that cannot be measured in a split, and about labels that contradict each other."""
    notes = []
    tests: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
        ("no label at all", lambda labels: np.isnan(labels).all(axis=0)),
        ("no positive case", lambda labels: (labels == 0).any(axis=0) & ~(labels == 1).any(axis=0)),
        ("no negative case", lambda labels: (labels == 1).any(axis=0) & ~(labels == 0).any(axis=0)),
    )
    for split in SPLITS:
        labels = manifest.labels[manifest.splits == split]
        for what, test in tests:
            names = [LABELS[k] for k in np.flatnonzero(test(labels))] if len(labels) else []
            if names:
                notes.append(f"{split} split: {what} of {', '.join(names)}")
    findings, none = manifest.labels[:, : len(FINDINGS)], manifest.labels[:, LABELS.index(NO_FINDING)]
    both = np.flatnonzero((findings == 1).any(axis=1) & (none == 1))
    if len(both):
        first = manifest.study_ids[both[0]]
        notes.append(f"{len(both)} studies have {NO_FINDING} and a finding too (the first is {first})")
    return notes


def _split_sizes(manifest: Manifest) -> dict[str, int]:
    return {split: int((manifest.splits == split).sum()) for split in SPLITS}


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  because resolve() would follow links
