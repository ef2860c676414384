"""Several runs as one model: the mean, the thresholds that are chosen on it, and which runs fit together."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.light_run import light_run
from tienet import files
from tienet.checkpoint import calibration, validation_record
from tienet.checkpoint.calibration import Calibration
from tienet.checkpoint.run_folder import locate, open_run
from tienet.checkpoint.thresholds import Objective, choose
from tienet.checkpoint.together import image_px_of, mean_log_odds, mean_of_runs, open_model, positions
from tienet.data import manifest as manifests
from tienet.data.manifest import Manifest
from tienet.errors import InputError
from tienet.labels import LABELS, K


@pytest.fixture(scope="module")
def phantom(data_root) -> Manifest:
    return manifests.load("phantom", data_root)


@pytest.fixture
def light_seeds(phantom, tmp_path) -> list[Path]:
    """Three runs of one mode, with other logits on the validation split."""
    return [light_run(tmp_path / f"seed-{n}", phantom, "annotate-text", record=True, seed=n) for n in range(3)]


def calibrate(run: Path, temperature: float, objective: str) -> None:
    shares = np.full(K, 0.5, np.float32)
    temperatures, thresholds = np.full(K, temperature, np.float32), shares
    found = Calibration(temperatures, thresholds, objective, shares, shares, dict.fromkeys(LABELS, 1), {}, 8, {}, {})
    calibration.save(locate(run)[1], found)


def mean_by_loops(runs: list[Path], temperatures: list[float]) -> np.ndarray:
    """The mean over the runs of 1 / (1 + exp(-logit / temperature)), study by study and label by label."""
    records = [validation_record.read(locate(run)[1]) for run in runs]
    mean = np.zeros(records[0].logits.shape, np.float32)
    for n in range(len(mean)):
        for k in range(K):
            logits = [float(record.logits[n, k]) for record in records]
            shares = [1 / (1 + math.exp(-z / t)) for z, t in zip(logits, temperatures, strict=True)]
            mean[n, k] = sum(shares) / len(shares)
    return mean


def test_the_mean_against_loops_with_the_temperatures_of_each_run(light_seeds, phantom):
    labels = phantom.split("val").labels
    opened = open_model(light_seeds)
    chosen = choose(mean_by_loops(light_seeds, [1, 1, 1]), labels)
    np.testing.assert_allclose(opened.thresholds(), chosen.values, rtol=1e-6)
    np.testing.assert_allclose(opened.calibration.precision, chosen.precision, rtol=1e-6)
    np.testing.assert_allclose(opened.calibration.recall, chosen.recall, rtol=1e-6)
    assert opened.calibration.positives == dict(zip(LABELS, chosen.positives.tolist(), strict=True))
    assert (opened.calibration.objective, opened.calibration.studies) == ("f1", len(labels))
    calibrate(light_seeds[1], 4, "f1")
    other = choose(mean_by_loops(light_seeds, [1, 4, 1]), labels).values
    np.testing.assert_allclose(open_model(light_seeds).thresholds(), other, rtol=1e-6)
    assert np.abs(other - chosen.values).max() > 1e-3


def test_the_objective_is_that_of_the_runs_if_they_have_one(light_seeds, phantom):
    for run in light_seeds[:2]:
        calibrate(run, 1, "sensitivity=0.9")
    assert open_model(light_seeds).calibration.objective == "f1"  # the third is not calibrated
    calibrate(light_seeds[2], 1, "sensitivity=0.9")
    opened = open_model(light_seeds)
    expected = choose(mean_by_loops(light_seeds, [1, 1, 1]), phantom.split("val").labels, Objective("sensitivity", 0.9))
    np.testing.assert_allclose(opened.thresholds(), expected.values, rtol=1e-6)
    assert opened.calibration.objective == "sensitivity=0.9"
    calibrate(light_seeds[2], 1, "precision=0.5")
    assert open_model(light_seeds).calibration.objective == "f1"


def test_the_order_of_the_runs_changes_no_bit(light_seeds):
    np.testing.assert_array_equal(open_model(light_seeds).thresholds(), open_model(light_seeds[::-1]).thresholds())
    draws = np.random.default_rng(0).normal(0, 9, (5, 40, K))
    for mean in (mean_of_runs, mean_log_odds):
        np.testing.assert_array_equal(mean(draws), mean(draws[[3, 0, 4, 1, 2]]))


def test_one_run_is_itself(light_seeds):
    assert (
        open_model([light_seeds[0]]).load == str(light_seeds[0])
        and open_model(light_seeds[0]).runs[0].folder == light_seeds[0]
    )
    draws = np.random.default_rng(0).normal(0, 9, (40, K))
    np.testing.assert_array_equal(mean_of_runs([draws.astype(np.float32)]), draws.astype(np.float32))
    np.testing.assert_allclose(mean_log_odds([draws]), draws, rtol=1e-12, atol=1e-12)
    opened = open_model(light_seeds)
    assert open_model(opened) is opened and opened.load == " ".join(map(str, light_seeds))


def test_the_log_odds_of_the_mean_have_an_order_where_the_probabilities_are_one():
    z = np.array([[[3.0], [45.0], [46.0]], [[-1.0], [50.0], [50.0]]])
    mean = (1 / (1 + math.exp(-3)) + 1 / (1 + math.exp(1))) / 2
    found = mean_log_odds(z)[:, 0]
    assert found[0] == pytest.approx(math.log(mean / (1 - mean)), rel=1e-12)
    assert found[1] == pytest.approx(-math.log((math.exp(-45) + math.exp(-50)) / 2), rel=1e-12)  # ln(1 - p) alone
    assert found[2] > found[1] + 0.5


def test_the_studies_may_be_in_another_order_and_without_images(light_seeds):
    before = open_model(light_seeds[:2]).thresholds()
    prefix = locate(light_seeds[1])[1]
    record = validation_record.read(prefix)
    order = np.random.default_rng(0).permutation(len(record.studies))
    turned = [record.studies[n]._replace(image="") for n in order]
    validation_record.add(
        prefix, replace(record, logits=record.logits[order], labels=record.labels[order], studies=turned)
    )
    np.testing.assert_array_equal(open_model(light_seeds[:2]).thresholds(), before)
    assert positions(record.studies, validation_record.read(prefix)).tolist() == np.argsort(order).tolist()


@pytest.mark.parametrize("change", ["a study less", "another report", "another image", "twice the same"])
def test_other_validation_studies_are_refused(light_seeds, change):
    prefix = locate(light_seeds[2])[1]
    record = validation_record.read(prefix)
    studies = list(record.studies)
    if change == "a study less":
        record, studies = replace(record, logits=record.logits[1:], labels=record.labels[1:]), studies[1:]
    elif change == "twice the same":
        studies[0] = studies[1]
    else:
        studies[0] = studies[0]._replace(**{change.split()[1]: "0" * 16})
    validation_record.add(prefix, replace(record, studies=studies))
    with pytest.raises(InputError, match=r"seed-0 and .*seed-2: were validated on other studies; give runs"):
        open_model(light_seeds).check_files()


def test_other_labels_of_the_same_studies_are_refused(light_seeds):
    prefix = locate(light_seeds[1])[1]
    record = validation_record.read(prefix)
    labels = record.labels.copy()
    labels[0, 0] = 1 - labels[0, 0]
    validation_record.add(prefix, replace(record, labels=labels))
    with pytest.raises(InputError, match=r"seed-0 and .*seed-1: their validation studies are labelled differently"):
        open_model(light_seeds).check_files()


def test_other_vocabularies_and_sizes_are_allowed(light_seeds, phantom, tmp_path):
    few = replace(phantom, reports=[report.split()[0] if report else "" for report in phantom.reports])
    small = light_run(tmp_path / "small", few, "annotate-text", record=True, lstm_units=16, max_words=9)
    validation_record.add(locate(small)[1], validation_record.read(locate(light_seeds[0])[1]))
    opened = open_model([light_seeds[0], small])
    opened.check_files()
    assert len({len(run.vocab) for run in opened.runs}) == 2


def test_the_size_of_the_images_if_it_is_one(light_seeds):
    runs = [open_run(run) for run in light_seeds]
    assert image_px_of(runs) == 256
    assert image_px_of([*runs, replace(runs[0], config=runs[0].config.replace(image_px=512))]) is None


def test_none_is_refused_and_a_missing_record_says_what_makes_it(light_seeds):
    with pytest.raises(InputError, match="no run is given"):
        open_model([])
    entry = files.read_json(locate(light_seeds[1])[1].with_name("best-10.json"))
    del entry["files"]["best-10.validation.npz"]
    files.write_json(locate(light_seeds[1])[1].with_name("best-10.json"), entry)
    with pytest.raises(InputError, match=r"has no record of its validation split; tienet calibrate --load \S+ makes"):
        open_model(light_seeds).check_files()
