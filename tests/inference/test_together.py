"""Several networks that label as one model: the mean of what each says alone, whatever their order and settings."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.special import logit

from tienet.checkpoint import validation_record
from tienet.checkpoint.run_folder import locate
from tienet.checkpoint.thresholds import choose
from tienet.checkpoint.together import open_model
from tienet.data import manifest as manifests
from tienet.inference.together import PredictorTogether
from tienet.labels import name_labels
from tienet.predict import Annotator, Prediction, Predictor, Reporter

REPORTS = ["the heart is enlarged .", "", "there is a large right pleural effusion . the heart is normal in size ."]


@pytest.fixture(scope="module")
def alone(seeds) -> list[list[Prediction]]:
    """What each run says of the reports alone."""
    found = []
    for run in seeds:
        with Annotator.load(run) as annotator:
            found.append(annotator.annotate(REPORTS, maps=True))
    return found


@pytest.fixture(scope="module")
def together(seeds) -> list[Prediction]:
    with Annotator([str(run) for run in seeds]) as annotator:
        assert annotator.mode == "annotate-text" and not annotator.calibrated and annotator.max_words == 10
        return annotator.annotate(REPORTS, maps=True)


def test_the_probabilities_are_the_mean_of_those_of_the_runs(alone, together):
    differences = []
    for one, other, mean in zip(*alone, together, strict=True):
        expected = [(float(p) + float(q)) / 2 for p, q in zip(one.probabilities, other.probabilities, strict=True)]
        np.testing.assert_array_equal(mean.probabilities, np.array(expected, np.float32))
        differences.append(np.abs(one.probabilities - other.probabilities).max())
    assert max(differences) > 0.01


def test_the_thresholds_are_chosen_on_the_mean_over_the_validation_split(seeds, together, data_root):
    val = manifests.load("phantom", data_root).split("val")
    scores = []
    for run in seeds:
        with Predictor(run) as network:
            scores.append(network.predict(network.studies(val)).probabilities)
    chosen = choose(np.mean(scores, axis=0, dtype=np.float64), val.labels)
    for prediction in together:
        np.testing.assert_allclose(prediction.thresholds, chosen.values, rtol=1e-5)
        np.testing.assert_allclose(prediction.precision, chosen.precision, rtol=1e-6)
        np.testing.assert_allclose(prediction.recall, chosen.recall, rtol=1e-6)
        np.testing.assert_array_equal(prediction.labels, name_labels(prediction.probabilities, prediction.thresholds))


def test_the_attention_is_the_mean_where_they_read_the_same_words(alone, together):
    np.testing.assert_allclose(together[0].g, (alone[0][0].g + alone[1][0].g) / 2, rtol=1e-6)
    assert alone[0][0].G is not None and together[0].G is None  # the rows of different networks have no order
    assert together[0].words == alone[0][0].words and together[0].cut_at is None
    assert (alone[0][2].cut_at, alone[1][2].cut_at) == (None, 10)
    assert together[2].words == alone[1][2].words and together[2].cut_at == 10 and together[2].g is None


def test_the_order_of_the_runs_changes_no_bit(seeds, together):
    with Annotator.load(seeds[::-1]) as annotator:
        for found, expected in zip(annotator.annotate(REPORTS, maps=True), together, strict=True):
            for field in fields(Prediction):
                np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), field.name)


def test_a_list_of_one_run_is_that_run(seeds, alone):
    with Annotator.load([seeds[0]]) as annotator:
        for found, expected in zip(annotator.annotate(REPORTS), alone[0], strict=True):
            np.testing.assert_array_equal(found.probabilities, expected.probabilities)
            np.testing.assert_array_equal(found.thresholds, expected.thresholds)
    with PredictorTogether(open_model([seeds[0]])) as predictor:
        assert predictor.calibration is None


def test_an_image_alone(runs):
    """Two checkpoints of one run are two networks, too."""
    checkpoints = sorted((runs["classify"] / "checkpoints").glob("latest-*.index"))
    image, found = np.random.default_rng(0).integers(0, 256, (90, 70), np.uint8), []
    for load in (*checkpoints, checkpoints):
        with Reporter.load(load) as reporter:
            found.append(reporter.report([image])[0])
    mean = np.mean([p.probabilities for p in found[:2]], axis=0, dtype=np.float64)
    np.testing.assert_allclose(found[2].probabilities, mean, rtol=1e-6)
    assert np.abs(found[0].probabilities - found[1].probabilities).max() > 1e-4 and found[2].report is None


def test_faults_and_unknown_words_are_those_of_any_run(seeds):
    with Annotator.load(seeds) as annotator:
        assert annotator.find_fault("quite another language altogether") is not None
        assert annotator.find_fault(REPORTS[0]) is None
        assert annotator.count_unknown(["heart", "altogether"]) == 1


def test_the_studies_of_a_data_set(seeds, data_root):
    """The logits are the log-odds of the mean, from which the AUCs are computed."""
    val = manifests.load("phantom", data_root).split("val")
    with PredictorTogether(open_model(seeds)) as predictor:
        studies = predictor.studies(val)
        predictions = predictor.predict(studies)
        np.testing.assert_array_equal(predictor.probabilities(studies), predictions.probabilities)
    records = [validation_record.read(locate(run)[1]) for run in seeds]
    mean = np.mean([1 / (1 + np.exp(-record.logits.astype(np.float64))) for record in records], axis=0)
    np.testing.assert_allclose(predictions.probabilities, mean, atol=1e-5)
    np.testing.assert_allclose(predictions.logits, logit(mean), atol=1e-4)
    assert predictions.logits.dtype == np.float64 and predictions.reports is predictions.a_ws is None
