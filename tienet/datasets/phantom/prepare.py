"""The phantom data set: drawn chests with lesions at known places, and reports from the same facts.

    tienet prepare phantom --out data/phantom --studies 400 --image-px 256 --seed 0

It needs no download and no licence, and it is no medical evidence: use it for a first run and for tests. The same
seed gives the same files. Beside manifest.csv lies boxes.csv: for each finding of each study its box in pixels of
the image (x, y: top-left corner; two rows where it is in both lungs), side, zone and severity. Sides are the
patient's: right is the image's left, where the letter R stands.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tienet import files
from tienet.cli import UsageError
from tienet.data import manifest as manifests
from tienet.data.image import write_png
from tienet.data.text import report_text
from tienet.datasets.new_data_set import new_data_set
from tienet.datasets.phantom import facts as phantom_facts
from tienet.datasets.phantom import reports
from tienet.datasets.phantom.anatomy import Anatomy
from tienet.datasets.phantom.drawing import draw
from tienet.datasets.phantom.facts import PhantomStudy
from tienet.labels import FINDINGS, NO_FINDING
from tienet.progress import over

IMAGE_PX = (64, 4096)
BOX_COLUMNS = ("study_id", "finding", "x", "y", "w", "h", "side", "zone", "severity")
_PATIENT, _IMAGE, _REPORT = 10, 11, 12  # streams of random numbers; facts.plan uses smaller numbers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("--out", type=Path, default=Path("data/phantom"), metavar="DIR", help="(data/phantom)")
    parser.add_argument("--studies", type=int, default=400, metavar="N", help="images with a report (400)")
    parser.add_argument("--image-px", type=int, default=256, metavar="N", help="side of the images (256)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed gives other chests (0)")


def run(args: argparse.Namespace) -> int:
    """Write the images, boxes.csv and manifest.csv, and print what is in them."""
    _check_flags(args)
    with new_data_set(args.out, "phantom") as out:
        return _make(args, out)


def _make(args: argparse.Namespace, out: Path) -> int:
    (out / "manifest.csv").unlink(missing_ok=True)  # written last: if it exists, what it names exists
    rows: list[dict[str, object]] = []
    boxes: list[tuple[object, ...]] = []
    studies = phantom_facts.plan(args.studies, args.seed)
    for study in over(studies, "drawing", "studies"):
        image, study_boxes = draw_study(study, args.image_px, args.seed)
        name = f"images/{study.study_id}.png"
        write_png(out / name, image)
        rows.append(manifest_row(study, name, args.seed))
        boxes.extend(study_boxes)
    for stale in set((out / "images").glob("phantom-*.png")) - {out / str(row["image"]) for row in rows}:
        stale.unlink()  # an image of an earlier, larger data set
    files.write_text(out / "boxes.csv", pd.DataFrame(boxes, columns=BOX_COLUMNS).to_csv(index=False))
    manifests.write(out / "manifest.csv", pd.DataFrame(rows))
    manifest = manifests.load(str(out / "manifest.csv"))
    print(manifests.counts_table(manifest))
    print(f"\nnothing is left out; {len(boxes)} boxes in {out / 'boxes.csv'}")
    for note in manifest.notes:
        print(f"note: {note}", file=sys.stderr)
    print(out / "manifest.csv")
    return 0


def _check_flags(args: argparse.Namespace) -> None:
    least, (smallest, largest) = phantom_facts.MIN_STUDIES, IMAGE_PX
    if args.studies < least:
        raise UsageError(f"--studies {args.studies}: expected {least} or more, to fill three splits")
    if not smallest <= args.image_px <= largest:
        raise UsageError(f"--image-px {args.image_px}: expected {smallest} to {largest}")
    if args.seed < 0:
        raise UsageError(f"--seed {args.seed}: expected 0 or more")


def draw_study(study: PhantomStudy, px: int, seed: int) -> tuple[np.ndarray, list[tuple[object, ...]]]:
    """Draw a study: its image, uint8 [px, px], and its rows of boxes.csv."""
    anatomy = Anatomy.from_rng(np.random.default_rng([seed, _PATIENT, study.patient]))
    image, boxes = draw(anatomy, study.facts, px, np.random.default_rng([seed, _IMAGE, study.number]))
    rows = []
    for box in boxes:
        fact = box.fact
        place = (box.x, box.y, box.w, box.h)
        rows.append((study.study_id, fact.finding, *place, fact.side, fact.zone, fact.severity))
    return image, rows


def manifest_row(study: PhantomStudy, image: str, seed: int) -> dict[str, object]:
    """The row of a study in the manifest; its report and labels come from the facts that its image is drawn from."""
    text = report_text(*reports.write(study.facts, np.random.default_rng([seed, _REPORT, study.number])))
    present = {fact.finding for fact in study.facts}
    labels = {name: int(name in present) for name in FINDINGS}
    return {
        "study_id": study.study_id,
        "patient_id": study.patient_id,
        "image": image,
        "report": text,
        "split": study.split,
        **labels,
        NO_FINDING: int(not present),
    }
