"""The choice of the studies that get a page, and the sentences that their findings come from."""

import numpy as np
import pytest

from tienet.data import manifest as manifests
from tienet.evaluation.study_pages import choose_varied, study_pages
from tienet.inference.evidence import split_into_sentences
from tienet.inference.predictor import Predictor
from tienet.labels import FINDINGS, LABELS, K, name_labels


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


@pytest.mark.parametrize("mode", ["annotate-text", "annotate", "report"])
def test_named_findings_stand_with_the_sentences_of_the_report_that_was_read(runs, data_root, mode):
    part = manifests.load("phantom", data_root).split("test")
    with Predictor(runs[mode], features="cache") as network:
        studies = network.studies(part)
        predictions = network.predict(studies)
        pages = list(study_pages(network, studies, predictions, 4))
        named = name_labels(predictions.probabilities, network.run.thresholds()) == 1
    for page in pages:
        np.testing.assert_array_equal(page.G.max(axis=0), page.g)
        np.testing.assert_allclose(page.G.sum(axis=1), 1, atol=1e-5)
    if mode == "report":
        assert all(page.origins is None for page in pages)
        return
    assert sum(len(page.origins) for page in pages) > 4
    for page in pages:
        n = part.study_ids.index(page.study_id)
        assert [one.label for one in page.origins] == [x for x in LABELS if x in FINDINGS and named[n, LABELS.index(x)]]
        sentences = [sentence.text for sentence in split_into_sentences(part.reports[n])]
        assert all(one.sentence in sentences and 0 <= one.without <= 1 for one in page.origins)
