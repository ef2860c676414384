"""The public address of the caption metrics."""

from tienet.evaluation import captions
from tienet.evaluation.metrics.captions import CaptionScorer


def test_the_scorer_is_the_one_of_the_metrics():
    assert captions.CaptionScorer is CaptionScorer
    assert captions.__all__ == ["CaptionScorer"]
