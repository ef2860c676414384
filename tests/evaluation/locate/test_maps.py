"""The map of each case: that of its finding, or of its study."""

import numpy as np
import pytest

from tienet.checkpoint.run_folder import open_run
from tienet.data import manifest as manifests
from tienet.evaluation.locate.cases import read_cases
from tienet.evaluation.locate.maps import maps_of
from tienet.inference.predictor import Predictor
from tienet.labels import LABELS


@pytest.fixture(scope="module")
def cases(data_root):
    return read_cases(manifests.load("phantom", data_root).split("test"), None)


def test_the_map_of_mode_classify_is_the_class_activation_of_the_finding(runs, cases):
    run = open_run(runs["classify"])
    assert len({case.finding for case in cases.cases}) > 3
    found = maps_of(run, "c", cases, seed=0)
    with Predictor(run) as predictor:
        (rows,) = predictor.fetch(predictor.studies(cases.studies), ["class_activation"]).values()
    for case, map_ in zip(cases.cases, found.maps, strict=True):
        (k,) = [k for k, label in enumerate(LABELS) if label == case.finding]
        np.testing.assert_allclose(map_, rows[case.n][:, :, k], rtol=1e-5)
    assert len(found.maps) == len(cases.cases) and (found.name, found.mode) == ("c", "classify")


def test_the_map_of_a_report_is_a_ws(runs, cases):
    run = open_run(runs["report"])
    found = maps_of(run, "r", cases, seed=0)
    with Predictor(run) as predictor:
        a_ws = predictor.predict(predictor.studies(cases.studies), maps=True).a_ws
    np.testing.assert_allclose(found.maps, [a_ws[case.n] for case in cases.cases], rtol=1e-5)


def test_untrained_weights_are_those_of_their_seed(runs, cases):
    run = open_run(runs["classify"])
    first, again, other = (maps_of(run, "c", cases, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.untrained, again.untrained)
    assert np.abs(np.array(first.untrained) - first.maps).max() > 0.01
    assert np.abs(np.array(first.untrained) - other.untrained).max() > 0.01
    np.testing.assert_array_equal(first.maps, other.maps)
