"""ChestX-ray14 (NIH) -> data/chestxray14/manifest.csv.

    tienet prepare chestxray14 --entry Data_Entry_2017_v2020.csv --images DIR \\
        --train-val-list train_val_list.txt --test-list test_list.txt --out data/chestxray14

A study is an image. Test is NIH's test list; validation is one eighth of the patients of NIH's train-val list, by
hash (tienet/datasets/chestxray14/splits.py). The images may lie in one folder or in NIH's twelve
(images_001/images/...), as .png or .jpg, and stay where they are. Those that are not there yet are counted and named
in left_out.csv; --strict refuses. All tables and lists may be gzipped.

NIH published no reports. --reports takes yours (columns image or study, and report or text).
--hand-labels (columns image, and 1/0 for findings or Finding Labels) writes a second data set, hand-labeled, beside
--out: all of it test, findings without a column unknown. --boxes writes boxes.csv: BBox_List_2017.csv in pixels of the
image files, in the columns of the phantom's boxes.csv (NIH has no side, zone and severity).
"""

import argparse
import filecmp
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.cli import UsageError
from tienet.data import image_files
from tienet.data import manifest as manifests
from tienet.data.image import read_gray
from tienet.data.manifest import Manifest
from tienet.data.text import MAX_REPORT_CHARACTERS
from tienet.datasets import left_out as left_outs
from tienet.datasets.chestxray14 import counts, splits, tables
from tienet.datasets.new_data_set import new_data_set
from tienet.errors import InputError
from tienet.labels import LABELS
from tienet.modes import MODES
from tienet.progress import over

ENDINGS = (".jpg", ".jpeg", ".png")  # where an image has several files, the one with the last of these is taken
FOLDERS_DEEP = 2  # images_001/images
HAND_LABELED = "hand-labeled"
BOX_COLUMNS = ("study_id", "finding", "x", "y", "w", "h", "side", "zone", "severity")
"""The columns of the phantom's boxes.csv."""

NO_FILE = "image file that is not there"
COPY = "picture that is in a later split too"
NO_ENTRY = "listed image that is not in the entry table"
NO_HAND_ENTRY = "hand-labelled image that is not in the entry table"
UNKNOWN_FILE = "image file that is not in the entry table"
UNKNOWN_REPORT = "report of an image that is not in the entry table"
TOO_LONG = f"report of more than {MAX_REPORT_CHARACTERS:,} characters; the image stays"
NO_BOX_IMAGE = "box of an image that is not in the manifest"


@dataclass
class DataSet:
    """The content of one data set's folder.

    Attributes:
        out: The folder.
        rows: The rows of the manifest, indexed by study_id.
        left_out: One row for each image, report or box that is left out, with columns image, split and reason.
        boxes: The rows of boxes.csv; None if no such file is written.
    """

    out: Path
    rows: pd.DataFrame
    left_out: pd.DataFrame
    boxes: pd.DataFrame | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    for flag, metavar, required, text in (
        ("--entry", "CSV", True, "Data_Entry_2017.csv or Data_Entry_2017_v2020.csv"),
        ("--train-val-list", "FILE", True, "train_val_list.txt"),
        ("--test-list", "FILE", True, "test_list.txt"),
        ("--images", "DIR", False, "folder of the images, or of images_001 to images_012"),
        ("--reports", "CSV", False, "image or study, report or text (or findings, impression)"),
        ("--hand-labels", "CSV", False, "image, and 1/0 columns of findings or Finding Labels"),
        ("--boxes", "CSV", False, "BBox_List_2017.csv"),
    ):
        parser.add_argument(flag, type=Path, required=required, metavar=metavar, help=text)
    parser.add_argument("--no-images", action="store_true", help="all listed studies, without images: to count labels")
    parser.add_argument("--strict", action="store_true", help="refuse if anything is left out")
    parser.add_argument("--out", type=Path, default=Path("data/chestxray14"), metavar="DIR", help="(data/chestxray14)")


def run(args: argparse.Namespace) -> int:
    """Write the data set, and with --hand-labels the second one, and print what is in them."""
    _check_flags(args)
    hand_out = args.out.absolute().parent / HAND_LABELED
    with ExitStack() as stack:
        for out in (args.out, hand_out) if args.hand_labels else (args.out,):
            stack.enter_context(new_data_set(out, "chestxray14"))
        return _make(args, hand_out)


def _make(args: argparse.Namespace, hand_out: Path) -> int:
    train_val, test = (splits.read_list(path) for path in (args.train_val_list, args.test_list))
    entries = tables.read_entries(args.entry)
    entries["split"] = splits.assign(entries.patient_id, train_val, test)
    paths = None if args.no_images else index_images(args.images)
    reports = tables.read_reports(args.reports) if args.reports else {}

    main_set = build_main(args.out, entries, [*train_val, *test], paths, reports)
    if args.boxes:
        add_boxes(main_set, tables.read_boxes(args.boxes))
    data_sets, notes = [main_set], []
    if args.hand_labels:
        labels, notes = tables.read_hand_labels(args.hand_labels)
        data_sets.append(build_hand_labeled(hand_out, entries, labels, paths, reports))
        notes += _seen_in_training(entries, labels)
    if args.strict:
        _refuse_left_out(data_sets)

    tested = entries[entries.split == "test"]
    positives = tested[list(LABELS)].sum().astype(int)
    print(*counts.describe(positives, len(tested), args.entry.name), sep="\n")
    for data_set in data_sets:
        write(data_set)
    for note in [*notes, *_report_notes(args, main_set.rows, reports)]:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _check_flags(args: argparse.Namespace) -> None:
    if not args.images and not args.no_images:
        raise UsageError("expected --images DIR, or --no-images to count labels only")
    if args.hand_labels and args.out.absolute().name == HAND_LABELED:
        raise UsageError(f"--out {args.out}: {HAND_LABELED} is where --hand-labels go; choose another name")


# ---- images ----


def index_images(folder: Path) -> dict[str, Path]:
    """Map stems to image files in `folder` and up to two levels below it; a .png is preferred to a .jpg.

    Raises:
        FileNotFoundError: There is no such folder.
        InputError: There is no image in it, or there are two different pictures of one name.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--images {folder}: there is no such folder")
    found = [Path(path) for path in _image_files(str(folder), FOLDERS_DEEP)]
    if not found:
        raise InputError(f"--images {folder}: no .png or .jpg file in it, nor in folders such as images_001/images")
    found.sort(key=lambda path: (ENDINGS.index(path.suffix.lower()), path))
    by_stem: dict[str, Path] = {}
    for path in found:
        before = by_stem.get(tables.stem(path.name), path)
        if before != path and before.suffix.lower() == path.suffix.lower() and not filecmp.cmp(before, path, False):
            raise InputError(f"--images {folder}: {before} and {path} are different pictures of one name; keep one")
        by_stem[tables.stem(path.name)] = path
    return by_stem


def _image_files(folder: str, deep: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if files.is_hidden(entry.name):
                continue
            if entry.name.lower().endswith(ENDINGS):
                yield entry.path
            elif deep and entry.is_dir():
                yield from _image_files(entry.path, deep - 1)


def _cells(names: Sequence[str], paths: dict[str, Path] | None, out: Path) -> list[str]:
    """The manifest's image column: paths relative to `out` for files below it, absolute paths for others."""
    if paths is None:
        return [""] * len(names)
    out, cells, absolute = out.absolute(), [], {}
    for name in names:
        path = paths[name]
        if path.parent not in absolute:
            absolute[path.parent] = path.parent.absolute()
            if not absolute[path.parent].is_relative_to(out):
                absolute[path.parent] = path.parent.resolve()
        folder = absolute[path.parent]
        cells.append(str((folder.relative_to(out) if folder.is_relative_to(out) else folder) / path.name))
    return cells


# ---- the two data sets ----


def build_main(
    out: Path,
    entries: pd.DataFrame,
    listed: Sequence[str],
    paths: dict[str, Path] | None,
    reports: dict[str, str],
) -> DataSet:
    """Build the data set of all entries whose image file exists, or of all entries if `paths` is None.

    Raises:
        InputError: No entry has an image file.
    """
    rows, left_out = _with_images(entries, paths, reports, out)
    unused = {
        NO_ENTRY: [name for name in listed if name not in entries.index],
        UNKNOWN_FILE: [name for name in paths or () if name not in entries.index],
        UNKNOWN_REPORT: [name for name in reports if name not in entries.index],
        TOO_LONG: [name for name, report in reports.items() if name in entries.index and _is_too_long(report)],
    }
    left_out += [(name, "", reason) for reason, names in unused.items() for name in names]
    if rows.empty:
        raise InputError(f"--images: no image of the entry table's {len(entries):,} is there; is it the right folder?")
    return DataSet(out, rows, left_outs.table(left_out))


def build_hand_labeled(
    out: Path,
    entries: pd.DataFrame,
    labels: pd.DataFrame,
    paths: dict[str, Path] | None,
    reports: dict[str, str],
) -> DataSet:
    """Build the data set of the hand-labelled images that exist: all in the test split, with the entries' patients.

    Raises:
        InputError: No hand-labelled image exists.
    """
    known = labels[labels.index.isin(entries.index)].copy()
    known.insert(0, "patient_id", entries.patient_id.reindex(known.index))
    known["split"] = "test"
    rows, left_out = _with_images(known, paths, reports, out)
    left_out += [(name, "", NO_HAND_ENTRY) for name in labels.index.difference(known.index, sort=False)]
    if rows.empty:
        table = left_outs.table(left_out)
        raise InputError(f"--hand-labels: no image of it is left; {left_outs.reasons(table)}")
    return DataSet(out, rows, left_outs.table(left_out))


def _with_images(
    studies: pd.DataFrame, paths: dict[str, Path] | None, reports: dict[str, str], out: Path
) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """The manifest's rows of the studies that have an image file, and (image, split, reason) of the others."""
    is_there = np.array([paths is None or name in paths for name in studies.index], dtype=bool)
    missing, rows = studies[~is_there], studies[is_there].copy()
    rows["image"] = _cells(list(rows.index), paths, out)
    texts = (reports.get(name, "") for name in rows.index)
    rows["report"] = ["" if _is_too_long(text) else text for text in texts]
    left_out = [(name, split, NO_FILE) for name, split in missing.split.items()]
    if paths is not None:
        copies = rows.iloc[image_files.find_copies([paths[name] for name in rows.index], list(rows.split))]
        left_out += [(name, split, COPY) for name, split in copies.split.items()]
        rows = rows.drop(copies.index)
    return rows, left_out


def _is_too_long(report: str) -> bool:
    return len(report) > MAX_REPORT_CHARACTERS


def add_boxes(data_set: DataSet, boxes: pd.DataFrame) -> None:
    """Keep the boxes of the manifest's images, scaled to pixels of their files, or of NIH's 1024 px without a file."""
    rows = data_set.rows
    is_there = boxes.study_id.isin(rows.index)
    boxes, lost = boxes[is_there].reset_index(drop=True), boxes[~is_there]
    scales = {}
    for name in over(boxes.study_id.unique(), "images with boxes", "images"):
        cell = rows.image[name]
        height, width = read_gray(data_set.out / cell).shape if cell else (tables.BOX_FRAME_PX,) * 2
        scales[name] = (width / tables.BOX_FRAME_PX, height / tables.BOX_FRAME_PX)
    scale = np.array([scales[name] for name in boxes.study_id]).reshape(-1, 2)
    boxes[["x", "y", "w", "h"]] = (boxes[["x", "y", "w", "h"]].to_numpy() * np.tile(scale, 2)).round(2)
    data_set.boxes = boxes.reindex(columns=list(BOX_COLUMNS))
    lost_rows = left_outs.table([(name, "", NO_BOX_IMAGE) for name in lost.study_id])
    data_set.left_out = pd.concat([data_set.left_out, lost_rows], ignore_index=True)


def write(data_set: DataSet) -> None:
    """Write left_out.csv, boxes.csv and manifest.csv, and print what is in them."""
    out, rows = data_set.out, data_set.rows.rename_axis("study_id").reset_index()
    path = out / "manifest.csv"
    path.unlink(missing_ok=True)  # written last: if it exists, the files beside it belong to it
    left_outs.write(out, data_set.left_out)
    if data_set.boxes is None:
        (out / "boxes.csv").unlink(missing_ok=True)
    else:
        files.write_text(out / "boxes.csv", data_set.boxes.to_csv(index=False))
    manifests.write(path, rows)
    to_count_only = not ((rows.image != "") | (rows.report != "")).all()
    manifest = _unchecked(path, rows) if to_count_only else manifests.load(str(path))
    print(f"\n{manifests.counts_table(manifest)}")
    if "view" in rows:
        print(f"view position: {left_outs.counts(rows.view.replace('', 'not known'))}; all are kept")
    if data_set.boxes is not None:
        print(f"{len(data_set.boxes):,} boxes in {out / 'boxes.csv'}")
    if line := left_outs.line(out, data_set.left_out):
        print(line)
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    print(path)


def _unchecked(path: Path, rows: pd.DataFrame) -> Manifest:
    """A manifest for counting only; `manifests.load` refuses studies that have neither an image nor a report."""
    parts = (list(rows[name]) for name in ("study_id", "patient_id"))
    labels = rows[list(LABELS)].to_numpy(np.float32)
    note = f"{path} is for counting: training and evaluation refuse a study with neither image nor report"
    return Manifest(
        path.parent.name, path, *parts, [None] * len(rows), list(rows.report), rows.split.to_numpy(), labels, [note]
    )


# ---- notes and refusals ----


def _seen_in_training(entries: pd.DataFrame, labels: pd.DataFrame) -> list[str]:
    split = entries.split.reindex(labels.index).dropna()
    seen = split[split != "test"]
    if seen.empty:
        return []
    return [
        f"warning: {len(seen):,} of the {len(labels):,} hand-labelled images are not in NIH's test list "
        f"({left_outs.counts(seen)}); a model that was trained on them has seen them"
    ]


def _report_notes(args: argparse.Namespace, rows: pd.DataFrame, reports: dict[str, str]) -> list[str]:
    if args.reports:
        used = int((rows.report != "").sum())
        return [f"{used:,} of {len(rows):,} studies have a report; {len(reports) - used:,} reports have no study here"]
    without = ", ".join(mode.name for mode in MODES.values() if not mode.reads)
    return [
        f"without --reports the report column is empty: only --mode {without} can be trained on it; a checkpoint of "
        f"{without} or report can be judged by its labels; the other modes need reports"
    ]


def _refuse_left_out(data_sets: Sequence[DataSet]) -> None:
    left_out = pd.concat([data_set.left_out for data_set in data_sets], ignore_index=True)
    if len(left_out):
        raise InputError(f"--strict: left out would be {left_outs.reasons(left_out)}; the first is {left_out.image[0]}")
