"""The true boxes that maps are judged by: one case for each finding of a study that has boxes.

They come from boxes.csv beside the manifest (study_id, finding, x, y, w, h in pixels of the image file), or from the
file that is named, which may also be NIH's BBox_List_2017.csv (pixels of 1024 x 1024 images). Either may be gzipped.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tienet.data.csv_table import Table
from tienet.data.gzipped_table import read_bytes
from tienet.data.image import read_gray
from tienet.data.manifest import Manifest
from tienet.datasets.chestxray14 import tables
from tienet.errors import InputError
from tienet.labels import FINDINGS, canonical

_COLUMNS = ("study_id", "finding", "x", "y", "w", "h")
_SLACK_PX = 1.0  # what a box may stand out of its image: coordinates that were scaled and rounded do
_OF_NIH = b"Image Index"  # the first column of BBox_List_2017.csv
_NIH_DATA = "chestxray14"

Row = tuple[str, str, tuple[float, float, float, float]]
"""study_id, finding, and x, y, w, h in pixels."""


@dataclass(frozen=True)
class Case:
    """The boxes of one finding in one study.

    Attributes:
        n: The position of the study in `Cases.studies`.
        finding: One of FINDINGS.
        boxes: float64 [m, 4], m >= 1, (left, upper, right, lower) as shares of the image's width and height.
    """

    n: int
    finding: str
    boxes: np.ndarray


@dataclass(frozen=True)
class Cases:
    """All cases of a split.

    Attributes:
        studies: The studies that have a box, all with an image.
        cases: In the order of FINDINGS, and of the studies within a finding.
        path: The file of the boxes.
        left_out: How many of its boxes are of other studies, or of studies without an image.
        of_nih: Whether they are NIH's, by the form of the file or the name of the data set, so that figures that were
            published on these stand beside.
    """

    studies: Manifest
    cases: Sequence[Case]
    path: Path
    left_out: int
    of_nih: bool = False

    def patient(self, case: Case) -> str:
        """The patient of a case."""
        return self.studies.patient_ids[case.n]


def read_cases(split: Manifest, path: Path | None) -> Cases:
    """Read the boxes of a split's studies.

    Args:
        path: The file of the boxes; None: boxes.csv beside the manifest.
    Raises:
        FileNotFoundError: There is no such file.
        InputError: There is no boxes.csv, a cell is wrong, a box is not inside of its image, or no box is of a study
            of the split that has an image.
    """
    if path is None:
        path = split.path.parent / "boxes.csv"
        if not path.is_file():
            raise InputError(
                f"{path} does not exist, so there is nothing to judge maps by; give --boxes FILE, such as NIH's "
                f"BBox_List_2017.csv, or write it (columns {', '.join(_COLUMNS)})"
            )
    rows, frame_px = _read_rows(path)
    positions = {split.study_ids[n]: n for n, image in enumerate(split.images) if image is not None}
    chosen = sorted({positions[study] for study, _, _ in rows if study in positions})
    if not chosen:
        first = f"; the first is of study {rows[0][0]}" if rows else ""
        raise InputError(
            f"{path}: none of its {len(rows):,} boxes is of a study with an image in {split.path}, split "
            f"{split.splits[0]}{first}; choose another --split, --data or --boxes"
        )
    studies = split.take(chosen)
    of_case: dict[tuple[str, int], list[np.ndarray]] = {}
    place = {study: n for n, study in enumerate(studies.study_ids)}
    sizes = [(frame_px,) * 2 if frame_px else read_gray(image).shape[::-1] for image in studies.images]
    kept = [row for row in rows if row[0] in place]
    for study, finding, sides in kept:
        box = _as_shares(path, study, sides, sizes[place[study]])
        of_case.setdefault((finding, place[study]), []).append(box)
    order = sorted(of_case, key=lambda key: (FINDINGS.index(key[0]), key[1]))
    cases = [Case(n, finding, np.array(of_case[finding, n])) for finding, n in order]
    of_nih = frame_px is not None or studies.name.startswith(_NIH_DATA)
    return Cases(studies, cases, path, len(rows) - len(kept), of_nih)


def _read_rows(path: Path) -> tuple[list[Row], int | None]:
    """The boxes of a file, and the side of the images whose pixels they are in; None: of the image files themselves."""
    content = read_bytes(path)
    if content.removeprefix(b"\xef\xbb\xbf").lstrip(b'"').startswith(_OF_NIH):
        boxes = tables.read_boxes(path)
        columns = zip(*(boxes[side].astype(float) for side in "xywh"), strict=True)
        return list(zip(boxes.study_id, boxes.finding, columns, strict=True)), tables.BOX_FRAME_PX
    table = Table(path, _COLUMNS, content=content)
    sides = [[table.number_of_pixels(n, side, cell) for n, cell in enumerate(table.cells(side))] for side in "xywh"]
    findings = []
    for n, cell in enumerate(table.cells("finding")):
        finding = canonical(cell)
        if finding not in FINDINGS:
            table.problem(n, "finding", f"{cell!r}; expected one of the 14 findings, such as {FINDINGS[0]}")
        findings.append(finding)
    for side, numbers in zip("wh", sides[2:], strict=True):
        for n, number in enumerate(numbers):
            if number <= 0:
                table.problem(n, side, f"{number:g}; expected a number of pixels above 0")
    table.raise_problems()
    rows = list(zip(table.cells("study_id"), findings, zip(*sides, strict=True), strict=True))
    once = list(dict.fromkeys(rows))
    if len(once) < len(rows):
        again = len(rows) - len(once)
        print(f"note: {path}: {again:,} of its {len(rows):,} boxes are there already, and count once", file=sys.stderr)
    return once, None


def _as_shares(path: Path, study: str, sides: Sequence[float], size: Sequence[int]) -> np.ndarray:
    """(left, upper, right, lower) as shares of the image, whose size is (width, height) in the pixels of the box."""
    x, y, w, h = sides
    width, height = size
    if min(x, y) < -_SLACK_PX or x + w > width + _SLACK_PX or y + h > height + _SLACK_PX:
        raise InputError(
            f"{path}: the box x {x:g}, y {y:g}, w {w:g}, h {h:g} of study {study} is not inside of its image, which "
            f"has {width} x {height} pixels; give boxes in pixels of the image file"
        )
    return np.clip(np.array([x / width, y / height, (x + w) / width, (y + h) / height]), 0, 1)
