"""OpenI's views: what they are called, which of them are frontal, and which files have them.

A view's name is uid_IM-series-image, 1_IM-0001-4001 or 2084_IM-0715-1001-0001. The sources write the same numbers with
other things around them:
    1_IM-0001-4001.dcm.png         Kaggle's images and projections (7,466 views)
    2_IM-0652-1001.dcm             NLM's DICOM archive, in a folder 2/
    CXR2_IM-0652-1001.png          NLM's PNG archive; the reports' XML says CXR2_IM-0652-1001 (7,470 views)
    CXR1_1_IM-0001-4001.png        the same, but the uid is there twice: the two views of report 1, no others
Kaggle has all of NLM's views but 2084_IM-0715-1001-0002, 2084_IM-0715-2001-0001, 2560_IM-1064-4001 and
3809_IM-1919-1003002.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tienet.data.csv_table import Table
from tienet.errors import InputError

FRONTAL, LATERAL = "Frontal", "Lateral"
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")  # where a view has several files, the first of these counts
_ENDINGS = re.compile(r"(\.dcm)?(\.(png|jpe?g|dcm))?$", re.IGNORECASE)
_UID_TWICE = re.compile(r"^CXR(\d+)_(?=\1_IM-)")
_UID = re.compile(r"(\d+)_IM-")


@dataclass(frozen=True)
class Views:
    """uid -> the names of its views, in the file's order; a report without such views is not in it."""

    frontal: dict[str, list[str]]
    lateral: dict[str, list[str]]

    def names(self) -> set[str]:
        """Of all views."""
        return {view for of_report in (self.frontal, self.lateral) for views in of_report.values() for view in views}


def view_name(file_name: str) -> str:
    """What a view is called, whatever folder, prefix and ending its file has: 1_IM-0001-4001."""
    stem = _ENDINGS.sub("", file_name.strip().rpartition("/")[2], count=1)
    return _UID_TWICE.sub("", stem).removeprefix("CXR")


def read_projections(path: Path) -> Views:
    """Read indiana_projections.csv: uid, filename, projection (Frontal or Lateral).

    Raises InputError if a view is repeated, has another projection, or is named after another report.
    """
    table = Table(path, ("uid", "filename", "projection"))
    views = Views({}, {})
    of_projection = {FRONTAL: views.frontal, LATERAL: views.lateral}
    seen: dict[str, int] = {}
    columns = [table.cells(name) for name in table.columns]
    for n, (uid, file_name, projection) in enumerate(zip(*columns, strict=True)):
        uid, view = uid.removeprefix("CXR"), view_name(file_name)
        named = _UID.match(view)
        if not uid:
            table.problem(n, "uid", "is empty; expected the report's number")
        if not view:
            table.problem(n, "filename", f"{file_name!r}; expected a name such as 1_IM-0001-4001.dcm.png")
        elif view in seen:
            table.problem(n, "filename", f"{file_name!r} is there already, at row {table.lines[seen[view]]}")
        elif named and named[1] != uid:
            table.problem(n, "filename", f"{file_name!r} is a view of report {named[1]}, but the uid is {uid}")
        seen[view] = n
        if projection in of_projection:
            of_projection[projection].setdefault(uid, []).append(view)
        else:
            table.problem(n, "projection", f"{projection!r}; expected {FRONTAL} or {LATERAL}")
    table.raise_problems()
    return views


def index_images(folder: Path) -> tuple[dict[str, Path], list[Path]]:
    """All PNG and JPEG files under a folder: view name -> file, and the files of views that have a file already.

    A .png goes before a .jpg, then the order of the paths decides.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--images {folder}: there is no such folder")
    paths = list(folder.rglob("*"))
    found = [path for path in paths if path.suffix.lower() in IMAGE_ENDINGS]
    if not found:
        raise InputError(f"--images {folder}: no .png, .jpg or .jpeg file in it{_dicom_hint(paths)}")
    found.sort(key=lambda path: (IMAGE_ENDINGS.index(path.suffix.lower()), path))
    by_view: dict[str, Path] = {}
    spare = [path for path in found if by_view.setdefault(view_name(path.name), path) != path]
    return by_view, spare


def _dicom_hint(paths: Iterable[Path]) -> str:
    count = sum(path.suffix.lower() == ".dcm" for path in paths)
    return f", only {count:,} .dcm; NLM's NLMCXR_png.tgz has the same views as PNG" if count else ""
