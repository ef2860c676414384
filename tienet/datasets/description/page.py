"""The summary as a page: one HTML file that needs no network, with tables first and studies to look at below."""

import html
from collections.abc import Iterator

import numpy as np

from tienet.datasets.description import html as page_parts
from tienet.datasets.description import sentences
from tienet.datasets.description.counts import Cells, percent
from tienet.datasets.description.label_tables import labels_section, pairs_section, sizes_section
from tienet.datasets.description.report_lengths import Bin, ReportLengths, histogram
from tienet.datasets.description.sample_cards import report_html, samples_section
from tienet.datasets.description.summary import Summary
from tienet.datasets.description.terminal import QUANTILES
from tienet.pages import template
from tienet.pages.plain_text import counted
from tienet.pages.study import DISCLAIMER

_MAX_VIEWS, _MAX_SIZES = 20, 12
_PATIENT_BINS = (0, 1, 2, 3, 4, 5, 10, 20, 50, 100)


def render(summary: Summary, seed: int) -> str:
    """The page as HTML; the studies to look at are drawn at random by `seed`."""
    manifest = summary.manifest
    sections = [*_sections(summary), samples_section(manifest, seed)]
    name = html.escape(manifest.name)
    return page_parts.document(
        "describe.html",
        f"{name}: what is in it",
        "".join([template.read("page.css"), template.read("tables.css"), page_parts.read("describe.css")]),
        data_set=name,
        path=html.escape(str(manifest.path)),
        links=page_parts.links(sections),
        sections="\n".join(sections),
        disclaimer=DISCLAIMER,
    )


def _sections(summary: Summary) -> Iterator[str]:
    if summary.manifest.notes:
        notes = "\n".join(f"<li>{html.escape(note)}</li>" for note in summary.manifest.notes)
        yield page_parts.section("Notes", f"<ul>\n{notes}\n</ul>")
    yield sizes_section(summary.groups)
    yield labels_section(summary.groups)
    yield pairs_section(summary.pairs)
    yield _patients(summary)
    yield _reports(summary.reports, sentences.report_line(summary))
    yield _images(summary)
    yield _empty(summary.cells)


# ---- patients and views ----


def _patients(summary: Summary) -> str:
    parts = [page_parts.paragraphs(sentences.patient_lines(summary))]
    patients = dict(summary.patients)
    if (patients["studies"] == patients["images"]).all():
        del patients["images"]
    rows = _patient_rows(patients)
    if len(rows) > 1:
        head = ["number", "patients by studies", "patients by images"] if len(patients) > 1 else ["studies", "patients"]
        parts.append(page_parts.table("patients", rows, head))
    parts.append(page_parts.paragraphs(sentences.view_lines(summary, _MAX_VIEWS)))
    return page_parts.section("Patients and views", *parts)


def _patient_rows(patients: dict[str, np.ndarray]) -> list[list[str]]:
    """Rows with the numbers of patients that have 0, 1, 2, ... studies and images; empty bins are left out."""
    rows = []
    for low, high in zip(_PATIENT_BINS, (*_PATIENT_BINS[1:], np.inf), strict=True):
        counts = [int(((each >= low) & (each < high)).sum()) for each in patients.values()]
        name = str(low) if high == low + 1 else f"{low} or more" if high == np.inf else f"{low} to {high - 1}"
        if any(counts):
            rows.append([name, *(f"{count:,}" for count in counts)])
    return rows


def _empty(cells: Cells) -> str:
    rows = [[name, f"{count:,}", percent(count, cells.rows)] for name, count in cells.empty.items()]
    key = '<p class="key">Empty cells of the labels are counted above, as unknown.</p>'
    return page_parts.section("Empty cells", page_parts.table("empty cells", rows, ["column", "empty", "share"]), key)


# ---- reports ----


def _reports(reports: ReportLengths, line: str) -> str:
    parts = [page_parts.paragraphs([line])]
    if len(reports.words):
        words = [[name, f"{reports.quantile(share):,}"] for share, name in QUANTILES]
        parts += [
            f'<div class="lengths">\n{page_parts.table("words of a report", words, ["words of a report", ""])}',
            f"{_histogram(reports)}\n</div>",
            page_parts.paragraphs([f"The longest is of study {reports.longest}."]),
        ]
    if reports.times > 1:
        share = percent(reports.times, len(reports.words))
        parts.append(f"<p>The most frequent report is there {reports.times:,} times ({share}):</p>")
        parts.append(f'<blockquote class="text">{report_html(reports.frequent)}</blockquote>')
    elif reports.times:
        parts.append("<p>No report is there twice.</p>")
    return page_parts.section("Reports", *parts)


def _histogram(reports: ReportLengths) -> str:
    bins = histogram(reports.words)
    highest = max(bar.count for bar in bins)
    bars = (
        f'<span title="{_bin_in_words(bar)}: {counted(bar.count, "report")}">'
        f'<i style="height:{100 * bar.count / highest:.2f}%"></i></span>'
        for bar in bins
    )
    every = max(1, round(len(bins) / 6))
    ends = [f"{bar.low:,}" if n % every == 0 and n < len(bins) - every else "" for n, bar in enumerate(bins)]
    ends[-1] = _bin_in_words(bins[-1], short=True)
    return page_parts.fill(
        "histogram.html",
        label=f"histogram, {len(bins)} bars: {reports.quantile(50)} words is the median",
        bars="\n".join(bars),
        axis="".join(f"<span>{end}</span>" for end in ends),
        most=counted(highest, "report"),
    )


def _bin_in_words(bar: Bin, short: bool = False) -> str:
    if bar.high is None:
        return f"{bar.low:,}+" if short else f"{bar.low:,} words or more"
    span = f"{bar.low:,}" if bar.low == bar.high else f"{bar.low:,} to {bar.high:,}"
    return f"{bar.low:,}" if short else f"{span} words"


# ---- images ----


def _images(summary: Summary) -> str:
    images = summary.images
    parts = [page_parts.paragraphs([sentences.survey_line(images)])]
    if images.sizes:
        sizes = sentences.most_common(sentences.size_counts(images), _MAX_SIZES)
        tables = (
            ("format", sentences.most_common(images.kinds, _MAX_SIZES)),
            ("width x height", sizes),
        )
        rows = ([[name, f"{count:,}", percent(count, images.read)] for name, count in counts] for _, counts in tables)
        shown = (
            page_parts.table(name, part, [name, "files", "share"]) for (name, _), part in zip(tables, rows, strict=True)
        )
        parts += [
            page_parts.paragraphs([sentences.size_line(images)]),
            f'<div class="sides">\n{"".join(shown)}\n</div>',
        ]
    if images.broken:
        folder = summary.manifest.path.parent
        lines = (f"{sentences.shown_path(path, folder)}: {why}" for path, why in images.broken.items())
        items = "\n".join(f"<li>{html.escape(line)}</li>" for line in lines)
        parts.append(f"<h3>Broken headers: {counted(len(images.broken), 'file')}</h3>")
        parts.append(f'<ul class="broken" tabindex="0">\n{items}\n</ul>')
    return page_parts.section("Images", *parts)
