"""PadChest (Universidad de Alicante) -> data/padchest/manifest.csv.

    tienet prepare padchest --table PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz --out data/padchest

Only the reports that physicians labelled are taken; the other labels are a network's. A study is a report, with its
number as study_id. Reports are Spanish, and PadChest gives them as word stems; sentences end with " . ".

The labels are those of tienet/datasets/padchest/findings.py; mapped.csv beside the manifest names what was mapped to
what, and how many reports have it. No_Finding means none of the fourteen findings.

--split goes by the text, so that equal reports, of which there are many, lie in one split. A patient whose reports
fall into several splits keeps those in the split that has most of them; the others are named in left_out.csv.

--images takes the first frontal image of each report (PA before AP), by its name, in the folder or in PadChest's
folders below it; reports without one there are left out. Without it the data set is for the modes that read alone.

PadChest's licence is for research; its table and its images stay where they are.
"""

import argparse
import ast
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tienet import files
from tienet.data import manifest as manifests
from tienet.data import splits
from tienet.data.csv_table import Table
from tienet.data.gzipped_table import read_table
from tienet.data.text import MAX_REPORT_CHARACTERS
from tienet.datasets import left_out as left_outs
from tienet.datasets.new_data_set import new_data_set
from tienet.datasets.padchest.findings import EXCLUDED, findings_of, labels_from
from tienet.errors import InputError

PHYSICIAN = "Physician"
FRONTAL = ("PA", "AP", "AP_horizontal")  # in this order one is chosen
READ = ("ImageID", "ImageDir", "PatientID", "Projection", "ReportID", "Report", "MethodLabel", "Labels")
COLUMNS = ("report_id", "patient_id", "reason")

NO_TEXT = "report without text"
TOO_LONG = f"report of more than {MAX_REPORT_CHARACTERS:,} characters"
IS_EXCLUDED = "report that PadChest excludes"
OTHER_SPLIT = "report in another split than most of its patient's"
NO_FRONTAL = "report without a frontal image"
NO_FILE = "report whose frontal images are not there"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--table", type=Path, required=True, metavar="CSV", help="PADCHEST_chest_x_ray_images_labels_160K_*.csv(.gz)"
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the PNG files, for modes with an image")
    parser.add_argument(
        "--split", default="hash", metavar="hash|fold=K/N", help="hash: 70/10/20 by text; or fold K of N (hash)"
    )
    parser.add_argument("--out", type=Path, default=Path("data/padchest"), metavar="DIR", help="(data/padchest)")


def run(args: argparse.Namespace) -> int:
    """Write manifest.csv, mapped.csv and left_out.csv, and print what is in them."""
    if args.split != "hash" and not args.split.startswith("fold="):
        raise InputError(f"--split {args.split}: expected hash, or fold=K/N such as fold=1/5")
    split_of = splits.rule(args.split)
    if args.images is not None and not args.images.is_dir():
        raise FileNotFoundError(f"--images {args.images}: there is no such folder")
    with new_data_set(args.out, "padchest") as out:
        return _make(args, split_of, out)


def _make(args: argparse.Namespace, split_of: Callable[[str], str], out: Path) -> int:
    reports = read_reports(args.table)
    rows, left_out = choose(reports, split_of, args.images, out)
    if rows.empty:
        raise InputError(f"{args.table}: no report is left; {left_outs.reasons(left_out)}")
    path = out / "manifest.csv"
    path.unlink(missing_ok=True)  # written last: if it exists, the files beside it belong to it
    files.write_text(out / "left_out.csv", left_out.to_csv(index=False))
    files.write_text(out / "mapped.csv", mapped(reports).to_csv(index=False))
    manifests.write(path, rows)
    manifest = manifests.load(str(path))
    print(manifests.counts_table(manifest))
    texts = Counter(rows.report)
    print(f"\n{len(texts):,} texts in {len(rows):,} reports; {out / 'mapped.csv'} has what was mapped to what")
    if line := left_outs.line(out, left_out):
        print(line)
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    print(path)
    return 0


def read_reports(path: Path) -> pd.DataFrame:
    """Read the reports that physicians labelled.

    Returns:
        A row for each report, in the order of the file: report_id, patient_id, report (one space between words), labels
        (a set of PadChest's), and images, a list of (projection, folder, name).
    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is not such a table, or a report's rows disagree.
    """
    table = read_table(path, READ)
    cells = {name: table.cells(name) for name in READ}
    found: dict[str, dict[str, object]] = {}
    for n, report_id in enumerate(cells["ReportID"]):
        if cells["MethodLabel"][n] != PHYSICIAN:
            continue
        if not report_id or not cells["PatientID"][n]:
            table.problem(n, "ReportID", "it or PatientID is empty")
            continue
        row = {
            "report_id": report_id,
            "patient_id": cells["PatientID"][n],
            "report": " ".join(cells["Report"][n].split()),
            "labels": _labels(table, n, cells["Labels"][n]),
        }
        first = found.setdefault(report_id, row | {"images": []})
        if wrong := [name for name, value in row.items() if first[name] != value]:
            table.problem(n, "ReportID", f"{report_id} has other {', '.join(wrong)} than in a row before")
        first["images"].append((cells["Projection"][n], cells["ImageDir"][n], cells["ImageID"][n]))
    table.raise_problems()
    if not found:
        raise InputError(f"{path}: no row has the MethodLabel {PHYSICIAN}; is it PadChest's table?")
    return pd.DataFrame(list(found.values()))


def _labels(table: Table, n: int, cell: str) -> frozenset[str]:
    """The labels of a cell such as "['nodule', 'goiter']"."""
    try:
        labels = ast.literal_eval(cell or "[]")
        return frozenset(label.strip() for label in labels if label.strip())
    except (ValueError, SyntaxError, TypeError, AttributeError, MemoryError, RecursionError):
        table.problem(n, "Labels", f"{cell[:60]!r}; expected a list such as ['nodule', 'goiter']")
        return frozenset()


def choose(
    reports: pd.DataFrame, split_of: Callable[[str], str], images: Path | None, out: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give each report its split, its labels and its image.

    Returns:
        The rows of the manifest; and what is left out, with the columns `COLUMNS`.
    """
    candidates, left_out = [], []
    for row in reports.itertuples():
        reason = (
            NO_TEXT if not row.report
            else TOO_LONG if len(row.report) > MAX_REPORT_CHARACTERS
            else IS_EXCLUDED if EXCLUDED in row.labels
            else None
        )  # fmt: skip
        image = ""
        if reason is None and images is not None:
            image, reason = _frontal_image(row.images, images, out)
        if reason:
            left_out.append((row.report_id, row.patient_id, reason))
        else:
            candidates.append((row, split_of(row.report), image))
    kept = _splits_of_patients([(row.patient_id, split) for row, split, _ in candidates])
    rows = []
    for row, split, image in candidates:
        if kept[row.patient_id] != split:
            left_out.append((row.report_id, row.patient_id, OTHER_SPLIT))
            continue
        facts = {"study_id": row.report_id, "patient_id": row.patient_id, "image": image, "report": row.report}
        rows.append({**facts, "split": split, **labels_from(row.labels)})
    return pd.DataFrame(rows), left_outs.table(left_out, COLUMNS)


def _splits_of_patients(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The split that each patient's reports are kept in: that of most of them; the later split of equal ones."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for patient, split in pairs:
        counts[patient][split] += 1
    return {
        patient: max(of_split, key=lambda split: (of_split[split], splits.SPLITS.index(split)))
        for patient, of_split in counts.items()
    }


def _frontal_image(images: list[tuple[str, str, str]], folder: Path, out: Path) -> tuple[str, str | None]:
    """The manifest's cell for a report's first frontal image that is there, or the reason why there is none."""
    frontal = sorted((image for image in images if image[0] in FRONTAL), key=lambda image: FRONTAL.index(image[0]))
    if not frontal:
        return "", NO_FRONTAL
    for _, below, name in frontal:
        for path in (folder / below / name, folder / name):
            if os.path.isfile(path):  # noqa: PTH113 (fast)
                path, base = path.absolute(), out.absolute()
                return str(path.relative_to(base) if path.is_relative_to(base) else path.resolve()), None
    return "", NO_FILE


def mapped(reports: pd.DataFrame) -> pd.DataFrame:
    """Each label of PadChest with the findings that it was mapped to, and the number of reports that have it."""
    counts = Counter(label for labels in reports.labels for label in labels)
    rows = [(label, " ".join(findings_of(label)), count) for label, count in counts.most_common()]
    return pd.DataFrame(rows, columns=["padchest_label", "findings", "reports"])
