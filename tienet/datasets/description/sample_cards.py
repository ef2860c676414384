"""The cards of the studies to look at, with image, labels and report."""

import base64
import html

from tienet.data.manifest import Manifest
from tienet.datasets.description import html as page_parts
from tienet.datasets.description.sampling import MAX_SAMPLES, draw_samples, small_image
from tienet.errors import InputError
from tienet.labels import LABELS, readable

MAX_CHARACTERS = 4000
"""A longer report is cut, with a remark that it was."""


def samples_section(manifest: Manifest, seed: int) -> str:
    """The section with up to MAX_SAMPLES studies, drawn by `seed`; an image that cannot be read has the reason."""
    drawn = draw_samples(manifest.labels, manifest.images, MAX_SAMPLES, seed)
    title = f"{len(drawn)} studies to look at" if len(drawn) > 1 else "A study to look at"
    if not drawn:
        return page_parts.section("Studies to look at", "<p>No study has an image.</p>")
    cards = "\n".join(_card(manifest, n) for n in drawn)
    key = f"Drawn at random (--seed {seed}): No Finding first, then the findings take turns."
    return page_parts.section(title, f'<p class="key">{key}</p>', f'<div class="samples">\n{cards}\n</div>')


def _card(manifest: Manifest, n: int) -> str:
    study_id = html.escape(manifest.study_ids[n])
    try:
        jpeg, (width, height) = small_image(manifest.images[n])
        uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
        image = f'<img src="{uri}" width="{width}" height="{height}" alt="chest X-ray of study {study_id}">'
    except (InputError, OSError) as error:
        image = f'<p class="nothing">{html.escape(str(error))}</p>'
    return page_parts.fill(
        "sample.html",
        picture=image,
        study_id=study_id,
        split=manifest.splits[n],
        chips=_chips(manifest, n),
        report=report_html(manifest.reports[n]),
    )


def _chips(manifest: Manifest, n: int) -> str:
    """List items with the labels that the study has, and with how many are unknown."""
    labels = manifest.labels[n]
    shown = [f"<strong>{readable(LABELS[k])}</strong>" for k in range(len(LABELS)) if labels[k] == 1]
    unknown = sum(int(label != label) for label in labels)
    if not shown:
        shown.append("no label is known" if unknown == len(LABELS) else "no label")
    if 0 < unknown < len(LABELS):
        shown.append(f"{unknown} unknown")
    return "".join(f"<li>{text}</li>" for text in shown)


def report_html(report: str) -> str:
    """A report as HTML: escaped, without the white space around it, and cut after MAX_CHARACTERS."""
    report = report.strip()
    if not report:
        return '<em class="kind">no report</em>'
    rest = len(report) - MAX_CHARACTERS
    more = f' <em class="kind">({rest:,} characters more)</em>' if rest > 0 else ""
    return html.escape(report[:MAX_CHARACTERS]) + more
