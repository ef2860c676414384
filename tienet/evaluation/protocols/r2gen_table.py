"""The table of R2Gen's protocol: as text for a terminal, and as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence

from tienet.evaluation.metrics.captions import CAPTION_METRICS
from tienet.evaluation.protocols.r2gen import TEST_STUDIES, Row, Spread
from tienet.evaluation.protocols.r2gen_words import MAX_TOKENS, MIN_COUNT
from tienet.pages.plain_text import align, wrapped

_CHECK = (
    "METEOR of all studies together adds up their matching stretches: it is 1 only if every text is the true one, and "
    "falls far with the first that is not."
)
_ONE_TEXT = "most frequent findings: one text for all studies; what a run has above it, it has from the images."
_SOURCES = (
    "published: Chen et al., EMNLP 2020; rerun: its code with five seeds, by a user (github.com/uzh-dqbm-cmi/ARGON, "
    "issue 9)."
)
_SETTING = (
    "R2Gen sees two images of each study, trains its backbone (ResNet-101) along, and is taught findings alone.",
    "Ours see one frontal image, through a frozen backbone, and write whole reports, whose findings are taken here.",
)


def table_text(rows: Sequence[Row], spreads: Sequence[Spread], notes: Sequence[str]) -> str:
    """The table with its notes.

    Args:
        rows: The judged findings; the runs are shown first, published figures last.
        spreads: The means of several runs, which are shown under the runs.
        notes: Further lines, under those on the protocol and the setting.
    """
    studies = next(row.studies for row in rows if row.studies is not None)
    groups = [[_cells(row) for row in rows if row.kind == "run"]]
    if spreads:
        groups.append([cells for spread in spreads for cells in _spread_rows(spread)])
    groups += [[_cells(row) for row in rows if row.kind in kinds] for kinds in (("control", "check"), ("published",))]
    lines = align(["Findings", *CAPTION_METRICS, "words", "distinct", "empty"], *filter(None, groups))
    title = f"R2Gen's protocol: findings only, {studies:,} test studies"
    words = (
        f"Words: R2Gen's cleaning; those that are fewer than {MIN_COUNT} times in its training findings are unknown; "
        f"cut at {MAX_TOKENS}. distinct: different texts. empty: reports without a findings part, which score 0."
    )
    if any(row.kind == "check" for row in rows):
        notes = [*notes, _CHECK]
    if studies != TEST_STUDIES:
        notes = [f"The published figures are of {TEST_STUDIES} studies, so of others than these.", *notes]
    return "\n".join([title, *lines, "", *map(wrapped, (words, _ONE_TEXT, *_SETTING, _SOURCES, *notes))]) + "\n"


def _cells(row: Row) -> list[str]:
    words = "" if row.words is None else f"{row.words:.1f}"
    counts = ("" if count is None else f"{count:,}" for count in (row.distinct, row.without_findings))
    return [row.name, *(_figure(row.metrics[metric]) for metric in CAPTION_METRICS), words, *counts]


def _spread_rows(spread: Spread) -> list[list[str]]:
    titles = (f"{spread.mode}, mean of {spread.runs}", "standard deviation")
    return [
        [title, *(_figure(metrics[metric]) for metric in CAPTION_METRICS), "", "", ""]
        for title, metrics in zip(titles, (spread.mean, spread.deviation), strict=True)
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def table_csv(rows: Sequence[Row], spreads: Sequence[Spread]) -> str:
    """The same figures with all digits; the means and standard deviations of several runs are rows of their own."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["name", "kind", "mode", *CAPTION_METRICS, "studies", "without_findings", "distinct", "words", "unknown"]
    )
    for row in rows:
        counts = (row.studies, row.without_findings, row.distinct, row.words, row.unknown)
        writer.writerow([row.name, row.kind, row.mode, *_values(row.metrics), *counts])
    for spread in spreads:
        for kind, metrics in (("mean", spread.mean), ("deviation", spread.deviation)):
            writer.writerow([f"{kind} of {spread.runs}", kind, spread.mode, *_values(metrics), *[""] * 5])
    return file.getvalue()


def _values(metrics: Mapping[str, float | None]) -> list[float | None]:
    return [metrics[metric] for metric in CAPTION_METRICS]
