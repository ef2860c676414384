"""MIMIC-CXR and MIMIC-CXR-JPG (PhysioNet, 2.x) -> data/mimic-cxr/manifest.csv.

    tienet prepare mimic-cxr --root DIR --jpg DIR --labels chexpert --out data/mimic-cxr

--root has the reports (files/p10/p10000032/s50414267.txt), --jpg the images (files/p10/p10000032/s50414267/*.jpg);
without --jpg both are in --root. Either has the tables mimic-cxr-2.0.0-{split,metadata,chexpert,negbio}.csv.gz, or
unpacked. Images stay where they are. The data are under a signed agreement, so the tests run on a small tree of the
same layout.

A study of the manifest is a PA or AP image: study_id is its dicom_id, patient_id p<subject_id>. Several such images of
a report are several studies with the same report and labels. The split is the official one (validate is val).
Reports are cut to findings and impression (tienet/datasets/mimic_cxr/sections.py); those with neither, and without a
last paragraph that could be it, are taken whole and counted.

Labels: the labeller's column with the label's name or a synonym (Pleural Effusion is Effusion). A finding without such
a column is unknown (empty), not 0: Infiltration, Mass, Nodule, Emphysema, Fibrosis, Pleural_Thickening, Hernia. Lung
Lesion, Lung Opacity and Pleural Other are wider than any of these and are not used. A blank cell is 0: the report does
not mention the finding. -1 goes by --uncertain. No_Finding is the labeller's column (blank is 0): none of its own
categories, which says nothing about the findings that it does not know.

What is not there, usual in a partial download, is counted and named in left_out.csv. --strict refuses instead; other
views than PA and AP do not count for it. An image whose report is not there stays, with an empty report. A study
without labels is left out.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tienet.cli import UsageError
from tienet.data import image_files
from tienet.data import manifest as manifests
from tienet.data.text import MAX_REPORT_CHARACTERS, report_text
from tienet.datasets import left_out as left_outs
from tienet.datasets.mimic_cxr import sections, tables
from tienet.datasets.new_data_set import new_data_set
from tienet.errors import InputError
from tienet.labels import LABELS, NO_FINDING
from tienet.modes import MODES
from tienet.progress import over

FRONTAL = ("PA", "AP")
ENDINGS = (".jpg", ".jpeg", ".png")  # where an image has several files, the one with the first of these is taken
MAX_REPORT_BYTES = 1_000_000  # a real report has about 1,000

NO_SPLIT = "image of the metadata that is not in the split table"
NO_METADATA = "image of the split table that is not in the metadata"
NO_VIEW = "image without a view position"
NOT_FRONTAL = "view that is not PA or AP"
NO_LABELS = "image of a study without labels"
NO_FILE = "image file that is not there"
NO_REPORT = "report file that is not there; the image stays"
TOO_LONG = f"report of more than {MAX_REPORT_CHARACTERS:,} characters; the image stays"
NO_TEXT = "report file without text; the image stays"
COPY = "picture that is in a later split too"
NEITHER = "study with neither image nor report"
CHOSEN = (NO_VIEW, NOT_FRONTAL)  # left out on purpose, so --strict accepts them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder of files/p10/.../s*.txt, tables"
    )
    parser.add_argument("--jpg", type=Path, metavar="DIR", help="folder of files/p10/.../*.jpg, tables (--root)")
    parser.add_argument("--labels", required=True, choices=tables.LABELERS, help="whose labels")
    parser.add_argument(
        "--uncertain",
        choices=tuple(tables.UNCERTAIN),
        default="unknown",
        help="what an uncertain label, -1, becomes: 1, 0, or empty, which adds nothing to the loss and is not scored"
        " (unknown)",
    )
    parser.add_argument("--no-images", action="store_true", help="reports and labels only, for modes without an image")
    parser.add_argument("--no-reports", action="store_true", help="images and labels only")
    parser.add_argument("--strict", action="store_true", help="refuse if anything but other views is left out")
    parser.add_argument("--out", type=Path, default=Path("data/mimic-cxr"), metavar="DIR", help="(data/mimic-cxr)")


def run(args: argparse.Namespace) -> int:
    """Write manifest.csv and left_out.csv, and print what is in them."""
    if args.no_images and args.no_reports:
        raise UsageError("--no-images and --no-reports together leave nothing; choose one")
    with new_data_set(args.out, "mimic-cxr") as out:
        return _make(args, out)


def _make(args: argparse.Namespace, out: Path) -> int:
    # The folders are checked here, before the work that takes long.
    image_folder = None if args.no_images else files_folder(args.jpg or args.root, "--jpg" if args.jpg else "--root")
    report_folder = None if args.no_reports else files_folder(args.root, "--root")
    folders = [folder for folder in (args.root, args.jpg) if folder]
    paths = [tables.find_table(folders, what) for what in ("split", "metadata", args.labels)]
    images = join_tables(tables.read_split(paths[0]), tables.read_views(paths[1]), paths)
    labels = tables.read_labels(paths[2], tables.UNCERTAIN[args.uncertain])
    rows, left_out = choose(images, labels.table, paths[2])
    if rows.empty:
        raise InputError(f"{paths[0]}: no image is left; {left_outs.reasons(left_out)}")
    rows["image"] = "" if image_folder is None else find_images(rows, image_folder, out)
    rows, left_out = _leave_out(rows, left_out, {NO_FILE: (rows.image == "") & (image_folder is not None)})
    if rows.empty:
        raise InputError(
            f"{image_folder}: none of the tables' {_n(left_out, NO_FILE):,} frontal images is there; {_HINT}"
        )
    rows, left_out = _leave_out(rows, left_out, {COPY: _is_copy(rows, out)})
    rows, left_out, said = _with_reports(rows, left_out, report_folder)
    if args.strict:
        _refuse_left_out(left_out)
    print(f"tables: {', '.join(map(str, paths))}")
    write(out, rows, left_out)
    print(said)
    for note in _label_notes(args, labels):
        print(f"note: {note}", file=sys.stderr)
    print(out / "manifest.csv")
    return 0


def _is_copy(rows: pd.DataFrame, out: Path) -> pd.Series:
    """Whether each image is also in a later split, which `manifests.load` would refuse."""
    images = [out.absolute() / cell if cell else None for cell in rows.image]
    return pd.Series(np.isin(np.arange(len(rows)), image_files.find_copies(images, list(rows.split))), rows.index)


_HINT = "is it the right folder? (--jpg DIR: the images; --no-images: a data set of reports and labels only)"


def files_folder(folder: Path, flag: str) -> Path:
    """The folder that holds p10 to p19: `folder`/files, or `folder` itself.

    Raises:
        FileNotFoundError, InputError: There is no such folder, or it is laid out in another way.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{flag} {folder}: there is no such folder")
    if (folder / "files").is_dir():
        return folder / "files"
    if any(path.is_dir() for path in folder.glob("p[0-9][0-9]")):
        return folder
    raise InputError(f"{flag} {folder}: no folder files in it, nor p10 to p19; expected files/p10/p10000032/...")


# ---- joining ----


def join_tables(split: pd.DataFrame, views: pd.DataFrame, paths: Sequence[Path]) -> pd.DataFrame:
    """Join the tables on their images: study_id, subject_id, split ("" if not known), view (NaN if not known).

    Raises:
        InputError: The tables disagree on an image's study or patient.
    """
    both = split.index.intersection(views.index, sort=False)
    for column in ("study_id", "subject_id"):
        ours, theirs = split[column].reindex(both), views[column].reindex(both)
        if (differ := ours != theirs).any():
            image = both[differ.argmax()]
            raise InputError(
                f"{paths[1]}: image {image} has {column} {theirs[image]}, where {paths[0]} has {ours[image]};"
                " get both tables of one version"
            )
    images = split.copy()
    images["view"] = views["view"].reindex(split.index)
    other = views[~views.index.isin(split.index)].assign(split="")
    return pd.concat([images.astype({"view": object}), other.astype({"view": object})])


def choose(images: pd.DataFrame, labels: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose the frontal images that have a split and labels.

    Returns:
        The chosen images with their labels; and what is left out, with columns image, split and reason.
    Raises:
        InputError: The table of labels, at `path`, has another patient for a study.
    """
    studies = images.study_id
    patients = labels.subject_id.reindex(studies).to_numpy()
    has_labels = studies.isin(labels.index).to_numpy()
    if (differ := has_labels & (patients != images.subject_id.to_numpy())).any():
        n = int(differ.argmax())
        raise InputError(
            f"{path}: study {studies.iloc[n]} has subject_id {patients[n]}, where the split table has "
            f"{images.subject_id.iloc[n]}; get both tables of one version"
        )
    reasons = {
        NO_SPLIT: images.split == "",
        NO_METADATA: images["view"].isna(),
        NO_VIEW: images["view"] == "",
        NOT_FRONTAL: ~images["view"].isin(FRONTAL),
        NO_LABELS: ~has_labels,
    }
    rows, left_out = _leave_out(images, left_outs.table([]), reasons)
    rows["patient_id"] = "p" + rows.subject_id
    rows[list(LABELS)] = labels[list(LABELS)].reindex(rows.study_id).to_numpy()
    return rows, left_out


def _leave_out(
    rows: pd.DataFrame, left_out: pd.DataFrame, reasons: dict[str, pd.Series]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to which no reason applies; and `left_out` with the other rows added, each with its first reason."""
    why = pd.Series("", index=rows.index, dtype=object)
    for reason, holds in reasons.items():
        why[holds & (why == "")] = reason
    gone = why != ""
    more = left_outs.table(zip(rows.index[gone], rows.split[gone], why[gone], strict=True))
    return rows[~gone].copy(), pd.concat([left_out, more], ignore_index=True)


# ---- images and reports ----


def find_images(rows: pd.DataFrame, folder: Path, out: Path) -> list[str]:
    """The manifest's image column: a path relative to `out` for a file below it, an absolute one, or "" for no file."""
    folder, out = folder.absolute(), out.absolute()
    if not folder.is_relative_to(out):
        folder = folder.resolve()
    shown = str(folder.relative_to(out) if folder.is_relative_to(out) else folder)
    cells = []
    names = zip(rows.subject_id, rows.study_id, rows.index, strict=True)
    for subject, study, dicom in over(names, "looking for images", "images", len(rows)):
        below = f"{_patient_folder(subject)}/s{study}/{dicom}"
        there = (ending for ending in ENDINGS if os.path.isfile(f"{folder}/{below}{ending}"))  # noqa: PTH113  fast
        ending = next(there, None)
        cells.append("" if ending is None else f"{shown}/{below}{ending}")
    return cells


def read_reports(rows: pd.DataFrame, folder: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Read the report files that exist.

    Returns:
        The report by study_id; and the study_ids by the way in which the report was cut (`sections.CUTS`).
    """
    reports: dict[str, str] = {}
    cuts: dict[str, list[str]] = {cut: [] for cut in sections.CUTS}
    studies = rows.drop_duplicates("study_id")
    names = zip(studies.subject_id, studies.study_id, strict=True)
    for subject, study in over(names, "reading", "reports", len(studies)):
        text = _read_report(folder / _patient_folder(subject) / f"s{study}.txt")
        if text is not None:
            found = sections.sections(text)
            reports[study] = report_text(found.findings, found.impression)
            cuts[found.cut].append(study)
    return reports, cuts


def _patient_folder(subject: str) -> str:
    return f"p{subject[:2]}/p{subject}"


def _read_report(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_REPORT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(content) > MAX_REPORT_BYTES:
        raise InputError(f"{path}: more than {MAX_REPORT_BYTES:,} bytes; a report has some 1,000")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; get the file again") from None


def _with_reports(
    rows: pd.DataFrame, left_out: pd.DataFrame, folder: Path | None
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Add the reports; returns the rows, what is left out, and a line about the reports."""
    if folder is None:
        without = ", ".join(mode.name for mode in MODES.values() if not mode.reads)
        rows["report"] = ""
        return rows, left_out, f"reports: none (--no-reports); only --mode {without} can be trained on it"
    reports, cuts = read_reports(rows, folder)
    if not reports:
        raise InputError(
            f"{folder}: none of the {rows.study_id.nunique():,} reports is there; is --root the right folder?"
            " (--no-reports: a data set of images and labels only)"
        )
    too_long = [study for study, report in reports.items() if len(report) > MAX_REPORT_CHARACTERS]
    reports |= dict.fromkeys(too_long, "")
    rows["report"] = rows.study_id.map(reports).fillna("")
    is_there, has_image = rows.study_id.isin(list(reports)), rows.image != ""
    reasons = {
        NEITHER: (rows.report == "") & ~has_image,
        NO_REPORT: ~is_there,
        TOO_LONG: rows.study_id.isin(too_long),
        NO_TEXT: is_there & (rows.report == ""),
    }
    _, left_out = _leave_out(rows, left_out, reasons)
    rows = rows[~reasons[NEITHER]].copy()
    if rows.empty:
        raise InputError(f"{folder}: no report of it has text; {left_outs.reasons(left_out)}")
    return rows, left_out, _cuts_line(cuts)


def _cuts_line(cuts: dict[str, list[str]]) -> str:
    how = {
        sections.HEADINGS: "cut at findings or impression",
        sections.LAST_PARAGRAPHS: "without both, so the last section's later paragraphs",
        sections.WHOLE_TEXT: "without these too, so the whole text",
        sections.EMPTY: "empty",
    }
    parts = [f"{len(cuts[cut]):,} {text} (the first is s{cuts[cut][0]})" for cut, text in how.items() if cuts[cut]]
    return f"reports: {'; '.join(parts)}"


# ---- output ----


def write(out: Path, rows: pd.DataFrame, left_out: pd.DataFrame) -> None:
    """Write left_out.csv and manifest.csv, and print what is in them."""
    path = out / "manifest.csv"
    path.unlink(missing_ok=True)  # written last: if it exists, the files beside it belong to it
    left_outs.write(out, left_out)
    manifests.write(path, rows.drop(columns="study_id").rename_axis("study_id").reset_index())
    manifest = manifests.load(str(path))
    print(manifests.counts_table(manifest))
    several = sum(n > 1 for n in Counter(rows.study_id).values())
    print(f"\nview position: {left_outs.counts(rows['view'])}; other views are left out")
    print(f"{several:,} reports have more than one frontal image here; each image is a study")
    if line := left_outs.line(out, left_out):
        print(line)
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)


def _label_notes(args: argparse.Namespace, labels: tables.StudyLabels) -> list[str]:
    unknown = [name for name in LABELS if labels.table[name].isna().all()]
    counts = ", ".join(f"{name} {n:,}" for name, n in labels.uncertain.items()) or "none"
    return [
        f"{args.labels} does not know {', '.join(unknown)}: these are empty, not 0",
        f"columns of {args.labels} that are none of the 15 labels, so not used: {', '.join(labels.unused)}",
        f"{NO_FINDING} is {args.labels}'s column: none of its own categories",
        f"uncertain labels (-1) in the whole table, now {args.uncertain} (--uncertain): {counts}",
    ]


def _refuse_left_out(left_out: pd.DataFrame) -> None:
    wrong = left_out[~left_out.reason.isin(CHOSEN)]
    if len(wrong):
        raise InputError(f"--strict: left out would be {left_outs.reasons(wrong)}; the first is {wrong.image.iloc[0]}")


def _n(left_out: pd.DataFrame, reason: str) -> int:
    return int((left_out.reason == reason).sum())
