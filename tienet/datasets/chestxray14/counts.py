"""How many test images of ChestX-ray14 have each label, by version of NIH's label table.

NIH revised the labels and kept the file's name: Data_Entry_2017.csv is the version that the paper used, or the later
one that Data_Entry_2017_v2020.csv has too. So the counts tell, and the name alone does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tienet.datasets import paper_counts
from tienet.labels import LABELS

TRAIN_VAL_IMAGES, TEST_IMAGES = 86_524, 25_596
"""Lines of NIH's train_val_list.txt and test_list.txt."""


@dataclass(frozen=True)
class Version:
    """One version of the labels.

    Attributes:
        name: for messages.
        test_positives: label -> images of test_list.txt that have it.
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
    """label -> (here, in the version), of the labels whose counts differ, in the order of LABELS."""
    return paper_counts.differences(positives, version.test_positives)


def describe(positives: Mapping[str, int], test_images: int, file_name: str) -> list[str]:
    """Lines that say which version a label table looks like, and where it differs from the paper's test counts.

    Args:
        positives: label -> images of the test list that have it.
        test_images: how many images of that list the table has.
        file_name: the table's; used where the counts cannot tell.
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
