"""The summary as plain text for a terminal."""

from collections.abc import Iterator

from tienet.datasets.description import sentences
from tienet.datasets.description.counts import GROUPS, SIZES, percent
from tienet.datasets.description.summary import Summary
from tienet.labels import LABELS
from tienet.pages.plain_text import align, counted, wrapped

QUANTILES = ((50, "median"), (90, "90%"), (99, "99%"), (100, "longest"))

_PAIRS, _VIEWS, _SIZES, _BROKEN, _REPORT_CHARACTERS = 6, 8, 5, 5, 200


def text_table(summary: Summary) -> str:
    """The summary as text: a table of the counts in each split, and then a few lines on each other topic."""
    blocks = (_counts(summary), _labels_and_patients(summary), _reports(summary), _images(summary))
    return "\n\n".join("\n".join(map(sentences.printable, lines)) for lines in blocks) + "\n"


def _counts(summary: Summary) -> Iterator[str]:
    groups = summary.groups
    header = [sentences.one_line(summary.manifest.name, 40), *GROUPS, "negative", "unknown"]
    sizes = [[name, *(f"{n:,}" for n in groups.sizes[:, i]), "", ""] for i, name in enumerate(SIZES)]
    labels = []
    for k, label in enumerate(LABELS):
        cells = []
        for g in range(len(GROUPS)):
            positive, known = groups.positive[g, k], groups.positive[g, k] + groups.negative[g, k]
            cells.append(f"{positive:,} {percent(positive, known):>6}" if known else "?")
        labels.append([label, *cells, f"{groups.negative[-1, k]:,}", f"{groups.unknown[-1, k]:,}"])
    yield from align(header, sizes, labels)
    yield "A label's positive studies, their share of those where it is known (?: nowhere); negative, unknown: in all."


def _labels_and_patients(summary: Summary) -> Iterator[str]:
    pairs = [f"{first} and {second} {count:,}" for first, second, count in summary.pairs.most_frequent(_PAIRS)]
    yield wrapped(f"Labels together, most often: {', '.join(pairs) or 'none are'}.")
    lines = [*sentences.patient_lines(summary), *sentences.view_lines(summary, _VIEWS), sentences.empty_line(summary)]
    yield from map(wrapped, lines)


def _reports(summary: Summary) -> Iterator[str]:
    reports = summary.reports
    yield sentences.report_line(summary)
    if not len(reports.words):
        return
    words = ", ".join(f"{name} {reports.quantile(percent):,}" for percent, name in QUANTILES)
    yield wrapped(f"Words of a report: {words} (study {sentences.one_line(reports.longest, 60)}).")
    if reports.times > 1:
        yield wrapped(
            f"Most frequent report ({reports.times:,} times):"
            f" {sentences.one_line(reports.frequent, _REPORT_CHARACTERS)}"
        )


def _images(summary: Summary) -> Iterator[str]:
    images = summary.images
    yield sentences.survey_line(images)
    if images.sizes:
        yield wrapped(sentences.size_line(images))
        for counts in (images.kinds, sentences.size_counts(images)):
            yield from (f"  {count:>9,}  {name}" for name, count in sentences.most_common(counts, _SIZES))
    if images.broken:
        yield f"Broken headers: {counted(len(images.broken), 'file')}"
        folder = summary.manifest.path.parent
        for path, why in list(images.broken.items())[:_BROKEN]:
            yield f"  {sentences.one_line(sentences.shown_path(path, folder), 200)}: {why}"
        if len(images.broken) > _BROKEN:
            yield f"  and {len(images.broken) - _BROKEN:,} more: the page names all"
