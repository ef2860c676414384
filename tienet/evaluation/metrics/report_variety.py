"""The variety and the length of the written reports beside the true ones: a model may write the same one for all."""

from collections import Counter
from collections.abc import Sequence
from statistics import mean, median

from tienet.data.text import tokenize


def report_statistics(true: Sequence[str], written: Sequence[str]) -> dict:
    """Count reports and their words, as `tienet.data.text.tokenize` splits them.

    Args:
        true: N true reports; those without a word are left out of all figures on the true reports.
        written: N written reports of the same studies.
    Returns:
        These entries, None where there is nothing to count:

        - "studies": N; "empty": the number of written reports without a word.
        - "distinct": the number of written reports that differ in their words (all empty ones count as one);
          "distinct_share": that number as a share of N; "words_mean", "words_median": the number of words in a
          written report, where empty reports count too.
        - "true_studies": the number of true reports that have a word; "true_distinct", "true_distinct_share",
          "true_words_mean", "true_words_median": the same figures as above, of these true reports.
        - "unwritten_share": the share of the distinct words of the true reports that no written report has;
          "unwritten_token_share": the same share with each word counted as often as it is in the true reports.
    Raises:
        ValueError: The two sequences differ in length.
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
    """The number of distinct reports, and the mean and median number of words."""
    lengths = [len(words) for words in reports]
    distinct = len({tuple(words) for words in reports})
    return {
        "distinct": distinct,
        "distinct_share": distinct / len(reports) if reports else None,
        "words_mean": float(mean(lengths)) if lengths else None,
        "words_median": float(median(lengths)) if lengths else None,
    }
