"""A page per study: the image under its attention maps, the shaded reports, and the labels with their verdicts.

Every page is one HTML file that needs no network: images are data URIs, and the style sheet and the script are inside.
The script shows the map of the word that is pointed at; without it a page still shows the image, a_ws, both reports
and the labels. `tienet.pages.pages_folder` writes the pages and their list. If the truth of no label is known, as for
new images, a page says which labels are named, and not whether that is right or wrong.
Letters: T words; D cells on a side of the attention grid; px pixels on a side of the image.
"""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tienet.labels import K, readable
from tienet.pages import attention_map, cases, prose, template, text_rows, verdicts
from tienet.pages.probability import SCALE_TEXT, percent
from tienet.pages.verdicts import Verdict

DISCLAIMER = "Research software, not a medical device: not for diagnosis."

_THRESHOLD_TEXT = (
    "A label is named where its bar reaches the tick, its threshold; No Finding only where no finding is named."
)
_SHARES_TEXT = (
    "Precision: how many of the studies that the label was named for in validation had it. "
    "Recall: how many that had it were named."
)
_NO_THRESHOLD_TEXT = "No threshold is known, so no label is named."


class Origin(NamedTuple):
    """The sentence that a named finding comes from.

    Attributes:
        label: The finding.
        sentence: The sentence's text.
        without: The finding's probability without the sentence.
        alone: That of the sentence alone, where the finding is told more than once; else None.
    """

    label: str
    sentence: str
    without: float
    alone: float | None


@dataclass(frozen=True, eq=False)
class StudyPage:
    """The content of one page.

    Attributes:
        study_id: The name of the study, any text.
        image: uint8 [px, px]; None in a mode without an image.
        a_ws: float [D, D], at least 0, the attention over the image summed over the words (eq. 4); None without it.
        words: The T words of the report that the network read or wrote, with <START> if the network made a step for
            it; [] in a mode without reports.
        g: float [T], the text attention g_t of each word; None in a mode without it.
        probabilities: float [15], in the order of LABELS; None in a mode that does not classify.
        labels: [15], 1, 0 or NaN (unknown); None if all are unknown.
        thresholds: float [15]; a label is named if its probability reaches its threshold. NaN, or None for all: no
            threshold is known.
        a: float [T, D, D], at least 0, the spatial attention of each word, each map with sum 1; None if the words have
            no maps.
        true_words: The words of the true report, if the network wrote `words`; None if it read `words`, or if the true
            report is not known.
        written: Whether the network wrote `words`; only needed if no true report is known.
        precision, recall: float [15], what the thresholds gave on the validation split; NaN, or None for all, where
            that is not known.
        uniform_share: The share of what the labels take from the image that does not go by a_ws.
        cut_at: The number of words after which the report was cut, since no more are read or written; None: it is
            whole.
        origins: Which sentence each named finding comes from; None where that was not asked.
        notes: Sentences that a reader of the page should know of the image; they stand above it.
        G: float [r, T], at least 0, the text attention in each of its rows; None: they are not shown.
    Raises:
        ValueError: A shape is wrong, a value is NaN or below 0, or there is a map and no image.
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
    precision: np.ndarray | None = None
    recall: np.ndarray | None = None
    uniform_share: float = 0.0
    cut_at: int | None = None
    origins: Sequence[Origin] | None = None
    G: np.ndarray | None = None
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.image is not None and (self.image.ndim != 2 or self.image.dtype != np.uint8):
            raise ValueError(f"image must be uint8 [px, px], not {self.image.dtype} {self.image.shape}")
        if self.g is not None and np.shape(self.g) != (len(self.words),):
            raise ValueError(f"g has shape {np.shape(self.g)} for {len(self.words)} words")
        if self.G is not None and np.shape(self.G)[1:] != (len(self.words),):
            raise ValueError(f"G must be [r, T] for {len(self.words)} words, not {np.shape(self.G)}")
        self._check_maps()
        for name in ("probabilities", "labels", "thresholds", "precision", "recall"):
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
        """The labels as float [15], all NaN if `labels` is None."""
        return np.full(K, np.nan) if self.labels is None else np.asarray(self.labels, np.float64)

    def known_thresholds(self) -> np.ndarray:
        """The thresholds as float [15], all NaN if `thresholds` is None."""
        return np.full(K, np.nan) if self.thresholds is None else np.asarray(self.thresholds, np.float64)

    def verdicts(self) -> list[Verdict] | None:
        """The verdict on each label; None if the mode does not classify."""
        if self.probabilities is None:
            return None
        return verdicts.verdicts_of(self.probabilities, self.known_labels(), self.known_thresholds())

    @property
    def has_truth(self) -> bool:
        """Whether the truth of at least one label is known."""
        return verdicts.any_known(self.known_labels())


def render(page: StudyPage, home: str | None = None) -> str:
    """The page as HTML; `home` is the address of the index, None if there is none."""
    a = page.a if page.words else None
    study_id = html.escape(page.study_id)
    return template.document(
        "page.html",
        study_id,
        template.read("page.css"),
        scripts=True,
        script=template.read("page.js"),
        study_id=study_id,
        home=f'<a class="home" href="{html.escape(home)}">← all studies</a>' if home else "",
        chips=chips_html(page),
        details=template.read("details.html") if page.words or page.a_ws is not None else "",
        notes="".join(template.fill("note.html", note=html.escape(note)) for note in page.notes),
        picture=""
        if page.image is None
        else attention_map.figure(page.study_id, page.image, page.a_ws, a, page.uniform_share),
        reports=_reports_html(page),
        labels=_labels_html(page),
        disclaimer=DISCLAIMER,
    )


# ---- the reports ----


def _reports_html(page: StudyPage) -> str:
    """The report that the network read, or the one that it wrote and the true one; "" in a mode without reports."""
    if not page.words and page.g is None and page.a is None and page.true_words is None:
        return ""
    return '<section class="reports">\n' + "\n".join(_each_report_html(page)) + "\n</section>"


def _each_report_html(page: StudyPage) -> Iterator[str]:
    written = page.written or page.true_words is not None
    keys = []
    if page.g is not None and len(page.words):
        keys.append(template.fill("key_shade.html", largest=f"{float(np.max(page.g)):.3f}"))
    if page.a is not None and len(page.words):
        keys.append(template.read("key_word.html"))
    words = [*_marked_words(page, details=True)]
    if page.cut_at is not None:
        words.append(" [...]")
        keys.append(f'<p class="key">{cut_text(page.cut_at, written)}</p>')
    if page.G is not None:
        keys.append(text_rows.heat_map(page.G, page.words))
    yield _report_html("Written report" if written else "Report", "".join(words), "\n".join(keys))
    if page.origins:
        yield template.fill("origins.html", rows="\n".join(map(_origin_html, page.origins)))
    if page.true_words is not None:
        yield _report_html("True report", _lines_html(prose.as_report(" ".join(page.true_words))), "")


def _origin_html(origin: Origin) -> str:
    how = f"without it {percent(origin.without)}"
    if origin.alone is not None:
        how = f"told more than once; this sentence alone gives {percent(origin.alone)}"
    return f"<dt>{readable(origin.label)}</dt><dd>“{html.escape(origin.sentence)}” <span>{how}</span></dd>"


def cut_text(cut_at: int, written: bool) -> str:
    """The sentence on a report that was cut after `cut_at` words."""
    if written:
        return f"It stopped at {cut_at} words, the most that is written, and did not come to its end."
    return f"Only its first {cut_at} words were read."


def _report_html(title: str, words: str, keys: str) -> str:
    words = words or '<em class="none">empty report</em>'
    return template.fill("report.html", title=html.escape(title), words=words, keys=keys)


def _marked_words(page: StudyPage, details: bool) -> Iterator[str]:
    """Yield each word in an HTML element, shaded by its g_t relative to the largest, with the space before it.

    It has the word as text to read and, with `details`, as the network has it, of which the page shows one; and where
    words have maps the caption of its map, and the numbers behind it.
    """
    largest = float(np.max(page.g)) if page.g is not None and len(page.g) else 0.0
    for t, (word, piece) in enumerate(zip(page.words, prose.pieces(page.words), strict=True)):
        if not (piece or details):
            continue
        shade, position = "", f"word {t + 1} of {len(page.words)}"
        if page.g is not None:
            g_t = float(page.g[t])
            shade = f' style="--g:{g_t / largest if largest > 0 else 0:.3f}" title="g = {g_t:.4f}"'
            position += f", g = {g_t:.3f}"
        caption = ""
        if page.a is not None:
            numbers = f"{position[0].upper()}{position[1:]}: {attention_map.word_caption(page.a[t])}"
            said = f"Where the network looked at “{word}”."
            caption = f' data-caption="{html.escape(said)}" data-numbers="{html.escape(numbers)}"'
        token = f'<span class="token">{html.escape(word)}</span>' if details else ""
        text = html.escape(piece.strip())
        kind = "word" if piece else "word unread"
        yield (
            f'{_space_html(piece, details and t > 0)}<span class="{kind}" data-t="{t}"{shade}{caption}>'
            f'<span class="text">{text}</span>{token}</span>'
        )


def _space_html(piece: str, details: bool) -> str:
    """What stands before a word: nothing, a space or a new line, and a space where words are shown as they are."""
    space = "<br>" if piece.startswith("\n") else piece[: len(piece) - len(piece.lstrip())]
    return space or ('<span class="token"> </span>' if details else "")


def _lines_html(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


# ---- the labels ----


def _labels_html(page: StudyPage) -> str:
    if page.probabilities is None:
        return ""
    known = page.precision is not None and page.recall is not None and not np.isnan(page.precision).all()
    shares = (page.precision, page.recall) if known else ()
    rows = verdicts.rows(page.probabilities, page.known_labels(), page.known_thresholds(), *shares)
    ticks = not np.isnan(page.known_thresholds()).all()
    if page.has_truth:
        columns, key = [("truth", "Truth"), ("verdict", "Verdict")], template.read("key_verdicts.html")
    else:
        columns, key = [("verdict", "Named")] * ticks, ""
    columns = [("share", "Precision"), ("share", "Recall")] * known + columns
    return template.fill(
        "labels.html",
        rows="\n".join(rows),
        columns="".join(f'<th scope="col" class="{css}">{column}</th>' for css, column in columns),
        axis=verdicts.axis(),
        threshold=" ".join(
            [_THRESHOLD_TEXT if ticks else _NO_THRESHOLD_TEXT, SCALE_TEXT, *[_SHARES_TEXT] * (known and ticks)]
        ),
        key=key,
    )


def chips_html(page: StudyPage) -> str:
    """The chips of the labels as HTML; empty in a mode that does not classify."""
    page_verdicts = page.verdicts()
    return "" if page_verdicts is None else verdicts.chips(page_verdicts)


# ---- what the folder's other files need of it ----


def codes(page: StudyPage) -> str:
    """A letter for each label, by which the script of the index filters."""
    return verdicts.codes(page.verdicts(), page.known_labels())


def case_html(page: StudyPage, file_name: str) -> str:
    """The study on the sheets of `tienet.pages.cases`, as HTML; `file_name` is the address of its page."""
    marked = "".join(_marked_words(replace(page, a=None), details=False))
    reports = [("Written report" if page.true_words is not None else "Report", marked)]
    if page.true_words is not None:
        reports.insert(0, ("True report", _lines_html(prose.as_report(" ".join(page.true_words)))))
    return cases.case(page.study_id, file_name, page.image, chips_html(page), reports)
