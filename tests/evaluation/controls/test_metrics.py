"""Which controls are evaluated beside a checkpoint, and that they are made once for several checkpoints."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tienet.checkpoint.calibration import with_temperatures
from tienet.checkpoint.thresholds import Objective
from tienet.data.features.cache import FeatureKey
from tienet.data.manifest import Manifest
from tienet.evaluation.cache import EvaluationCache
from tienet.evaluation.calibrate import fit
from tienet.evaluation.controls import classifiers
from tienet.evaluation.controls.metrics import Control, evaluate_controls
from tienet.evaluation.metrics.auroc import evaluate_auc
from tienet.evaluation.metrics.captions import CaptionScorer
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.evaluation.metrics.report_variety import report_statistics
from tienet.evaluation.options import Options
from tienet.evaluation.report_metrics import ReportMetrics
from tienet.labels import K, name_labels
from tienet.modes import MODES

REPORT_CONTROLS = {"constant_report", "nearest_report"}
OPTIONS = Options(resamples=3, java=False)
KEY = FeatureKey("some weights", "res4f", 256)


class FakePredictor:
    """A checkpoint of a mode whose pooled features are noise; `computed` counts how often they are asked for."""

    def __init__(self, mode: str, feature_key: FeatureKey = KEY) -> None:
        self.config, self.feature_key = SimpleNamespace(mode_parts=MODES[mode]), feature_key
        self.computed, self.calibration = 0, None

    def studies(self, manifest: Manifest) -> SimpleNamespace:
        return SimpleNamespace(features=SimpleNamespace(pooled=lambda: self._pool(manifest)))

    def _pool(self, manifest: Manifest) -> np.ndarray:
        self.computed += 1
        return np.random.default_rng(len(manifest)).random((len(manifest), 6), np.float32)


@pytest.fixture
def dataset() -> Manifest:
    random = np.random.default_rng(0)
    labels = (random.random((30, K)) < 0.5).astype(np.float32)
    reports = [" ".join(f"sign{k}" for k in range(K) if row[k]) or "clear" for row in labels]
    ids = [str(n) for n in range(30)]
    splits = np.array(["train"] * 14 + ["val"] * 7 + ["test"] * 9)
    return Manifest("x", Path("x.csv"), ids, ids, [None] * 30, reports, splits, labels)


def controls_of(dataset, predictor, cache, with_reports=True, options=OPTIONS) -> dict[str, Control]:
    test = dataset.split("test")
    report_metrics = ReportMetrics(test, CaptionScorer(java=False), None, 3) if with_reports else None
    return evaluate_controls(dataset, test, predictor, report_metrics, options, cache)


@pytest.mark.parametrize(
    ("mode", "with_reports", "expected"),
    [
        ("annotate-text", False, {"tfidf_logistic"}),
        ("classify", False, {"tfidf_logistic", "pooled_logistic"}),
        ("caption", True, REPORT_CONTROLS),
        ("report", True, {"tfidf_logistic", "pooled_logistic", *REPORT_CONTROLS}),
    ],
)
def test_the_controls_are_those_of_the_mode(dataset, mode, with_reports, expected):
    with EvaluationCache(OPTIONS) as cache:
        found = controls_of(dataset, FakePredictor(mode), cache, with_reports)
    assert found.keys() == expected
    for name, (metrics, judged) in found.items():
        assert metrics["captions" if name in REPORT_CONTROLS else "auc"] is not None
        if name not in REPORT_CONTROLS:
            assert 0 <= metrics["labels"]["micro"]["f1"] <= 1
            assert metrics["auc"] == evaluate_auc(judged.logits, judged.labels, judged.patient_ids, resamples=3)["auc"]
            assert metrics["labels"] == evaluate_labels(judged.named, judged.labels, judged.patient_ids, resamples=3)
        else:
            assert metrics["reports"] == report_statistics(judged.reports, judged.written)


@pytest.mark.parametrize("other_key", [FeatureKey("some weights", "res4f", 512), FeatureKey("others", "res4f", 256)])
def test_only_checkpoints_with_the_same_features_share_their_controls(dataset, other_key):
    first, second, other = FakePredictor("report"), FakePredictor("classify"), FakePredictor("classify", other_key)
    with EvaluationCache(OPTIONS) as cache:
        controls = [controls_of(dataset, predictor, cache) for predictor in (first, second, other)]
    assert controls[0]["pooled_logistic"] is controls[1]["pooled_logistic"]
    assert (first.computed, second.computed, other.computed) == (3, 0, 3)


@pytest.mark.parametrize(
    ("mode", "with_reports", "left_out"),
    [
        ("report", True, "pooled_logistic and nearest_report"),
        ("classify", False, "pooled_logistic"),
        ("caption", True, "nearest_report"),
        ("annotate-text", False, None),
    ],
)
def test_without_cached_features_there_are_no_image_controls_and_this_is_said(
    dataset, mode, with_reports, left_out, capsys
):
    options = Options(resamples=3, java=False, features="off")
    predictor = FakePredictor(mode)
    with EvaluationCache(options) as cache:
        found = controls_of(dataset, predictor, cache, with_reports, options=options)
    expected = {"tfidf_logistic": MODES[mode].classifies, "constant_report": with_reports}
    assert found.keys() == {name for name, there in expected.items() if there} and predictor.computed == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    note = f"note: --controls: {left_out} left out, as --features off gives no cached features"
    assert notes == ([note] if left_out else [])


def test_without_training_reports_there_are_no_controls_of_reports(dataset):
    dataset.reports[:14] = [""] * 14
    with EvaluationCache(OPTIONS) as cache:
        assert controls_of(dataset, FakePredictor("report"), cache).keys() == {"pooled_logistic"}


@pytest.mark.parametrize("objective", ["f1", "precision=1.0"])
def test_the_labels_of_a_control_are_named_by_thresholds_chosen_as_the_runs(dataset, objective):
    """On validation, with the objective of the run's calibration; its temperatures too."""
    predictor = FakePredictor("annotate-text")
    predictor.calibration = SimpleNamespace(objective=objective)
    with EvaluationCache(OPTIONS) as cache:
        found = controls_of(dataset, predictor, cache, with_reports=False)["tfidf_logistic"].metrics["labels"]
    train, val, test = map(dataset.split, ("train", "val", "test"))
    of_test, of_val = classifiers.tfidf_logistic(
        train.reports, train.labels, test.reports, val_reports=val.reports, val_labels=val.labels
    )
    calibration = fit(of_val, val.labels, Objective.parse(objective))
    named = name_labels(with_temperatures(of_test, calibration.temperatures), calibration.thresholds)
    assert found == evaluate_labels(named, test.labels, test.patient_ids, resamples=3)
