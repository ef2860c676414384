"""How long a data set's reports are in words, and how many different ones there are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from tienet.data.text import tokenize
from tienet.datasets.description.counts import has_text

MAX_BINS = 24

_STEPS = (1, 2, 5)


@dataclass(frozen=True, eq=False)
class ReportLengths:
    """Of R reports that are not empty.

    Attributes:
        words: int [R].
        empty: studies without a report.
        distinct: reports that differ in a word; case and white space do not count.
        longest: its study.
        frequent: the report that is there most often, as it is written first, and how often; "" and 0 where R = 0.
    """

    words: np.ndarray
    empty: int
    distinct: int
    longest: str
    frequent: str
    times: int

    def quantile(self, percent: float) -> int:
        """The least number of words that this share of the reports does not exceed; R > 0."""
        return int(np.percentile(self.words, percent, method="inverted_cdf"))


def measure_reports(reports: Sequence[str], study_ids: Sequence[str], progress: bool) -> ReportLengths:
    """Count the words of N reports; `progress`: show a bar."""
    texts = Counter(filter(has_text, reports))
    words: dict[str, int] = {}
    spelling: dict[str, str] = {}
    times: Counter[str] = Counter()
    for text, count in tqdm(texts.items(), desc="reports", unit="report", disable=not progress, leave=False):
        tokens = tokenize(text)
        key = " ".join(tokens)
        words[text] = len(tokens)
        spelling.setdefault(key, text)
        times[key] += count
    there = [n for n, report in enumerate(reports) if has_text(report)]
    lengths = np.array([words[reports[n]] for n in there], np.int64)
    ((key, most),) = times.most_common(1) or [("", 0)]
    return ReportLengths(
        words=lengths,
        empty=len(reports) - len(there),
        distinct=len(times),
        longest=study_ids[there[int(lengths.argmax())]] if there else "",
        frequent=spelling.get(key, ""),
        times=most,
    )


@dataclass(frozen=True)
class Bin:
    """`count` reports of `low` to `high` words; `high` is None in the last bin if it holds all longer ones too."""

    low: int
    high: int | None
    count: int


def histogram(words: np.ndarray) -> list[Bin]:
    """Up to MOST_BINS bins of 1, 2, 5, 10, 20, ... words up to the 99% quantile; the last one holds what is longer.

    Args:
        words: int [R], R > 0, at least 0.
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
