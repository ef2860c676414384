"""How many test images of ChestX-ray14 have each label, in each version of NIH's label table.

NIH revised the labels and kept the name of the file: Data_Entry_2017.csv is either the version that the paper used or
the later version, which Data_Entry_2017_v2020.csv has too. Therefore the counts identify the version and the name alone
does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tienet.datasets import paper_counts
from tienet.labels import LABELS

TRAIN_VAL_IMAGES, TEST_IMAGES = 86_524, 25_596
"""The numbers of lines of NIH's train_val_list.txt and test_list.txt."""


@dataclass(frozen=True)
class Version:
    """One version of the labels.

    Attributes:
        name: The name of the version in messages.
        test_positives: Maps each label to the number of images of test_list.txt that have it.
    """

    name: str
    test_positives: dict[str, int]


PAPER = Version("the older version, which the paper used", paper_counts.CHESTXRAY14)
LATER = Version(
    "the later version, which Data_Entry_2017_v2020.csv has",
    dict(zip(LABELS, (3279, 1069, 4658, 6112, 1748, 1623, 555, 2665, 1815, 925, 1093, 435, 1143, 86, 9861),
             strict=True)),
)  # fmt: skip


def differences(positives: Mapping[str, int], version: Version) -> dict[str, tuple[int, int]]:
    """Maps each label whose counts differ to (count here, count of the version), in the order of LABELS."""
    return paper_counts.differences(positives, version.test_positives)


def describe(positives: Mapping[str, int], test_images: int, file_name: str) -> list[str]:
    """Lines that say which version a label table is most like, and where it differs from the test counts of the paper.

    Args:
        positives: Maps each label to the number of images of the test list that have it.
        test_images: The number of images of that list that the table has.
        file_name: The name of the table, which is used if the counts cannot identify the version.
    """
    says_2020 = "2020" in file_name
    if test_images != TEST_IMAGES:
        by_name = LATER.name if says_2020 else "either version"
        why = f"{test_images:,} test images, where NIH's list has {TEST_IMAGES:,}"
        return [f"labels: {by_name}, judging by the name {file_name}; the counts cannot tell: {why}"]
    nearest = min((PAPER, LATER), key=lambda version: _distance(positives, version))
    off = _distance(positives, nearest)
    how = f"nearest to {nearest.name}, {off:,} test labels away" if off else nearest.name
    surprise = f", though the file is called {file_name}" if says_2020 and nearest is PAPER else ""
    first = f"labels: {how}{surprise} (positives of the test list)"
    return [first, *paper_counts.describe(positives, PAPER.test_positives, "test positives")]


def _distance(positives: Mapping[str, int], version: Version) -> int:
    return sum(abs(here - there) for here, there in differences(positives, version).values())
