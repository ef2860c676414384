"""What the table and the page both say in words: plain text, not escaped."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tienet.datasets.description.counts import VIEW_COLUMNS, percent
from tienet.datasets.description.image_survey import ImageSurvey
from tienet.datasets.description.summary import Summary

_MAX_CHARACTERS = 60


def counted(number: int, one: str, many: str | None = None) -> str:
    """ "1 study", "3,362 studies"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def patient_lines(summary: Summary) -> list[str]:
    """How many studies and images a patient has; the images only where that is something else."""
    studies, images = summary.patients["studies"], summary.patients["images"]
    lines = [_per_patient("Studies", studies)]
    if (studies == images).all():
        lines.append("Images per patient: the same, as every study has one.")
    else:
        lines.append(_per_patient("Images", images))
    return lines


def _per_patient(what: str, each: np.ndarray) -> str:
    median = float(np.median(each))
    one = int((each == 1).sum())
    return (
        f"{what} per patient: {_span(each)}, median {median:g}, mean {each.mean():.2f};"
        f" {percent(one, len(each))} of the patients have one."
    )


def view_lines(summary: Summary, most: int) -> list[str]:
    """The views of each column that tells them, up to `most` by name; or that they are not known."""
    if not summary.cells.views:
        return [f"Views: not known (no column {VIEW_COLUMNS})."]
    rows = summary.cells.rows
    lines = []
    for column, views in summary.cells.views.items():
        said = [f"{name} {count:,} ({percent(count, rows)})" for name, count in most_common(views, most)]
        unknown = rows - views.total()
        said += [f"not known {unknown:,} ({percent(unknown, rows)})"] if unknown else []
        lines.append(f"Views (column {column}): {', '.join(said)}.")
    return lines


def report_line(summary: Summary) -> str:
    """How many reports, distinct ones and empty ones there are."""
    reports = summary.reports
    there = len(reports.words)
    without = "1 study has" if reports.empty == 1 else f"{reports.empty:,} studies have"
    return f"{counted(there, 'report')}, {reports.distinct:,} distinct; {without} none."


def empty_line(summary: Summary) -> str:
    """Empty cells per column; the labels' are counted as unknown elsewhere."""
    empty, rows = summary.cells.empty, summary.cells.rows
    some = ", ".join(f"{name} {count:,} ({percent(count, rows)})" for name, count in empty.items() if count)
    none = ", ".join(name for name, count in empty.items() if not count)
    if not some:
        return f"Empty cells: none in {none}."
    return f"Empty cells: {some}; none in {none}."


def survey_line(images: ImageSurvey) -> str:
    """How many image files were read, and whether they are all."""
    if not images.files:
        return "No image."
    if images.read < images.files:
        return f"Headers of {images.read:,} of {images.files:,} image files were read: a random sample (--images)."
    return f"Headers of {counted(images.files, 'image file')} were read: all."


def size_line(images: ImageSurvey) -> str:
    """The span of the sizes; at least one was read."""
    widths, heights = ([size[side] for size in images.sizes] for side in (0, 1))
    return f"{counted(len(images.sizes), 'size')}: width {_span(widths)}, height {_span(heights)} pixels."


def size_counts(images: ImageSurvey) -> Counter[str]:
    """ "512 x 420" -> files."""
    return Counter({f"{width} x {height}": count for (width, height), count in images.sizes.items()})


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def most_common(counts: Counter, most: int) -> list[tuple[str, int]]:
    """The most frequent values by name, up to `most`, and the others together."""
    named = [(one_line(name, _MAX_CHARACTERS), count) for name, count in counts.most_common(most)]
    others = len(counts) - len(named)
    if others:
        named.append((counted(others, "other"), counts.total() - sum(count for _, count in named)))
    return named


def shown_path(path: Path, folder: Path) -> str:
    """Relative to the data set's folder where it is inside."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  as the manifest makes its paths absolute
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def one_line(text: str, most: int) -> str:
    """The text on one line, cut behind `most` characters, and it says so."""
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[:most]}... ({len(plain) - most:,} characters more)"


def printable(text: str) -> str:
    """What a terminal would obey becomes "?"; line breaks stay."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
