"""How many cases of each label the test sets of the paper have (its Table 1), and where a data set differs."""

from collections.abc import Mapping

from tienet.labels import LABELS

CHESTXRAY14: dict[str, int] = dict(
    zip(LABELS, (3255, 1065, 4648, 6088, 1712, 1615, 477, 2661, 1815, 925, 1093, 435, 1143, 86, 9912), strict=True)
)
OPENI: dict[str, int] = dict(
    zip(LABELS, (293, 315, 140, 57, 14, 102, 36, 22, 28, 40, 94, 18, 52, 0, 2789), strict=True)
)
OPENI_REPORTS = 3_643
"""The paper's number of "unique front view images and corresponding reports". NegBio's label file has the paper's
counts, within 4, over the 3,689 reports that have a frontal view."""


def differences(positives: Mapping[str, int], expected: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Maps each label whose counts differ to (count here, count expected), in the order of LABELS."""
    pairs = {label: (int(positives[label]), expected[label]) for label in LABELS}
    return {label: pair for label, pair in pairs.items() if pair[0] != pair[1]}


def describe(positives: Mapping[str, int], paper: Mapping[str, int], what: str) -> list[str]:
    """A line with the labels that have the counts of the paper, and a line for each label that has another count.

    Args:
        positives: Maps each label to its cases in the data set.
        paper: Maps each label to its cases in the paper.
        what: What is counted, such as "test positives".
    """
    differ = differences(positives, paper)
    same = [label for label in LABELS if label not in differ]
    lines = [f"{what} as in the paper: {', '.join(same) or 'none'}"]
    return lines + [f"{what} of {label}: {here:,}, the paper has {there:,}" for label, (here, there) in differ.items()]


def describe_openi(labels: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The lines of `describe` for OpenI, after a line with the number of reports.

    Args:
        labels: Maps the uid of each report that has a frontal view to its labels, and each label to 1, 0 or NaN.
    """
    positives = {label: sum(of_report[label] == 1 for of_report in labels.values()) for label in LABELS}
    reports = f"{len(labels):,} reports with a frontal view and labels; the paper has {OPENI_REPORTS:,}"
    return [reports, *describe(positives, OPENI, "positives")]
