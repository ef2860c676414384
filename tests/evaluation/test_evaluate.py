"""What an evaluation chooses and says; the whole of it runs in tests/training/test_train.py."""

import numpy as np
import pytest

from tienet.config import Config
from tienet.errors import InputError
from tienet.evaluation.evaluate import differences
from tienet.evaluation.options import Options
from tienet.evaluation.study_pages import varied
from tienet.labels import K


def test_varied_gives_each_label_its_turn():
    labels = np.zeros((50, K), np.float32)
    labels[:, -1] = 1
    labels[30, 3] = labels[41, 7] = labels[42, 7] = 1
    chosen = varied(labels, 5)
    assert {30, 41} <= set(chosen.tolist())
    assert len(chosen) == 5
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (7, 7), (99, 50)])
def test_varied_gives_as_many_as_there_are(count, expected):
    assert len(varied(np.full((50, K), np.nan, np.float32), count)) == expected


def test_differences_from_the_paper():
    assert differences(Config(), "chestxray14") == []
    lines = differences(Config().replace(backbone_end="res4f", image_px=256, data="openi", penalty=0.03), "openi")
    assert any("backbone_end is res4f" in line for line in lines)
    assert any("penalty is 0.03, the paper's 1.0" in line for line in lines)
    assert any("trained on openi" in line for line in lines)


def test_impossible_options():
    with pytest.raises(InputError, match="--resamples 0"):
        Options(resamples=0)
    with pytest.raises(InputError, match="--pages -1"):
        Options(pages=-1)
