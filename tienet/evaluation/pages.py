"""A page per study, to look at: the image under its attention map, the shaded report, the labels judged.

Every page is one HTML file that needs no network: pictures are data URIs, style and script are inside. The
script only moves the map's opacity; without it the page shows everything and the map can be switched off.
Units: T words; D cells on a side of the attention grid; px pixels on a side of the image.
"""

import base64
import html
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

import cv2
import matplotlib
import numpy as np

from tienet.files import write_text
from tienet.labels import LABELS, K

DISCLAIMER = "Research software, not a medical device: not for diagnosis."

COLOUR_MAP = "inferno"
"""Matplotlib's name; its lightness rises evenly, so equal steps of attention look equal."""

_THUMBNAIL_PX = 96
_IMPRESSION = "impression"  # the report's second part starts with this word and a colon: a new line there


@dataclass(frozen=True, eq=False)
class StudyPage:
    """What one page shows.

    study_id: any text. image: uint8 [px, px] or None (a mode that sees no image).
    a_ws: float [D, D], the attention over the image summed over the words (eq. 4), at least 0, or None.
    words: the report's T words; g: float [T], the text attention g_t of each.
    probabilities: float [15], in the order of LABELS; labels: [15], 1, 0 or NaN (unknown).
    thresholds: float [15], a label is named where its probability reaches it; NaN: no threshold is known.

    Raises:
        ValueError: a shape is wrong, or there is a map and no image.
    """

    study_id: str
    image: np.ndarray | None
    a_ws: np.ndarray | None
    words: list[str]
    g: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    thresholds: np.ndarray

    def __post_init__(self) -> None:
        if self.image is not None and (self.image.ndim != 2 or self.image.dtype != np.uint8):
            raise ValueError(f"image must be uint8 [px, px], not {self.image.dtype} {self.image.shape}")
        if self.a_ws is not None and self.image is None:
            raise ValueError("a_ws needs the image that it lies over")
        if self.a_ws is not None and self.a_ws.ndim != 2:
            raise ValueError(f"a_ws must be [D, D], not {self.a_ws.shape}")
        if np.shape(self.g) != (len(self.words),):
            raise ValueError(f"g has shape {np.shape(self.g)} for {len(self.words)} words")
        for name in ("probabilities", "labels", "thresholds"):
            if np.shape(getattr(self, name)) != (K,):
                raise ValueError(f"{name} must be [{K}], not {np.shape(getattr(self, name))}")
        if np.isnan(self.probabilities).any():
            raise ValueError("probabilities must not be NaN")


@dataclass(frozen=True)
class Verdict:
    """How a label was judged: the CSS class, the mark and the words, so that colour is never alone."""

    css: str
    mark: str
    text: str


RIGHT = Verdict("right", "✓", "right")
WRONG = Verdict("wrong", "✗", "wrong")
MISSED = Verdict("missed", "○", "missed")
ABSENT = Verdict("absent", "·", "absent")
NAMED_UNKNOWN = Verdict("unknown", "?", "named")
UNKNOWN = Verdict("unknown", "?", "unknown")
UNJUDGED = Verdict("unknown", "?", "no threshold")


def judge(probability: float, label: float, threshold: float) -> Verdict:
    """The verdict on one label: named where probability >= threshold, right where the truth agrees."""
    if math.isnan(threshold):
        return UNJUDGED
    named = probability >= threshold
    if math.isnan(label):
        return NAMED_UNKNOWN if named else UNKNOWN
    if named:
        return RIGHT if label else WRONG
    return MISSED if label else ABSENT


def render(page: StudyPage, home: str | None = None) -> str:
    """The page as HTML; `home` is the address of the page that lists all, if there is one."""
    back = f'<a class="home" href="{html.escape(home)}">← all studies</a>' if home else ""
    return _template("page.html").substitute(
        style=_file("page.css"),
        study_id=html.escape(page.study_id),
        home=back,
        chips=_chips(page),
        picture=_picture(page),
        reports=_report("Report", page.words, np.asarray(page.g)),
        labels="\n".join(_label_rows(page)),
        disclaimer=DISCLAIMER,
    )


def write_pages(folder: Path | str, pages: Iterable[StudyPage]) -> list[Path]:
    """Write a page per study and `index.html`, which lists them, into `folder`.

    The pages are taken one at a time, so a generator need not hold all images. A page's file is named after
    its study, with everything but letters, digits, ".", "_" and "-" replaced, and numbered where two names
    come out the same.

    Returns:
        The pages' paths in the order given, without the index.
    """
    folder, written, rows = Path(folder), [], []
    taken: set[str] = set()
    for page in pages:
        path = folder / _file_name(page.study_id, taken)
        write_text(path, render(page, home="index.html"))
        written.append(path)
        rows.append(_index_row(page, path.name))
    index = _template("index.html").substitute(
        style=_file("page.css"), count=len(rows), rows="\n".join(rows), disclaimer=DISCLAIMER
    )
    write_text(folder / "index.html", index)
    return written


def _file_name(study_id: str, taken: set[str]) -> str:
    """A safe name not in `taken`, and added to it; case does not count, as on some file systems."""
    stem = "study-" + re.sub(r"[^A-Za-z0-9._-]+", "_", study_id)[:100]
    name, number = f"{stem}.html", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}.html"
    taken.add(name.lower())
    return name


@cache
def _file(name: str) -> str:
    return (Path(__file__).with_name("templates") / name).read_text(encoding="utf-8")


def _template(name: str) -> Template:
    return Template(_file(name))


# The image and its map


def overlay(a_ws: np.ndarray, height: int, width: int) -> np.ndarray:
    """The map in colour, for laying over the image.

    Bicubic from the grid to the image's size, scaled by its maximum; alpha rises with the value, so the image
    stays as it is where there is no attention.

    Args:
        a_ws: float [D, D], at least 0.
    Returns:
        uint8 [height, width, 4], RGBA; all transparent where a_ws is 0 everywhere.
    """
    smooth = cv2.resize(np.asarray(a_ws, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = np.clip(smooth, 0, None)  # bicubic undershoots beside a peak
    peak = smooth.max()
    level = np.rint(255 * smooth / peak).astype(np.uint8) if peak > 0 else np.zeros(smooth.shape, np.uint8)
    return np.dstack([_colours()[level], level])


@cache
def _colours() -> np.ndarray:
    """uint8 [256, 3], RGB by level."""
    return matplotlib.colormaps[COLOUR_MAP](np.arange(256), bytes=True)[:, :3]


def _data_uri(picture: np.ndarray) -> str:
    """A PNG data URI of uint8 [h, w] or RGBA [h, w, 4]."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)
    done, png = cv2.imencode(".png", picture)
    assert done, "cv2 could not encode a PNG"
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _picture(page: StudyPage) -> str:
    """The image, the map over it with its controls, and the caption."""
    if page.image is None:
        return ""
    image = f'<img src="{_data_uri(page.image)}" alt="chest X-ray of study {html.escape(page.study_id)}">'
    if page.a_ws is None:
        return f'<figure class="picture"><div class="frame">{image}</div></figure>'
    ramp = ", ".join(f"#{bytes(_colours()[level]).hex()}" for level in range(0, 256, 15))
    return _template("picture.html").substitute(
        image=image,
        map=_data_uri(overlay(page.a_ws, *page.image.shape)),
        ramp=ramp,
        caption=_map_caption(page.a_ws),
    )


def _map_caption(a_ws: np.ndarray) -> str:
    total = float(np.sum(a_ws))
    if total <= 0:
        return "The attention a<sub>ws</sub> is 0 everywhere."
    row, column = np.unravel_index(np.argmax(a_ws), a_ws.shape)
    share = float(a_ws[row, column]) / total
    return (
        f"Attention a<sub>ws</sub>, {a_ws.shape[0]} by {a_ws.shape[1]} cells. It sums to {total:.2f};"
        f" the peak (row {row + 1}, column {column + 1}) holds {share:.1%} of that."
    )


# The report


def _report(title: str, words: list[str], g: np.ndarray) -> str:
    """A report with each word shaded by its g_t relative to the report's largest."""
    largest = float(g.max()) if len(g) else 0.0
    text = "\n".join(_shaded(words, g / largest if largest > 0 else g, g)) or '<em class="none">empty report</em>'
    return _template("report.html").substitute(title=html.escape(title), words=text, largest=f"{largest:.3f}")


def _shaded(words: list[str], shade: np.ndarray, g: np.ndarray) -> Iterator[str]:
    for t, word in enumerate(words):
        if t and word == _IMPRESSION and words[t + 1 : t + 2] == [":"]:
            yield "<br>"
        yield (
            f'<span class="word" data-t="{t}" style="--g:{shade[t]:.3f}"'
            f' title="g = {g[t]:.4f}">{html.escape(word)}</span>'
        )


# The labels


def _verdicts(page: StudyPage) -> list[Verdict]:
    columns = zip(page.probabilities, page.labels, page.thresholds, strict=True)
    return [judge(float(probability), float(label), float(threshold)) for probability, label, threshold in columns]


def _chips(page: StudyPage) -> str:
    """The labels that were named or should have been, in colour and with their marks."""
    shown = [
        f'<li class="{verdict.css}">{_labelled(name, verdict)}</li>'
        for name, verdict in zip(LABELS, _verdicts(page), strict=True)
        if verdict in (RIGHT, WRONG, MISSED, NAMED_UNKNOWN)
    ]
    return f'<ul class="chips">{"".join(shown) or "<li>no label named, none missed</li>"}</ul>'


def _labelled(name: str, verdict: Verdict) -> str:
    return f"{_marked(verdict)} <strong>{_readable(name)}</strong> <small>{verdict.text}</small>"


def _label_rows(page: StudyPage) -> Iterator[str]:
    """A table row per label: name, bar with the threshold's tick, probability, truth, verdict."""
    for k, (name, verdict) in enumerate(zip(LABELS, _verdicts(page), strict=True)):
        probability, label, threshold = (float(v[k]) for v in (page.probabilities, page.labels, page.thresholds))
        tick = "" if math.isnan(threshold) else f'<s style="left:{100 * threshold:.2f}%"></s>'
        hint = "no threshold" if math.isnan(threshold) else f"threshold {threshold:.3f}"
        truth = "unknown" if math.isnan(label) else ("yes" if label else "no")
        yield (
            f'<tr class="{verdict.css}"><th scope="row">{_readable(name)}</th>'
            f'<td class="bar" title="{hint}"><div><i style="width:{100 * probability:.2f}%"></i>{tick}</div>'
            f'</td><td class="number">{probability:.3f}</td><td class="truth">{truth}</td>'
            f'<td class="verdict">{_marked(verdict)} {verdict.text}</td></tr>'
        )


def _marked(verdict: Verdict) -> str:
    return f"<b>{verdict.mark}</b>"


def _readable(label: str) -> str:
    return label.replace("_", " ")


def _index_row(page: StudyPage, file_name: str) -> str:
    link = f'href="{html.escape(file_name)}"'
    thumbnail = ""
    if page.image is not None:
        small = cv2.resize(page.image, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        thumbnail = f'<a {link}><img src="{_data_uri(small)}" alt=""></a>'
    name = f"<a {link}>{html.escape(page.study_id)}</a>"
    return f'<tr><td class="thumbnail">{thumbnail}</td><th scope="row">{name}</th><td>{_chips(page)}</td></tr>'
