"""OpenI (Indiana University chest X-rays) -> data/openi/manifest.csv.

    python data_prep/openi.py --reports NLMCXR_reports.tgz --images DIR --projections indiana_projections.csv \\
        --labels openi_gld_std14.csv --split hash --out data/openi

A study is a frontal image with its report. A report with several frontal images gives several studies, which have
its number as their patient_id (OpenI names no patients) and so lie in one split. Image files are matched by name
without ending: 1_IM-0001-4001.dcm.png, 1_IM-0001-4001.jpg and CXR1_IM-0001-4001.png are the same view. They stay
where they are.

No_Finding means none of the 14 findings, also with NegBio's file: that gives 2,790 of the reports with a frontal
view, the paper has 2,789, while the file's own column "normal" (nothing else found either) has 1,343.
"""

import argparse
import re
import sys
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
import pandas as pd
from defusedxml import DefusedXmlException, ElementTree
from tqdm import tqdm

from tienet import cli, files
from tienet.data import manifest as manifests
from tienet.data import openi_mesh, splits
from tienet.data.csv_table import Table
from tienet.data.text import report_text
from tienet.errors import InputError
from tienet.labels import FINDINGS, NO_FINDING, canonical

MAX_XML_BYTES = 10_000_000  # a real one has some 10 kB
NO_FRONTAL = "report without a frontal view in the projections"
NO_FILE = "frontal view without an image file"
NO_TEXT = "report without findings and impression"
NO_LABELS = "report without labels"
NO_SPLIT = "report in no split of the split file"
NO_REPORT = "frontal view without a report"
UNKNOWN_IMAGE = "image file that is not in the projections"


@dataclass(frozen=True)
class Report:
    """One XML file: the text as the network reads it, and the MeSH majors."""

    text: str
    majors: tuple[str, ...]


def main() -> None:
    """Parse the flags, write manifest.csv and left_out.csv, say what is in them."""
    args = _parse()
    out = manifests.prepare_folder(args.out)
    views = read_projections(args.projections)
    files_by_view = index_images(args.images)
    reports = read_reports(args.reports)
    labels_of = mesh_labels(reports) if args.labels == "mesh" else read_labels(Path(args.labels))
    split_of = splits.by_hash if args.split == "hash" else splits.from_json(Path(args.split)).get
    rows, left_out = assemble(reports, views, files_by_view, labels_of, split_of, out)
    if rows.empty:
        raise InputError(f"no study is left; {_reasons(left_out)}")
    manifests.write(out / "manifest.csv", rows)
    files.write_text(out / "left_out.csv", left_out.to_csv(index=False))
    manifest = manifests.load(str(out / "manifest.csv"))
    print(manifests.counts_table(manifest))
    several = sum(n > 1 for n in Counter(manifest.patient_ids).values())
    print(f"\n{several} reports have more than one frontal image here; each image is a study")
    if len(left_out):
        print(f"left out, each named in {out / 'left_out.csv'}: {_reasons(left_out)}")
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    print(out / "manifest.csv")


def _parse() -> argparse.Namespace:
    parser = cli.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--reports", type=Path, required=True, metavar="TGZ|DIR", help="NLMCXR_reports.tgz, or a folder of its XML"
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of PNG or JPEG files")
    parser.add_argument(
        "--projections",
        type=Path,
        required=True,
        metavar="CSV",
        help="indiana_projections.csv: uid,filename,projection",
    )
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE|mesh",
        help="CSV: filename CXR<uid>, 14 findings; or mesh: MeSH majors",
    )
    parser.add_argument(
        "--split", default="hash", metavar="hash|FILE", help="hash: 70/10/20 by report; or R2Gen's JSON (hash)"
    )
    parser.add_argument("--out", type=Path, default=Path("data/openi"), metavar="DIR", help="(data/openi)")
    return parser.parse_args()


def assemble(
    reports: dict[str, Report],
    views: dict[str, list[str]],
    files_by_view: dict[str, Path],
    labels_of: dict[str, dict[str, float]],
    split_of: Callable[[str], str | None],
    out: Path,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the sources.

    Returns:
        The manifest's rows, and what is left out with columns uid, image, reason.
    """
    rows: list[dict[str, object]] = []
    left_out: list[tuple[str, str, str]] = []
    for uid in sorted(reports, key=_by_number):
        report, split = reports[uid], split_of(uid)
        reasons = {NO_FRONTAL: uid not in views, NO_TEXT: not report.text, NO_LABELS: uid not in labels_of}
        reason = next((why for why, is_so in {**reasons, NO_SPLIT: split is None}.items() if is_so), None)
        if reason:
            left_out.append((uid, "", reason))
            continue
        for view in views[uid]:
            if view not in files_by_view:
                left_out.append((uid, view, NO_FILE))
                continue
            image = _path_in_manifest(files_by_view[view], out)
            row = {"study_id": view, "patient_id": uid, "image": image, "report": report.text, "split": split}
            rows.append(row | labels_of[uid])
    left_out += [(uid, view, NO_REPORT) for uid in views if uid not in reports for view in views[uid]]
    return pd.DataFrame(rows), pd.DataFrame(left_out, columns=["uid", "image", "reason"])


def _path_in_manifest(path: Path, out: Path) -> str:
    path, folder = path.absolute(), out.absolute()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path.resolve())


def _by_number(uid: str) -> tuple[int, str]:
    return (int(uid) if uid.isdecimal() else sys.maxsize, uid)


def _reasons(left_out: pd.DataFrame) -> str:
    counts = left_out.reason.value_counts()
    return "; ".join(f"{n} x {reason}" for reason, n in counts.items()) or "there are no reports"


# ---- reports ----


def read_reports(source: Path) -> dict[str, Report]:
    """uid -> report, of all XML files in a tar archive or in a folder.

    Raises InputError with the file's name if one is broken, declares entities, or repeats a uid.
    """
    reports: dict[str, Report] = {}
    for name, content in tqdm(_xml_files(source), desc="reports", unit="", file=sys.stderr, disable=None):
        root = _parse_xml(name, content)
        identity = root.find("uId")
        uid = (identity.get("id") or "").strip().removeprefix("CXR") if identity is not None else ""
        if not uid:
            raise InputError(f"{name}: no <uId id=...>; expected a report of OpenI")
        if uid in reports:
            raise InputError(f"{name}: report CXR{uid} is there already in another file; keep one of them")
        majors = tuple(major.text or "" for major in root.findall("MeSH/major"))
        reports[uid] = Report(report_text(_section(root, "FINDINGS"), _section(root, "IMPRESSION")), majors)
    if not reports:
        raise InputError(f"{source}: no .xml file in it; expected the reports of OpenI (NLMCXR_reports.tgz)")
    return reports


def _section(root: Element, label: str) -> str:
    parts = ("".join(part.itertext()) for part in root.iter("AbstractText") if part.get("Label") == label)
    return " ".join(parts)


def _parse_xml(name: str, content: bytes) -> Element:
    try:
        return ElementTree.fromstring(content)
    except DefusedXmlException as error:
        raise InputError(f"{name}: refused, an OpenI report declares no entities ({type(error).__name__})") from None
    except (ParseError, ValueError, LookupError) as error:
        raise InputError(f"{name}: not XML ({error}); get the file again") from None


def _xml_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """(name for messages, content) of each .xml file."""
    if source.is_dir():
        for path in sorted(source.rglob("*.xml")):
            yield str(path), _limited(str(path), path.stat().st_size, path.read_bytes)
        return
    if not source.exists():
        raise FileNotFoundError(f"--reports {source} does not exist; expected NLMCXR_reports.tgz or a folder of XML")
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".xml"):
                    name = f"{source}, {member.name}"
                    yield name, _limited(name, member.size, archive.extractfile(member).read)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        why = str(error).partition("\n")[0]
        raise InputError(f"--reports {source}: not a whole tar archive ({why}); get it again") from None


def _limited(name: str, size: int, read: Callable[[], bytes]) -> bytes:
    if size > MAX_XML_BYTES:
        raise InputError(f"{name}: {size:,} bytes; a report has some 10,000")
    return read()


# ---- images ----


def view_name(file_name: str) -> str:
    """What a view is called whatever its file's ending: 1_IM-0001-4001."""
    stem = re.sub(r"\.(png|jpe?g)$", "", file_name.strip(), flags=re.IGNORECASE)
    return re.sub(r"\.dcm$", "", stem, flags=re.IGNORECASE).removeprefix("CXR")


def index_images(folder: Path) -> dict[str, Path]:
    """View name -> file, of all PNG and JPEG files under a folder; where a view has both, the PNG."""
    if not folder.is_dir():
        raise FileNotFoundError(f"--images {folder}: there is no such folder")
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    if not found:
        raise InputError(f"--images {folder}: no .png, .jpg or .jpeg file in it")
    return {view_name(path.name): path for path in sorted(found, key=lambda path: path.suffix.lower() == ".png")}


def read_projections(path: Path) -> dict[str, list[str]]:
    """uid -> its frontal views, in the file's order."""
    table = Table(path, ("uid", "filename", "projection"))
    views: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    columns = [table.cells(name) for name in table.columns]
    for n, (uid, file_name, projection) in enumerate(zip(*columns, strict=True)):
        view = view_name(file_name)
        if view in seen:
            table.problem(n, "filename", f"{file_name!r} is there already, at row {table.lines[seen[view]]}")
        seen[view] = n
        if projection not in ("Frontal", "Lateral"):
            table.problem(n, "projection", f"{projection!r}; expected Frontal or Lateral")
        elif projection == "Frontal":
            views.setdefault(uid.removeprefix("CXR"), []).append(view)
    table.raise_problems()
    return views


# ---- labels ----


def read_labels(path: Path) -> dict[str, dict[str, float]]:
    """uid -> label -> 1, 0 or NaN, from a CSV with `filename` (CXR<uid>) and a column for each finding."""
    table = Table(path, ("filename",))
    column_of = {canonical(name): name for name in table.header}
    missing = [name for name in FINDINGS if name not in column_of]
    if missing:
        raise InputError(f"{path}, row 1: no column for {', '.join(missing)}; expected filename and the 14 findings")
    values = {"1": 1.0, "0": 0.0, "": np.nan, "1.0": 1.0, "0.0": 0.0}
    cells = {name: table.cells(column_of[name]) for name in FINDINGS}
    labels: dict[str, dict[str, float]] = {}
    for n, file_name in enumerate(table.cells("filename")):
        uid = file_name.removeprefix("CXR")
        if uid in labels:
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


def mesh_labels(reports: dict[str, Report]) -> dict[str, dict[str, float]]:
    """uid -> label -> 1 or 0 by the MeSH majors; reports that are not indexed are not in it."""
    labels = {uid: openi_mesh.findings(report.majors) for uid, report in reports.items()}
    return {uid: of_report for uid, of_report in labels.items() if of_report is not None}


if __name__ == "__main__":
    cli.run(main)
