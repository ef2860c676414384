"""The synthetic cache has the files of a real one."""

import json

import numpy as np

from benchmarks import synthetic
from tests.benchmarks.small import SMALL
from tienet.config import Config, preset
from tienet.data.features.store import Store


def test_holes_and_rows_are_what_the_real_cache_writes(tmp_path):
    config = preset("openi", "classify")
    real, holes = (synthetic.store(tmp_path / name, config) for name in ("real", "holes"))
    synthetic.fill(real, 3)
    synthetic.fill_with_holes(holes, 3)
    assert holes.index.read_bytes() == real.index.read_bytes()
    assert holes.data.stat().st_size == real.data.stat().st_size
    assert Store(holes.folder, holes.row_shape, json.loads((holes.meta).read_text())).rows() == real.rows()
    studies = synthetic.studies(real, Config().replace(mode="report", **SMALL), words=4)
    x, word_ids, word_len, labels = studies.batch(np.array([2, 0]))
    assert x.shape == (2, 16, 16, 1024)
    assert x.any()
    assert word_ids.shape == (2, 4)
    assert word_len.tolist() == [4, 4]
    assert labels.shape == (2, 15)
