"""Counts in sentences: one study is no studies."""

import pytest

from tienet.training.counted import counted


@pytest.mark.parametrize(("n", "text"), [(0, "0 studies"), (1, "1 study"), (2, "2 studies"), (2814, "2,814 studies")])
def test_one_is_singular(n, text):
    assert counted(n) == text
    assert counted(n, "study", "studies") == text


def test_another_noun():
    assert [counted(n, "distinct report", "distinct reports") for n in (1, 2)] == [
        "1 distinct report",
        "2 distinct reports",
    ]
