"""The sentences that both the text table and the page have: plain text that is not escaped."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tienet.datasets.description.counts import VIEW_COLUMNS, percent
from tienet.datasets.description.image_survey import ImageSurvey
from tienet.datasets.description.summary import Summary
from tienet.pages.plain_text import counted

_MAX_CHARACTERS = 60


def patient_lines(summary: Summary) -> list[str]:
    """Lines on how many studies and how many images a patient has."""
    studies, images = summary.patients["studies"], summary.patients["images"]
    lines = [_per_patient("Studies", studies)]
    if (studies == images).all():
        lines.append("Images per patient: the same, as every study has one.")
    else:
        lines.append(_per_patient("Images", images))
    return lines


def _per_patient(what: str, each: np.ndarray) -> str:
    median = float(np.median(each))
    with_one = int((each == 1).sum())
    return (
        f"{what} per patient: {_span(each)}, median {median:g}, mean {each.mean():.2f};"
        f" {percent(with_one, len(each))} of the patients have one."
    )


def view_lines(summary: Summary, max_views: int) -> list[str]:
    """A line for each column with views, which names up to `max_views`; or a line that the views are not known."""
    if not summary.cells.views:
        return [f"Views: not known (no column {VIEW_COLUMNS})."]
    rows = summary.cells.rows
    lines = []
    for column, views in summary.cells.views.items():
        parts = [f"{name} {count:,} ({percent(count, rows)})" for name, count in most_common(views, max_views)]
        unknown = rows - views.total()
        parts += [f"not known {unknown:,} ({percent(unknown, rows)})"] if unknown else []
        lines.append(f"Views (column {column}): {', '.join(parts)}.")
    return lines


def report_line(summary: Summary) -> str:
    """A line with the numbers of reports, of distinct reports and of studies without a report."""
    reports = summary.reports
    total = len(reports.words)
    without = "1 study has" if reports.empty == 1 else f"{reports.empty:,} studies have"
    return f"{counted(total, 'report')}, {reports.distinct:,} distinct; {without} none."


def empty_line(summary: Summary) -> str:
    """A line with the empty cells of each column; empty cells of labels are counted as unknown elsewhere."""
    empty, rows = summary.cells.empty, summary.cells.rows
    some = ", ".join(f"{name} {count:,} ({percent(count, rows)})" for name, count in empty.items() if count)
    none = ", ".join(name for name, count in empty.items() if not count)
    if not some:
        return f"Empty cells: none in {none}."
    return f"Empty cells: {some}; none in {none}."


def survey_line(images: ImageSurvey) -> str:
    """A line that says how many image headers were read, and whether these are all."""
    if not images.files:
        return "No image."
    if images.read < images.files:
        return f"Headers of {images.read:,} of {images.files:,} image files were read: a random sample (--images)."
    return f"Headers of {counted(images.files, 'image file')} were read: all."


def size_line(images: ImageSurvey) -> str:
    """A line with the range of the image sizes; at least one header must have been read."""
    widths, heights = ([size[side] for size in images.sizes] for side in (0, 1))
    return f"{counted(len(images.sizes), 'size')}: width {_span(widths)}, height {_span(heights)} pixels."


def size_counts(images: ImageSurvey) -> Counter[str]:
    """The number of files of each size, under names such as "512 x 420"."""
    return Counter({f"{width} x {height}": count for (width, height), count in images.sizes.items()})


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def most_common(counts: Counter, max_values: int) -> list[tuple[str, int]]:
    """(name, count) of the most frequent values, up to `max_values`, and of all others together."""
    pairs = [(one_line(name, _MAX_CHARACTERS), count) for name, count in counts.most_common(max_values)]
    others = len(counts) - len(pairs)
    if others:
        pairs.append((counted(others, "other"), counts.total() - sum(count for _, count in pairs)))
    return pairs


def shown_path(path: Path, folder: Path) -> str:
    """A path as text, relative to the folder of the data set if it is inside."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  the manifest makes its paths absolute in this way
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def one_line(text: str, max_length: int) -> str:
    """The text in one line; if it is cut after `max_length` characters, a remark says so."""
    line = " ".join(text.split())
    return line if len(line) <= max_length else f"{line[:max_length]}... ({len(line) - max_length:,} characters more)"


def printable(text: str) -> str:
    """Replace the control characters of a terminal by "?"; line breaks are kept."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
