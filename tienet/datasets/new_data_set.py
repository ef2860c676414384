"""The folder that a data set is written into: one writer, and no other data set is replaced.

Which command made a data set is told from its files: from the columns of left_out.csv, which all but `phantom` write,
and otherwise from its study ids.
"""

import contextlib
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from tienet.errors import InputError
from tienet.folders import contents

MANIFEST, LEFT_OUT = "manifest.csv", "left_out.csv"

_MAKERS_BY_LEFT_OUT = {
    ("uid", "image", "reason"): ("openi",),
    ("image", "split", "reason"): ("chestxray14", "mimic-cxr"),
    ("report_id", "patient_id", "reason"): ("padchest",),
    ("name", "what", "reason"): ("folder",),
}
"""The commands that write a left_out.csv with these columns."""

_STUDY_IDS = {
    "phantom": r"phantom-\d+",
    "openi": r"\d+_IM-.*",
    "chestxray14": r"\d{8}_\d{3}",
    "mimic-cxr": r"[0-9a-f]{8}(-[0-9a-f]{8}){4}",
}
"""The study ids that commands write."""

_WITHOUT_LEFT_OUT = ("phantom", "openi")
"""The commands that write no left_out.csv, or write it after the manifest and may have been stopped in between."""


@contextlib.contextmanager
def new_data_set(out: Path, maker: str) -> Iterator[Path]:
    """Be the only process that writes a data set into a folder while the block runs.

    Args:
        out: The folder, which --out names; it is made. It may hold the source's own files, and what the same command
            made before.
        maker: The command that writes, such as "openi" of `tienet prepare openi`.
    Raises:
        InputError: The folder holds something else, such as another command's data set, or cannot be written to, or
            another process writes into it.
    """
    _check_maker(out, maker)
    with contents.writing(out, contents.DATA_SET, "--out"):
        _check_maker(out, maker)  # another command's data set may have come since
        yield out


def _check_maker(out: Path, maker: str) -> None:
    path = out / MANIFEST
    if not path.exists():  # also where a command was stopped before its end, since all write it last
        return
    found = makers_of(out)
    if maker not in found:
        made_by = f", made by tienet prepare {' or '.join(found)}" if found else ""
        raise InputError(
            f"--out {out}: holds the data set {out.resolve().name} ({MANIFEST}{made_by}), which tienet prepare {maker} "
            "would replace; choose another --out"
        )


def makers_of(folder: Path) -> tuple[str, ...]:
    """The commands that may have made the data set in a folder; none if a manifest was written in another way."""
    study_id = _first_study_id(folder / MANIFEST)
    by_id = tuple(maker for maker, pattern in _STUDY_IDS.items() if re.fullmatch(pattern, study_id))
    makers = _MAKERS_BY_LEFT_OUT.get(tuple(_first_rows(folder / LEFT_OUT, 1)[0]), ())
    if not makers:
        return tuple(maker for maker in by_id if maker in _WITHOUT_LEFT_OUT)
    return tuple(maker for maker in makers if maker in by_id) or makers


def _first_study_id(path: Path) -> str:
    """The study id in the first row of a manifest; empty if it cannot be read."""
    header, row = _first_rows(path, 2)
    return dict(zip(header, row, strict=False)).get("study_id", "")


def _first_rows(path: Path, count: int) -> list[list[str]]:
    """The first rows of a CSV file, the header among them; empty ones where it has fewer or cannot be read."""
    rows: list[list[str]] = []
    with contextlib.suppress(OSError, ValueError, csv.Error), path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            rows.append(row)
            if len(rows) == count:
                break
    return rows + [[]] * (count - len(rows))
