"""How varied the written reports are, and how long, beside the true ones: a model may write one report for all."""

from collections import Counter
from collections.abc import Sequence
from statistics import mean, median

from tienet.data.text import tokenize


def report_statistics(true: Sequence[str], written: Sequence[str]) -> dict:
    """Count reports and words, as `tienet.data.text.tokenize` splits them.

    Args:
        true: N reports; those without a word are left out of all figures on the true reports.
        written: N reports of the same studies.
    Returns:
        All None where there is nothing to count:

        - "studies": N; "empty": written reports without a word.
        - "distinct": written reports that differ in their words (all empty ones are one); "distinct_share":
          the same as a share of N; "words_mean", "words_median": words in a written report, empty ones too.
        - "true_studies": true reports that have a word; "true_distinct", "true_distinct_share",
          "true_words_mean", "true_words_median": as above, of these.
        - "unwritten_share": share of the distinct words of the true reports that no written report has;
          "unwritten_token_share": the same with each word counted as often as the true reports have it.
    Raises:
        ValueError: the two differ in length.
    """
    if len(true) != len(written):
        raise ValueError(f"{len(true)} true reports and {len(written)} written ones; expected one of each per study")
    written_words = [tokenize(report) for report in written]
    true_words = [words for words in map(tokenize, true) if words]
    counts = Counter(word for words in true_words for word in words)
    unwritten = counts.keys() - {word for words in written_words for word in words}
    return {
        "studies": len(written),
        "empty": sum(not words for words in written_words),
        **_variety(written_words),
        "true_studies": len(true_words),
        **{f"true_{name}": value for name, value in _variety(true_words).items()},
        "unwritten_share": len(unwritten) / len(counts) if counts else None,
        "unwritten_token_share": sum(counts[word] for word in unwritten) / counts.total() if counts else None,
    }


def _variety(reports: Sequence[list[str]]) -> dict:
    """Distinct reports, and words per report."""
    lengths = [len(words) for words in reports]
    distinct = len({tuple(words) for words in reports})
    return {
        "distinct": distinct,
        "distinct_share": distinct / len(reports) if reports else None,
        "words_mean": float(mean(lengths)) if lengths else None,
        "words_median": float(median(lengths)) if lengths else None,
    }
