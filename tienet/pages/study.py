"""A page per study, to look at: the image under its attention maps, the shaded reports, the labels judged.

Every page is one HTML file that needs no network: pictures are data URIs, style and script are inside. The
script shows the map of the word that is pointed at; without it a page still shows the image, a_ws, both reports
and the labels. `index.html` lists the pages; its script filters the list. Where the truth of no label is known, as with
new images, pages and list say which labels are named, and nothing of right and wrong.
Units: T words; D cells on a side of the attention grid; px pixels on a side of the image.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tienet.files import write_text
from tienet.labels import LABELS, K
from tienet.pages import attention_map, template
from tienet.pages import verdicts as page_labels
from tienet.pages.verdicts import Verdict

DISCLAIMER = "Research software, not a medical device: not for diagnosis."

_THUMBNAIL_PX = 96
_IMPRESSION = "impression"  # the report's second part starts with this word and a colon: a new line there
_NO_THRESHOLD = "No threshold is known, so no label is named."
_OWN_NAME = re.compile(r"study-[A-Za-z0-9._-]*\.html")


@dataclass(frozen=True, eq=False)
class StudyPage:
    """What one page shows.

    study_id: any text. image: uint8 [px, px] or None (a mode that sees no image).
    a_ws: float [D, D], the attention over the image summed over the words (eq. 4), at least 0, or None.
    words: the report's T words, read or written, <START> among them if it was a step; [] for a mode without.
    g: float [T], the text attention g_t of each; None for a mode that has none.
    probabilities: float [15], in the order of LABELS; None for a mode that does not classify.
    labels: [15], 1, 0 or NaN (unknown); None: all unknown.
    thresholds: float [15], a label is named where its probability reaches it; NaN, or None: no threshold is known.
    a: float [T, D, D], the spatial attention of each word, at least 0, each sums to 1; None: words have no maps.
    true_words: the true report where `words` was written by the network; None where `words` was read, or the true
        report is not known.
    written: `words` was written by the network, though no true report is known.

    Raises:
        ValueError: a shape is wrong, a value is NaN or below 0, or there is a map and no image.
    """

    study_id: str
    image: np.ndarray | None
    a_ws: np.ndarray | None
    words: list[str]
    g: np.ndarray | None
    probabilities: np.ndarray | None
    labels: np.ndarray | None
    thresholds: np.ndarray | None
    a: np.ndarray | None = None
    true_words: list[str] | None = None
    written: bool = False

    def __post_init__(self) -> None:
        if self.image is not None and (self.image.ndim != 2 or self.image.dtype != np.uint8):
            raise ValueError(f"image must be uint8 [px, px], not {self.image.dtype} {self.image.shape}")
        if self.g is not None and np.shape(self.g) != (len(self.words),):
            raise ValueError(f"g has shape {np.shape(self.g)} for {len(self.words)} words")
        self._check_maps()
        for name in ("probabilities", "labels", "thresholds"):
            value = getattr(self, name)
            if value is not None and np.shape(value) != (K,):
                raise ValueError(f"{name} must be [{K}], not {np.shape(value)}")
        if self.probabilities is not None and np.isnan(self.probabilities).any():
            raise ValueError("probabilities must not be NaN")

    def _check_maps(self) -> None:
        for name, map_ in (("a_ws", self.a_ws), ("a", self.a)):
            if map_ is None:
                continue
            if self.image is None:
                raise ValueError(f"{name} needs the image that it lies over")
            if not (np.asarray(map_) >= 0).all():
                raise ValueError(f"{name} must be at least 0 everywhere, and not NaN")
        if self.a_ws is not None and self.a_ws.ndim != 2:
            raise ValueError(f"a_ws must be [D, D], not {self.a_ws.shape}")
        if self.a is not None and (self.a.ndim != 3 or len(self.a) != len(self.words)):
            raise ValueError(f"a must be [T, D, D] for {len(self.words)} words, not {self.a.shape}")

    def known_labels(self) -> np.ndarray:
        """float [15]: `labels`, NaN where they are None."""
        return np.full(K, np.nan) if self.labels is None else np.asarray(self.labels, np.float64)

    def known_thresholds(self) -> np.ndarray:
        """float [15]: `thresholds`, NaN where they are None."""
        return np.full(K, np.nan) if self.thresholds is None else np.asarray(self.thresholds, np.float64)

    def verdicts(self) -> list[Verdict] | None:
        """How each label was judged; None where the mode does not classify."""
        if self.probabilities is None:
            return None
        return page_labels.verdicts_of(self.probabilities, self.known_labels(), self.known_thresholds())

    @property
    def has_truth(self) -> bool:
        """Whether the truth of some label is known."""
        return page_labels.any_known(self.known_labels())


def render(page: StudyPage, home: str | None = None) -> str:
    """The page as HTML; `home` is the address of the page that lists all, if there is one."""
    a = page.a if page.words else None
    return template.fill(
        "page.html",
        style=template.read("page.css"),
        script=template.read("page.js"),
        study_id=html.escape(page.study_id),
        home=f'<a class="home" href="{html.escape(home)}">← all studies</a>' if home else "",
        chips=_chips(page),
        picture="" if page.image is None else attention_map.figure(page.study_id, page.image, page.a_ws, a),
        reports=_reports(page),
        labels=_labels(page),
        disclaimer=DISCLAIMER,
    )


def write_pages(folder: Path | str, pages: Iterable[StudyPage]) -> list[Path]:
    """Write a page per study and `index.html`, which lists them, into `folder`.

    The pages are taken one at a time, so a generator need not hold all images. A page's file is named after
    its study, with everything but letters, digits, ".", "_" and "-" replaced, and numbered where two names
    come out the same. At the end, pages of an earlier call are removed: the folder's other files named study-*.html.

    Returns:
        The pages' paths in the order given, without the index.
    """
    folder, written, rows = Path(folder), [], []
    taken: set[str] = set()
    judged = known = False
    for page in pages:
        path = folder / _file_name(page.study_id, taken)
        write_text(path, render(page, home="index.html"))
        written.append(path)
        rows.append(_index_row(page, path.name))
        judged |= any(code in "rwmn" for code in _codes(page))
        known |= page.has_truth
    write_text(folder / "index.html", _index(rows, judged, known))
    _remove_stale(folder, taken)
    return written


def _remove_stale(folder: Path, taken: set[str]) -> None:
    """Remove files that are named like pages and not in `taken`, which is in lower case."""
    for path in folder.iterdir():
        if _OWN_NAME.fullmatch(path.name) and path.name.lower() not in taken and path.is_file():
            path.unlink()


def _file_name(study_id: str, taken: set[str]) -> str:
    """A safe name not in `taken`, and added to it; case does not count, as on some file systems."""
    stem = "study-" + re.sub(r"[^A-Za-z0-9._-]+", "_", study_id)[:100]
    name, number = f"{stem}.html", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}.html"
    taken.add(name.lower())
    return name


# The reports


def _reports(page: StudyPage) -> str:
    """The report that the network read; or the one that it wrote, and the true one; or none, in a mode without."""
    if not page.words and page.g is None and page.a is None and page.true_words is None:
        return ""
    return '<section class="reports">\n' + "\n".join(_each_report(page)) + "\n</section>"


def _each_report(page: StudyPage) -> Iterator[str]:
    written = page.written or page.true_words is not None
    keys = []
    if page.g is not None and len(page.words):
        keys.append(template.fill("key_shade.html", largest=f"{float(np.max(page.g)):.3f}"))
    if page.a is not None and len(page.words):
        keys.append(template.read("key_word.html"))
    yield _report("Written report" if written else "Report", "\n".join(_marked_words(page)), "\n".join(keys))
    if page.true_words is not None:
        yield _report("True report", "\n".join(_lines(page.true_words, map(html.escape, page.true_words))), "")


def _report(title: str, words: str, keys: str) -> str:
    words = words or '<em class="none">empty report</em>'
    return template.fill("report.html", title=html.escape(title), words=words, keys=keys)


def _marked_words(page: StudyPage) -> Iterator[str]:
    """Each word in its element: shaded by its g_t relative to the report's largest, with its map's caption."""
    marked = []
    largest = float(np.max(page.g)) if page.g is not None and len(page.g) else 0.0
    for t, word in enumerate(page.words):
        shade, said = "", f"word {t + 1} of {len(page.words)}"
        if page.g is not None:
            g_t = float(page.g[t])
            shade = f' style="--g:{g_t / largest if largest > 0 else 0:.3f}" title="g = {g_t:.4f}"'
            said += f", g = {g_t:.3f}"
        caption = ""
        if page.a is not None:
            caption = f' data-caption="{html.escape(f"“{word}” ({said}): {attention_map.word_caption(page.a[t])}")}"'
        marked.append(f'<span class="word" data-t="{t}"{shade}{caption}>{html.escape(word)}</span>')
    yield from _lines(page.words, marked)


def _lines(words: list[str], marked: Iterable[str]) -> Iterator[str]:
    """The words as marked, with a new line before the impression."""
    for t, shown in enumerate(marked):
        if t and words[t : t + 2] == [_IMPRESSION, ":"]:
            yield "<br>"
        yield shown


# The labels


def _labels(page: StudyPage) -> str:
    if page.probabilities is None:
        return ""
    rows = page_labels.rows(page.probabilities, page.known_labels(), page.known_thresholds())
    ticks = not np.isnan(page.known_thresholds()).all()
    if page.has_truth:
        columns, key = ["Truth", "Verdict"], template.read("key_verdicts.html")
    else:
        columns, key = ["Named"] * ticks, ""
    return template.fill(
        "labels.html",
        rows="\n".join(rows),
        columns="".join(f'<th scope="col">{column}</th>' for column in columns),
        threshold="A label is named where its bar reaches the tick, its threshold." if ticks else _NO_THRESHOLD,
        key=key,
    )


def _chips(page: StudyPage) -> str:
    verdicts = page.verdicts()
    return "" if verdicts is None else page_labels.chips(verdicts)


# The index


def _codes(page: StudyPage) -> str:
    return page_labels.codes(page.verdicts(), page.known_labels())


def _index(rows: list[str], judged: bool, known: bool) -> str:
    """The list of all pages.

    Args:
        judged: some label of some study was named or missed. known: the truth of some label is known.
    """
    findings = "\n".join(f'<option value="{name}">{page_labels.readable(name)}</option>' for name in LABELS)
    filters = ""
    if known:
        hidden = "" if judged else "disabled hidden"
        filters = template.fill("filter_judged.html", findings=findings, judged=hidden)
    elif judged:
        filters = template.fill("filter_named.html", findings=findings)
    return template.fill(
        "index.html",
        style=template.read("page.css"),
        script=template.read("index.js"),
        count=len(rows),
        filters=filters,
        key=template.read("key_verdicts.html") if judged and known else "",
        rows="\n".join(rows),
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
        f'<tr data-codes="{_codes(page)}"><td class="thumbnail">{thumbnail}</td><th scope="row">{name}</th>'
        f"<td>{_chips(page)}</td></tr>"
    )
