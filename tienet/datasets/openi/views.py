"""The views of OpenI: their names, which of them are frontal, and the files that hold them.

The name of a view is uid_IM-series-image, such as 1_IM-0001-4001 or 2084_IM-0715-1001-0001. The sources write the same
numbers with different prefixes and endings:
    1_IM-0001-4001.dcm.png         The images and projections on Kaggle (7,466 views).
    2_IM-0652-1001.dcm             NLM's DICOM archive, in a folder 2/.
    CXR2_IM-0652-1001.png          NLM's PNG archive; the XML of the reports has CXR2_IM-0652-1001 (7,470 views).
    CXR1_1_IM-0001-4001.png        NLM's PNG archive, with the uid twice; only the two views of report 1 are so named.
Kaggle has all views of NLM except 2084_IM-0715-1001-0002, 2084_IM-0715-2001-0001, 2560_IM-1064-4001 and
3809_IM-1919-1003002.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tienet.data.csv_table import Table
from tienet.errors import InputError
from tienet.files import is_hidden

FRONTAL, LATERAL = "Frontal", "Lateral"
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")  # if a view has several files, the first of these endings counts
_ENDINGS = re.compile(r"(\.dcm)?(\.(png|jpe?g|dcm))?$", re.IGNORECASE)
_UID_TWICE = re.compile(r"^CXR(\d+)_(?=\1_IM-)")
_UID = re.compile(r"(\d+)_IM-")


@dataclass(frozen=True)
class Views:
    """The names of the frontal and of the lateral views of each report, by uid, in the order of the file.

    A report without frontal (lateral) views is not among the keys of `frontal` (`lateral`).
    """

    frontal: dict[str, list[str]]
    lateral: dict[str, list[str]]

    def names(self) -> set[str]:
        """The names of all views."""
        return {view for of_report in (self.frontal, self.lateral) for views in of_report.values() for view in views}


def view_name(file_name: str) -> str:
    """The name of a view, such as 1_IM-0001-4001, without the folder, the prefix and the ending of its file."""
    stem = _ENDINGS.sub("", file_name.strip().replace("\\", "/").rpartition("/")[2], count=1)
    return _UID_TWICE.sub("", stem).removeprefix("CXR")


def read_projections(path: Path) -> Views:
    """Read indiana_projections.csv, with the columns uid, filename and projection (Frontal or Lateral).

    Raises:
        FileNotFoundError: There is no such file.
        InputError: A view is repeated, has any other projection, or has the name of another report.
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
    """Find all PNG and JPEG files in a folder and below it; hidden files do not count.

    Returns:
        The file of each view (view name -> file), and the spare files of views that have several. A .png file is
        preferred to a .jpg file; among files of the same ending the first path counts.
    Raises:
        FileNotFoundError: There is no such folder.
        InputError: There is no such file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"--images {folder}: there is no such folder")
    paths = [path for path in folder.rglob("*") if not is_hidden(path.relative_to(folder))]
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
