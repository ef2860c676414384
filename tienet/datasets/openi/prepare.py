"""OpenI (Indiana University chest X-rays) -> data/openi/manifest.csv.

    tienet prepare openi                 # NLM's archives are downloaded, checked and unpacked: about 3 GB
    tienet prepare openi --from DIR      # from what was downloaded by hand
    tienet prepare openi --reports NLMCXR_reports.tgz --images DIR --projections indiana_projections.csv

Each step is done once, and the same command goes on where it was stopped. --from takes from a folder what it has of
NLMCXR_reports.tgz, NLMCXR_png.tgz (or a folder images), indiana_projections.csv and openi_gld_std14.csv; a flag for
each file goes before both. Which view is frontal is read in indiana_projections.csv, which is Kaggle's, or told from
NLM's XML, with the same outcome (tienet/datasets/openi/frontal.py).

A study is a frontal image with its report. A report with several frontal images gives several studies, which have
its number as their patient_id (OpenI names no patients) and so lie in one split. Image files are matched by name,
whether Kaggle's (1_IM-0001-4001.dcm.png) or NLM's (CXR1_1_IM-0001-4001.png), see tienet/datasets/openi/views.py. They
stay where they are.

--split fold=K/N makes the K-th of N data sets whose test splits together have every study once: train and evaluate
each, and the command pool puts the evaluations together (tienet/training/README.md).

Labels come from a file in NegBio's form, or without one from MeSH by the rules of tienet/datasets/openi/mesh.py.
Their counts are printed beside those of the paper's Table 1. --compare compares them with another source of labels:
agreement and kappa are printed, and each label that differs is named in disagreements.csv.

No_Finding means none of the 14 findings, also with NegBio's file: that gives 2,790 of the reports with a frontal
view, the paper has 2,789, while the file's own column "normal" (nothing else found either) has 1,343.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.data import manifest as manifests
from tienet.data import splits
from tienet.data.csv_table import Table
from tienet.data.text import MAX_REPORT_CHARACTERS
from tienet.datasets import label_agreement, paper_counts
from tienet.datasets import left_out as left_outs
from tienet.datasets.new_data_set import new_data_set
from tienet.datasets.openi import frontal, mesh, sources
from tienet.datasets.openi import views as openi_views
from tienet.datasets.openi.reports import Report, read_reports
from tienet.datasets.openi.sources import MESH
from tienet.datasets.openi.views import Views
from tienet.errors import InputError
from tienet.labels import FINDINGS, NO_FINDING, canonical

NO_FRONTAL = "report without a frontal view"
NO_FILE = "frontal view without an image file"
NO_TEXT = "report without findings and impression"
TOO_LONG = f"report of more than {MAX_REPORT_CHARACTERS:,} characters"
NO_LABELS = "report without labels"
NO_SPLIT = "report in no split of the split file"
NO_REPORT = "frontal view without a report"
LATERAL_VIEW = "lateral view"
UNKNOWN_IMAGE = "image file of a view that is not known"
SPARE_IMAGE = "second image file of a view"
UNKNOWN_LABELS = "labels without a report"


Labels = dict[str, dict[str, float]]
"""The labels of each report, by uid and label: 1, 0 or NaN (unknown)."""

COLUMNS = ("uid", "image", "reason")
_MOST_DIGITS = 19  # of a report's number, by which reports are sorted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    sources.add_arguments(parser)
    parser.add_argument("--compare", metavar=f"FILE|{MESH}", help="other labels, to compare those of --labels with")
    parser.add_argument(
        "--split",
        default="hash",
        metavar="hash|fold=K/N|FILE",
        help="hash: 70/10/20 by report; fold K of N, each of which tests other reports; or R2Gen's JSON (hash)",
    )
    parser.add_argument("--out", type=Path, default=Path("data/openi"), metavar="DIR", help="(data/openi)")


def run(args: argparse.Namespace) -> int:
    """Write manifest.csv, left_out.csv and disagreements.csv, and print what is in them."""
    with new_data_set(args.out, "openi") as out:
        return _make(args, out)


def _make(args: argparse.Namespace, out: Path) -> int:
    split_of = splits.rule(args.split)
    found = sources.find(args)
    views = openi_views.read_projections(found.projections) if found.projections else None
    image_of, spare = openi_views.index_images(found.images)
    reports = read_reports(found.reports)
    views = views or _told_views(reports)
    labels_of = labels_from(found.labels, reports)
    others = labels_from(args.compare, reports) if args.compare else None
    rows, left_out = assemble(reports, views, image_of, labels_of, split_of, out)
    left_out = pd.concat([left_out, unused(reports, views, image_of, spare, labels_of)], ignore_index=True)
    if rows.empty:
        raise InputError(f"no study is left; {left_outs.reasons(left_out) or 'there are no reports'}")
    _write(out, rows, left_out)
    print(f"\nlabels: {found.labels}")
    with_view = {uid: labels for uid, labels in labels_of.items() if uid in reports and uid in views.frontal}
    print(*paper_counts.describe_openi(with_view), sep="\n")
    if others is not None:
        print(f"\nlabels: ours are {found.labels}, theirs are {args.compare}")
        compare(labels_of, others, reports, out / "disagreements.csv")
    print(out / "manifest.csv")
    return 0


def _told_views(reports: dict[str, Report]) -> Views:
    views = frontal.told_views({uid: report.codes for uid, report in reports.items()})
    counts = [sum(map(len, of_report.values())) for of_report in (views.frontal, views.lateral)]
    print("views: {:,} frontal, {:,} lateral, told from the reports' XML (no --projections)".format(*counts))
    return views


def _write(out: Path, rows: pd.DataFrame, left_out: pd.DataFrame) -> None:
    (out / "disagreements.csv").unlink(missing_ok=True)  # those of an earlier run are about other labels
    manifests.write(out / "manifest.csv", rows)
    files.write_text(out / "left_out.csv", left_out.to_csv(index=False))
    manifest = manifests.load(str(out / "manifest.csv"))
    print(manifests.counts_table(manifest))
    several = sum(n > 1 for n in Counter(manifest.patient_ids).values())
    print(f"\n{several} reports have more than one frontal image here; each image is a study")
    if len(left_out):
        print(left_outs.line(out, left_out))
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)


def assemble(
    reports: dict[str, Report],
    views: Views,
    image_of: dict[str, Path],
    labels_of: Labels,
    split_of: Callable[[str], str | None],
    out: Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the sources.

    Returns:
        The rows of the manifest; and what is left out, with columns uid, image and reason.
    """
    rows: list[dict[str, object]] = []
    left_out: list[tuple[str, str, str]] = []
    for uid in sorted(reports, key=_by_number):
        report, split = reports[uid], split_of(uid)
        reasons = {
            NO_FRONTAL: uid not in views.frontal,
            NO_TEXT: not report.text,
            TOO_LONG: len(report.text) > MAX_REPORT_CHARACTERS,
            NO_LABELS: uid not in labels_of,
            NO_SPLIT: split is None,
        }
        reason = next((why for why, is_so in reasons.items() if is_so), None)
        if reason:
            left_out.append((uid, "", reason))
            continue
        for view in views.frontal[uid]:
            if view not in image_of:
                left_out.append((uid, view, NO_FILE))
                continue
            image = _path_in_manifest(image_of[view], out)
            row = {
                "study_id": view,
                "patient_id": uid,
                "image": image,
                "report": report.text,
                "split": split,
                "view": "frontal",
            }
            rows.append(row | labels_of[uid])
    return pd.DataFrame(rows), left_outs.table(left_out, COLUMNS)


def unused(
    reports: dict[str, Report],
    views: Views,
    image_of: dict[str, Path],
    spare: Sequence[Path],
    labels_of: Labels,
) -> pd.DataFrame:
    """List what belongs to no report, and the lateral views, in the columns of `assemble`'s second table."""
    named = views.names()
    return left_outs.table(
        [
            *((uid, view, NO_REPORT) for uid, of_uid in views.frontal.items() if uid not in reports for view in of_uid),
            *((uid, view, LATERAL_VIEW) for uid, of_uid in views.lateral.items() for view in of_uid),
            *((uid, "", UNKNOWN_LABELS) for uid in labels_of if uid not in reports),
            *(("", path.name, UNKNOWN_IMAGE) for view, path in image_of.items() if view not in named),
            *(("", path.name, SPARE_IMAGE) for path in spare),
        ],
        COLUMNS,
    )


def _path_in_manifest(path: Path, out: Path) -> str:
    path, folder = path.absolute(), out.absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path.resolve())


def _by_number(uid: str) -> tuple[int, str]:
    is_number = uid.isdecimal() and len(uid) < _MOST_DIGITS
    return (int(uid) if is_number else sys.maxsize, uid)


# ---- labels ----


def labels_from(source: str, reports: dict[str, Report]) -> Labels:
    """The labels that --labels or --compare names: those of a file, or, for `mesh`, those of the reports' majors."""
    if source == MESH:
        return mesh_labels(reports)
    if not Path(source).exists():
        raise FileNotFoundError(f"labels {source}: there is no such file; expected a CSV file, or {MESH}")
    return read_labels(Path(source))


def read_labels(path: Path) -> Labels:
    """Read the labels from a CSV with `filename` (CXR<uid>) and a column for each finding. Raises InputError."""
    table = Table(path, ("filename",))
    column_of: dict[str | None, str] = {}
    for name in table.header:
        label = canonical(name)
        if label in FINDINGS and column_of.setdefault(label, name) != name:
            raise InputError(f"{path}, row 1: columns {column_of[label]} and {name} are both {label}; keep one")
    missing = [name for name in FINDINGS if name not in column_of]
    if missing:
        raise InputError(
            f"{path}, row 1: no column for {', '.join(missing)}; expected filename and the 14 findings{table.hint}"
        )
    values = {"1": 1.0, "0": 0.0, "": np.nan, "1.0": 1.0, "0.0": 0.0}
    cells = {name: table.cells(column_of[name]) for name in FINDINGS}
    labels: Labels = {}
    for n, file_name in enumerate(table.cells("filename")):
        uid = file_name.removeprefix("CXR")
        if not uid:
            table.problem(n, "filename", f"{file_name!r}; expected CXR<uid>")
        elif uid in labels:
            table.problem(n, "filename", f"{file_name!r} is there already")
        labels[uid] = {}
        for name in FINDINGS:
            cell = cells[name][n]
            if cell not in values:
                table.problem(n, column_of[name], f"{cell!r}; expected 1, 0 or empty (unknown)")
            labels[uid][name] = values.get(cell, np.nan)
        of_findings = list(labels[uid].values())
        labels[uid][NO_FINDING] = 0.0 if 1.0 in of_findings else 1.0 - sum(of_findings)  # NaN if one is unknown
    table.raise_problems()
    return labels


def mesh_labels(reports: dict[str, Report]) -> Labels:
    """Make the labels, 1 or 0, from the MeSH majors; reports that are not indexed get none."""
    labels = {uid: mesh.findings(report.majors) for uid, report in reports.items()}
    return {uid: of_report for uid, of_report in labels.items() if of_report is not None}


def compare(ours: Labels, theirs: Labels, reports: dict[str, Report], path: Path) -> None:
    """Print how well two sources of labels agree; write each label that differs, with its majors, to `path`."""
    ours, theirs = ({uid: labels[uid] for uid in sorted(labels, key=_by_number)} for labels in (ours, theirs))
    listed = label_agreement.disagreements(ours, theirs)
    listed["majors"] = [
        "; ".join(mesh.relevant_majors(label, reports[uid].majors) if uid in reports else ())
        for uid, label in zip(listed.uid, listed.finding, strict=True)
    ]
    print(*label_agreement.describe(label_agreement.agreement(ours, theirs), listed), sep="\n")
    files.write_text(path, listed.to_csv(index=False))
    print(f"each is named in {path}")
