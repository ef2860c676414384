"""The most frequent training report, and the report of the nearest training image."""

import numpy as np
import pytest

from tienet.errors import InputError
from tienet.evaluation.controls import reports as report_controls
from tienet.evaluation.controls.reports import most_frequent_report, nearest_reports


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        (["a", "b", "b"], "b"),
        (["a", "b", "b", "a"], "a"),  # a tie: the first seen
        (["", "", "", "b"], "b"),  # an empty report is none
        (["Heart  is normal.", "lungs", "lungs", "heart is\nnormal .", "HEART is normal."], "heart is normal ."),
    ],
)
def test_most_frequent(reports, expected):
    assert most_frequent_report(reports) == expected


@pytest.mark.parametrize("reports", [[], ["", " \n"]])
def test_no_training_report_is_an_error(reports):
    with pytest.raises(InputError, match=f"none of the {len(reports)} training studies has a report"):
        most_frequent_report(reports)
    with pytest.raises(InputError, match=f"none of the {len(reports)} training studies has a report"):
        nearest_reports(np.ones((len(reports), 3)), reports, np.ones((2, 3)))


def brute_force(train: np.ndarray, reports: list[str], features: np.ndarray) -> list[str]:
    """The nearest reports, with one cosine computed after another in float64."""
    out = []
    for row in features.astype(np.float64):
        cosines = {}
        for n, other in enumerate(train.astype(np.float64)):
            if reports[n]:
                cosines[n] = sum(row * other) / np.sqrt(sum(row**2) * sum(other**2))
        out.append(reports[max(cosines, key=cosines.get)])
    return out


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("blocks", [(512, 4096), (7, 5), (1, 1)])
def test_nearest_is_brute_force(monkeypatch, dtype, blocks):
    monkeypatch.setattr(report_controls, "_STUDIES_PER_BLOCK", blocks[0])
    monkeypatch.setattr(report_controls, "_TRAIN_PER_BLOCK", blocks[1])
    random = np.random.default_rng(0)
    # lengths differ, so that the nearest by cosine is neither that by distance nor that by product
    train = ((random.random((40, 12)) - 0.2) * random.uniform(0.1, 20, (40, 1))).astype(dtype)
    features = ((random.random((25, 12)) - 0.2) * random.uniform(0.1, 20, (25, 1))).astype(dtype)
    reports = [f"Report {n}." if n % 4 else "" for n in range(40)]
    before = train.copy(), features.copy()
    found = nearest_reports(train, reports, features)
    assert found == brute_force(train, reports, features)
    assert len(set(found)) > 8
    np.testing.assert_array_equal(train, before[0])
    np.testing.assert_array_equal(features, before[1])


def test_the_length_of_a_row_does_not_matter():
    random = np.random.default_rng(1)
    train, features = random.random((30, 8), np.float32), random.random((10, 8), np.float32)
    reports = [f"r{n}" for n in range(30)]
    found = nearest_reports(train, reports, features)
    # the squares of these leave the range of float32
    for scale in (1e-30, 1e30):
        assert nearest_reports(train * np.float32(scale), reports, features) == found
        assert nearest_reports(train, reports, features * np.float32(scale)) == found


def test_an_image_without_a_report_is_passed_over():
    train = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    assert nearest_reports(train, ["", "b", "c"], train) == ["c", "b", "c"]
    assert nearest_reports(train, [" ", "b", "\n"], train) == ["b", "b", "b"]


@pytest.mark.parametrize("blocks", [(512, 4096), (3, 4)])
def test_equal_images_give_the_first_of_their_reports(monkeypatch, blocks):
    monkeypatch.setattr(report_controls, "_STUDIES_PER_BLOCK", blocks[0])
    monkeypatch.setattr(report_controls, "_TRAIN_PER_BLOCK", blocks[1])
    random = np.random.default_rng(2)
    different = random.random((10, 501), np.float32)
    train = np.concatenate([different, different * np.float32(3), different])
    found = nearest_reports(train, [f"r{n}" for n in range(30)], different)
    assert found == [f"r{n}" for n in range(10)]


def test_zeros_are_like_nothing():
    train = np.array([[0, 0], [-1, 0], [2, 1]], np.float32)
    reports = ["zero", "left", "right"]
    assert nearest_reports(train, reports, np.array([[0, 0], [1, 1], [-3, 0]])) == ["zero", "right", "left"]
    # cosine 0 is more than -1
    assert nearest_reports(train[:2], reports[:2], np.array([[1, 0]])) == ["zero"]
    assert nearest_reports(train[1:], reports[1:], np.array([[0, 0]])) == ["left"]


def test_a_training_image_finds_itself():
    train = np.random.default_rng(3).random((50, 20), np.float32)
    reports = [f"r{n}" for n in range(50)]
    assert nearest_reports(train, reports, train) == reports
    assert nearest_reports(train, reports, train[:0]) == []


@pytest.mark.parametrize(
    ("train", "reports", "features", "said"),
    [
        (np.ones((3, 2)), ["a"] * 3, np.ones((2, 4)), r"train_features \(3, 2\) and features \(2, 4\)"),
        (np.ones((3, 2)), ["a"] * 3, np.ones(2), r"features \(2,\) must be"),
        (np.ones((3, 2)), ["a"] * 2, np.ones((2, 2)), "3 rows of training features and 2 reports"),
        (np.array([[1, 1], [1, np.nan]]), ["", "b"], np.ones((2, 2)), "train_features: row 1 has a value"),
        (np.ones((3, 2)), ["a"] * 3, np.array([[1, 1], [-np.inf, 1]]), "^features: row 1 has a value"),
    ],
)
def test_wrong_features_are_refused(train, reports, features, said):
    with pytest.raises(ValueError, match=said):
        nearest_reports(train, reports, features)
