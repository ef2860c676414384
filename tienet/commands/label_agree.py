"""`tienet label --agree`: how far readers agree: tables, JSON, and a page of the studies in which they differ."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tienet import files
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.folders import contents
from tienet.hand_labels import differ_page
from tienet.hand_labels import sheet as sheet_files
from tienet.hand_labels.agreement import assist_notes, compare_all
from tienet.hand_labels.agreement_table import format_agreement
from tienet.hand_labels.sheet import Sheet
from tienet.hand_labels.source import FILE_NAME, open_source
from tienet.pages.plain_text import wrapped


def run_agree(sheets: list[Path], out: Path | None, data: str | None, data_root: Path, resamples: int) -> int:
    """Compare each pair of readers, and print the tables.

    Args:
        sheets: The paths of two or more sheets, each of a reader of its own.
        out: The folder for agreement.json, agreement.txt and differ.html; None: nothing is written.
        data: What --data names: the data set of the studies, for the page; None: as a labelling.json says.
        data_root: The folder of the data sets.
        resamples: Of the bootstrap.
    Raises:
        InputError: A sheet, the data set or a value is wrong, or the sheets do not fit together.
    """
    check_resamples(resamples)
    if out is not None:
        contents.check(out, contents.AGREEMENT, "--out")
    read = [sheet_files.read(path) for path in sheets]
    results = compare_all(read, resamples=resamples)
    notes = assist_notes(read)
    tables = "\n".join([*map(format_agreement, results), *(f"{wrapped(note)}\n" for note in notes)])
    if out is not None:
        studies = _studies(read, data, data_root, notes)
        with contents.writing(out, contents.AGREEMENT, "--out") as out:
            files.write_json(out / "agreement.json", {"pairs": results, "notes": notes})
            files.write_text(out / "agreement.txt", tables)
            files.write_text(out / "differ.html", differ_page.render(read, results, studies, notes))
    print(tables, end="")
    if out is not None:
        print(out)
    return 0


def check_resamples(resamples: int) -> None:
    """Raise InputError unless it is a number of resamples."""
    if resamples < 1:
        raise InputError(f"--resamples {resamples}: expected 1 or more")


def _studies(sheets: Sequence[Sheet], data: str | None, data_root: Path, notes: list[str]) -> Manifest | None:
    """The studies with their images and reports; None, and a note, where nothing says which data set it is."""
    studies = open_source([sheet.path for sheet in sheets], data, data_root)
    if studies is None:
        notes.append(
            f"differ.html is without images and reports: no {FILE_NAME} beside the sheets names a data set that is "
            "there; --data names it"
        )
        print(f"note: {notes[-1]}", file=sys.stderr)
        return None
    known = set(studies.study_ids)
    if lacking := sorted({study for sheet in sheets for study in sheet.study_ids} - known):
        raise InputError(
            f"{studies.path}: lacks {len(lacking):,} of the sheets' studies (the first is {lacking[0]}); give the data "
            "set that they were drawn from with --data"
        )
    return studies
