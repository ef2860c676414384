"""A page of maps and boxes: each image under the map of each run, with the true boxes and the map's box.

It is one HTML file that needs no network and no script. An image is in it once, as the background of its figures.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tienet.labels import readable
from tienet.pages import attention_map, template
from tienet.pages.study import DISCLAIMER


@dataclass(frozen=True, eq=False)
class LocatedMap:
    """One run's map of a case.

    Attributes:
        run: The name of the run.
        map_: float [D, D], of any sign.
        point: float [2], x and y of its peak; places are shares of the image's width and height.
        box: float [4], its box, (left, upper, right, lower).
        caption: What came out, as text.
    """

    run: str
    map_: np.ndarray
    point: np.ndarray
    box: np.ndarray
    caption: str


@dataclass(frozen=True, eq=False)
class LocatedCase:
    """A finding of a study.

    Attributes:
        study_id: The name of the study, any text.
        finding: The finding.
        image: uint8 [px, px].
        boxes: float [m, 4], its true boxes.
        maps: One for each run.
    """

    study_id: str
    finding: str
    image: np.ndarray
    boxes: np.ndarray
    maps: Sequence[LocatedMap]


def render(title: str, cases: Sequence[LocatedCase], total: int, table: str) -> str:
    """The page as HTML.

    Args:
        title: What was judged, as text.
        cases: Those that are shown; cases of a finding stand together.
        total: How many there are.
        table: The figures, as text.
    """
    pictures: dict[str, tuple[str, np.ndarray]] = {}
    sections = []
    for finding, of_finding in groupby(cases, key=lambda case: case.finding):
        rows = [_case_html(case, pictures) for case in of_finding]
        sections.append(f"<section>\n<h2>{html.escape(readable(finding))}</h2>\n" + "\n".join(rows) + "\n</section>")
    backgrounds = "\n".join(
        f".{name} {{ background-image: url({attention_map.data_uri(image)}); }}" for name, image in pictures.values()
    )
    shown = f"All {total:,} cases" if len(cases) == total else f"{len(cases):,} of {total:,} cases, findings in turn"
    return template.document(
        "locate.html",
        f"TieNet: {html.escape(title)}",
        "\n".join([template.read("page.css") + template.read("locate.css"), backgrounds]),
        heading=html.escape(title),
        shown=shown,
        sections="\n".join(sections),
        table=html.escape(table),
        disclaimer=DISCLAIMER,
    )


def _case_html(case: LocatedCase, pictures: dict[str, tuple[str, np.ndarray]]) -> str:
    """A case as HTML; the name of its image's class is added to `pictures` if it is not there."""
    name, _ = pictures.setdefault(case.study_id, (f"image-{len(pictures)}", case.image))
    figures = "\n".join(_figure_html(case, located, name) for located in case.maps)
    return f'<article>\n<h3>{html.escape(case.study_id)}</h3>\n<div class="maps">\n{figures}\n</div>\n</article>'


def _figure_html(case: LocatedCase, located: LocatedMap, image: str) -> str:
    spread = np.ptp(located.map_)
    map_ = (located.map_ - located.map_.min()) / (spread if spread > 0 else 1)
    cells = attention_map.PX_PER_CELL
    overlay = attention_map.overlay(map_, cells * map_.shape[0], cells * map_.shape[1])
    alt = f"{readable(case.finding)} in {case.study_id}, {located.run}: {located.caption}"
    return (
        f'<figure><div class="frame located {image}" role="img" aria-label="{html.escape(alt)}">'
        f'<img class="map" src="{attention_map.data_uri(overlay)}" alt="">'
        f"{_marks_svg(case.boxes, located)}</div>"
        f"<figcaption><strong>{html.escape(located.run)}</strong> {html.escape(located.caption)}</figcaption></figure>"
    )


def _marks_svg(boxes: np.ndarray, located: LocatedMap) -> str:
    """The boxes and the peak; each line is drawn twice, so that it is seen on white and on black."""
    shapes = [*(_rect("true", box) for box in boxes), _rect("found", located.box), _cross(located.point)]
    return '<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">' + "".join(shapes) + "</svg>"


def _rect(kind: str, box: np.ndarray) -> str:
    left, upper, right, lower = 100 * np.asarray(box)
    place = f'x="{left:.2f}" y="{upper:.2f}" width="{right - left:.2f}" height="{lower - upper:.2f}"'
    return f'<rect class="edge" {place}/><rect class="{kind}" {place}/>'


def _cross(point: np.ndarray) -> str:
    x, y = 100 * np.asarray(point)
    path = f'd="M{x - 2:.2f} {y:.2f}h4M{x:.2f} {y - 2:.2f}v4"'
    return f'<path class="edge" {path}/><path class="peak" {path}/>'
