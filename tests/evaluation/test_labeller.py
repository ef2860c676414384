"""A run of mode annotate-text as the labeller of reports."""

import numpy as np
import pytest

from tienet.data import manifest as manifests
from tienet.errors import InputError
from tienet.evaluation.labeller import Labeller
from tienet.labels import name_labels
from tienet.predict import Annotator


def test_a_labeller_with_another_vocabulary_is_refused(runs, data_root):
    val = manifests.load("phantom", data_root).split("val")
    with Labeller(str(runs["annotate-text"])) as labeller:
        assert labeller.check_words(["quite another language altogether"] * 3 + [val.reports[0]]) is not None
        with pytest.raises(InputError, match="lacks 100% of the words"):
            labeller.check_words(["quite another language altogether"])
        labels = labeller.label(val, val.reports)
        assert set(np.unique(labels)) == {0, 1}
        assert (labeller.label(val, [""] * len(val)) == 0).all()


def test_several_runs_label_as_one(seeds, data_root):
    val = manifests.load("phantom", data_root).split("val")
    with Labeller(tuple(map(str, seeds))) as labeller, Annotator.load(seeds) as annotator:
        predictions = annotator.annotate(val.reports)
        expected = [name_labels(prediction.probabilities, prediction.thresholds) for prediction in predictions]
        np.testing.assert_array_equal(labeller.label(val, val.reports), expected)
        assert labeller.check_words(["quite another language altogether"] * 3 + [val.reports[0]]) is not None
