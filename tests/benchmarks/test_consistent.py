"""The grid over settings of `--decode consistent`: its figures are those of an evaluation."""

import numpy as np
import pytest

from benchmarks import consistent
from tienet.data.text import tokenize
from tienet.evaluation.metrics.captions import bleu4
from tienet.evaluation.metrics.named_labels import evaluate_labels
from tienet.labels import K

TRUE = ["the heart is large . no effusion .", "the lungs are clear .", "", "a mass in the left lung ."]
WRITTEN = ["the heart is large . no mass .", "the lungs are clear", "clear", "the left lung is clear . no mass ."]


def test_bleu_is_that_of_an_evaluation():
    counts = [consistent._bleu_counts(tokenize(one), tokenize(other)) for one, other in zip(WRITTEN, TRUE, strict=True)]
    assert consistent.bleu4(np.array(counts)) == pytest.approx(bleu4(TRUE, WRITTEN), rel=1e-6)


def test_the_rates_are_those_of_an_evaluation():
    random = np.random.default_rng(0)
    named, true = (random.integers(0, 2, (30, K)).astype(float) for _ in range(2))
    true[random.random(true.shape) < 0.2] = np.nan
    expected = evaluate_labels(named, true, [str(n) for n in range(30)], resamples=1)["micro"]
    found = consistent._rates(named, true)
    assert [found[name] for name in ("precision", "recall", "F1")] == pytest.approx(
        [expected[name] for name in ("precision", "recall", "f1")]
    )


def test_how_many_distinct_reports_more_studies_would_have():
    assert consistent.distinct_of(np.array([str(n) for n in range(40)]), 80) == pytest.approx(80)
    assert consistent.distinct_of(np.array(["clear"] * 40), 80) == 1
    some = np.array([str(n % 7) for n in range(40)])
    assert 7 <= consistent.distinct_of(some, 80) < 10


def test_the_settings_are_decodings():
    settings = consistent.settings_of(0.7, 8)
    assert {setting.n for setting in settings} == {4, 8} and len(set(settings)) == len(settings)
    alone = [consistent.decoding_of(setting) for setting in settings if setting.name == "l alone"]
    assert all((d.likelihood_weight, d.consistency_weight, d.agreement_weight) == (1, 0, 0) for d in alone)
