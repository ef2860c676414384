"""Leaks: studies that a network was trained on and that are about to be tested on.

They are found by comparing a manifest with the list of another split, or with what a run keeps of its studies. A data
set that has a patient or an image in two of its own splits is refused by `manifest.load`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tienet.data import image_files, image_names, splits
from tienet.data import manifest as manifests
from tienet.data.csv_table import separator_hint
from tienet.data.gzipped_table import read_bytes, read_table
from tienet.data.manifest import Manifest
from tienet.errors import InputError

_NAME_COLUMNS = ("image", "Image Index", "filename", "study_id", "dicom_id")
_LONGEST_ENDING = len(".dicom")
_NLM_PREFIX = re.compile(r"^CXR(\d+_(?=\d+_))?(?=\d)")


class Fingerprint(NamedTuple):
    """What the folder of a run keeps of a study: hashes of 16 hexadecimal digits.

    Attributes:
        ids: The hash of the study id and the patient id together.
        report: The hash of the report; empty if the study has none.
        image: The fingerprint of the image file; empty if the study has none.
    """

    ids: str
    report: str
    image: str


def fingerprints(manifest: Manifest) -> list[Fingerprint]:
    """The fingerprint of each study, in the order of the manifest."""
    ids = map(_digest, zip(manifest.study_ids, manifest.patient_ids, strict=True))
    reports = (_digest(report) if report.strip() else "" for report in manifest.reports)
    return [Fingerprint(*parts) for parts in zip(ids, reports, image_files.fingerprints(manifest.images), strict=True)]


def find_seen(manifest: Manifest, kept: Iterable[Fingerprint]) -> list[int]:
    """The positions of the studies of a manifest that are among the `kept` ones.

    A study counts as kept if its image file is there, whatever its name. It also counts if its ids are there, unless
    both have a report and the reports differ, because ids such as "1" are common.
    """
    kept = list(kept)
    images, by_ids = {study.image for study in kept if study.image}, {study.ids: study for study in kept}
    found = []
    for n, study in enumerate(fingerprints(manifest)):
        same = by_ids.get(study.ids)
        other_report = same and study.report and same.report and study.report != same.report
        if study.image in images or (same and not other_report):
            found.append(n)
    return found


def reports_fingerprint(reports: Iterable[str]) -> str:
    """The sha256 (hexadecimal) of the reports that are not blank, whatever their order.

    It tells which reports a vocabulary was built from.
    """
    texts = sorted(report for report in reports if report.strip())
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def image_key(name: str) -> str:
    """The name of an image without its folder, its endings and the prefix of its data set.

    Both CXR1_1_IM-0001-3001.png and 1_IM-0001-3001.dcm.png become 1_IM-0001-3001.
    """
    return (_path_key(name) or ("",))[-1]


def _path_key(name: str) -> tuple[str, ...]:
    """The folders of an image and its `image_key`; () without a name."""
    parts = image_names.parts(name.strip())
    if not parts:
        return ()
    last, end = parts[-1], len(parts[-1])
    while (found := image_names.ENDING.search(last, max(0, end - _LONGEST_ENDING), end)) and found.start():
        end = found.start()
    return (*parts[:-1], _NLM_PREFIX.sub("", last[:end]))


def _parts_that_differ(keys: Sequence[tuple[str, ...]]) -> int:
    """The least number of last parts by which the images in a list are told apart as well as by all their parts."""
    from_the_end = sorted({key[::-1] for key in keys})
    return 1 + max(map(_common_parts, from_the_end, from_the_end[1:]), default=0)  # neighbours have most in common


def _common_parts(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """The number of first parts in which two keys are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def leak_report(manifest: Manifest, paths: Sequence[Path | str]) -> list[str]:
    """For each file of a foreign split, a line that says how many of its test studies are in each split of a manifest.

    A file may be a manifest, of which the test split is used; another table with a column for the name of the image,
    of which the rows of split test are used if it has a column `split`, else all rows; R2Gen's JSON, of which the test
    reports are used; or a text with the name of an image in each line, such as NIH's test_list.txt. Images are
    compared by name, and those of a manifest also by their bytes. Where file names repeat from folder to folder, in the
    manifest or in the file, the folders that tell them apart must be the same too.

    Raises:
        FileNotFoundError: A file does not exist.
        InputError: A file is none of these.
    """
    return [_report(manifest, Path(path)) for path in paths]


def _report(manifest: Manifest, path: Path) -> str:
    if path.suffix.lower() == ".json":
        names, what = _json_reports(path), "reports"
        split_of = {
            patient.removeprefix("CXR"): split for patient, split in _with_splits(manifest.patient_ids, manifest)
        }
        found = [split_of.get(name) for name in names]
    else:
        names, what = _path_keys(path), "images"
        found = _splits_of(names, manifest)
    counts = {split: found.count(split) for split in splits.SPLITS}
    line = (
        f"{path}: {counts['train']:,} of its {len(names):,} test {what} lie in the training split of {manifest.name} "
        f"(validation {counts['val']:,}, test {counts['test']:,}, elsewhere {found.count(None):,})"
    )
    copies = _count_copies(manifest, path)
    return line if copies is None else f"{line}; {copies:,} by their bytes, whatever their names"


def _splits_of(names: Sequence[tuple[str, ...]], manifest: Manifest) -> list[str | None]:
    """The split in which a manifest has each image of a foreign list; None where it has none."""
    ours = [
        (_path_key(str(image)), split) for image, split in _with_splits(manifest.images, manifest) if image is not None
    ]
    depth = max(_parts_that_differ([key for key, _ in ours]), theirs := _parts_that_differ(names))
    split_of: dict[tuple[str, ...], str] = {}
    if theirs == 1:  # otherwise a file's name alone is no image's name
        split_of |= {(image_key(study),): split for study, split in _with_splits(manifest.study_ids, manifest)}
    for count in range(1, depth + 1):
        for split in reversed(splits.SPLITS):  # the training split last, because it is the one that matters
            split_of |= {key[-count:]: split for key, of_key in ours if of_key == split}
    split_of.pop((), None)
    return [split_of.get(name[-depth:]) for name in names]


def _with_splits(values: Sequence, manifest: Manifest) -> Iterator[tuple]:
    return zip(values, manifest.splits, strict=True)


def _json_reports(path: Path) -> list[str]:
    return [uid for uid, split in splits.from_json(path).items() if split == "test"]


def _path_keys(path: Path) -> list[tuple[str, ...]]:
    """The keys (`_path_key`) of the test images that a table or a text names."""
    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    if "," not in first and not separator_hint([first]):
        names = [_path_key(line) for line in text.splitlines() if line.strip()]
        if any(" " in name[-1] or "{" in name[-1] for name in names if name):
            raise InputError(f"{path}: neither a table nor a list of image names; expected a name in each line")
        return names
    table = read_table(path)
    column = next((name for name in _NAME_COLUMNS if name in table.header), None)
    if column is None:
        expected = ", ".join(_NAME_COLUMNS)
        raise InputError(f"{path}, row 1: no column that names the image; expected one of {expected}{table.hint}")
    cells = table.cells(column)
    if column == "image" and "study_id" in table.header:
        cells = [image or study for image, study in zip(cells, table.cells("study_id"), strict=True)]
    is_test = [split == "test" for split in table.cells("split")] if "split" in table.header else [True] * len(table)
    return [_path_key(cell) for cell, chosen in zip(cells, is_test, strict=True) if chosen]


def _count_copies(manifest: Manifest, path: Path) -> int | None:
    """How many test images of a foreign manifest have the bytes of a training image; None if it is no manifest."""
    if path.suffix.lower() != ".csv" or not set(manifests.COLUMNS) <= set(read_table(path).header):
        return None
    theirs = manifests.load(str(path))
    tested = [image for image, split in _with_splits(theirs.images, theirs) if split == "test"]
    trained = [image for image, split in _with_splits(manifest.images, manifest) if split == "train"]
    return len(image_files.check([*trained, *tested], ["train"] * len(trained) + ["test"] * len(tested)).same_as)
