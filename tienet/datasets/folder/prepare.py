"""A folder of X-rays of one's own (PNG, JPEG or DICOM), with texts beside them -> data/NAME/manifest.csv.

    tienet prepare folder --images DIR --reports reports.csv --labels labels.csv --out data/NAME

--reports is a CSV (columns image or study, and report or text, or findings and impression) or a folder of .txt files
named as the images; without it, .txt files in --images are the reports. A report belongs to the images that have its
name: file name, path, SOP or study instance UID, accession number, or the folder that the image lies in. All parts of
a path must agree (tienet/datasets/folder/matching.py), and a name that fits several images is refused.
Frontal views of X-rays are taken, and views that are not known. What is left out is counted, and named in
left_out.csv; --keep takes it in, --strict refuses faults (not views and modalities).

Nothing that is written names a patient or a file: ids are hashes with a secret salt, kept in OUT/.salt, and each
image becomes an 8-bit PNG under its hash. --names writes which file is which, to a place of your choice. --keep-ids
keeps the true names, and leaves PNG and JPEG files where they are. Reports are written as they are.

A run that was stopped goes on where it was; images that are there already are not converted again.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from tienet import cpu, files
from tienet.cli import UsageError
from tienet.data import image_names
from tienet.data import manifest as manifests
from tienet.data.dicom.pool import ReaderPool
from tienet.data.dicom.reader import Reader
from tienet.data.dicom.subject import NO_MODALITY
from tienet.datasets.chestxray14 import tables as nih_tables
from tienet.datasets.folder import files as own_files
from tienet.datasets.folder.conversion import IMAGES, Names, convert, is_hashed
from tienet.datasets.folder.files import Folder, NamedValues
from tienet.datasets.folder.pseudonyms import SALT_FILE, Pseudonyms, read_salt
from tienet.datasets.folder.studies import (
    CHOSEN,
    COLUMN,
    NOT_UTF8,
    UNREADABLE,
    Fault,
    FolderStudy,
    Tables,
    assign_splits,
    choose,
    join,
    leftovers,
)
from tienet.datasets.new_data_set import new_data_set
from tienet.errors import InputError
from tienet.labels import LABELS

MANIFEST, LEFT_OUT = "manifest.csv", "left_out.csv"
MANY = 20
MAX_NAMED = 20  # files with a fault that are named on the screen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "--images", type=Path, required=True, metavar="DIR", help="PNG, JPEG and DICOM files, at any depth"
    )
    parser.add_argument("--reports", type=Path, metavar="CSV|DIR", help="table, or folder of .txt files")
    parser.add_argument(
        "--labels", type=Path, metavar="CSV", help="image, and 1/0 columns of findings or Finding Labels"
    )
    parser.add_argument(
        "--patients", metavar="COLUMN", help="column of the --reports (or --labels) CSV; else DICOM's PatientID"
    )
    parser.add_argument(
        "--split",
        choices=("hash", "test", COLUMN),
        help="by hash of the patient, all test, or the CSV's column split (hash with --labels, else test)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the data set: data/NAME")
    parser.add_argument("--keep", nargs="+", default=[], choices=("lateral", "mirrored", "modality", "no-report"),
                        help="take in what is left out otherwise")  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="refuse if anything is left out because of a fault")
    parser.add_argument("--keep-ids", action="store_true", help="true names instead of hashes")
    parser.add_argument("--salt", metavar="TEXT", help=f"secret of the hashes, instead of OUT/{SALT_FILE}")
    parser.add_argument(
        "--names", type=Path, metavar="CSV", help="write id and file of each image there, outside --out"
    )
    parser.add_argument("--workers", type=int, default=cpu.cores(), metavar="N", help="processes (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Read the headers, choose and convert the images, write the data set and print what is in it."""
    _check_flags(args)
    _check_out(args)
    with new_data_set(args.out, "folder") as out:
        return _make(args, out)


def _make(args: argparse.Namespace, out: Path) -> int:
    folder = own_files.index(args.images, without=args.out / IMAGES)
    unwritable = find_unwritable(folder) if args.keep_ids else {}
    tables = read_tables(args, folder)
    names = Names(folder, None if args.keep_ids else Pseudonyms(read_salt(out, args.salt)))
    with ReaderPool(args.workers) as pool:
        studies, faults = read_headers(folder, pool)
        join(studies, tables, folder)
        faults = [fault for fault in faults if fault.path not in unwritable] + list(unwritable.values())
        studies = [study for study in studies if study.source.path not in unwritable]
        studies, left_out = choose(studies, tables, args.keep)
        faults += left_out + leftovers(folder, tables)
        no_patient = sum(not study.patient for study in studies)
        for study in studies:
            study.patient = names.patient(study.patient) if study.patient else names.image(study.source.name)
        assign_splits(studies, args.split or ("hash" if tables.labels else "test"))

        (out / MANIFEST).unlink(missing_ok=True)  # written last: if it exists, what it names exists
        cells, unreadable = convert(studies, names, out, pool)
        faults += unreadable
    studies = [study for study in studies if study.source.name in cells]
    _show_faults(faults, args.strict)
    if not studies:
        raise InputError(f"--images {args.images}: no image is left; left out: {_reasons(faults)}")
    write(out, studies, cells, faults, names, args.names)
    _print_notes(_notes(args, folder, studies, tables, no_patient))
    return 0


def _check_flags(args: argparse.Namespace) -> None:
    if args.workers < 1:
        raise UsageError(f"--workers {args.workers}: expected 1 or more")
    has_csv = any(path is not None and not path.is_dir() for path in (args.reports, args.labels))
    if not has_csv and (args.patients or args.split == COLUMN):
        raise UsageError("--patients and --split column need a CSV: --reports or --labels")


def _check_out(args: argparse.Namespace) -> None:
    images, source = (args.out / IMAGES).resolve(), args.images.resolve()
    if source == images or source.is_relative_to(images):
        raise InputError(f"--images {args.images} is where the converted images go; choose another --out")
    if not files.is_utf8(args.out.absolute()):
        raise InputError(f"--out {files.printable(args.out)}: its path is not UTF-8; choose another folder")
    if args.names and args.names.resolve().is_relative_to(args.out.resolve()):
        raise InputError(f"--names {args.names} is inside --out; it leads back to the patients: keep it elsewhere")
    if not args.keep_ids:
        foreign = [path for path in images.glob("*") if not is_hashed(path) and not files.is_hidden(path.name)]
        if foreign:
            raise InputError(f"{images} has {len(foreign)} files under other names than hashes; choose another --out")


# ---- what is known of the images ----


def find_unwritable(folder: Folder) -> dict[Path, Fault]:
    """The images whose true names cannot be written, as faults by file; prints a line about them.

    Raises InputError if no other image is there.
    """
    bad = [source for source in folder.sources if not files.is_utf8(source.path.resolve())]
    if bad:
        line = f"{len(bad):,} images are passed over, {NOT_UTF8}; the first is {files.printable(bad[0].path)}"
        if len(bad) == len(folder.sources):
            raise InputError(f"--images: {line}; rename them, or leave out --keep-ids")
        _print_notes([line])
    return {source.path: Fault.from_source(source, NOT_UTF8) for source in bad}


def read_tables(args: argparse.Namespace, folder: Folder) -> Tables:
    """Read reports, labels, patients and splits, each by name. Raises InputError if a table is wrong."""
    reports, bad_reports, csv = None, {}, None
    if args.reports is None:
        if own_files.texts_beside(folder):
            where = f"--images {args.images}, .txt files"
            reports, bad_reports = own_files.read_texts(folder.texts, args.images, where, beside=True)
    elif args.reports.is_dir():
        texts = own_files.text_files(args.reports)
        reports, bad_reports = own_files.read_texts(texts, args.reports, f"--reports {args.reports}")
    else:
        csv = args.reports
        texts = nih_tables.read_reports(csv, image_names.plain, with_empty=True)
        bad_reports = own_files.without_long(texts)
        reports = NamedValues(texts, str(csv))
    labels = None
    if args.labels:
        table, notes = nih_tables.read_hand_labels(args.labels, image_names.plain)
        _print_notes(note for note in notes if args.labels != args.reports)
        labels = NamedValues(dict(zip(table.index, table.to_numpy(), strict=True)), str(args.labels))
        csv = csv or args.labels
    patients = NamedValues(own_files.read_column(csv, args.patients), str(csv)) if args.patients else None
    by_column = NamedValues(own_files.read_column(csv, "split"), str(csv)) if args.split == COLUMN else None
    return Tables(reports, labels, patients, by_column, bad_reports)


def read_headers(folder: Folder, pool: ReaderPool) -> tuple[list[FolderStudy], list[Fault]]:
    """Read the DICOM headers; returns the images, and faults for those whose header cannot be read."""

    def read(reader: Reader, source: own_files.Source) -> FolderStudy | Fault:
        try:
            return FolderStudy(source, reader.read_header(source.path) if source.kind == "DICOM" else None)
        except (InputError, FileNotFoundError) as error:
            return Fault.from_source(source, getattr(error, "reason", UNREADABLE), str(error))

    results = pool.map(read, folder.sources, "headers")
    return (
        [result for result in results if isinstance(result, FolderStudy)],
        [result for result in results if isinstance(result, Fault)],
    )


# ---- output ----


def write(
    out: Path,
    studies: Sequence[FolderStudy],
    cells: dict[str, str],
    faults: Sequence[Fault],
    names: Names,
    key_file: Path | None,
) -> None:
    """Write left_out.csv, the table of names if --names asks for it, and manifest.csv; print what is in them."""
    rows = []
    for study in studies:
        name = study.source.name
        row = {"study_id": names.image(name), "patient_id": study.patient, "image": cells[name], "report": study.report}
        row |= {"split": study.split, "view": study.header.view if study.header else ""}
        rows.append(row | dict(zip(LABELS, study.labels, strict=True)))
    left_out = [(files.printable(names.left_out(fault)), fault.what, fault.reason) for fault in faults]
    table = pd.DataFrame(left_out, columns=["name", "what", "reason"])
    files.write_text(out / LEFT_OUT, table.to_csv(index=False))
    if key_file:
        known = [(names.image(study.source.name), study.source.path) for study in studies]
        known += [(names.left_out(fault), fault.path or fault.name) for fault in faults]
        known = [(files.printable(name), files.printable(file)) for name, file in known]
        files.write_text(key_file, pd.DataFrame(known, columns=["name", "file"]).to_csv(index=False))
    manifests.write(out / MANIFEST, pd.DataFrame(rows))
    manifest = manifests.load(str(out / MANIFEST))
    print(f"\n{manifests.counts_table(manifest)}")
    if faults:
        print(f"left out, each named in {out / LEFT_OUT}: {_reasons(faults)}")
    _print_notes(manifest.notes)
    print(out / MANIFEST)


def _show_faults(faults: Sequence[Fault], strict: bool) -> None:
    """Print the first files that are left out because of a fault. Raises InputError for them with --strict."""
    real = [fault for fault in faults if not fault.reason.startswith(CHOSEN)]
    if strict and real:
        raise InputError(f"--strict: left out would be {_reasons(real)}; the first is {real[0].message}")
    for fault in real[:MAX_NAMED]:
        print(f"left out: {files.printable(fault.message)}", file=sys.stderr)
    if len(real) > MAX_NAMED:
        print(f"and {len(real) - MAX_NAMED:,} more; --names FILE names them all", file=sys.stderr)


def _reasons(faults: Sequence[Fault]) -> str:
    counts = Counter(fault.reason for fault in faults)
    return "; ".join(f"{n:,} x {reason}" for reason, n in counts.most_common()) or "nothing"


def _notes(
    args: argparse.Namespace, folder: Folder, studies: Sequence[FolderStudy], tables: Tables, no_patient: int
) -> list[str]:
    """The notes that are printed about the data set."""
    headers = [study.header for study in studies if study.header]
    of_pictures = Counter(note for header in headers for note in header.notes)
    notes = [f"of {n:,} images the file {note}" for note, n in of_pictures.most_common()]
    if headers:
        views = Counter(header.view or "not known" for header in headers)
        notes.append(f"view of {len(headers):,} DICOM images: {_counts(views)}; all of these are kept")
        unsure = Counter(header.modality or "none" for header in headers if header.modality in NO_MODALITY)
        if unsure:
            notes.append(f"modality that may or may not be an X-ray's, kept: {_counts(unsure)}")
    if no_patient:
        notes.append(f"{no_patient:,} images come without a patient; each counts as a patient of its own")
    ((_, most),) = Counter(study.patient for study in studies).most_common(1)
    if len(studies) >= MANY and most > len(studies) / 2:
        notes.append(f"{most:,} of {len(studies):,} images have one patient id; if it is a stand-in, use --patients")
    for table in (tables.reports, tables.labels):
        if table and table.root:
            notes.append(f"{table.where}: /{table.root}, where its paths start, is taken for --images {args.images}")
    if folder.others:
        notes.append(f"passed over, no image and no text: {_counts(folder.others)}")
    if folder.texts and (args.reports or not tables.reports):
        notes.append(f"{len(folder.texts):,} .txt files in --images are not used as reports")
    if not tables.labels and args.split in (None, "test"):
        notes.append("without --labels all labels are unknown, all studies test; --split hash to train captions")
    if tables.reports:
        notes.append("reports are written as they are: look whether they name patients")
    if not args.keep_ids and args.salt is None:
        notes.append(f"{args.out / SALT_FILE} leads from ids to patients: keep it for the next run, pass it to nobody")
    return notes


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.most_common())


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
