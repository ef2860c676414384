"""Which studies a training learns from."""

import numpy as np

from tienet.data import manifest as manifests
from tienet.training.studies import learnt_from


def test_both_splits_are_learnt_from_in_the_order_of_the_file(data_root):
    data_set = manifests.load("phantom", data_root)
    train, val, both = data_set.split("train"), data_set.split("val"), learnt_from(data_set, both=True)
    assert learnt_from(data_set, both=False).study_ids == train.study_ids
    expected = [
        study for study, split in zip(data_set.study_ids, data_set.splits, strict=True) if split in ("train", "val")
    ]
    assert both.study_ids == expected and set(expected) == {*train.study_ids, *val.study_ids}
    assert len(both) == len(train) + len(val) and not np.isin(both.splits, "test").any()
