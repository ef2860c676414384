"""The lengths of the reports of a data set in words, and the number of different reports."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tienet.data.text import tokenize
from tienet.datasets.description.counts import has_text
from tienet.progress import over

MAX_BINS = 24

_STEPS = (1, 2, 5)


@dataclass(frozen=True, eq=False)
class ReportLengths:
    """Facts about the R reports that are not empty.

    Attributes:
        words: int [R], the number of words of each report.
        empty: The number of studies without a report.
        distinct: The number of reports that differ in a word; case and white space do not count.
        longest: The study id of the longest report; empty if R = 0.
        frequent: The most frequent report, in the spelling in which it occurs first; empty if R = 0.
        times: How often the most frequent report occurs.
    """

    words: np.ndarray
    empty: int
    distinct: int
    longest: str
    frequent: str
    times: int

    def quantile(self, percent: float) -> int:
        """The smallest number of words that this percentage of the reports does not exceed; R must be above 0."""
        return int(np.percentile(self.words, percent, method="inverted_cdf"))


def measure_reports(reports: Sequence[str], study_ids: Sequence[str], progress: bool) -> ReportLengths:
    """Count the words of N reports, with a progress bar if `progress` is set."""
    texts = Counter(filter(has_text, reports))
    words: dict[str, int] = {}
    spelling: dict[str, str] = {}
    times: Counter[str] = Counter()
    for text, count in over(texts.items(), "reports", "reports", show=progress, keep=False):
        tokens = tokenize(text)
        key = " ".join(tokens)
        words[text] = len(tokens)
        spelling.setdefault(key, text)
        times[key] += count
    with_text = [n for n, report in enumerate(reports) if has_text(report)]
    lengths = np.array([words[reports[n]] for n in with_text], np.int64)
    ((key, largest),) = times.most_common(1) or [("", 0)]
    return ReportLengths(
        words=lengths,
        empty=len(reports) - len(with_text),
        distinct=len(times),
        longest=study_ids[with_text[int(lengths.argmax())]] if with_text else "",
        frequent=spelling.get(key, ""),
        times=largest,
    )


@dataclass(frozen=True)
class Bin:
    """`count` reports have `low` to `high` words; `high` is None in the last bin if it also has all longer reports."""

    low: int
    high: int | None
    count: int


def histogram(words: np.ndarray) -> list[Bin]:
    """Up to MAX_BINS bins, each 1, 2, 5, 10, 20, ... words wide, up to the 99% quantile.

    The last bin also has the reports that are longer.

    Args:
        words: int [R], R > 0, the number of words of each report, at least 0.
    """
    low, top = int(words.min()), int(np.percentile(words, 99, method="inverted_cdf"))
    widths = (step * 10**power for power in range(19) for step in _STEPS)
    width = next(width for width in widths if top // width - low // width < MAX_BINS)
    place = np.minimum(words, top) // width - low // width
    counts = np.bincount(place)
    starts = [(low // width + n) * width for n in range(len(counts))]
    more = words.max() >= starts[-1] + width
    return [
        Bin(start, None if more and start == starts[-1] else start + width - 1, int(count))
        for start, count in zip(starts, counts, strict=True)
    ]
