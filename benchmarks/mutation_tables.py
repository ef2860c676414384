"""Tables and lists that are mutated: those of users for `annotate` and `prepare folder`, and those of the data sets."""

import csv
import gzip
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np

from benchmarks.mutated_bytes import BYTES, TEXT, in_gzip
from benchmarks.mutated_texts import OF_CSV
from benchmarks.mutation_kinds import Seed, Step, demand, demand_labels
from tienet.commands.labels_row import HEADER
from tienet.data.dicom.reader import Reader
from tienet.data.splits import SPLITS
from tienet.data.text import MAX_REPORT_CHARACTERS, SPECIALS, Vocab
from tienet.labels import FINDINGS, LABELS, K

VOCAB = Vocab(
    [
        *SPECIALS,
        "the",
        "heart",
        "is",
        "normal",
        "no",
        "effusion",
        "lungs",
        "are",
        "clear",
        "findings",
        "impression",
        ":",
    ]
)
TEXTS = ("The heart is normal.", 'No "effusion", lungs clear', "lungs are\nclear", "findings : no effusion")
FILES = ("a.png", "p1/b.png", "p2/b.png", "p2/c d.png")
IDENTITY = {"checkpoint": "abc", "thresholds_or_temperatures": [None, None]}


def table_of(header: list[str], *columns: object) -> bytes:
    """A CSV file of a header and of columns."""
    file = StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([header, *zip(*columns, strict=True)])
    return file.getvalue().encode()


def csv_seeds(folder: Path, reader: Reader) -> list[Seed]:
    """Tables of reports, images, labels, patients, splits and boxes, for each reader of tables."""
    write_images(folder / "images")
    contents = {**_users_tables(folder), **_published_tables(), **_foreign_lists(folder)}
    seeds = [
        Seed(name, content, steps, OF_CSV, problems=not name.startswith(("annotate", "labels")))
        for name, (content, steps) in contents.items()
    ]
    for seed in [seed for seed in seeds if seed.name in ("entries.csv", "folder_reports.csv")]:
        packed = gzip.compress(seed.content, mtime=0)
        seeds.append(replace(seed, name=f"{seed.name}.gz", content=packed, ways=(*in_gzip(OF_CSV), *BYTES)))
    lists = [seed for seed in seeds if seed.name.endswith(".txt")]
    return [replace(seed, ways=TEXT) if seed in lists else seed for seed in seeds]


def write_images(folder: Path) -> None:
    """Write small images, two of which have the same name in two folders."""
    import cv2

    for n, name in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.full((8, 9), 40 * n, np.uint8))[1].tobytes())


# ---- users' tables ----


def _users_tables(folder: Path) -> dict[str, tuple[bytes, tuple[Step, ...]]]:
    ids, images = [f"s{n}" for n in range(4)], [f"images/{name}" for name in FILES]
    labels = [[(n + k) % 2 for n in range(4)] for k in range(14)]
    words = ("No Finding", "Mass|Nodule", "Effusion", "Hernia|Infiltration")

    def of_folder(**flags: object) -> tuple[Step, ...]:
        return (lambda path: _prepare_folder(folder, {name: given or path for name, given in flags.items()}),)

    text, picture = (lambda path: annotate(path, False),), (lambda path: annotate(path, True),)
    reports = table_of(["image", "report", "patient", "split"], FILES, TEXTS, "7788", ["test"] * 4)
    sections = table_of(["Study_ID", "Findings", "Impression", "age"], ids, TEXTS, TEXTS[::-1], range(4))
    hand = table_of(["Image Index", *FINDINGS, "sex"], FILES, *labels, "fmfm")
    listed = table_of(["image", "Finding Labels"], FILES, words)
    rows = [["0.500000"] * 4 for _ in range(K)] + [["1", "0", "", "1"] for _ in range(K)]
    done = table_of(HEADER, ids, *rows, ["Mass"] * 4, *[[""] * 4] * 3)
    errors = table_of(["row", "study_id", "reason", "message"], "67", "xy", ["no report"] * 2, ["it is empty"] * 2)
    both = reports.replace(b"a.png", b"/data/films/a.png").replace(b"p1/", b"/data/films/p1/").replace(b"p2/", b"p2\\")
    return {
        "annotate.csv": (table_of(["study_id", "report"], ids, TEXTS), text),
        "annotate_sections.csv": (sections, text),
        "annotate_images.csv": (table_of(["study_id", "image", "text"], ids, images, TEXTS), picture),
        "labels.csv": (done, (lambda path: _go_on(path, ""),)),
        "labels_errors.csv": (errors, (lambda path: _go_on(path, ".errors.csv"),)),
        "folder_reports.csv": (reports, of_folder(reports=None, patients="patient", split="column")),
        "folder_paths.csv": (both, of_folder(reports=None)),
        "folder_labels.csv": (hand, of_folder(labels=None)),
        "folder_findings.csv": (listed, of_folder(labels=None, split="test")),
        "manifest_here.csv": (manifest_of_images(), (_load_manifest,)),
        "boxes.csv": (table_of(["study_id", "finding", *"xywh"], "ab", ["Mass"] * 2, *["12"] * 4), (_lesions,)),
    }


def annotate(path: Path, image: bool) -> None:
    """Read studies as `tienet annotate` does, write a row for each, and go on with the table that is there."""
    from tienet.commands.image_input import read_image_input
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.study_input import Fault, Needs, open_studies
    from tienet.data.text import find_report_fault

    studies = open_studies(path, Needs(image=image, report=True))
    demand("\n" not in studies.columns_taken, "the columns that are taken are not named in one line")
    identity, count = IDENTITY | {"input": studies.identity}, 0
    out = path.parent / "annotated.csv"
    try:
        with LabelsFile(out, identity, path) as table:
            for study in studies:
                count += 1
                found = study.fault or find_report_fault(study.report, VOCAB, 300)
                if image and found is None:
                    read = read_image_input(study.image, 32)
                    found = read.fault
                    demand(found or (read.pixels.shape, read.pixels.dtype) == ((32, 32), np.uint8), "odd pixels")
                if found:
                    demand_line(found.kind, found.message)
                    table.pass_over(replace(study, fault=Fault(found.kind, found.message)))
                    continue
                ids = VOCAB.encode(study.report, 300)
                demand(0 < len(ids) <= 300 and ids.dtype == np.int32 and ids.max() < len(VOCAB), "odd ids of words")
                demand(study.study_id and len(study.report) <= MAX_REPORT_CHARACTERS, "a study without a name")
                table.write(study, np.full(K, 0.5), np.zeros(K))
            table.finish()
        demand_line(*studies.notes)
        demand(count == studies.total, f"{count} studies, {studies.total} were counted")
        with LabelsFile(out, identity, path) as table:
            had = [table.has(study) for study in studies]
            demand(all(had), "a table that was written is not gone on with")
            table.check_end()
    finally:
        for left in path.parent.glob("annotated.csv*"):
            left.unlink()


def demand_line(*texts: str) -> None:
    """Raise InsaneError unless each text is one line."""
    demand(all(len(text.splitlines()) <= 1 for text in texts), "a message of several lines")


def _go_on(path: Path, ending: str) -> None:
    """Go on with a table that an earlier run has written, of which one file is this."""
    from tienet import files
    from tienet.commands.labels_file import LabelsFile
    from tienet.commands.study_input import Fault, StudyInput

    out = path.with_name("again.csv")
    out.write_bytes(table_of(HEADER, *[()] * len(HEADER)))
    out.with_name(f"{out.name}{ending}").write_bytes(path.read_bytes())
    identity = IDENTITY | {"input": {}}
    files.write_json(out.with_name("again.csv.run.json"), identity)
    try:
        with LabelsFile(out, identity, path) as table:
            for n in range(6):
                study = StudyInput(n + 2, f"s{n}", report="x", fault=Fault("no report", "empty") if n > 3 else None)
                if not table.has(study):
                    table.pass_over(study) if study.fault else table.write(study, np.zeros(K), np.full(K, np.nan))
            table.finish()
    finally:
        for left in path.parent.glob("again.csv*"):
            left.unlink()


def _prepare_folder(folder: Path, flags: dict[str, object]) -> None:
    """Read the tables and join them with the images as `tienet prepare folder` does, without converting images."""
    from tienet.datasets.folder import files, prepare
    from tienet.datasets.folder.studies import FolderStudy, assign_splits, choose, join, leftovers

    given = {"reports": None, "labels": None, "patients": None, "split": None} | flags
    args = Namespace(images=folder / "images", **given)
    found = files.index(args.images, without=folder / "none")
    tables = prepare.read_tables(args, found)
    studies = [FolderStudy(source, None) for source in found.sources]
    join(studies, tables, found)
    chosen, left_out = choose(studies, tables, [])
    for fault in left_out + leftovers(found, tables):
        demand_line(fault.reason)
    for study in chosen:
        study.patient = study.patient or study.source.name
        demand(isinstance(study.report, str) and len(study.report) <= MAX_REPORT_CHARACTERS, "a report that is no text")
        demand_labels(study.labels)
    assign_splits(chosen, args.split or "test")
    demand(all(study.split in SPLITS for study in chosen), "a split that is not known")


def manifest_of_images() -> bytes:
    """A manifest of the images that `write_images` writes into a folder `images` beside it."""
    labels = [[(n + k) % 2 for n in range(4)] for k in range(K)]
    images = [f"images/{name}" for name in FILES]
    header = ["study_id", "patient_id", "image", "report", "split", *LABELS, "view"]
    return table_of(header, "abcd", "7788", images, TEXTS, ["train", "train", "test", "test"], *labels, ["PA"] * 4)


def _load_manifest(path: Path) -> None:
    from tienet.data import manifest

    loaded = manifest.load(str(path))
    demand_labels(loaded.labels)
    demand(loaded.labels.shape == (len(loaded), K) and loaded.labels.dtype == np.float32, "labels of another shape")
    demand(set(loaded.splits) <= set(SPLITS) and len(loaded.fingerprint()) == 64, "a split that is not known")
    demand_line(*loaded.notes)


def _lesions(path: Path) -> None:
    """Read boxes beside a manifest, as `tienet evaluate` does."""
    from tienet.data import manifest
    from tienet.evaluation.metrics.pointing import read_boxes

    (path.parent / "with_boxes.csv").write_bytes(manifest_of_images())
    try:
        for boxes in read_boxes(manifest.load(str(path.parent / "with_boxes.csv"))).values():
            demand(boxes.ndim == 2 and boxes.shape[1] == 4 and np.isfinite(boxes).all(), "a box without a place")
    finally:
        (path.parent / "with_boxes.csv").unlink()


# ---- the tables of data sets ----


def _published_tables() -> dict[str, tuple[bytes, tuple[Step, ...]]]:
    from tienet.datasets.chestxray14 import tables as nih
    from tienet.datasets.mimic_cxr import tables as mimic
    from tienet.datasets.openi import prepare as openi
    from tienet.datasets.openi.views import read_projections

    names = [f"0000000{n}_000.png" for n in range(4)]
    words = ("No Finding", "Mass|Nodule", "Effusion", "Hernia|Infiltration")
    boxes = b"Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.png,Mass,1.5,2,30,40,,,\n2.png,Nodule,1,2,3,4\n"
    of_mimic = (["d1", "d2", "d3", "d4"], ["50", "50", "51", "52"], ["1", "1", "2", "2"])
    chexpert = [["1.0", "", "-1.0"] for _ in mimic.COLUMNS]
    views = ["1_IM-0001-4001.dcm.png", "2_IM-0652-1001.dcm.png", "3_IM-1384-1001.dcm.png"]
    negbio = [["1", "0", ""] for _ in FINDINGS]
    entries = table_of(
        ["Image Index", "Finding Labels", "Patient ID", "View Position"], names, words, "1123", ["PA"] * 4
    )
    splits = table_of(["dicom_id", "study_id", "subject_id", "split"], *of_mimic, ["train"] * 2 + ["test"] * 2)
    metadata = table_of(["dicom_id", "study_id", "subject_id", "ViewPosition"], *of_mimic, ["PA", "LATERAL", "AP", ""])
    labelled = table_of(["subject_id", "study_id", *mimic.COLUMNS], "112", ["50", "51", "52"], *chexpert)
    return {
        "entries.csv": (entries, (_frame_of(nih.read_entries),)),
        "nih_boxes.csv": (boxes, (_boxes,)),
        "mimic_split.csv": (
            splits,
            (lambda path: demand(set(mimic.read_split(path).split) <= set(SPLITS), "a split"),),
        ),
        "mimic_metadata.csv": (metadata, (lambda path: mimic.read_views(path),)),
        "mimic_chexpert.csv": (labelled, (_frame_of(lambda path: mimic.read_labels(path, 0.0).table),)),
        "openi_projections.csv": (
            table_of(["uid", "filename", "projection"], "123", views, ["Frontal", "Frontal", "Lateral"]),
            (lambda path: demand(read_projections(path).names(), "views without a name"),),
        ),
        "openi_labels.csv": (
            table_of(["filename", *FINDINGS], ["CXR1", "CXR2", "CXR3"], *negbio),
            (lambda path: _compare_labels(openi.read_labels(path), path.parent),),
        ),
    }


def _frame_of(read: Callable) -> Step:
    def check(path: Path) -> None:
        demand_labels(read(path)[list(LABELS)])

    return check


def _boxes(path: Path) -> None:
    from tienet.datasets.chestxray14.tables import read_boxes

    boxes = read_boxes(path)[["x", "y", "w", "h"]].to_numpy(float)
    demand(np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= 1024).all(), "a box outside of the image")


def _compare_labels(labels: dict[str, dict[str, float]], folder: Path) -> None:
    """Compare the labels with others, as `tienet prepare openi --compare` does."""
    from tienet.datasets.openi import prepare

    demand_labels([list(of_report.values()) for of_report in labels.values()])
    prepare.compare(labels, {"1": dict.fromkeys(LABELS, 1.0)}, {}, folder / "disagreements.csv")
    (folder / "disagreements.csv").unlink()


# ---- foreign splits ----


def _foreign_lists(folder: Path) -> dict[str, tuple[bytes, tuple[Step, ...]]]:
    from tienet.data import leaks, manifest

    (folder / "own.csv").write_bytes(manifest_of_images())
    own = manifest.load(str(folder / "own.csv"))

    def report(path: Path) -> None:
        demand_line(*leaks.leak_report(own, [path]))

    listed = table_of(["Image Index", "split"], FILES, ["train", "test", "test", "test"])
    return {"foreign.csv": (listed, (report,)), "foreign.txt": ("\n".join(FILES[:3]).encode(), (report,))}
