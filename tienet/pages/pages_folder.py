"""A folder of study pages with `index.html`, which lists them and whose script filters the list.

If the truth of no label is known, as for new images, the list says which labels are named, and not whether that is
right or wrong. Where the truth is known, `cases.html` has the studies with a report on sheets of four
(`tienet.pages.cases`).
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from tienet.files import write_text
from tienet.labels import LABELS, readable
from tienet.pages import attention_map, cases, template
from tienet.pages.study import DISCLAIMER, StudyPage, case_html, chips_html, codes, render

INDEX = "index.html"

_THUMBNAIL_PX = 96
_PAGE_NAME = re.compile(r"study-[A-Za-z0-9._-]*\.html")


@dataclass(frozen=True)
class Listed:
    """What the folder's other files need of a page, once it is written.

    Attributes:
        file_name: The name of the page's file.
        row: The page's row in the index, HTML.
        case: The study on the sheets, HTML; empty: it has no place there.
        named_or_missed: Whether some label is named or missed.
        truth_known: Whether the truth of some label is known.
    """

    file_name: str
    row: str
    case: str
    named_or_missed: bool
    truth_known: bool


class PageNames:
    """The names of the pages' files, each given once, so that the same studies in the same order get the same names."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, study_id: str) -> str:
        """A safe name for a study's page that no earlier study has.

        All characters are replaced but letters, digits, ".", "_" and "-". Names that differ only in case count as the
        same, because on some file systems they are; the second of them gets a number.
        """
        stem = "study-" + re.sub(r"[^A-Za-z0-9._-]+", "_", study_id)[:100]
        name, number = f"{stem}.html", 1
        while name.lower() in self._taken:
            number += 1
            name = f"{stem}-{number}.html"
        self._taken.add(name.lower())
        return name


def write_pages(folder: Path | str, pages: Iterable[StudyPage]) -> list[Path]:
    """Write a page per study, and what `write_index` writes, into `folder`.

    The pages are taken one at a time, so a generator need not hold all images.

    Returns:
        The paths of the pages in the given order, without the index.
    """
    folder, names = Path(folder), PageNames()
    listed = [write_page(folder, page, names.take(page.study_id)) for page in pages]
    write_index(folder, listed)
    return [folder / page.file_name for page in listed]


def write_page(folder: Path, page: StudyPage, file_name: str) -> Listed:
    """Write one page into the folder, under a name of `PageNames`."""
    write_text(folder / file_name, render(page, home=INDEX))
    has_case = page.has_truth and page.probabilities is not None and page.words
    return Listed(
        file_name,
        _index_row(page, file_name),
        case_html(page, file_name) if has_case else "",
        any(code in "rwmn" for code in codes(page)),
        page.has_truth,
    )


def write_index(folder: Path, listed: Sequence[Listed]) -> None:
    """Write `index.html`, and `cases.html` if there are cases, of these pages, and remove those of earlier calls.

    Those are the folder's other files named study-*.html.
    """
    sheet_cases = [page.case for page in listed if page.case]
    if sheet_cases:
        write_text(folder / cases.FILE_NAME, cases.sheets(sheet_cases, DISCLAIMER))
    else:
        (folder / cases.FILE_NAME).unlink(missing_ok=True)
    write_text(folder / INDEX, _index_html(listed, bool(sheet_cases)))
    _remove_stale(folder, {page.file_name.lower() for page in listed})


def _remove_stale(folder: Path, kept: set[str]) -> None:
    """Remove the files that are named like pages, but whose name in lower case is not in `kept`."""
    for path in folder.iterdir():
        if _PAGE_NAME.fullmatch(path.name) and path.name.lower() not in kept and path.is_file():
            path.unlink()


def _index_html(listed: Sequence[Listed], has_cases: bool) -> str:
    """The list of all pages as HTML; `has_cases`: there are sheets of studies beside them."""
    named_or_missed = any(page.named_or_missed for page in listed)
    truth_known = any(page.truth_known for page in listed)
    findings = "\n".join(f'<option value="{name}">{readable(name)}</option>' for name in LABELS)
    filters = ""
    if truth_known:
        hidden = "" if named_or_missed else "disabled hidden"
        filters = template.fill("filter_verdicts.html", findings=findings, hidden=hidden)
    elif named_or_missed:
        filters = template.fill("filter_named.html", findings=findings)
    return template.document(
        "index.html",
        "Studies",
        template.read("page.css"),
        scripts=True,
        script=template.read("index.js"),
        count=len(listed),
        cases=template.fill("cases_link.html", address=cases.FILE_NAME) if has_cases else "",
        filters=filters,
        key=template.read("key_verdicts.html") if named_or_missed and truth_known else "",
        rows="\n".join(page.row for page in listed),
        disclaimer=DISCLAIMER,
    )


def _index_row(page: StudyPage, file_name: str) -> str:
    link = f'href="{html.escape(file_name)}"'
    thumbnail = ""
    if page.image is not None:
        small = cv2.resize(page.image, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        thumbnail = f'<a {link}><img src="{attention_map.data_uri(small)}" alt=""></a>'
    name = f"<a {link}>{html.escape(page.study_id)}</a>"
    return (
        f'<tr data-codes="{codes(page)}"><td class="thumbnail">{thumbnail}</td><th scope="row">{name}</th>'
        f"<td>{chips_html(page)}</td></tr>"
    )
