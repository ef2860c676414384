"""Sheets of four studies each: the image, the named labels, the report and the written one, as in the paper's Figures 4
to 9.

A label that is named rightly is green, one that is named wrongly red, and one that is missed blue, as there; a mark
stands beside each. A printed sheet is a page.
"""

import html
from collections.abc import Sequence

import cv2
import numpy as np

from tienet.pages import attention_map, template

FILE_NAME = "cases.html"

ON_A_SHEET = 4
"""How many studies a sheet has, as the paper's."""

IMAGE_PX = 256
"""The longer side of a study's image, at most."""


def case(
    study_id: str,
    file_name: str,
    image: np.ndarray | None,
    chips: str,
    reports: Sequence[tuple[str, str]],
) -> str:
    """The HTML of one study.

    Args:
        study_id: The study's name, any text.
        file_name: The address of its page.
        image: uint8 [px, px]; None in a mode without an image.
        chips: The HTML of its labels.
        reports: The title and the HTML of each report.
    """
    picture = ""
    if image is not None:
        shrink = min(1.0, IMAGE_PX / max(image.shape))
        size = tuple(max(1, round(side * shrink)) for side in image.shape[::-1])
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        picture = f'<img src="{attention_map.data_uri(small)}" alt="chest X-ray of study {html.escape(study_id)}">'
    texts = "\n".join(f"<div><h3>{title}</h3>\n<p>{text}</p></div>" for title, text in reports)
    return template.fill(
        "case.html",
        study_id=html.escape(study_id),
        link=html.escape(file_name),
        picture=picture,
        chips=chips,
        reports=texts,
    )


def sheets(cases: Sequence[str], disclaimer: str) -> str:
    """The page of all sheets as HTML, from the HTML of each study."""
    groups = [cases[first : first + ON_A_SHEET] for first in range(0, len(cases), ON_A_SHEET)]
    sections = "\n".join(
        f'<section aria-label="sheet {number} of {len(groups)}">\n' + "\n".join(group) + "\n</section>"
        for number, group in enumerate(groups, 1)
    )
    return template.document(
        "cases.html",
        "Sample cases",
        template.read("page.css") + template.read("cases.css"),
        sections=sections,
        key=template.read("key_verdicts.html"),
        disclaimer=disclaimer,
    )
