"""The choice of the studies that get a page."""

import numpy as np
import pytest

from tienet.evaluation.study_pages import choose_varied
from tienet.labels import K


def test_each_label_has_its_turn():
    labels = np.zeros((50, K), np.float32)
    labels[:, -1] = 1
    labels[30, 3] = labels[41, 7] = labels[42, 7] = 1
    chosen = choose_varied(labels, 5)
    assert {30, 41} <= set(chosen.tolist())
    assert len(chosen) == 5
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (7, 7), (99, 50)])
def test_there_are_as_many_as_were_asked_for_or_as_there_are_studies(count, expected):
    assert len(choose_varied(np.full((50, K), np.nan, np.float32), count)) == expected
